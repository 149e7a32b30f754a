//! What a recovery begins with: a new server that is restored from a backup, or a server that goes
//! on.

use std::sync::Arc;

use jiff::Timestamp;

use crate::harness::{Context, Finding, NodeRef, RepoId, Scope, StepId, StepResult};
use crate::host::Host;
use crate::node::{Node, Origin};
use crate::pg::{Lsn, RecoveryTarget, ShutdownMode};
use crate::repo::{Label, Repo, bytes_in};
use crate::source::Span;
use crate::steps::recovery::backup_choice::{Backup, Wanted};
use crate::steps::recovery::goal::Goal;
use crate::steps::recovery::restore::{Restored, restore, stop};
use crate::steps::recovery::target::Target;
use crate::steps::recovery::upstream::receive;

/// What a recovery begins with.
#[derive(Debug, Clone)]
pub(crate) enum Start {
    /// A new server, restored from this backup.
    Backup {
        /// The backup.
        backup: Backup,
        /// Where backup and WAL are read from.
        archive: Archive,
    },
    /// A new server, filled with the rows of this backup.
    Rows {
        /// The backup.
        backup: Backup,
        /// The repo that it is in.
        archive: Archive,
    },
    /// The server as it is: one that an earlier recovery left at a target, or a standby.
    OwnServer {
        /// Where WAL is read from. A standby may have no more than its own.
        archive: Option<Archive>,
    },
}

/// A repo that WAL is read from.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    /// The repo.
    pub repo: RepoId,
    /// What it is a copy of.
    pub copy_of: Option<RepoId>,
    /// What a server that is recovered cold has beside it; none if everything is there.
    cold: Option<Vec<(String, String)>>,
}

impl Archive {
    /// A repo that was looked up, for a node.
    pub(crate) fn of(repo: RepoId, node: &NodeRef, scope: &Scope<'_>) -> Self {
        let copy_of = scope.repo_info(&repo).and_then(|info| info.copy_of.clone());
        let secrets = scope.cold.get(&node.id).map(|cold| cold.secrets.iter());
        let cold = secrets.map(|all| all.map(|(name, value)| (name.value.clone(), value.clone())).collect());
        Archive { repo, copy_of, cold }
    }

    /// The repo, as the server on this host may use it.
    pub(crate) async fn open(&self, cx: &mut Context<'_>, host: &dyn Host) -> Result<Repo, Box<Finding>> {
        let repo = cx.world.repo(&self.repo)?.clone();
        let Some(secrets) = &self.cold else { return Ok(repo) };
        let names: Vec<&str> = secrets.iter().map(|(name, _)| name.as_str()).collect();
        let beside = if names.is_empty() { "nothing else".to_owned() } else { names.join(", ") };
        cx.fact("used", format!("repo {}, and {beside}", self.repo));
        let cold = repo.cold(secrets);
        cold.set_up(host).await?;
        Ok(cold)
    }
}

impl Start {
    /// The backup.
    pub(crate) fn backup(&self) -> Option<&Backup> {
        match self {
            Start::Backup { backup, .. } | Start::Rows { backup, .. } => Some(backup),
            Start::OwnServer { .. } => None,
        }
    }

    /// Where WAL is read from.
    pub(crate) fn archive(&self) -> Option<&Archive> {
        match self {
            Start::Backup { archive, .. } => Some(archive),
            Start::Rows { .. } => None,
            Start::OwnServer { archive } => archive.as_ref(),
        }
    }

    /// Whose postgresql.auto.conf lies in the data directory.
    pub(crate) fn origin(&self) -> Origin {
        match self {
            Start::Backup { .. } => Origin::Copied,
            Start::Rows { .. } | Start::OwnServer { .. } => Origin::Own,
        }
    }
}

/// The backup that a server is restored from.
pub(crate) struct Chosen {
    /// The repo that it is in.
    pub repo: Repo,
    /// The host of the new server.
    pub host: Arc<dyn Host>,
    /// What the repo calls it.
    pub label: Label,
    /// As messages call it.
    what: String,
    /// Where the scenario asks for it.
    at: Option<Span>,
    /// When it was begun by the server's clock, as far as anybody knows.
    pub began: Option<Timestamp>,
    /// The earliest time that can be recovered from it, if it is one that the repo lists.
    pub reaches_from: Option<Timestamp>,
    /// When it was begun by drillyard's clock, if a step took it.
    seen: Option<Timestamp>,
}

impl Chosen {
    /// Looks for the backup that a new server is to be restored from, and that `target` can be
    /// reached from.
    pub(crate) async fn choose(
        cx: &mut Context<'_>,
        node: &NodeRef,
        backup: &Backup,
        archive: &Archive,
        target: &Target,
    ) -> Result<Chosen, Box<Finding>> {
        let host = cx.world.lab.host(node).await?;
        let repo = archive.open(cx, host.as_ref()).await?;
        match backup {
            Backup::Step(step) => {
                let before = cx.world.outputs().marks.get(&step.id).map(|mark| mark.before);
                let (label, what, at) = (cx.world.label(step), step.to_string(), step.span());
                let (began, seen) = (before.map(|before| before.at), before.map(|before| before.seen));
                Ok(Chosen { repo, host, label, what, at, began, reaches_from: None, seen })
            }
            Backup::InRepo(choice, at) => {
                let wanted = Wanted { choice, until: target.time(cx.world)?, at: *at };
                let listed = wanted.choose(cx, host.as_ref(), &repo).await?;
                let (what, began) = (listed.label.to_string(), Some(listed.taken));
                let reaches_from = Some(listed.reaches_from());
                Ok(Chosen { repo, host, label: listed.label, what, at: Some(*at), began, reaches_from, seen: None })
            }
        }
    }

