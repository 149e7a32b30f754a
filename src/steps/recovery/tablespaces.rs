//! Tablespaces that the WAL makes: PostgreSQL replays CREATE TABLESPACE with the path that it was
//! given, which may be where another server of the drill has its files.

use std::sync::Arc;

use crate::harness::{Context, Finding, StepResult};
use crate::node::{Linked, Node, own_tablespaces};
use crate::steps::recovery::upstream::upstream_of;

/// Fails where a server that is about to replay WAL would use the directory of another server's
/// tablespace. On a host of its own the directory is made: there it is another one.
pub(crate) async fn keep_apart(cx: &Context<'_>, node: &Node) -> StepResult {
    let others: Vec<Arc<Node>> = cx.world.outputs().nodes.values().cloned().collect();
    let others = others.iter().filter(|other| other.name() != node.name());
    let others = others.filter(|other| other.host().is_ok_and(|host| host.is_on()));
    let asked = others.map(async |other| Ok::<_, crate::host::HostError>((other.clone(), other.places().await?)));
    let asked = futures_util::future::try_join_all(asked).await?;
    if asked.iter().all(|(_, places)| places.is_empty()) {
        return Ok(());
    }
    // What it has already was mapped when it was copied.
    let own: Vec<u32> = node.places().await?.iter().map(|place| place.space.oid).collect();
    for (other, places) in asked {
        // A copy's own place is in no WAL.
        let mapped = own_tablespaces(&other.host()?.paths().data);
        let foreign: Vec<Linked> = places
            .into_iter()
            .filter(|place| !own.contains(&place.space.oid) && !place.space.location.starts_with(&mapped))
            .collect();
        if let Some(place) = shared(node, &foreign).await? {
            return Err(conflict(node, &other, &place));
        }
    }
    Ok(())
}

/// Whether a command or a query has to do with tablespaces.
pub(crate) fn mentions_tablespace(text: &str) -> bool {
    text.to_ascii_lowercase().contains("tablespace")
}

/// Fails where a standby of `node` has the same directory for a tablespace: it has replayed CREATE
/// TABLESPACE, or is about to.
pub(crate) async fn standbys_apart(cx: &Context<'_>, node: &Node) -> StepResult {
    if !node.host()?.is_on() {
        return Ok(());
    }
    let places = node.places().await?;
    if places.is_empty() {
        return Ok(());
    }
    let others: Vec<Arc<Node>> = cx.world.outputs().nodes.values().cloned().collect();
    for other in others.iter().filter(|other| other.name() != node.name() && other.is_up() && !other.is_external()) {
        let follows = upstream_of(cx, other).await.is_some_and(|(up, _)| up.name() == node.name());
        if follows && let Some(place) = shared(other, &places).await? {
            return Err(conflict(other, node, &place));
        }
    }
    Ok(())
}

/// The first of these directories that is the same one on the host of `node`.
async fn shared(node: &Node, places: &[Linked]) -> Result<Option<Linked>, Box<Finding>> {
    if places.is_empty() {
        return Ok(None);
    }
    let dirs: Vec<&str> = places.iter().map(|place| place.space.location.as_str()).collect();
    let seen = node.see(&dirs).await?;
    let same = |place: &&Linked| seen.get(&place.space.location) == Some(&place.identity);
    Ok(places.iter().find(same).cloned())
}

fn conflict(node: &Node, owner: &Node, place: &Linked) -> Box<Finding> {
    let (name, other, dir) = (node.name(), owner.name(), &place.space.location);
    let own =
        node.host().ok().and_then(|host| host.own_file_system()).map(|how| format!(": {how}")).unwrap_or_default();
    Finding::errored(format!("`{name}` would use the directory of a tablespace of `{other}`: {dir}"))
        .label("the WAL says CREATE TABLESPACE with that path, and both servers see the same file system")
        .help(format!(
            "give each server a file system of its own{own}. Or let the tablespace be made within the data directory: \
             `SET allow_in_place_tablespaces = on; CREATE TABLESPACE ... LOCATION ''`; or make it before the backup",
        ))
}
