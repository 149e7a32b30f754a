//! What servers that steps make or start again are made from and set up with.

use std::fmt::Display;
use std::time::Instant;

use crate::harness::{Context, Finding, Ran};
use crate::host::Network;
use crate::node::{Config, Node, Origin, Setup, Signal, by_hand};
use crate::pg::ShutdownMode;
use crate::repo::{Label, Repo};
use crate::source::Span;
use crate::steps::recovery::tablespaces::{allow_in_place, keep_apart, relatives};

/// A backup that is to be restored.
pub(crate) struct Restored<'a> {
    /// As messages call it.
    pub what: &'a dyn Display,
    /// What its repo calls it.
    pub label: &'a Label,
    /// Where the scenario asks for it.
    pub at: Option<Span>,
}

/// Copies a backup from a repo to PGDATA of a node; what lies there is removed. Of somebody else's
/// server nothing but its data is used.
pub(crate) async fn restore(
    cx: &mut Context<'_>,
    node: &Node,
    backup: Restored<'_>,
    repo: &Repo,
) -> Result<(), Box<Finding>> {
    let (host, what) = (node.host()?, backup.what);
    cx.wait(format!("the restore of {what} from repo `{}`", repo.name));
    let began = Instant::now();
    let restored = repo.restore(host.as_ref(), backup.label, &host.paths().data).await;
    let program = restored.map_err(|error| match error.said() {
        Some(said) => Finding::failed(format!("backup `{what}` cannot be restored from repo `{}`", repo.name))
            .at(backup.at)
            .label(said),
        None => error.into(),
    })?;
    let restored = format!("restore backup `{what}` from repo `{}`", repo.name);
    cx.ran(Ran::program(node, restored, &program).took(began.elapsed()));
    if node.has_data_of_others() {
        tell_network(cx);
    }
    match repo.is_existing() {
        true => use_data_alone(cx, node, &format!("backup `{what}`"), backup.at).await,
        // A copy of somebody else's server has nothing of their configuration any more.
        false => Ok(()),
    }
}

/// Sets aside what `source`, somebody else's, has brought along beside its data.
pub(crate) async fn use_data_alone(
    cx: &mut Context<'_>,
    node: &Node,
    source: &str,
    at: Option<Span>,
) -> Result<(), Box<Finding>> {
    let theirs = node.set_configuration_aside().await?;
    if theirs.major != Some(node.version().major) {
        let major = theirs.major.map_or_else(|| "an unknown version".to_owned(), |major| format!("PostgreSQL {major}"));
        let finding = Finding::failed(format!("{source} is of {major}, and this drill runs {}", node.version()));
        let help = theirs.major.map(|major| format!("run the drill with `--postgres {major}`")).unwrap_or_default();
        return Err(finding.at(at).label("its data directory says so").help(help));
    }
    if !theirs.settings.is_empty() {
        cx.fact("configuration", format!("not used: {}", theirs.settings.join(", ")));
    }
    Ok(())
}

/// Reports whether a server with somebody else's data reaches other machines.
pub(crate) fn tell_network(cx: &mut Context<'_>) {
    match cx.world.lab.network() {
        Network::Isolated => cx.fact("network", "isolated"),
        Network::Open(why) => cx.fact("network", format!("open: {why}")),
    }
}

/// What a server is set up with whose data directory was there before; reports what becomes of its
/// postgresql.auto.conf.
pub(crate) async fn set_up(
    cx: &mut Context<'_>,
    node: &Node,
    config: &Config,
    signal: Signal,
    origin: Origin,
) -> Result<Setup, Box<Finding>> {
    let relatives = relatives(cx, node).await?;
    keep_apart(cx, node, &relatives).await?;
    let (setup, auto_conf) = node.set_up(config, Some(signal), origin).await?;
    allow_in_place(node, &relatives).await?;
    let configured = by_hand::configure(&node.host()?.paths().data, &setup, &auto_conf, origin);
    cx.ran(Ran::like(node, format!("configure `{}`", node.name()), configured));
    if let Some(words) = auto_conf.in_words() {
        cx.fact("postgresql_auto_conf", words);
    }
    Ok(setup)
}

/// Stops a server that goes on later.
pub(crate) async fn stop(cx: &mut Context<'_>, node: &Node) -> Result<(), Box<Finding>> {
    let began = Instant::now();
    node.stop(ShutdownMode::Fast, cx.deadline).await?;
    let text = by_hand::stop(&node.host()?.paths().data, ShutdownMode::Fast);
    cx.ran(Ran::like(node, format!("stop `{}`", node.name()), text).took(began.elapsed()));
    Ok(())
}
