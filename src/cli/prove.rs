//! `drillyard prove`

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::args::{ProveArgs, color_of_stderr, color_of_stdout};
use super::files::{self, Loaded};
use super::run::{Selected, drills, load};
use super::signals::{self, Interruption};
use super::{Result, Stop, block_on, print_all, setup};
use crate::journal::{ExitCode, Heard, Journal, Outcome, Problem, Redactor};
use crate::plan::NamedBreak;
use crate::prove::{Options, Proof, Verdict, prove as prove_one, remedy};
use crate::run::{Env, Finished, Keep, Reaper, RunDirectory};

/// Breaks what was selected, and demands that it notices.
pub fn prove(args: ProveArgs) -> Result<ExitCode> {
    let started = (jiff::Timestamp::now(), Instant::now());
    let mut told = Told::default();
    let ended = prove_selected(&args, &mut told);
    let code = match &ended {
        Ok(code) => *code,
        Err(stop) => stop.code,
    };
    let asked = args.drills.out.reports.0.iter().find(|(format, _)| format.name == "json");
    let Some((_, path)) = asked.filter(|_| code != ExitCode::Usage) else { return ended };
    let report = json!({
        "drillyard": 1,
        "command": "prove",
        "run": told.run,
        "started": started.0.to_string(),
        "duration_ms": started.1.elapsed().as_millis() as u64,
        "outcome": outcome(code).as_str(),
        "exit_code": code.code(),
        "error": ended.as_ref().err().map(|stop| stop.problems.iter().map(|p| p.text()).collect::<Vec<_>>().join("\n")),
        "drills": told.drills,
    });
    write_report(path, &report)?;
    ended
}

/// What the report tells.
#[derive(Default)]
struct Told {
    run: String,
    drills: Vec<Value>,
}

fn outcome(code: ExitCode) -> Outcome {
    match code {
        ExitCode::Passed | ExitCode::Unclean => Outcome::Passed,
        ExitCode::Failed => Outcome::Failed,
        _ => Outcome::Errored,
    }
}

fn write_report(path: &Path, report: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(report).unwrap_or_default() + "\n";
    std::fs::write(path, text).map_err(|e| Stop::lab(format!("cannot write {}: {e}", path.display())))
}

fn prove_selected(args: &ProveArgs, told: &mut Told) -> Result<ExitCode> {
    let Selected { loaded, found, .. } = load(&args.as_run())?;
    if loaded.is_empty() {
        return Err(files::nothing_selected(found));
    }
    let mut invalid = false;
    for problems in loaded.iter().filter_map(|one| one.plan.as_ref().err()) {
        invalid = true;
        super::check::print_problems(problems, color_of_stderr(Some(args.drills.out.color)));
    }
    if invalid {
        return Ok(ExitCode::InvalidScenario);
    }
    something_to_break(args, &loaded)?;
    block_on(prove_loaded(args, loaded, told))
}

async fn prove_loaded(args: &ProveArgs, loaded: Vec<Loaded>, told: &mut Told) -> Result<ExitCode> {
    let cancel = CancellationToken::new();
    let interruption =
        signals::listen(cancel.clone()).map_err(|e| Stop::lab(format!("cannot listen for signals: {e}")))?;
    let (directory, mut reaper) = setup::begin()?;
    told.run = directory.run().to_owned();
    let ended = prove_in(args, &loaded, &directory, (&mut reaper, cancel, &interruption), told).await;
    if ended.is_err() {
        let _ = std::fs::remove_dir_all(directory.path());
    }
    match ended {
        Ok((code, true)) => Ok(code),
        Ok((code, false)) => {
            reaper.dismiss();
            Ok(code)
        }
        Err(stop) => {
            reaper.dismiss();
            Err(stop)
        }
    }
}

