//! How a server is that the drill has left running.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::scene::PATIENCE;
use crate::harness::World;
use crate::host::{HostError, Seen};
use crate::node::{Ending, Node, Postmaster};

/// A command that ran so short a time ago may have left something behind that stopped a server.
pub const AFTERMATH: Duration = Duration::from_secs(30);
/// How long a killed server may take to be gone after its sessions are.
const DYING: Duration = Duration::from_millis(500);

/// How a server is that the drill has left running.
pub enum Condition {
    /// As it should be.
    Well,
    /// The lab does not say.
    Unknown(HostError),
    /// Somebody has done something to it: what, as in `X was ...`, and what is known of it.
    Struck(&'static str, String),
    /// It has ended by itself.
    Ended(String),
}

impl Condition {
    fn may_be_well(&self) -> bool {
        matches!(self, Condition::Well | Condition::Unknown(_))
    }
}

/// Looks at a server; `spoiled` is whether a step may have removed its files.
pub async fn condition(node: &Node, spoiled: bool) -> Condition {
    let host = match node.host() {
        Ok(host) => host,
        Err(error) => return Condition::Unknown(error),
    };
    match host.look().await {
        Err(error) => return Condition::Unknown(error),
        Ok(Seen::Off(why)) => return Condition::Struck("was stopped", why),
        Ok(Seen::Frozen) => return Condition::Struck("was paused", "it is frozen".to_owned()),
        Ok(Seen::On) => {}
    }
    let dying = Instant::now() + DYING;
    loop {
        match node.postmaster().await {
            // A container may have ended since the daemon was asked.
            Err(error) => {
                return match host.look().await {
                    Ok(Seen::Off(why)) => Condition::Struck("was stopped", why),
                    _ => Condition::Unknown(error),
                };
            }
            Ok(Postmaster::Stopped) => {
                return Condition::Struck("was paused", "its postmaster is stopped by a signal".to_owned());
            }
            Ok(Postmaster::Gone) => break,
            // A killed process closes its connections a moment before it is gone.
            Ok(Postmaster::Runs)
                if Instant::now() < dying && (node.lost_session().await || !node.takes_sessions().await) =>
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(Postmaster::Runs) if !spoiled && has_lost_data(node).await => return lost_data(node),
            Ok(Postmaster::Runs) => return Condition::Well,
        }
    }
    // What happened to its files comes before its end.
    if !spoiled && has_lost_data(node).await {
        return lost_data(node);
    }
    match node.ending().await {
        Ending::Itself(why) => Condition::Ended(why),
        Ending::Asked(said) => Condition::Struck("was stopped", format!("its log says: {said}")),
        Ending::Silent => Condition::Struck("was stopped", "it was killed: its log has no word of its end".to_owned()),
    }
}

async fn has_lost_data(node: &Node) -> bool {
    node.lost_data().await.unwrap_or(false)
}

fn lost_data(node: &Node) -> Condition {
    let dir = node.host().map(|host| host.paths().data.clone()).unwrap_or_default();
    Condition::Struck("has lost its data directory", format!("{dir} is gone, or was emptied"))
}

/// Whether a server that the drill has left running does so no more.
pub async fn is_struck(node: &Node) -> bool {
    // A step that takes a host away says so before.
    let look = async { node.host().is_ok_and(|host| host.is_on()) && !condition(node, true).await.may_be_well() };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or(false) && node.is_up()
}

/// Remembers which servers are gone soon after a command of the scenario's ran there: a step that
/// fails much later is not the lab's fault for that.
pub async fn note_felled(world: &World) {
    let lately: Vec<Arc<Node>> = {
        let state = world.outputs();
        let recent = state.commands.iter().filter(|(_, at)| at.elapsed() < AFTERMATH).map(|(node, _)| node);
        recent.filter_map(|name| state.nodes.get(name)).filter(|node| node.is_up()).cloned().collect()
    };
    for node in lately {
        let look = tokio::time::timeout(PATIENCE, node.postmaster()).await;
        if matches!(look, Ok(Ok(Postmaster::Gone))) {
            world.outputs().felled.insert(node.name().into());
        }
    }
}
