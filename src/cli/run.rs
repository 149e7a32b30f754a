//! `drillyard run`

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::args::{GithubChoice, KeepChoice, RunArgs, color_of_stderr, color_of_stdout};
use super::backend::Chosen;
use super::files::{self, Loaded};
use super::signals::{self, Interruption};
use super::{Result, Stop, block_on, frame, places, step_by_step};
use crate::journal::{Event, ExitCode, Journal, Listener, Outcome, Problem, Redactor};
use crate::report::{EventsTo, GithubOptions, ReportOptions, TerminalOptions, Verbosity, WriteFailures};
use crate::run::{Drill, Env, Finished, Keep, Order, RunDirectory, run_all};

/// How many past runs' records are kept.
const RECORDS: usize = 50;

/// Runs what was selected.
pub fn run(args: RunArgs) -> Result<ExitCode> {
    let (loaded, found) = load(&args)?;
    if loaded.is_empty() {
        return Err(not_begun(&args, "", 0, files::nothing_selected(found)));
    }
    if let Some(step) = &args.break_at {
        check_break(step, &loaded)?;
    }
    block_on(run_loaded(args, loaded))
}

/// Reads what was asked for. With it, how many files were found.
pub(super) fn load(args: &RunArgs) -> Result<(Vec<Loaded>, usize)> {
    let mut loaded = files::load(&files::find(&args.selection.paths)?, &args.selection.set);
    let found = loaded.len();
    files::check_set(&args.selection.set, &loaded)?;
    let mut index = 0;
    loaded.retain(|one| match &one.plan {
        Ok(plan) => {
            let in_part = args.partition.is_none_or(|partition| partition.takes(index, &plan.name));
            index += 1;
            in_part && files::selected(plan, &args.selection)
        }
        Err(_) => true,
    });
    if let Some(timeout) = args.timeout {
        for one in &mut loaded {
            if let Ok(plan) = &mut one.plan
                && let Some(plan) = Arc::get_mut(plan)
            {
                plan.timeout = timeout;
            }
        }
    }
    Ok((loaded, found))
}

/// A `--break` at a step that no drill has is a mistake: nothing would ever stop there.
fn check_break(step: &str, loaded: &[Loaded]) -> Result<()> {
    let plans = || loaded.iter().filter_map(|one| one.plan.as_ref().ok());
    let steps = || plans().flat_map(|plan| plan.steps.iter());
    let is_here = |head: &crate::journal::StepHead| head.id.as_deref() == Some(step) || step.parse() == Ok(head.index);
    if plans().count() < loaded.len() || steps().any(|planned| is_here(&planned.head)) {
        return Ok(());
    }
    let ids = steps().filter_map(|planned| planned.head.id.as_deref());
    let stop = Stop::usage(format!("--break {step}: no step has this id or number"));
    Err(match crate::source::did_you_mean(step, ids) {
        Some(near) => stop.help(format!("did you mean `{near}`?")),
        None => stop.help("`drillyard plan FILE` shows the steps with their numbers"),
    })
}

async fn run_loaded(args: RunArgs, loaded: Vec<Loaded>) -> Result<ExitCode> {
    let cancel = CancellationToken::new();
    let interruption =
        signals::listen(cancel.clone()).map_err(|e| Stop::lab(format!("cannot listen for signals: {e}")))?;
    let invalid: Vec<&Loaded> = loaded.iter().filter(|one| one.plan.is_err()).collect();
    if !invalid.is_empty() {
        return refuse(&args, &invalid);
    }
    let directory = match RunDirectory::make(&places::work()) {
        Ok(directory) => directory,
        Err(error) => return Err(not_begun(&args, "", loaded.len(), error.into())),
    };
    let outcome = run_in(&args, &loaded, &directory, cancel, &interruption).await;
    outcome.map_err(|stop| {
        let _ = std::fs::remove_dir_all(directory.path());
        not_begun(&args, directory.run(), loaded.len(), stop)
    })
}

