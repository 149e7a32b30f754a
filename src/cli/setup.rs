//! What a run stands in, whether drills are run or proved: its backend, its directory, its reaper, and the end of all that.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::args::RunArgs;
use super::backend::{self, Chosen};
use super::files::Loaded;
use super::signals::Interruption;
use super::{Result, Stop, dirs};
use crate::host::Backend;
use crate::journal::{Event, ExitCode, Journal, Problem};
use crate::run::{Finished, Leftovers, Named, Reaper, RunDirectory, Which, sweep, sweep_cache};

/// Chooses where servers are run.
pub async fn choose(
    args: &RunArgs,
    loaded: &[Loaded],
    cancel: &CancellationToken,
    interruption: &Interruption,
) -> Result<Chosen> {
    let wanted: Vec<u32> = match args.drills.postgres.as_slice() {
        [] => loaded
            .iter()
            .filter_map(|one| one.plan.as_ref().ok())
            .flat_map(|plan| plan.postgres.iter().copied())
            .collect(),
        asked => asked.to_vec(),
    };
    for major in &args.drills.postgres {
        if !crate::pg::SUPPORTED_MAJORS.contains(major) {
            return Err(Stop::usage(format!(
                "--postgres {major}: major versions are 13 to {}",
                crate::pg::SUPPORTED_MAJORS.end()
            )));
        }
    }
    // A daemon may be slow to answer, and an image slow to come.
    tokio::select! {
        biased;
        () = cancel.cancelled() => {
            let code = interruption.exit_code().unwrap_or(ExitCode::Interrupted);
            Err(Stop { problems: vec![Problem::new("interrupted before the first drill")], code })
        }
        chosen = backend::choose(&args.drills.backend, &wanted) => chosen,
    }
}

/// Begins a run. The first thing is what cleans up when nobody else can: before anything is made that it would have to remove.
pub fn begin() -> Result<(RunDirectory, Reaper)> {
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
pub fn tell_reaper(reaper: &mut Reaper, chosen: &Chosen) -> Result<()> {
    match chosen.backend.sweeper() {
        Some(sweeper) => Ok(reaper.watch(&sweeper.recipe())?),
        None => Ok(()),
    }
}

/// Removes what earlier runs left behind.
pub async fn sweep_earlier(backend: Arc<dyn Backend>) -> Leftovers {
    sweep_cache(&dirs::cache());
    let sweepers: Vec<_> = backend.sweeper().into_iter().collect();
    sweep(&dirs::all_work(), &sweepers, &Which::Dead).await
}

/// Tells what was removed.
pub async fn tell_sweep(journal: &Journal, sweeping: tokio::task::JoinHandle<Leftovers>, interrupted: bool) {
    let patience = if interrupted { Duration::from_millis(500) } else { Duration::from_secs(10) };
    let Ok(Ok(swept)) = tokio::time::timeout(patience, sweeping).await else { return };
    if !swept.removed.is_empty() {
        let message = format!("removed what earlier runs had left behind: {}", swept.removed.join(", "));
        journal.write(Event::Warned { drill: None, message });
    }
    for failed in swept.failed {
        let message = format!("an earlier run's remains could not be removed: {failed}");
        journal.write(Event::Warned { drill: None, message });
    }
}

/// Removes the run's directory, unless servers were left running in it.
pub async fn clear(directory: &RunDirectory, finished: &mut Finished) {
    if finished.kept {
        if let Err(e) = directory.keep() {
            finished.left.push(format!("the mark that {} is kept: {e}", directory.path().display()));
        }
    } else {
        let path = directory.path().to_owned();
        let removed = tokio::task::spawn_blocking(move || crate::host::remove_directory(&path)).await;
        if let Ok(Err(error)) = removed {
            finished.left.push(error.to_string());
        }
    }
}
