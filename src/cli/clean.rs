//! `drillyard clean`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this room is for")]

use super::backend::BACKENDS;
use super::dirs;
use super::out::block_on;
use super::stop::Result;
use crate::journal::ExitCode;
use crate::run::{Sweep, Which, sweep_cache};

/// Removes what is kept or was left behind, of all runs or of those that are named; with `all`,
/// templates and records, too.
pub fn clean(runs: Vec<String>, all: bool) -> Result<ExitCode> {
    let which = if runs.is_empty() { Which::Kept } else { Which::Of(runs) };
    let swept = block_on(async {
        let surroundings = dirs::surroundings();
        let sweepers: Vec<_> = BACKENDS.iter().filter_map(|kind| kind.sweeper(&surroundings)).collect();
        let sweep = Sweep::default();
        sweep.work(&dirs::all_work(), &sweepers, &which).await;
        Ok(sweep.so_far())
    })?;
    sweep_cache(&dirs::cache());
    for run in &swept.removed {
        println!("removed run {run}");
    }
    if all {
        for dir in [dirs::cache(), dirs::records()] {
            match std::fs::remove_dir_all(&dir) {
                Ok(()) => println!("removed {}", dir.display()),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => eprintln!("warning: cannot remove {}: {e}", dir.display()),
            }
        }
    }
    if swept.removed.is_empty() {
        println!("nothing was kept or left behind");
    }
    for failed in &swept.failed {
        eprintln!("error: {failed}");
    }
    Ok(if swept.failed.is_empty() { ExitCode::Passed } else { ExitCode::Unclean })
}
