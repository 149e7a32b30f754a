//! `drillyard run`

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::args::{KeepChoice, RunArgs, color_of_stderr};
use super::backend::Chosen;
use super::files::{self, Loaded};
use super::outputs::{self, ToTerminal, Unwritten};
use super::signals::{self, Interruption};
use super::{Result, Stop, block_on, dirs, setup, step_by_step};
use crate::journal::{Event, ExitCode, Journal, Outcome, Problem, Redactor};
use crate::run::{Drill, Env, Keep, Order, Reaper, RunDirectory, run_all};

/// How many past runs' records are kept.
const RECORDS: usize = 50;

/// Runs what was selected.
pub fn run(args: RunArgs) -> Result<ExitCode> {
    let selected = load(&args)?;
    block_on(run_selected(args, selected))
}

/// What was asked for.
pub(super) struct Selected {
    /// The scenarios of this part, and those that cannot be read.
    pub loaded: Vec<Loaded>,
    /// How many files were found.
    pub found: usize,
    /// How many drills of all parts are meant for the versions that were asked for.
    pub meant: usize,
}

/// Reads what was asked for.
pub(super) fn load(args: &RunArgs) -> Result<Selected> {
    let mut loaded = files::load(&files::find(&args.drills.selection.paths)?, &args.drills.selection.set);
    let found = loaded.len();
    files::check_set(&args.drills.selection.set, &loaded)?;
    loaded.retain(|one| one.plan.as_ref().map_or(true, |plan| files::selected(plan, &args.drills.selection)));
    let plans = loaded.iter().filter_map(|one| one.plan.as_ref().ok());
    let meant = plans.filter(|plan| !majors(args, plan, 0).is_empty()).count();
    // Parts are made of what is selected, so that each has its share of it.
    let mut index = 0;
    loaded.retain(|one| match &one.plan {
        Ok(plan) => {
            index += 1;
            args.partition.is_none_or(|partition| partition.takes(index - 1, &plan.name))
        }
        Err(_) => true,
    });
    if let Some(timeout) = args.drills.timeout {
        for one in &mut loaded {
            if let Ok(plan) = &mut one.plan
                && let Some(plan) = Arc::get_mut(plan)
            {
                plan.timeout = timeout;
            }
        }
    }
    Ok(Selected { loaded, found, meant })
}

