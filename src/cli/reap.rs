//! `drillyard reap`: the reaper's own part.

use super::args::ReapArgs;
use super::{Result, block_on};
use crate::host::docker::{Daemon, remove_run};
use crate::host::local::remove_directory;
use crate::journal::ExitCode;

/// Waits for the run's end; where it ends without a word, removes all that carries its id.
pub fn reap(args: ReapArgs) -> Result<ExitCode> {
    if !crate::run::reap() {
        return Ok(ExitCode::Passed);
    }
    let local = remove_directory(&args.dir);
    let docker = match &args.docker {
        None => Ok(vec![]),
        Some(host) => block_on(async {
            let daemon = Daemon::connect(Some(host)).await?;
            // What the run had just asked for may still appear.
            let mut left = remove_run(&daemon, &args.run).await?;
            for _ in 0..3 {
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                left = remove_run(&daemon, &args.run).await?;
            }
            Ok(left)
        }),
    };
    // Servers in containers may have been starting while their directory was removed.
    let again = remove_directory(&args.dir);
    Ok(match (local.and(again), docker) {
        (Ok(()), Ok(left)) if left.is_empty() => ExitCode::Passed,
        _ => ExitCode::Unclean,
    })
}
