//! Tablespaces that the WAL makes: PostgreSQL replays CREATE TABLESPACE with the path that it was
//! given, which may be where another server of the drill has its files.

use std::sync::Arc;

use crate::harness::{Context, Finding, StepResult};
use crate::host::{Host, Program};
use crate::node::{Linked, Node, own_tablespaces, see};
use crate::pg::SystemId;
use crate::steps::recovery::upstream::upstream_of;

/// The other servers of the drill with the files of the same cluster as `node`, or whose files
/// cannot be looked at now: each of them may replay its WAL one day. Nobody replays that of a
/// server without a control file.
pub(crate) async fn relatives(cx: &Context<'_>, node: &Node) -> Result<Vec<Arc<Node>>, Box<Finding>> {
    let all: Vec<Arc<Node>> = cx.world.outputs().nodes.values().cloned().collect();
    let others = all.into_iter().filter(|other| other.name() != node.name() && !other.is_external());
    let others: Vec<Arc<Node>> = others.collect();
    // Most recoveries have nobody beside them, and their time is measured.
    if others.is_empty() {
        return Ok(others);
    }
    // All at once, for the same reason.
    let theirs = futures_util::future::try_join_all(others.iter().map(|other| system_of(cx, other)));
    let (own, theirs) = futures_util::future::try_join(system_of(cx, node), theirs).await?;
    let Some(own) = own else { return Ok(vec![]) };
    let pairs = others.into_iter().zip(theirs);
    Ok(pairs.filter(|(_, theirs)| theirs.is_none_or(|theirs| theirs == own)).map(|(other, _)| other).collect())
}

/// The system identifier in a server's files, if somebody sees them.
async fn system_of(cx: &Context<'_>, node: &Node) -> Result<Option<SystemId>, Box<Finding>> {
    Ok(match eyes_of(cx, node)? {
        Some(eyes) => node.control_file_seen_by(eyes.as_ref()).await?.map(|file| file.system),
        None => None,
    })
}

/// Whether the host of a server shares its file system with others.
pub(crate) fn shares_files(node: &Node) -> bool {
    node.host().is_ok_and(|host| host.own_file_system().is_some())
}

/// Fails where a server that is about to replay WAL would use the directory of another server's
/// tablespace. On a host of its own, which needs it as well, the directory is made: there it is
/// another one.
pub(crate) async fn keep_apart(cx: &Context<'_>, node: &Node, relatives: &[Arc<Node>]) -> StepResult {
    // A frozen host sees nothing; one that shares its files does.
    let Some(eyes) = eyes_of(cx, node)? else { return Ok(()) };
    let others = relatives.iter().filter(|other| other.host().is_ok_and(|host| host.is_on()));
    let asked = others.map(async |other| Ok::<_, crate::host::HostError>((other, other.places().await?)));
    let asked = futures_util::future::try_join_all(asked).await?;
    if asked.iter().all(|(_, places)| places.is_empty()) {
        return Ok(());
    }
    // What it has already was mapped when it was copied.
    let own: Vec<u32> = node.places_seen_by(eyes.as_ref()).await?.iter().map(|place| place.space.oid).collect();
    for (other, places) in asked {
        // A copy's own place is in no WAL.
        let mapped = own_tablespaces(&other.host()?.paths().data);
        let foreign: Vec<Linked> = places
            .into_iter()
            .filter(|place| !own.contains(&place.space.oid) && !place.space.location.starts_with(&mapped))
            .collect();
        if let Some(place) = shared(eyes.as_ref(), &foreign).await? {
            return Err(conflict(node, other, &place));
        }
    }
    Ok(())
}

/// A host that sees the files of a server: its own, or any other one where it shares them.
fn eyes_of(cx: &Context<'_>, node: &Node) -> Result<Option<Arc<dyn Host>>, Box<Finding>> {
    let host = node.host()?;
    if host.is_on() {
        return Ok(Some(host.clone()));
    }
    let all: Vec<Arc<Node>> = cx.world.outputs().nodes.values().cloned().collect();
    let mut others = all.iter().filter(|other| shares_files(other)).filter_map(|other| other.host().ok().cloned());
    Ok(others.find(|other| shares_files(node) && other.is_on()))
}

/// Has a server that does not run, and replays WAL of others when it does, keep apart from them:
/// it fails where it cannot.
pub(crate) async fn ready_to_replay(cx: &Context<'_>, node: &Node) -> StepResult {
    if replays(node.host()?.as_ref(), node).await? {
        let relatives = relatives(cx, node).await?;
        keep_apart(cx, node, &relatives).await?;
        allow_in_place(node, &relatives).await?;
    }
    Ok(())
}

/// Has a server whose host is frozen, and which replays WAL of others as soon as that goes on, keep
/// apart from them: it fails where it cannot.
pub(crate) async fn ready_to_thaw(cx: &Context<'_>, node: &Node) -> StepResult {
    match eyes_of(cx, node)? {
        Some(eyes) if replays(eyes.as_ref(), node).await? => keep_apart(cx, node, &relatives(cx, node).await?).await,
        _ => Ok(()),
    }
}

/// Whether a server replays WAL of others when it runs, as a host sees it.
async fn replays(eyes: &dyn Host, node: &Node) -> Result<bool, Box<Finding>> {
    const REPLAYS: &str = r#"[ -e "$1/standby.signal" ] || [ -e "$1/recovery.signal" ]"#;
    Ok(eyes.run(Program::script(REPLAYS, [&node.host()?.paths().data])).await?.success())
}

/// Lets a server that does not run have tablespaces within its data directory, if it may replay
/// that others have made them there: on a host of its own, too.
pub(crate) async fn allow_in_place(node: &Node, relatives: &[Arc<Node>]) -> StepResult {
    let others = relatives.iter().filter(|other| other.host().is_ok_and(|host| host.is_on()));
    let asked = futures_util::future::try_join_all(others.map(|other| other.has_some_in_place())).await?;
    match asked.contains(&true) {
        true => Ok(node.allow_in_place().await?),
        false => Ok(()),
    }
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
        if follows && let Some(place) = shared(other.host()?.as_ref(), &places).await? {
            return Err(conflict(other, node, &place));
        }
    }
    Ok(())
}

/// The first of these directories that is the same one on a host.
async fn shared(host: &dyn Host, places: &[Linked]) -> Result<Option<Linked>, Box<Finding>> {
    if places.is_empty() {
        return Ok(None);
    }
    let dirs: Vec<&str> = places.iter().map(|place| place.space.location.as_str()).collect();
    let seen = see(host, &dirs).await?;
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
            "give each server a file system of its own{own}. Or let the tablespace be made within the data directory, \
             `create_tablespace: {{ name: ..., in_place: true }}`; or make it before the backup",
        ))
}