/// With the exit code, whether there is something left for the reaper.
async fn prove_in(
    args: &ProveArgs,
    loaded: &[Loaded],
    directory: &RunDirectory,
    (reaper, cancel, interruption): (&mut Reaper, CancellationToken, &Interruption),
    told: &mut Told,
) -> Result<(ExitCode, bool)> {
    let as_run = args.as_run();
    let chosen = setup::choose(&as_run, loaded, &cancel, interruption).await?;
    setup::tell_reaper(reaper, &chosen)?;
    let (drills, _) = drills(&as_run, loaded, &chosen);
    if drills.is_empty() {
        let asked: Vec<String> = args.drills.postgres.iter().map(ToString::to_string).collect();
        let stop = files::nothing_selected(loaded.len());
        return Err(stop.help(format!("none of these drills is meant for PostgreSQL {}", asked.join(", "))));
    }
    let heard = Heard::default();
    let secrets = loaded.iter().filter_map(|one| one.plan.as_ref().ok()).flat_map(|plan| plan.secrets.clone());
    let redactor = Redactor::of(secrets);
    let journal = Journal::new(vec![Box::new(heard.clone())], redactor.clone());
    let sweeping = tokio::spawn(setup::sweep_earlier(chosen.backend.clone()));
    if !args.drills.out.quiet {
        let (backend, reason) = (chosen.backend.name(), &chosen.reason);
        let counted = if drills.len() == 1 { "1 drill".to_owned() } else { format!("{} drills", drills.len()) };
        let run = directory.run();
        print_all(&format!("run {run}: proving {counted} on {backend} ({reason}), seed {}\n", args.drills.seed));
    }
    let backend = chosen.backend.name();
    let env = Arc::new(Env {
        backend: chosen.backend,
        run: directory.run().to_owned(),
        dir: directory.path().to_owned(),
        // Of drills that are meant to fail nobody needs the logs afterwards.
        records: directory.path().join("records"),
        journal,
        keep: Keep::Never,
        gate: None,
        cancel: cancel.clone(),
    });
    let options = Options { jobs: args.jobs, only: args.only.clone() };
    let mut finished = Finished::default();
    let (mut next, mut score) = (0, Score::default());
    for drill in &drills {
        if cancel.is_cancelled() {
            break;
        }
        let began = Instant::now();
        let mut proof = prove_one(&env, &heard, drill, &options, &mut next).await;
        finished.left.append(&mut proof.left);
        let own = Score::of(&proof);
        score.add(&own);
        print_all(&redactor.text(&shown(args, &proof, &own, backend)));
        let took_ms = began.elapsed().as_millis() as u64;
        told.drills.push(told_of(&proof, &own, (backend, drill.seed, took_ms), &redactor));
    }
    setup::clear(directory, &mut finished).await;
    let swept = tokio::time::timeout(std::time::Duration::from_secs(10), sweeping).await;
    if let Ok(Ok(swept)) = swept {
        for failed in swept.failed {
            super::complain(&format!("warning: an earlier run's remains could not be removed: {failed}"));
        }
    }
    for left in &finished.left {
        super::complain(&format!("warning: not removed: {left}"));
    }
    print_all(&score.line());
    let code = interruption.exit_code().unwrap_or_else(|| score.exit_code(&finished));
    Ok((code, finished.left_behind()))
}

/// A drill that nothing can be broken in proves nothing, and no more does a `--only` that names no break.
fn something_to_break(args: &ProveArgs, loaded: &[Loaded]) -> Result<()> {
    let plans = loaded.iter().filter_map(|one| one.plan.as_ref().ok());
    let names: Vec<&str> = plans.flat_map(|plan| plan.breaks.iter().map(|one| one.name.as_str())).collect();
    let Some(only) = &args.only else {
        let stop = Stop { problems: vec![Problem::new("there is nothing to break")], code: ExitCode::NothingSelected };
        return match names.is_empty() {
            true => Err(stop.help("these drills have no recovery, no incident and no judgement that could be broken")),
            false => Ok(()),
        };
    };
    if names.iter().any(|name| name.contains(only.as_str())) {
        return Ok(());
    }
    let stop = Stop::usage(format!("--only {only}: no break is called so"));
    Err(match crate::source::did_you_mean(only, names.iter().copied()) {
        Some(near) => stop.help(format!("did you mean `{near}`?")),
        None => stop.help(format!("they are {}", crate::source::choices(names.iter().copied(), "and"))),
    })
}

/// How many breaks came out how.
#[derive(Debug, Clone, Copy, Default)]
struct Score {
    noticed: usize,
    missed: usize,
    ignored: usize,
    unjudged: usize,
    /// Drills that failed unbroken.
    failed: usize,
    /// Drills that could not be judged unbroken.
    errored: usize,
}

impl Score {
    fn of(proof: &Proof) -> Self {
        let count = |is: fn(&Verdict) -> bool| proof.breaks.iter().filter(|(_, verdict)| is(verdict)).count();
        Score {
            noticed: count(|verdict| matches!(verdict, Verdict::Noticed(_))),
            missed: count(|verdict| matches!(verdict, Verdict::Missed(_))),
            ignored: count(|verdict| matches!(verdict, Verdict::Ignored(_))),
            unjudged: count(|verdict| matches!(verdict, Verdict::Unjudged(_))),
            failed: usize::from(proof.unbroken == Outcome::Failed),
            errored: usize::from(proof.unbroken == Outcome::Errored),
        }
    }

    fn add(&mut self, other: &Score) {
        self.noticed += other.noticed;
        self.missed += other.missed;
        self.ignored += other.ignored;
        self.unjudged += other.unjudged;
        self.failed += other.failed;
        self.errored += other.errored;
    }

    /// How many breaks count.
    fn counted(&self) -> usize {
        self.noticed + self.missed + self.unjudged
    }

    /// In percent, rounded down: 100 is all of them.
    fn percent(&self) -> usize {
        (self.noticed * 100).checked_div(self.counted()).unwrap_or_default()
    }

