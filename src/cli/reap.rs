//! `drillyard reap`: the reaper's own part.

use std::sync::Arc;
use std::time::Duration;

use super::args::ReapArgs;
use super::backend;
use super::out::block_on;
use super::stop::{Result, Stop};
use crate::host::{Recipe, Sweeper, remove_directory};
use crate::journal::ExitCode;
use crate::run::{Task, keep, reap as wait_for_the_end, remove_run, staged};

/// How often it looks again outside the run's directory: what the run had just asked for may still
/// appear.
const LOOKS: u32 = 3;

/// Waits for the run's end; if it died, removes all that carries its id.
pub fn reap(args: ReapArgs) -> Result<ExitCode> {
    let recipes = match wait_for_the_end() {
        Task::Nothing => return Ok(ExitCode::Passed),
        // One that has no directory yet has made nothing that could be kept.
        Task::Spare if keep(&args.dir).is_ok() => return Ok(ExitCode::Passed),
        Task::Spare => vec![],
        Task::CleanUp(recipes) => recipes,
    };
    // It may have died while it made its directory.
    let directory = remove_run(&args.dir).and(remove_directory(&staged(&args.dir)));
    let elsewhere = recipes.is_empty() || block_on(remove_elsewhere(&recipes, &args.run)).is_ok();
    // Servers elsewhere may have written to their directory while it was removed.
    let again = remove_directory(&args.dir);
    Ok(match directory.is_ok() && again.is_ok() && elsewhere {
        true => ExitCode::Passed,
        false => ExitCode::Unclean,
    })
}

/// Removes what backends made for the run outside its directory.
async fn remove_elsewhere(recipes: &[Recipe], run: &str) -> Result<()> {
    let mut ended = Ok(());
    for recipe in recipes {
        let removed = match sweeper(recipe) {
            Ok(sweeper) => remove_with_patience(&*sweeper, run).await,
            Err(stop) => Err(stop),
        };
        // The others are cleaned up whatever becomes of this one.
        ended = ended.and(removed);
    }
    ended
}

fn sweeper(recipe: &Recipe) -> Result<Arc<dyn Sweeper>> {
    let kind = backend::named(&recipe.backend);
    let kind = kind.ok_or_else(|| Stop::usage(format!("there is no backend {}", recipe.backend)))?;
    Ok(kind.sweeper_from(recipe)?)
}

/// What failed once may be done at the next look: the last one counts.
async fn remove_with_patience(sweeper: &dyn Sweeper, run: &str) -> Result<()> {
    let mut removed = sweeper.remove(run).await;
    for _ in 0..LOOKS {
        tokio::time::sleep(Duration::from_millis(300)).await;
        removed = sweeper.remove(run).await;
    }
    Ok(removed?)
}
