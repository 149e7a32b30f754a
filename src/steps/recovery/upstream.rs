//! The server that a server follows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::{Context, Finding, StepResult};
use crate::host::Endpoint;
use crate::node::{Node, SqlError, wait_until};
use crate::pg::conninfo::Conninfo;
use crate::source::Span;

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

/// Fails if somebody else's primary, `up`, would take the server for a synchronous standby: users
/// there would be told that a commit is safe which only a copy has that is thrown away, without
/// fsync.
pub(crate) async fn is_not_waited_for(cx: &mut Context<'_>, up: &Node, node: &str, at: Option<Span>) -> StepResult {
    if !up.is_external() {
        return Ok(());
    }
    let query = "SELECT current_setting('synchronous_standby_names')";
    let names: String = cx.client(up).await?.query_one(query, &[]).await?.get(0);
    // Its application_name is nobody else's: `*` is the only name that it can go by.
    if !names.contains('*') {
        return Ok(());
    }
    let up = up.name();
    Err(Finding::errored(format!("`{node}` would be a synchronous standby of `{up}`"))
        .at(at)
        .label(format!("synchronous_standby_names is `{names}` there, and `*` is every standby"))
        .note("nothing was started", format!("a commit on `{up}` would count as safe that only `{node}` has"))
        .help(format!(
            "name the standbys in synchronous_standby_names of `{up}`, or let `{node}` follow nobody: `then: promote`"
        )))
}
