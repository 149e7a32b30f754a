//! `drillyard reap`: the reaper's own part.

use std::time::Duration;

use super::args::ReapArgs;
use super::{Result, block_on};
use crate::host::docker::{CLEAN_UP, Daemon, remove_run};
use crate::host::local::remove_directory;
use crate::journal::ExitCode;
use crate::run::{Task, staged};

/// How often a daemon is looked at again: what the run had just asked for may still appear.
const LOOKS: u32 = 3;

/// Waits for the run's end; where it ends without a word, removes all that carries its id.
pub fn reap(args: ReapArgs) -> Result<ExitCode> {
    let task = crate::run::reap();
    if task == Task::Nothing {
        return Ok(ExitCode::Passed);
    }
    // It may have died while it made its directory.
    let local = remove_directory(&args.dir).and(remove_directory(&staged(&args.dir)));
    let docker = match &args.docker {
        Some(host) if task == Task::Docker => block_on(async {
            let daemon = Daemon::connect_within(Some(host), CLEAN_UP).await?;
            let mut left = remove_run(&daemon, &args.run).await?;
            for _ in 0..LOOKS {
                tokio::time::sleep(Duration::from_millis(300)).await;
                left = remove_run(&daemon, &args.run).await?;
            }
            Ok(left)
        }),
        _ => Ok(vec![]),
    };
    // Servers in containers may have been starting while their directory was removed.
    let again = remove_directory(&args.dir);
    Ok(match (local.and(again), docker) {
        (Ok(()), Ok(left)) if left.is_empty() => ExitCode::Passed,
        _ => ExitCode::Unclean,
    })
}