/// Writes the reports of a run that ended before its first drill, so that they are there and agree with the exit code.
fn not_begun(args: &RunArgs, run: &str, drills: usize, stop: Stop) -> Stop {
    if stop.code == ExitCode::Usage {
        return stop;
    }
    // Its message goes to the terminal as every early end's does.
    let Ok((listeners, failures)) = listeners(args, None, ToTerminal::Nothing) else { return stop };
    let journal = Journal::new(listeners, Redactor::default());
    journal.write(Event::RunStarted {
        run: run.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        drills,
        backend: "none".to_owned(),
        backend_reason: "nothing was started".to_owned(),
        seed: args.seed,
    });
    for problem in &stop.problems {
        journal.write(Event::Warned { drill: None, message: problem.text() });
    }
    journal.write(Event::RunFinished {
        outcome: Outcome::Errored,
        exit_code: stop.code.code(),
        duration_ms: journal.elapsed_ms(),
    });
    for failure in failures.iter().flat_map(WriteFailures::list) {
        super::complain(&format!("error: {failure}"));
    }
    stop
}

/// What the terminal, or what stands in its place, is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ToTerminal {
    Run,
    Nothing,
}

/// Listeners, and where they note what could not be written.
type Listening = (Vec<Box<dyn Listener>>, Vec<WriteFailures>);

/// The listeners of a run.
fn listeners(args: &RunArgs, records: Option<&Path>, to_terminal: ToTerminal) -> Result<Listening> {
    let out = &args.out;
    let events_to_stdout = out.events.as_deref().is_some_and(|path| path == Path::new("-"));
    let verbosity = match (out.quiet, out.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    let progress = std::io::stderr().is_terminal() && !in_ci && !out.quiet && !args.step && args.break_at.is_none();
    let (writer, color): (Box<dyn Write + Send>, bool) = match events_to_stdout {
        true => (Box::new(std::io::stderr()), color_of_stderr(Some(out.color))),
        false => (Box::new(std::io::stdout()), color_of_stdout(Some(out.color))),
    };
    let github = out.github == GithubChoice::Auto && std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true");
    let options = ReportOptions {
        terminal: (to_terminal == ToTerminal::Run)
            .then(|| (TerminalOptions { color, progress, verbosity, width: width() }, writer)),
        events: out.events.as_ref().map(|path| match events_to_stdout {
            true => EventsTo::Writer(Box::new(std::io::stdout())),
            false => EventsTo::File(path.clone()),
        }),
        json: out.report_json.clone(),
        junit: out.report_junit.clone(),
        html: out.report_html.clone(),
        markdown: out.report_md.clone(),
        github: github.then(|| GithubOptions {
            out: Box::new(std::io::stdout()),
            summary: std::env::var_os("GITHUB_STEP_SUMMARY").map(Into::into),
        }),
    };
    let reports = options.open().map_err(|e| Stop::usage(e.to_string()))?;
    let (mut listeners, mut failures) = (reports.listeners, vec![reports.failures]);
    if let Some(records) = records {
        let events = Some(EventsTo::File(records.join("events.jsonl")));
        // A home that cannot be written to is no reason not to run: there is just no record.
        if let Ok(own) = (ReportOptions { events, ..ReportOptions::default() }).open() {
            listeners.extend(own.listeners);
            failures.push(WriteFailures::default());
        }
    }
    Ok((listeners, failures))
}

/// How wide lines may be: COLUMNS, else the terminal's own width, else what most windows have.
fn width() -> usize {
    const USUAL: u16 = 100;
    let own = || console::Term::stderr().size_checked().map_or(USUAL, |(_, columns)| columns);
    std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| usize::from(own()))
}