    fn line(&self) -> String {
        let mut line = format!("score: {} of {} ({}%)", self.noticed, self.counted(), self.percent());
        let others = [
            (self.ignored, "ignored"),
            (self.unjudged, "could not be judged"),
            (self.failed + self.errored, "drills did not pass unbroken"),
        ];
        for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
            let _ = write!(line, ", {count} {what}");
        }
        line + "\n"
    }

    /// Of several, the first of 4, 1, 6.
    fn exit_code(&self, finished: &Finished) -> ExitCode {
        match () {
            () if self.errored + self.unjudged > 0 => ExitCode::Lab,
            () if self.failed + self.missed > 0 => ExitCode::Failed,
            () if !finished.left.is_empty() => ExitCode::Unclean,
            () => ExitCode::Passed,
        }
    }
}

/// A proof as people read it.
fn shown(args: &ProveArgs, proof: &Proof, score: &Score, backend: &str) -> String {
    let color = color_of_stdout(Some(args.drills.out.color));
    let plan = &proof.plan;
    let mut text = format!("{} ({}, {backend}): ", plan.name, proof.postgres);
    if proof.unbroken != Outcome::Passed {
        let word = if proof.unbroken == Outcome::Failed { "fails" } else { "could not be judged" };
        let _ = writeln!(text, "nothing is proved: it {word} unbroken");
        for problem in &proof.problems {
            text += &crate::report::render(problem, color);
        }
        return text;
    }
    let breaks = if proof.breaks.len() == 1 { "1 break" } else { "breaks" };
    let _ = match proof.breaks.len() {
        1 => writeln!(text, "{breaks}"),
        many => writeln!(text, "{many} {breaks}"),
    };
    if args.drills.out.quiet && score.missed + score.unjudged == 0 {
        return String::new();
    }
    let width = proof.breaks.iter().map(|(one, _)| one.name.chars().count()).max().unwrap_or_default();
    for (one, verdict) in &proof.breaks {
        let (word, said, style) = match verdict {
            Verdict::Noticed(sign) => ("noticed", by(sign), "32"),
            Verdict::Missed(passed) => ("MISSED", passed_over(one, passed), "31;1"),
            Verdict::Ignored(because) => ("ignored", because.clone(), "33"),
            Verdict::Unjudged(why) => ("ERRORED", format!("could not be judged: {why}"), "35;1"),
        };
        if args.drills.out.quiet && matches!(verdict, Verdict::Noticed(_) | Verdict::Ignored(_)) {
            continue;
        }
        // What could be added stands at the end.
        let whole = args.drills.out.verbose || matches!(verdict, Verdict::Missed(_));
        let said = if whole { said } else { cut(&said) };
        let word = if color { format!("\x1b[{style}m{word:7}\x1b[0m") } else { format!("{word:7}") };
        let _ = writeln!(text, "  {word}  {:width$}  {said}", one.name);
    }
    text
}

/// Why a break was missed: what passed over it, and what would not.
fn passed_over(one: &NamedBreak, passed: &[String]) -> String {
    const MOST: usize = 5;
    let more = passed.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let by = match passed {
        [] => "everything passed: no judgement comes after it".to_owned(),
        some => format!("everything passed: {}{more}", some[..some.len().min(MOST)].join(", ")),
    };
    format!("{by}; {}", remedy(&one.what))
}

fn by(sign: &crate::prove::Sign) -> String {
    let place = if sign.place.is_empty() { String::new() } else { format!(" ({})", sign.place) };
    format!("by {}{place}: {}", sign.by, sign.said)
}

/// As much as fits on most lines.
fn cut(said: &str) -> String {
    const MOST: usize = 140;
    match said.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}...", said[..at].trim_end()),
        None => said.to_owned(),
    }
}

/// A proof as programs read it.
fn told_of(proof: &Proof, score: &Score, how: (&str, u64, u64), redactor: &Redactor) -> Value {
    let (backend, seed, took_ms) = how;
    let breaks = proof.breaks.iter().map(|(one, verdict)| {
        let (word, by, place, message) = match verdict {
            Verdict::Noticed(sign) => {
                ("noticed", Some(sign.by.clone()), Some(sign.place.clone()), Some(sign.said.clone()))
            }
            Verdict::Missed(passed) => ("missed", None, None, Some(passed_over(one, passed))),
            Verdict::Ignored(because) => ("ignored", None, None, Some(because.clone())),
            Verdict::Unjudged(why) => ("errored", None, None, Some(why.clone())),
        };
        let [by, place, message] = [by, place, message].map(|text| text.map(|text| redactor.text(&text)));
        json!({ "break": redactor.text(&one.name), "verdict": word, "by": by, "place": place, "message": message })
    });
    json!({
        "name": redactor.text(&proof.plan.name),
        "file": redactor.text(proof.plan.source.file()),
        "postgres": proof.postgres,
        "backend": backend,
        "seed": seed,
        "unbroken": proof.unbroken.as_str(),
        "unbroken_ms": proof.duration.as_millis() as u64,
        "duration_ms": took_ms,
        "noticed": score.noticed,
        "missed": score.missed,
        "ignored": score.ignored,
        "errored": score.unjudged,
        "problems": proof.problems.iter().map(|problem| redactor.text(&problem.text())).collect::<Vec<_>>(),
        "breaks": breaks.collect::<Vec<_>>(),
    })
}
