//! What running and proving drills have in common, from the arguments to the exit code.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::args::DrillArgs;
use super::attest::Attesting;
use super::choose::{self, Chosen};
use super::dirs;
use super::early::Early;
use super::files;
use super::job::{Job, Stage};
use super::out::block_on;
use super::outputs::{self, ToTerminal, Unwritten};
use super::past::Past;
use super::recording::Recording;
use super::runs;
use super::select::{self, Drills, Selected, Skipped};
use super::signals::{self, Interruption};
use super::stop::{Result, Stop};
use super::tell::Telling;
use crate::host::Backend;
use crate::journal::{Event, ExitCode, Journal, Listener, Outcome, Problem, Redactor};
use crate::pg::Version;
use crate::run::{Env, Finished, Keep, KeptDrill, Leftovers, Named, Reaper, RunDirectory, Sweep, Which, sweep_cache};

/// How many past runs' records are kept.
const RECORDS: usize = 50;

/// Does a job, from reading the scenarios to the exit code.
pub fn carry_out(job: &impl Job) -> Result<ExitCode> {
    job.drills().notify.check().map_err(Stop::usage)?;
    let past = Past::of(job.drills())?;
    let mut selected = select::load(job.drills(), job.has_people())?;
    let evidence = Attesting::open(job.drills(), &selected, past.secrets())?;
    // Who is told of runs is also told of one that ends because nobody knows what has failed.
    let failed = if job.last_failed() { runs::last_failed(&job.drills().history).map(Some) } else { Ok(None) };
    let narrowed = failed.map(|only| selected.narrow(job.drills(), job.part(), only.as_ref()));
    block_on(with_selected(job, &selected, &past, (evidence, narrowed)))
}

/// Nothing is started before everything that can be wrong with the scenarios and the arguments has
/// been told.
async fn with_selected<J: Job>(
    job: &J,
    selected: &Selected,
    past: &Past,
    (evidence, narrowed): (Option<Attesting>, Result<()>),
) -> Result<ExitCode> {
    let cancel = CancellationToken::new();
    let interruption =
        signals::listen(cancel.clone()).map_err(|e| Stop::lab(format!("cannot listen for signals: {e}")))?;
    let telling = Telling::of(job.drills(), selected, J::COMMAND, evidence);
    let early = Early { command: J::COMMAND, args: job.drills(), cancel: &cancel, telling: &telling };
    let (invalid, count) = (selected.invalid(), selected.loaded.len());
    if let Err(stop) = narrowed {
        return Err(early.not_begun("", count, stop).await);
    }
    if !invalid.is_empty() {
        return early.refuse(&invalid, count).await;
    }
    if count == 0 && selected.meant == 0 {
        return Err(early.not_begun("", 0, files::nothing_selected(selected.found)).await);
    }
    if count > 0
        && let Err(stop) = job.check(selected)
    {
        return Err(early.not_begun("", count, stop).await);
    }
    let (directory, mut reaper) = match begin() {
        Ok(begun) => begun,
        Err(stop) => return Err(early.not_begun("", count, stop).await),
    };
    let around = Around { cancel: &cancel, interruption: &interruption, telling: &telling, past };
    match in_directory(job, selected, &directory, &mut reaper, &around).await {
        Ok(ended) => {
            if !ended.left_behind {
                reaper.dismiss();
            }
            stay(job, directory, &ended, &cancel).await;
            Ok(ended.code)
        }
        Err(mut stop) => {
            stop.code = interruption.exit_code().unwrap_or(stop.code);
            let _ = std::fs::remove_dir_all(directory.path());
            reaper.dismiss();
            Err(early.not_begun(directory.run(), count, stop).await)
        }
    }
}

/// What is at work around a run.
struct Around<'a> {
    cancel: &'a CancellationToken,
    interruption: &'a Interruption,
    telling: &'a Telling,
    past: &'a Past,
}

/// How a run ended.
struct Ended {
    code: ExitCode,
    /// Whether there is something left for the reaper.
    left_behind: bool,
    /// The drills whose servers were left running.
    kept: Vec<Arc<KeptDrill>>,
}

