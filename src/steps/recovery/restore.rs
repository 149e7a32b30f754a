//! What servers that steps make or start again are made from and set up with.

use crate::harness::{Context, Finding, StepRef};
use crate::node::{Config, Node, Origin, Setup, Signal};
use crate::repo::Repo;
use crate::steps::recovery::tablespaces::keep_apart;

/// Copies a backup from a repo to PGDATA of a node; what lies there is removed.
pub(crate) async fn restore(
    cx: &mut Context<'_>,
    node: &Node,
    backup: &StepRef,
    repo: &Repo,
) -> Result<(), Box<Finding>> {
    let host = node.host()?;
    cx.wait(format!("the restore of {backup} from repo `{}`", repo.name));
    let restored = repo.restore(host.as_ref(), &cx.world.label(backup), &host.paths().data).await;
    restored.map_err(|error| match error.said() {
        Some(said) => Finding::failed(format!("backup `{backup}` cannot be restored from repo `{}`", repo.name))
            .at(backup.span())
            .label(said),
        None => error.into(),
    })
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
    keep_apart(cx, node).await?;
    let (setup, auto_conf) = node.set_up(config, Some(signal), origin).await?;
    if let Some(words) = auto_conf.in_words() {
        cx.fact("postgresql_auto_conf", words);
    }
    Ok(setup)
}