/// Invalid scenarios: all their errors are told, and nothing is started.
fn refuse(args: &RunArgs, invalid: &[&Loaded]) -> Result<ExitCode> {
    let (listeners, _) = listeners(args, None, ToTerminal::Run)?;
    let journal = Journal::new(listeners, Redactor::default());
    let run = String::new();
    journal.write(Event::RunStarted {
        run,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        drills: invalid.len(),
        backend: "none".to_owned(),
        backend_reason: "nothing is started: a scenario is invalid".to_owned(),
        seed: args.seed,
    });
    for (drill, one) in invalid.iter().enumerate() {
        let Err(problems) = &one.plan else { continue };
        let file = one.path.display().to_string();
        let name = one.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        journal.write(Event::DrillStarted {
            drill,
            name,
            file: file.clone(),
            about: String::new(),
            postgres: String::new(),
            backend: "none".to_owned(),
            seed: args.seed,
            steps: vec![],
        });
        super::check::print_problems(problems, color_of_stderr(Some(args.out.color)));
        let errors = super::check::count_of_errors(problems.len());
        journal.write(Event::DrillFinished {
            drill,
            outcome: Outcome::Errored,
            duration_ms: 0,
            message: Some(format!("the scenario has {errors}")),
            problem: None,
            again: format!("drillyard check {file}"),
            kept: false,
        });
    }
    let code = ExitCode::InvalidScenario;
    journal.write(Event::RunFinished {
        outcome: Outcome::Errored,
        exit_code: code.code(),
        duration_ms: journal.elapsed_ms(),
    });
    Ok(code)
}

/// The drills of a run: every plan on each of its versions.
pub(super) fn drills(
    args: &RunArgs,
    loaded: &[Loaded],
    chosen: &Chosen,
) -> (Vec<Drill>, Vec<(Arc<crate::plan::Plan>, String)>) {
    let newest = chosen.installations.iter().map(|one| one.version.major).max().unwrap_or_default();
    let (mut drills, mut skipped) = (Vec::new(), Vec::new());
    for round in 0..args.repeat {
        let seed = args.seed.wrapping_add(u64::from(round));
        for plan in loaded.iter().filter_map(|one| one.plan.as_ref().ok()) {
            let majors: Vec<u32> = match (args.postgres.as_slice(), plan.postgres.as_slice()) {
                ([], []) => vec![newest],
                ([], listed) => listed.to_vec(),
                (asked, []) => asked.to_vec(),
                (asked, listed) => asked.iter().filter(|major| listed.contains(major)).copied().collect(),
            };
            if majors.is_empty() && round == 0 {
                let listed: Vec<String> = plan.postgres.iter().map(ToString::to_string).collect();
                skipped.push((plan.clone(), format!("meant for PostgreSQL {}", listed.join(", "))));
            }
            for major in majors {
                let again = again(args, plan, major, seed);
                drills.push(Drill { plan: plan.clone(), major, seed, again, change: Arc::default() });
            }
        }
    }
    (drills, skipped)
}

/// Why this backend; and which of the releases that the drills run on are newer than what drillyard was tested with.
fn with_untested(chosen: &Chosen, drills: &[Drill]) -> String {
    let used = chosen.installations.iter().filter(|one| drills.iter().any(|drill| drill.major == one.version.major));
    let untested = used.filter_map(|one| one.version.untested()).map(|why| format!("; WARNING: {why}"));
    format!("{}{}", chosen.reason, untested.collect::<String>())
}

/// The command that runs one drill again.
fn again(args: &RunArgs, plan: &crate::plan::Plan, major: u32, seed: u64) -> String {
    let quoted = |text: &str| match text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:{},".contains(c)) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    };
    let mut words = vec!["drillyard run".to_owned(), format!("--seed {seed}")];
    if !args.postgres.is_empty() || plan.postgres.len() > 1 {
        words.push(format!("--postgres {major}"));
    }
    words.extend(
        args.selection
            .set
            .iter()
            .filter(|(name, _)| plan.params.contains(name))
            .map(|(k, v)| format!("--set {}", quoted(&format!("{k}={v}")))),
    );
    words.push(quoted(plan.source.file()));
    words.join(" ")
}