/// The versions that a drill is run on; none where it is not meant for those that were asked for. `newest` is the one when nobody says.
fn majors(args: &RunArgs, plan: &crate::plan::Plan, newest: u32) -> Vec<u32> {
    match (args.drills.postgres.as_slice(), plan.postgres.as_slice()) {
        ([], []) => vec![newest],
        ([], listed) => listed.to_vec(),
        (asked, []) => asked.to_vec(),
        (asked, listed) => asked.iter().filter(|major| listed.contains(major)).copied().collect(),
    }
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

async fn run_selected(args: RunArgs, selected: Selected) -> Result<ExitCode> {
    let cancel = CancellationToken::new();
    let interruption =
        signals::listen(cancel.clone()).map_err(|e| Stop::lab(format!("cannot listen for signals: {e}")))?;
    let loaded = &selected.loaded;
    let invalid: Vec<&Loaded> = loaded.iter().filter(|one| one.plan.is_err()).collect();
    if !invalid.is_empty() {
        return refuse(&args, &invalid, &cancel).await;
    }
    if loaded.is_empty() && selected.meant == 0 {
        return Err(not_begun(&args, "", 0, files::nothing_selected(selected.found), &cancel).await);
    }
    if let Some(step) = &args.break_at
        && !loaded.is_empty()
    {
        check_break(step, loaded)?;
    }
    let (directory, mut reaper) = match setup::begin() {
        Ok(begun) => begun,
        Err(stop) => return Err(not_begun(&args, "", loaded.len(), stop, &cancel).await),
    };
    match run_in(&args, &selected, &directory, &mut reaper, cancel.clone(), &interruption).await {
        Ok(ended) => {
            if !ended.left_behind {
                reaper.dismiss();
            }
            Ok(ended.code)
        }
        Err(mut stop) => {
            stop.code = interruption.exit_code().unwrap_or(stop.code);
            let _ = std::fs::remove_dir_all(directory.path());
            reaper.dismiss();
            Err(not_begun(&args, directory.run(), loaded.len(), stop, &cancel).await)
        }
    }
}

/// Writes the reports of a run that ended before its first drill, so that they are there and agree with the exit code.
async fn not_begun(args: &RunArgs, run: &str, drills: usize, stop: Stop, cancel: &CancellationToken) -> Stop {
    if stop.code == ExitCode::Usage {
        return stop;
    }
    let hurried = cancel.is_cancelled().then(|| outputs::without_unread(args));
    // Its message goes to the terminal as every early end's does.
    let opened = outputs::open(hurried.as_ref().unwrap_or(args), None, ToTerminal::Nothing, cancel).await;
    let Ok(outputs) = opened else { return stop };
    let unwritten = Unwritten::of(&outputs);
    let journal = Journal::new(outputs.listeners, Redactor::default());
    journal.write(Event::RunStarted {
        run: run.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        drills,
        backend: "none".to_owned(),
        backend_reason: "nothing was started".to_owned(),
        seed: args.drills.seed,
    });
    for problem in &stop.problems {
        journal.write(Event::Warned { drill: None, message: problem.text() });
    }
    let code = unwritten.conclude(&journal, stop.code);
    Stop { code, ..stop }
}

/// Invalid scenarios: all their errors are told, and nothing is started.
async fn refuse(args: &RunArgs, invalid: &[&Loaded], cancel: &CancellationToken) -> Result<ExitCode> {
    let outputs = outputs::open(args, None, ToTerminal::Run, cancel).await?;
    let unwritten = Unwritten::of(&outputs);
    let journal = Journal::new(outputs.listeners, Redactor::default());
    let run = String::new();
    journal.write(Event::RunStarted {
        run,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        drills: invalid.len(),
        backend: "none".to_owned(),
        backend_reason: "nothing is started: a scenario is invalid".to_owned(),
        seed: args.drills.seed,
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
            seed: args.drills.seed,
            steps: vec![],
        });
        super::check::print_problems(problems, color_of_stderr(Some(args.drills.out.color)));
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
    Ok(unwritten.conclude(&journal, ExitCode::InvalidScenario))
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
        let seed = args.drills.seed.wrapping_add(u64::from(round));
        for plan in loaded.iter().filter_map(|one| one.plan.as_ref().ok()) {
            let majors = majors(args, plan, newest);
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
    if !args.drills.postgres.is_empty() || plan.postgres.len() > 1 {
        words.push(format!("--postgres {major}"));
    }
    words.extend(
        args.drills
            .selection
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
    selected: &Selected,
    directory: &RunDirectory,
    reaper: &mut Reaper,
    cancel: CancellationToken,
    interruption: &Interruption,
) -> Result<Ended> {
    let loaded = &selected.loaded;
    let chosen = setup::choose(args, loaded, &cancel, interruption).await?;
    setup::tell_reaper(reaper, &chosen)?;
    let (drills, skipped) = drills(args, loaded, &chosen);
    let empty = args.partition.filter(|_| drills.is_empty() && selected.meant > 0);
    if drills.is_empty() && empty.is_none() {
        let reasons: Vec<String> = skipped.iter().map(|(plan, reason)| format!("{}: {reason}", plan.name)).collect();
        let stop = Stop { problems: vec![Problem::new("no scenario was selected")], code: ExitCode::NothingSelected };
        return Err(stop.help(reasons.join("\n")));
    }
    let records = dirs::records().join(directory.run());
    let outputs = outputs::open(args, Some(&records), ToTerminal::Run, &cancel).await?;
    dirs::prune_records(&dirs::records(), RECORDS);
    let unwritten = Unwritten::of(&outputs);
    let secrets = loaded.iter().filter_map(|one| one.plan.as_ref().ok()).flat_map(|plan| plan.secrets.clone());
    let redactor = Redactor::of(secrets);
    let journal = Journal::new(outputs.listeners, redactor);
    journal.write(Event::RunStarted {
        run: directory.run().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        drills: drills.len() + skipped.len(),
        backend: chosen.backend.name().to_owned(),
        backend_reason: with_untested(&chosen, &drills),
        seed: args.drills.seed,
    });
    let empty = empty
        .map(|part| format!("{part} has no drill: {} in all parts", counted(selected.meant, "drill is", "drills are")));
    for message in outputs.warning.into_iter().chain(empty) {
        journal.write(Event::Warned { drill: None, message });
    }
    let sweeping = tokio::spawn(setup::sweep_earlier(chosen.backend.clone()));
    for (drill, (plan, reason)) in skipped.iter().enumerate() {
        skip(&journal, drill, plan, reason, args);
    }
    let gate = (args.step || args.break_at.is_some()).then(|| {
        let ask = step_by_step::Ask {
            every: args.step,
            at: args.break_at.clone(),
            run: directory.run().to_owned(),
            journal: journal.clone(),
            cancel: cancel.clone(),
            interruption: interruption.clone(),
            lets_go: false.into(),
            talk: tokio::sync::Mutex::default(),
        };
        Arc::new(ask) as Arc<dyn crate::run::Gate>
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
    setup::clear(directory, &mut finished).await;
    setup::tell_sweep(&journal, sweeping, cancel.is_cancelled()).await;
    let duration_ms = (finished.removal + clean_start.elapsed()).as_millis() as u64;
    journal.write(Event::CleanedUp { left: finished.left.clone(), duration_ms });
    // Asked once: a signal that comes later changes neither the reports nor the exit code.
    let code = interruption.exit_code().unwrap_or_else(|| finished.exit_code());
    Ok(Ended { code: unwritten.conclude(&journal, code), left_behind: finished.left_behind() })
}

/// How a run ended.
struct Ended {
    code: ExitCode,
    /// Whether there is something left for the reaper.
    left_behind: bool,
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn skip(journal: &Journal, drill: usize, plan: &crate::plan::Plan, reason: &str, args: &RunArgs) {
    journal.write(Event::DrillStarted {
        drill,
        name: plan.name.clone(),
        file: plan.source.file().to_owned(),
        about: plan.about.clone(),
        postgres: String::new(),
        backend: String::new(),
        seed: args.drills.seed,
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
