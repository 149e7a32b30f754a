//! The sessions that `drillyard shell` can open on a drill's nodes.

use super::keep::{Kept, KeptNode};
use super::work::Work;
use crate::harness::World;

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
    let nodes: Vec<_> = world.outputs().nodes.values().filter(|node| node.is_up()).cloned().collect();
    nodes
        .iter()
        .filter_map(|node| {
            let host = node.host().ok()?;
            let mut env = node.session_env().ok()?;
            // `drillyard shell RUN/NODE -- pg_controldata` needs no more words.
            env.push(("PGDATA".to_owned(), host.paths().data.clone()));
            let (drill, node) = (work.plan.name.clone(), node.name().to_owned());
            Some(KeptNode { drill, node, shell: host.shell(&env), env })
        })
        .collect()
}
