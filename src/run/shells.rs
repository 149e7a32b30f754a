//! The sessions that `drillyard shell` can open on a drill's nodes.

use std::sync::{Arc, PoisonError};

use super::keep::{Kept, KeptNode};
use super::work::Work;
use crate::harness::World;
use crate::node::Node;

/// Notes for `drillyard shell` which nodes are up now; returns their names.
pub fn note(work: &Work<'_>, world: &World) -> Vec<String> {
    let nodes = of(work, world);
    if work.shells {
        // Without the note the drill goes on all the same; `shell` says that it knows no such node.
        let _ = Kept::write(&work.env.dir, work.index, &nodes);
    }
    nodes.into_iter().map(|node| node.node).collect()
}

/// The commands that open a session on each node.
pub fn of(work: &Work<'_>, world: &World) -> Vec<KeptNode> {
    // People may want to look at a server that is down, and to start it again.
    let is_open = |node: &&Arc<Node>| node.is_up() || (world.attended && node.host().is_ok_and(|host| host.is_on()));
    let nodes: Vec<_> = world.outputs().servers().filter(is_open).cloned().collect();
    let scratch = work.scratch.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (places, elsewhere): (Vec<KeptNode>, Vec<KeptNode>) =
        scratch.into_iter().partition(|one| nodes.iter().any(|node| node.name() == one.node));
    let mut shells: Vec<KeptNode> = nodes
        .iter()
        .filter_map(|node| {
            let host = node.host().ok()?;
            let mut session = node.session_env().ok()?;
            // `drillyard shell RUN/NODE -- pg_controldata` needs no more words.
            session.push(("PGDATA".to_owned(), host.paths().data.clone()));
            // What was set in the place where people made it is set still.
            let place = places.iter().find(|place| place.node == node.name()).map(|place| place.env.clone());
            let mut env = place.unwrap_or_default();
            env.retain(|(name, _)| !session.iter().any(|(other, _)| other == name));
            env.extend(session);
            // Whoever lists what is there may not be meant to know which drill it is.
            let drill = if world.attended { "firedrill".to_owned() } else { work.plan.name.clone() };
            let node = node.name().to_owned();
            Some(KeptNode { drill, node, shell: host.shell(&env), env })
        })
        .chain(elsewhere)
        .collect();
    // What people call a place leads to its server, once there is one.
    let called = work.called.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let by_name = called.into_iter().filter_map(|(name, place)| {
        let known = shells.iter().find(|one| one.node == place)?;
        Some(KeptNode { node: name, ..known.clone() })
    });
    let by_name: Vec<KeptNode> = by_name.collect();
    shells.extend(by_name);
    shells
}
