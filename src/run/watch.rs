//! Watching a step while it runs, for what it would wait for in vain: a lock that nobody will ever
//! let go of, replay that is paused, a server that is no more.

use std::time::Duration;

use super::scene::Scene;
use crate::node::Holdup;

/// A step that is done before is not watched.
const FIRST: Duration = Duration::from_secs(1);
/// What is seen twice, so long apart, is no accident of the moment.
const AGAIN: Duration = Duration::from_millis(700);
/// The looks at a step that goes on for long are so far apart.
const MOST: Duration = Duration::from_secs(5);

/// Returns when waiting any longer is of no use, with what holds the step up.
pub async fn watch(scene: &Scene<'_>) -> Holdup {
    let (mut pause, mut next) = (FIRST, FIRST);
    let mut seen: Option<Holdup> = None;
    loop {
        tokio::time::sleep(pause).await;
        // What a scenario's own command does to a server, and waits for, is its own affair.
        let found = match scene.commands() {
            true => None,
            false => scene.hopeless().await,
        };
        match (found, seen.take()) {
            (Some(found), Some(before)) if found.what == before.what => return found,
            (Some(found), _) => {
                seen = Some(found);
                pause = AGAIN;
            }
            (None, _) => {
                pause = next;
                next = (next * 2).min(MOST);
            }
        }
    }
}