/// A keeper stays with the servers that were left running, so that they can be checked again. The
/// run itself has ended: its directory is free to be removed.
async fn stay(job: &impl Job, directory: RunDirectory, ended: &Ended, cancel: &CancellationToken) {
    let Some(keeper) = job.keeper().filter(|_| !ended.kept.is_empty()) else { return };
    let path = directory.path().to_owned();
    drop(directory);
    keeper.release(ended.code);
    // Without it nobody can ask: there is no terminal any more where that could be told.
    let _ = crate::firedrill::stay(&path, &ended.kept, job.last_view(), cancel.clone()).await;
}

/// From the choice of a backend to the last word of the reports.
async fn in_directory<J: Job>(
    job: &J,
    selected: &Selected,
    directory: &RunDirectory,
    reaper: &mut Reaper,
    around: &Around<'_>,
) -> Result<Ended> {
    let Around { cancel, interruption, telling, past } = around;
    let args = job.drills();
    let chosen = choose(args, selected, cancel, interruption).await?;
    tell_reaper(reaper, &chosen)?;
    if job.outlives() {
        reaper.spare()?;
    }
    let mut drills = job.draw(selected.drills(args, J::COMMAND, job.repeat(), &chosen));
    let empty_part = selected.empty_part(&drills);
    if drills.drills.is_empty() && empty_part.is_none() {
        return Err(drills.none());
    }
    let own_records = dirs::records().join(directory.run());
    let mut out = args.out.clone();
    let recording = Recording::begin(&mut out, J::RECORDED, &drills)?;
    let outputs = outputs::open(&out, Some((&own_records, J::RECORDED)), terminal_of(job), cancel).await?;
    dirs::prune_records(&dirs::records(), RECORDS);
    let unwritten = Unwritten::of(&outputs);
    let journal = journal(job, selected, job.listeners(outputs.listeners, own_records.clone()), around);
    journal.write(Event::RunStarted {
        run: directory.run().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: J::COMMAND,
        drills: drills.drills.len() + drills.skipped.len(),
        backend: chosen.backend.name().to_owned(),
        backend_reason: with_untested(&chosen, &drills),
        seed: args.seed(),
    });
    past.look_up(&journal, &mut drills.drills, chosen.backend.name()).await;
    first_words(&journal, &chosen, outputs.warning.into_iter().chain(empty_part)).await;
    for (drill, skipped) in drills.skipped.iter().enumerate() {
        skip(&journal, drill, skipped, args.seed());
    }
    let sweeping = Sweeping::begin(chosen.backend.clone());
    let env = Env {
        backend: chosen.backend,
        run: directory.run().to_owned(),
        dir: directory.path().to_owned(),
        records: own_records.clone(),
        journal: journal.clone(),
        keep: Keep::Never,
        gate: None,
        cancel: (*cancel).clone(),
        around: Arc::new(super::around::around()),
    };
    let mut finished = job.work(Stage { env, interruption }, drills.drills, drills.skipped.len()).await;
    clean_up(&journal, directory, &mut finished, sweeping, cancel).await;
    // Asked once: a signal that comes later changes neither the reports nor the exit code.
    let code = interruption.exit_code().unwrap_or_else(|| finished.exit_code());
    let code = recording.map_or(code, |one| one.conclude(&own_records, &telling.record(), &journal, code));
    let code = tell(&journal, unwritten, around, code).await;
    Ok(Ended { code, left_behind: finished.left_behind(), kept: finished.kept })
}

/// Where the events of a job go, without the secrets that are known before it begins.
fn journal(job: &impl Job, selected: &Selected, listeners: Vec<Box<dyn Listener>>, around: &Around<'_>) -> Journal {
    let (args, Around { telling, past, .. }) = (job.drills(), around);
    let secrets = selected.plans().flat_map(|plan| plan.secrets.clone());
    let secrets = secrets.chain(args.notify.secrets()).chain(past.secrets()).chain(args.selection.secrets());
    let journal = Journal::new(listeners, Redactor::of(secrets));
    let hearing = telling.hearing().into_iter().chain([past.hearing()]);
    hearing.map(|one| job.sealed(one)).for_each(|one| journal.also_tell(one));
    journal
}

