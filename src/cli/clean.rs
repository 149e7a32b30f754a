//! `drillyard clean`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::backend::BACKENDS;
use super::dirs;
use super::out::{block_on, complain, say};
use super::stop::Result;
use crate::firedrill::{self, is_held};
use crate::journal::ExitCode;
use crate::run::{RunState, Sweep, Which, run_directories, sweep_cache};

/// How long a run that ends may take to remove everything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Removes what is kept or was left behind, of all runs or of those that are named; with `all`,
/// templates and records, too.
pub fn clean(runs: Vec<String>, all: bool) -> Result<ExitCode> {
    let left = ask_to_leave(&runs);
    // What nobody has named is not missed if it is at work.
    let named = if runs.is_empty() { vec![] } else { meant(&runs) };
    let at_work = named.into_iter().filter(|(_, _, state)| *state == RunState::Alive);
    let at_work: Vec<String> = at_work.map(|(id, ..)| id).collect();
    let which = if runs.is_empty() { Which::Kept } else { Which::Of(runs) };
    let swept = block_on(async {
        let surroundings = dirs::surroundings();
        let sweepers: Vec<_> = BACKENDS.iter().filter_map(|kind| kind.sweeper(&surroundings)).collect();
        let sweep = Sweep::default();
        sweep.work(&dirs::all_work(), &sweepers, &which).await;
        Ok(sweep.so_far())
    })?;
    sweep_cache(&dirs::cache());
    for run in left.union(&swept.removed) {
        say(&format!("removed run {run}"));
    }
    if all {
        for dir in [dirs::cache(), dirs::records()] {
            match std::fs::remove_dir_all(&dir) {
                Ok(()) => say(&format!("removed {}", dir.display())),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => complain(&format!("warning: cannot remove {}: {e}", dir.display())),
            }
        }
    }
    for run in &at_work {
        say(&format!("run {run} is at work, and removes everything when it ends"));
    }
    if left.is_empty() && swept.removed.is_empty() && at_work.is_empty() {
        say("nothing was kept or left behind");
    }
    for failed in &swept.failed {
        complain(&format!("error: {failed}"));
    }
    Ok(if swept.failed.is_empty() { ExitCode::Passed } else { ExitCode::Unclean })
}

/// The runs that are meant, with their directories: those whose ids begin so, or all.
fn meant(runs: &[String]) -> Vec<(String, PathBuf, RunState)> {
    let is_meant = |id: &str| runs.is_empty() || runs.iter().any(|begin| id.starts_with(begin.as_str()));
    let work = dirs::all_work();
    work.iter().flat_map(|dir| run_directories(dir)).filter(|(id, ..)| is_meant(id)).collect()
}

/// Has whoever stays with a firedrill that nobody is with any more, or with servers that were kept,
/// end first. The runs that have removed everything by themselves then.
fn ask_to_leave(runs: &[String]) -> BTreeSet<String> {
    let held = meant(runs).into_iter().filter(|(_, path, _)| is_held(path));
    // Of those that are killed nobody answers: the sweep is for them.
    let leaves: Vec<_> =
        held.filter(|(_, path, _)| firedrill::ask_to_leave(path).is_ok_and(|reply| reply.ok)).collect();
    let end = Instant::now() + PATIENCE;
    let is_there = |path: &Path, state: RunState| match state {
        RunState::Alive => path.is_dir(),
        _ => firedrill::ask_to_leave(path).is_ok(),
    };
    while leaves.iter().any(|(_, path, state)| is_there(path, *state)) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    leaves.into_iter().filter(|(_, path, _)| !path.is_dir()).map(|(id, ..)| id).collect()
}
