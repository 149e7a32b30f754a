//! What is kept of a drill: its servers' logs.

use std::time::Duration;

use super::work::Work;
use crate::harness::{NodeId, World};
use crate::host::HostError;
use crate::journal::Event;
use crate::node::ServerState;

/// Copies the servers' logs into the run's records.
pub async fn keep_logs(work: &Work<'_>, world: &World) {
    // A name is any text; a directory's is not.
    let name: String =
        work.plan.name.chars().map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect();
    let dir = work.env.records.join("logs").join(format!("{}-{name}", work.index));
    // Those of servers that did not come up, too: so by their hosts, not by what the drill knows to
    // be there.
    let plan = &work.plan;
    let own = plan.nodes.iter().filter(|(_, spec)| spec.external.is_none()).map(|(name, _)| name);
    let there: Vec<NodeId> = world.outputs().nodes.keys().cloned().collect();
    let names = own.chain(plan.made.iter().filter(|name| there.contains(name)));
    let logs = names.map(|name| async {
        let log = async {
            let host = world.lab.host(name).await?;
            let (lost, node) = {
                let state = world.outputs();
                (state.lost_logs.get(name).cloned(), state.nodes.get(name).cloned())
            };
            if let Some(log) = lost {
                // What the disk that was lost had, and what was written since.
                let since = host.read(&host.paths().log, 0).await.unwrap_or_default();
                return Ok([log.into_bytes(), since].concat());
            }
            if node.as_ref().is_some_and(|node| node.server_state() == ServerState::Frozen) {
                host.thaw().await?;
            }
            let log = node.as_ref().and_then(|node| node.log_file().ok()).unwrap_or(&host.paths().log);
            host.read(log, 0).await
        };
        (name.clone(), log.await.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    });
    let logs = tokio::time::timeout(Duration::from_secs(5), futures_util::future::join_all(logs)).await;
    let keep = |(name, log): (NodeId, Result<String, HostError>)| {
        let text = log.unwrap_or_else(|e| format!("the log could not be read: {e}\n"));
        std::fs::write(dir.join(format!("{name}.log")), work.env.journal.redact(&text))
    };
    let kept = std::fs::create_dir_all(&dir);
    let kept = kept.and_then(|()| logs.unwrap_or_default().into_iter().try_for_each(keep));
    // Evidence that cannot be written changes no verdict.
    if let Err(error) = kept {
        let message = format!("the servers' logs cannot be kept in {}: {error}", dir.display());
        work.env.journal.write(Event::Warned { drill: Some(work.index), message });
    }
}
