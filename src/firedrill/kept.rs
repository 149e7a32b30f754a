//! Drills whose servers were left running: whoever asks is told how many of their checks hold now.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::control::{Leave, listen};
use super::desk::{Ask, Desk, DeskEnd, Reply};
use super::view::FacilitatorView;
use crate::journal::Outcome;
use crate::run::KeptDrill;

/// How often it is looked whether the run's directory is there still.
const TICK: Duration = Duration::from_millis(500);

/// Answers until the run's directory is gone, or `end` says so. `last` is what was to be seen last.
///
/// # Errors
/// If nobody could ask.
pub async fn stay(
    run_directory: &Path,
    drills: &[Arc<KeptDrill>],
    last: Option<FacilitatorView>,
    end: CancellationToken,
) -> std::io::Result<()> {
    let (desk, DeskEnd { views, mut asks }) = Desk::new();
    if let Some(last) = last {
        views.send_replace(last);
    }
    // Nothing more comes: whoever follows it has seen all of it.
    drop(views);
    let leave: Leave = {
        let end = end.clone();
        Arc::new(move || {
            end.cancel();
            true
        })
    };
    let listening = listen(run_directory, desk, leave)?;
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            biased;
            () = end.cancelled() => break,
            asked = asks.recv() => {
                let Some((ask, answer)) = asked else { break };
                let reply = match ask {
                    Ask::Judge => tokio::select! {
                        biased;
                        () = end.cancelled() => break,
                        reply = judged(drills) => reply,
                    },
                    // What people look at is nobody's business any more.
                    Ask::Ran { .. } => Reply::yes(""),
                    _ => Reply::no("it is over; `drillyard judge` checks its servers again"),
                };
                // Whoever asked may have gone away.
                let _ = answer.send(reply);
            }
            _ = tick.tick() => if !run_directory.is_dir() { break },
        }
    }
    listening.abort();
    Ok(())
}

/// What the last checks of the drills show now.
async fn judged(drills: &[Arc<KeptDrill>]) -> Reply {
    let (mut held, mut of, mut wrong) = (0, 0, vec![]);
    for drill in drills {
        let checked = drill.check().await;
        of += checked.len();
        for check in checked {
            if check.outcome == Outcome::Passed {
                held += 1;
                continue;
            }
            let whose = if drills.len() > 1 { format!("{}: ", drill.name()) } else { String::new() };
            let how = if check.outcome == Outcome::Errored { "could not be checked: " } else { "" };
            let why = check.problem.map(|problem| problem.headline()).unwrap_or_default();
            wrong.push(format!("  {whose}{}: {how}{why}", drill.check_name(check.index)));
        }
    }
    match (of, held == of) {
        (0, _) => Reply::no("there is no check at its end that could be made again"),
        (_, true) => Reply::yes(&format!("all {of} hold")),
        (_, false) => Reply::no(&format!("{held} of {of} hold:\n{}", wrong.join("\n"))),
    }
}