    /// How many bytes a server has that was restored from it. Of a drill's own backup nobody needs
    /// to know.
    pub(crate) async fn restored(&self, node: &Node) -> Result<Option<u64>, Box<Finding>> {
        if !self.repo.is_existing() {
            return Ok(None);
        }
        Ok(Some(bytes_in(self.host.as_ref(), &node.host()?.paths().data).await?))
    }
}

/// A recovery that is about to begin.
pub(crate) struct Starting<'a> {
    /// The server.
    pub node: &'a NodeRef,
    /// What it is to come to.
    pub goal: &'a Goal,
    /// Where the scenario says so.
    pub until: Span,
}

impl Starting<'_> {
    /// Fails for a target that lies before the backup. PostgreSQL would not always say so: with a
    /// time it may stop at the backup's end, with all that was committed between the target and the
    /// backup.
    fn check_backup(&self, backup: &Chosen) -> StepResult {
        let what = &backup.what;
        let label = match (&self.goal.setting, &self.goal.mark, backup.began) {
            (RecoveryTarget::Time { at, .. }, _, Some(began)) if *at < began => {
                format!("this is {at}, and `{what}` was begun at {began}")
            }
            (_, Some(mark), _) if backup.seen.is_some_and(|seen| mark.after.seen <= seen) => {
                format!("`{}` was over before `{what}` was begun", mark.id)
            }
            _ => return Ok(()),
        };
        Err(Finding::failed("the recovery target lies before the backup's end")
            .at(self.until)
            .label(label)
            .help("take an older backup, or a later target: recovery only goes forward from a backup"))
    }

    /// Restores the backup onto the new node's host.
    pub(crate) async fn restore(&self, cx: &mut Context<'_>, backup: &Chosen) -> Result<Arc<Node>, Box<Finding>> {
        self.check_backup(backup)?;
        let (repo, host) = (&backup.repo, backup.host.clone());
        let others = cx.world.is_of_others(repo, &backup.label);
        let node = Arc::new(Node::with_data_of(others, host, &cx.world.password)?);
        restore(cx, &node, Restored { what: &backup.what, label: &backup.label, at: backup.at }, repo).await?;
        cx.world.outputs().nodes.insert(self.node.id.clone(), node.clone());
        Ok(node)
    }

    /// Stops the server that is to go on, after making sure that it can. `backup` is what it was
    /// made from.
    pub(crate) async fn halt(&self, cx: &mut Context<'_>, backup: Option<&StepId>) -> Result<Arc<Node>, Box<Finding>> {
        let node = cx.world.node(self.node)?;
        receive(cx, &node).await?;
        let replayed = self.replayed(cx, &node).await?;
        // Places in the WAL of two clusters have nothing to do with one another.
        if let Some(control) = node.control_file().await? {
            self.goal.check_cluster(control.system).map_err(|finding| finding.at(self.until))?;
        }
        if let (Some(replayed), Some((last, place))) = (replayed, self.goal.last_place())
            && self.goal.is_passed(replayed)
        {
            let made = match backup {
                Some(backup) => format!("make a new server from `{backup}`"),
                None => "make a new server from a backup".to_owned(),
            };
            return Err(Finding::failed(format!("`{}` is past it", self.node))
                .at(self.until)
                .label(format!("{place} is at {last}, and this server has replayed up to {replayed}"))
                .help(format!("a recovery cannot go back: {made}")));
        }
        match node.is_up() {
            true => stop(cx, &node).await?,
            false => node.stop(ShutdownMode::Fast, cx.deadline).await?,
        }
        Ok(node)
    }

    /// How far a server has recovered, as far as it knows. Fails if it is a primary already.
    async fn replayed(&self, cx: &Context<'_>, node: &Node) -> Result<Option<Lsn>, Box<Finding>> {
        if !node.is_up() {
            let control = node.control_file().await?;
            return Ok(control.and_then(|control| control.min_recovery).map(|(lsn, _)| lsn));
        }
        let query = "SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn()::text";
        let row = cx.client(node).await?.query_one(query, &[]).await?;
        if row.get::<_, bool>(0) {
            return Ok(row.get::<_, Option<&str>>(1).and_then(|text| text.parse().ok()));
        }
        Err(Finding::failed(format!("`{}` cannot go on: it is a primary already", self.node))
            .at(self.node.span())
            .label("it was promoted")
            .help("let the earlier `recover` end with `then: pause` or `then: shutdown`"))
    }
}