async fn run_in(
    args: &RunArgs,
    loaded: &[Loaded],
    directory: &RunDirectory,
    cancel: CancellationToken,
    interruption: &Interruption,
) -> Result<ExitCode> {
    let chosen = frame::choose(args, loaded, &cancel, interruption).await?;
    let (drills, skipped) = drills(args, loaded, &chosen);
    if drills.is_empty() {
        let reasons: Vec<String> = skipped.iter().map(|(plan, reason)| format!("{}: {reason}", plan.name)).collect();
        let stop = Stop { problems: vec![Problem::new("no scenario was selected")], code: ExitCode::NothingSelected };
        return Err(stop.help(reasons.join("\n")));
    }
    let records = places::records().join(directory.run());
    let recorded = std::fs::create_dir_all(&records).is_ok();
    places::prune_records(&places::records(), RECORDS);
    let (listeners, failures) = listeners(args, recorded.then_some(records.as_path()), ToTerminal::Run)?;
    let secrets = loaded.iter().filter_map(|one| one.plan.as_ref().ok()).flat_map(|plan| plan.secrets.clone());
    let redactor = Redactor::of(secrets);
    let reaper = frame::start_reaper(directory, &chosen)?;
    let journal = Journal::new(listeners, redactor);
    journal.write(Event::RunStarted {
        run: directory.run().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        drills: drills.len() + skipped.len(),
        backend: chosen.backend.kind().as_str().to_owned(),
        backend_reason: with_untested(&chosen, &drills),
        seed: args.seed,
    });
    let sweeping = tokio::spawn(frame::sweep_earlier(chosen.backend.kind()));
    for (drill, (plan, reason)) in skipped.iter().enumerate() {
        skip(&journal, drill, plan, reason, args);
    }
    let gate = (args.step || args.break_at.is_some()).then(|| {
        Arc::new(step_by_step::Ask { every: args.step, at: args.break_at.clone() }) as Arc<dyn crate::run::Gate>
    });
    let env = Arc::new(Env {
        backend: chosen.backend,
        run: directory.run().to_owned(),
        dir: directory.path().to_owned(),
        records,
        journal: journal.clone(),
        keep: match args.keep {
            KeepChoice::Never => Keep::Never,
            KeepChoice::OnFailure => Keep::OnFailure,
            KeepChoice::Always => Keep::Always,
        },
        gate,
        cancel: cancel.clone(),
    });
    let order = Order { jobs: args.jobs, fail_fast: args.fail_fast };
    let mut finished = run_all(env, drills, order, skipped.len()).await;
    let clean_start = Instant::now();
    frame::clear(directory, reaper, &mut finished).await;
    frame::tell_sweep(&journal, sweeping, cancel.is_cancelled()).await;
    journal
        .write(Event::CleanedUp { left: finished.left.clone(), duration_ms: clean_start.elapsed().as_millis() as u64 });
    Ok(conclude(&journal, &finished, interruption, &failures))
}

fn conclude(
    journal: &Journal,
    finished: &Finished,
    interruption: &Interruption,
    failures: &[WriteFailures],
) -> ExitCode {
    // Asked once: a signal that comes later changes neither the reports nor the exit code.
    let code = interruption.exit_code().unwrap_or_else(|| finished.exit_code());
    let outcome = match code {
        ExitCode::Passed | ExitCode::Unclean => Outcome::Passed,
        ExitCode::Failed => Outcome::Failed,
        _ => Outcome::Errored,
    };
    journal.write(Event::RunFinished { outcome, exit_code: code.code(), duration_ms: journal.elapsed_ms() });
    let unwritten: Vec<String> = failures.iter().flat_map(WriteFailures::list).collect();
    for failure in &unwritten {
        super::complain(&format!("error: {failure}"));
    }
    match (code, unwritten.is_empty()) {
        (ExitCode::Passed | ExitCode::Unclean, false) => ExitCode::Lab,
        _ => code,
    }
}

fn skip(journal: &Journal, drill: usize, plan: &crate::plan::Plan, reason: &str, args: &RunArgs) {
    journal.write(Event::DrillStarted {
        drill,
        name: plan.name.clone(),
        file: plan.source.file().to_owned(),
        about: plan.about.clone(),
        postgres: String::new(),
        backend: String::new(),
        seed: args.seed,
        steps: plan.steps.iter().map(|step| step.head.clone()).collect(),
    });
    journal.write(Event::DrillFinished {
        drill,
        outcome: Outcome::Skipped,
        duration_ms: 0,
        message: Some(reason.to_owned()),
        problem: None,
        again: format!("drillyard run {}", plan.source.file()),
        kept: false,
    });
}
