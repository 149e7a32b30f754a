//! Servers that steps make or start again: what they are made from, and why they do not come up.

use crate::harness::{Context, Finding, StepRef};
use crate::node::{Config, Node, Origin, Setup, StartError, log_reason};
use crate::repo::Repo;
use crate::source::Span;
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

/// What a server is set up with whose data directory was there before; reports what becomes of its postgresql.auto.conf.
pub(crate) async fn set_up(
    cx: &mut Context<'_>,
    node: &Node,
    config: &Config,
    signal: &'static str,
    origin: Origin,
) -> Result<Setup, Box<Finding>> {
    keep_apart(cx, node).await?;
    let (setup, auto_conf) = node.set_up(config, Some(signal), origin).await?;
    if let Some(words) = auto_conf.in_words() {
        cx.fact("postgresql_auto_conf", words);
    }
    Ok(setup)
}

/// What is told of a server that does not come up; `at` is where the scenario asks for it.
pub(crate) fn not_started(error: StartError, at: impl Into<Option<Span>>) -> Box<Finding> {
    let mut finding: Box<Finding> = error.into();
    if finding.outcome == crate::journal::Outcome::Failed {
        if let Some(help) = remedy(&finding.title) {
            finding = finding.help(help);
        }
        finding.at = at.into();
    }
    finding
}

/// What is told of a server that came up and has ended since.
pub(crate) async fn ended(node: &Node) -> Box<Finding> {
    let log = node.log_tail().await;
    let reason = log_reason(&log).unwrap_or_else(|| "its log gives no reason".to_owned());
    let mut finding = Finding::failed(format!("the server on `{}` ended during recovery", node.name()));
    if let Some(help) = remedy(&reason) {
        finding = finding.help(help);
    }
    finding.label(reason).note("log", log)
}

/// How PostgreSQL says that a target lies beyond what it could read.
pub(crate) const NOT_REACHED: &str = "recovery ended before configured recovery target was reached";

/// What can be done about a recovery that ended with a well-known FATAL error.
fn remedy(reason: &str) -> Option<&'static str> {
    [
        (
            NOT_REACHED,
            "the archive ends before the target, or has a gap: is everything archived (`wait_archived`)? A target time needs a \
             commit after it",
        ),
        (
            "requested recovery stop point is before consistent recovery point",
            "the target lies before the backup's end: take an older backup, or a later target",
        ),
        (
            "could not locate required checkpoint record",
            "the WAL that it begins with is nowhere: not in its own pg_wal, and not in an archive that it reads",
        ),
        (
            "is not a child of this server's history",
            "the archive holds another timeline: something recovered has archived into it",
        ),
        (
            "must specify restore_command when standby mode is not enabled",
            "only the restore_command reads the archive: without one a recovery has the WAL of the backup alone",
        ),
        (
            "Create this directory for the tablespace before restarting the server",
            "CREATE TABLESPACE is replayed with its path: make that directory on this node's host, too, by an `exec` before",
        ),
        (
            "insufficient parameter settings",
            "what the scenario's `settings` say is kept as written: a server in recovery needs at least its primary's values",
        ),
    ]
    .into_iter()
    .find_map(|(sign, help)| reason.contains(sign).then_some(help))
}