/// How the terminal is told of a job: live lines would be in the way of somebody who is asked.
fn terminal_of(job: &impl Job) -> ToTerminal {
    if job.asks() { ToTerminal::Lines } else { ToTerminal::Live }
}

/// Writes the reports, tells people, remembers the run; returns the exit code with what came of
/// that.
async fn tell(journal: &Journal, mut unwritten: Unwritten, around: &Around<'_>, code: ExitCode) -> ExitCode {
    let Around { telling, past, .. } = around;
    past.show(journal, &telling.record()).await;
    let code = unwritten.before_telling(journal, code);
    let code = telling.tell(journal, past, code).await;
    let code = past.conclude(journal, code).await;
    unwritten.conclude(journal, code)
}

/// What is to be known of a run before its first drill.
async fn first_words(journal: &Journal, chosen: &Chosen, warnings: impl Iterator<Item = String>) {
    if let Some((name, version)) = chosen.backend.tool().await {
        journal.write(Event::ToolFound { drill: None, name, version });
    }
    warnings.for_each(|message| journal.write(Event::Warned { drill: None, message }));
}

/// Why this backend; and which of the releases that the drills run on are newer than what drillyard
/// was tested with.
fn with_untested(chosen: &Chosen, drills: &Drills) -> String {
    let usual = |major: u32| chosen.installations.iter().find(move |one| one.version.major == major);
    let run = drills.drills.iter();
    let mut used: Vec<Version> = run
        .flat_map(|drill| {
            let own = drill.plan.releases().filter_map(|(_, releases)| releases.of(drill.major));
            usual(drill.major).map(|one| one.version).into_iter().chain(own)
        })
        .collect();
    used.sort_by_key(|version| std::cmp::Reverse(*version));
    used.dedup();
    let untested = used.iter().filter_map(|version| version.untested()).map(|why| format!("; WARNING: {why}"));
    format!("{}{}", chosen.reason, untested.collect::<String>())
}

/// Tells of a drill that is not meant for the versions that were asked for.
fn skip(journal: &Journal, drill: usize, skipped: &Skipped, seed: u64) {
    let Skipped { plan, reason, again } = skipped;
    journal.write(Event::DrillStarted {
        drill,
        name: plan.name.clone(),
        file: plan.source.file().to_owned(),
        about: plan.about.clone(),
        postgres: String::new(),
        backend: String::new(),
        seed,
        settings: vec![],
        releases: Default::default(),
        steps: plan.steps.iter().map(|step| step.head.clone()).collect(),
    });
    journal.write(Event::DrillFinished {
        drill,
        outcome: Outcome::Skipped,
        duration_ms: 0,
        message: Some(reason.clone()),
        problem: None,
        again: again.clone(),
        kept: false,
    });
}

/// Removes what the run has made, and tells what could not be removed.
async fn clean_up(
    journal: &Journal,
    directory: &RunDirectory,
    finished: &mut Finished,
    sweeping: Sweeping,
    cancel: &CancellationToken,
) {
    let start = Instant::now();
    clear(directory, finished).await;
    tell_sweep(journal, sweeping, cancel.is_cancelled()).await;
    let duration_ms = (finished.removal + start.elapsed()).as_millis() as u64;
    journal.write(Event::CleanedUp { left: finished.left.clone(), duration_ms });
}

/// Chooses where servers are run.
async fn choose(
    args: &DrillArgs,
    selected: &Selected,
    cancel: &CancellationToken,
    interruption: &Interruption,
) -> Result<Chosen> {
    let wanted: Vec<u32> = match args.postgres.as_slice() {
        [] => selected.fit().flat_map(|plan| plan.postgres.iter().copied()).collect(),
        asked => asked.to_vec(),
    };
    for major in &args.postgres {
        if !crate::pg::SUPPORTED_MAJORS.contains(major) {
            return Err(Stop::usage(format!(
                "--postgres {major}: major versions are 13 to {}",
                crate::pg::SUPPORTED_MAJORS.end()
            )));
        }
    }
    let readers = selected.fit().filter_map(|plan| choose::Reader::of(plan)).collect();
    let releases = selected.fit().flat_map(|plan| plan.releases()).flat_map(|(_, releases)| releases.iter());
    let releases = releases.map(|release| release.value).filter(|release| wanted.contains(&release.major)).collect();
    let wanted = choose::Wanted { majors: wanted, releases, readers };
    // A daemon may be slow to answer, and an image slow to come.
    tokio::select! {
        biased;
        () = cancel.cancelled() => {
            let code = interruption.exit_code().unwrap_or(ExitCode::Interrupted);
            Err(Stop { problems: vec![Problem::new("interrupted before the first drill")], code })
        }
        chosen = choose::choose(&args.backend, &wanted) => chosen,
    }
}

