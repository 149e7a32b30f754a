//! The disks that `fill_disk` and `free_disk` are about.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, Finding, NodeField, NodeId, NodeRef, RepoRef, Resolved, Scope};
use crate::host::{DiskOf, Host};
use crate::source::{RepoName, Spanned};

/// A disk that a drill fills.
#[derive(Debug, Clone)]
pub(crate) enum Disk {
    /// The one with the data directory of a node.
    Data(NodeRef),
    /// The one with the pg_wal of a node, and nothing else.
    Wal(NodeRef),
    /// The one with a repo.
    Repo(RepoRef),
}

/// What of a server lies on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// Its data directory; pg_wal with it, unless that has a disk of its own.
    Data,
    /// Its pg_wal alone.
    Wal,
}

impl Disk {
    /// The one that `node`, with `what`, or `repo` names.
    pub(crate) fn resolve(
        node: &NodeField,
        repo: Option<&RepoName>,
        what: Option<&Spanned<What>>,
        scope: &mut Scope<'_>,
    ) -> Resolved<Self> {
        let Some(repo) = repo else {
            let node = scope.own_node(node)?;
            return Some(match what.map(|what| what.value) {
                Some(What::Wal) => Disk::Wal(node),
                Some(What::Data) | None => Disk::Data(node),
            });
        };
        if let Some(what) = what {
            scope.error(what.entry, "`what` goes with `node`", "a repo lies on its disk as a whole");
        }
        if let Some(node) = node.span() {
            scope.error(node, "`node` and `repo` exclude each other", "one disk at a time");
        }
        let repo = scope.repo(repo)?;
        if let Some(existing) = scope.repo_info(&repo).and_then(|info| info.existing) {
            let title = format!("repo `{repo}` is somebody else's: its disk is not filled");
            let at = repo.span().unwrap_or(scope.action);
            scope.error_related(at, title, "name a repo of the drill's own", (existing, "existing".to_owned()));
        }
        Some(Disk::Repo(repo))
    }

    /// The server that it is one of.
    pub(crate) fn node(&self) -> Option<&NodeRef> {
        match self {
            Disk::Data(node) | Disk::Wal(node) => Some(node),
            Disk::Repo(_) => None,
        }
    }

    /// The nodes whose marks tell when something happened to it.
    pub(crate) fn whose(&self, scope: &Scope<'_>) -> Vec<NodeId> {
        match self {
            Disk::Data(node) | Disk::Wal(node) => vec![node.id.clone()],
            Disk::Repo(repo) => scope.archivers(repo),
        }
    }

    /// As the lab knows it.
    pub(crate) fn of(&self) -> DiskOf {
        match self {
            Disk::Data(node) => DiskOf::Data(node.to_string()),
            Disk::Wal(node) => DiskOf::Wal(node.to_string()),
            Disk::Repo(repo) => DiskOf::Repo(repo.to_string()),
        }
    }

    /// Where it is, and a host that sees it.
    pub(crate) async fn place(&self, cx: &Context<'_>) -> Result<(Arc<dyn Host>, String), Box<Finding>> {
        match self {
            Disk::Data(node) => {
                let host = cx.world.lab.host(node).await?;
                let data = &host.paths().data;
                let disk = data.rsplit_once('/').map_or("/", |(above, _)| above).to_owned();
                Ok((host, disk))
            }
            Disk::Wal(node) => {
                let host = cx.world.lab.host(node).await?;
                let disk = host.paths().wal.clone();
                let disk =
                    disk.ok_or_else(|| Finding::errored(format!("the WAL of `{node}` has no disk of its own")))?;
                Ok((host, disk))
            }
            Disk::Repo(repo) => Ok((cx.world.any_host()?.host()?.clone(), cx.world.lab.repo(repo))),
        }
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disk::Data(node) => write!(f, "the disk of {node}"),
            Disk::Wal(node) => write!(f, "the disk of the WAL of {node}"),
            Disk::Repo(repo) => write!(f, "the disk of repo {repo}"),
        }
    }
}
