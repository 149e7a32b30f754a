//! The server that a server follows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::{Context, StepResult};
use crate::host::Endpoint;
use crate::node::{Node, SqlError, wait_until};
use crate::pg::conninfo::Conninfo;

/// Waits a little until a standby that streams has received what its upstream has written by now:
/// what it has not, it cannot replay once it is stopped. An upstream that does not answer, or that
/// it is cut off from, has nothing more to give.
pub(crate) async fn receive(cx: &mut Context<'_>, node: &Node) -> StepResult {
    const PATIENCE: Duration = Duration::from_secs(5);
    if !node.is_up() {
        return Ok(());
    }
    let Some((up, _)) = upstream_of(cx, node).await.filter(|(up, _)| up.is_up()) else { return Ok(()) };
    cx.wait(format!("`{}` to receive what `{}` has written", node.name(), up.name()));
    let wait = async {
        let goal = up.wal_end().await?;
        let until = cx.deadline.min(Instant::now() + PATIENCE);
        wait_until(until, async |_| {
            let senders = up.senders_to(node.name()).await?;
            // Without a walsender nothing more comes.
            let done = senders.is_empty() || senders.iter().any(|sender| sender.flushed >= Some(goal));
            Ok::<_, SqlError>(done.then_some(()))
        })
        .await
    };
    // What could not be asked is not waited for: the recovery shows what there was.
    let _ = tokio::time::timeout(PATIENCE, wait).await;
    Ok(())
}

/// The server of the drill that a server follows; `None` for a primary, and where it cannot be
/// asked.
pub(crate) async fn upstream_of(cx: &Context<'_>, node: &Node) -> Option<(Arc<Node>, Option<String>)> {
    let following = node.following().await.ok()??;
    let others: Vec<Arc<Node>> = cx.world.outputs().nodes.values().cloned().collect();
    let is_it = |other: &&Arc<Node>| {
        !other.is_external() && other.followed_by_peer(node.name()).is_ok_and(|told| told == following.conninfo)
    };
    let found = match others.iter().find(is_it) {
        Some(found) => found.clone(),
        None => in_own_words(&others, node, &following.conninfo).await?,
    };
    Some((found, following.slot))
}

/// The server that people have written a connection string to, by an address that it has for `node`
/// or for them.
async fn in_own_words(others: &[Arc<Node>], node: &Node, conninfo: &str) -> Option<Arc<Node>> {
    let told = Conninfo::parse(conninfo).ok()?;
    for other in others.iter().filter(|other| other.name() != node.name()) {
        let Ok(host) = other.host() else { continue };
        let ways = [Some(host.peer_endpoint(node.name())), host.endpoint().await.ok()];
        let leads_there = |way: &Endpoint| {
            let (host, port) = way.host_port();
            told.get("host") == Some(host.as_str()) && told.get("port").unwrap_or(Node::PORT) == port.to_string()
        };
        if ways.iter().flatten().any(leads_there) {
            return Some(other.clone());
        }
    }
    None
}