/// Begins a run. The first thing is what cleans up when nobody else can: before anything is made
/// that it would have to remove.
fn begin() -> Result<(RunDirectory, Reaper)> {
    let named = Named::below(&dirs::work());
    let reaper = start_reaper(&named)?;
    // If that fails, the reaper removes what there is of it.
    Ok((RunDirectory::make(&named)?, reaper))
}

fn start_reaper(named: &Named) -> Result<Reaper> {
    let program = std::env::current_exe().map_err(|e| Stop::lab(format!("cannot find this program: {e}")))?;
    let args = ["--run".to_owned(), named.run().to_owned(), "--dir".to_owned(), named.path().display().to_string()];
    Ok(Reaper::start(&program, args)?)
}

/// Tells the reaper where the run is at work.
fn tell_reaper(reaper: &mut Reaper, chosen: &Chosen) -> Result<()> {
    match chosen.backend.sweeper() {
        Some(sweeper) => Ok(reaper.watch(&sweeper.recipe())?),
        None => Ok(()),
    }
}

/// The removal of what earlier runs left behind, beside the drills.
struct Sweeping {
    sweep: Sweep,
    task: JoinHandle<()>,
}

impl Sweeping {
    fn begin(backend: Arc<dyn Backend>) -> Self {
        let sweep = Sweep::default();
        Sweeping { sweep: sweep.clone(), task: tokio::spawn(sweep_earlier(backend, sweep)) }
    }
}

/// Removes what earlier runs left behind.
async fn sweep_earlier(backend: Arc<dyn Backend>, sweep: Sweep) {
    sweep_cache(&dirs::cache());
    let sweepers: Vec<_> = backend.sweeper().into_iter().collect();
    sweep.work(&dirs::all_work(), &sweepers, &Which::Dead).await;
}

/// Tells what was removed, and what is not removed yet when patience ends.
async fn tell_sweep(journal: &Journal, sweeping: Sweeping, interrupted: bool) {
    let patience = if interrupted { Duration::from_millis(500) } else { Duration::from_secs(10) };
    // Whether it ended or not is seen from how far it has come.
    let _ = tokio::time::timeout(patience, sweeping.task).await;
    let Leftovers { removed, failed, begun } = sweeping.sweep.so_far();
    let listed = |runs: BTreeSet<String>| runs.into_iter().collect::<Vec<_>>().join(", ");
    let warn = |message| journal.write(Event::Warned { drill: None, message });
    if !removed.is_empty() {
        warn(format!("removed what earlier runs had left behind: {}", listed(removed)));
    }
    for failed in failed {
        warn(format!("an earlier run's remains could not be removed: {failed}"));
    }
    if !begun.is_empty() {
        let runs = listed(begun);
        warn(format!("what earlier runs left behind is not removed yet: {runs}; to go on with it: drillyard clean"));
    }
}

/// Removes the run's directory, unless servers were left running in it.
async fn clear(directory: &RunDirectory, finished: &mut Finished) {
    if !finished.kept.is_empty() {
        if let Err(e) = directory.keep() {
            finished.left.push(format!("the mark that {} is kept: {e}", directory.path().display()));
        }
    } else {
        let path = directory.path().to_owned();
        let removed = tokio::task::spawn_blocking(move || crate::run::remove_run(&path)).await;
        if let Ok(Err(error)) = removed {
            finished.left.push(error.to_string());
        }
    }
}
