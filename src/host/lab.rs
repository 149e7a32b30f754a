//! The hosts of one drill.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Host, Isolation, Network, Result};
use crate::pg::Version;

/// All the hosts of one drill, and what they share.
#[async_trait]
pub trait Lab: Send + Sync {
    /// The version of PostgreSQL on its hosts, but for those that have a release of their own.
    fn version(&self) -> Version;

    /// The host of a node; the same one at every call. Made when the lab was made.
    async fn host(&self, node: &str) -> Result<Arc<dyn Host>>;

    /// Whether what runs on its hosts reaches other machines.
    fn network(&self) -> Network;

    /// The directory of a repo, as every host sees it. It exists and belongs to the server's user.
    fn repo(&self, repo: &str) -> String;

    /// Cuts the network between two nodes, one of [`LabSpec::cuts`]: what is sent does not arrive,
    /// and neither side learns of it.
    async fn cut(&self, a: &str, b: &str) -> Result<()>;

    /// Undoes [`Lab::cut`].
    async fn heal(&self, a: &str, b: &str) -> Result<()>;

    /// From now on it is not removed when it is dropped: a person wants to look at it.
    fn keep(&self) {}

    /// Removes all of it, servers too. Safe to call twice.
    async fn destroy(&self) -> Result<()>;
}

/// What a drill needs of a backend.
#[derive(Debug, Clone)]
pub struct LabSpec {
    /// The run's id, carried by all that is made.
    pub run: String,
    /// The drill's number in the run.
    pub drill: usize,
    /// The run's work directory on this machine; exists.
    pub dir: PathBuf,
    /// The major version.
    pub major: u32,
    /// The nodes, in order, those first named by `recover` too.
    pub nodes: Vec<String>,
    /// The repos.
    pub repos: Vec<String>,
    /// The pairs of nodes between which the network will be cut.
    pub cuts: Vec<(String, String)>,
    /// Whether its hosts are to be cut off from the network.
    pub isolation: Isolation,
    /// What its hosts read of this machine, at the same paths, and never write.
    pub mounts: Vec<PathBuf>,
    /// The disks that are to be small, so that they can be filled.
    pub disks: Vec<SmallDisk>,
    /// The nodes whose servers have a clock of their own.
    pub clocks: Vec<String>,
    /// The nodes whose servers are of a release of their own, and of which.
    pub releases: Vec<(String, Version)>,
}

/// A disk of a size of its own, in memory. That of a node has its data directory or its pg_wal on
/// it, and nothing that drillyard writes itself; it is the directory above.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SmallDisk {
    /// What lies on it.
    pub of: DiskOf,
    /// Its size in bytes.
    pub size: u64,
}

/// What lies on a disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskOf {
    /// The data directory of this node.
    Data(String),
    /// The pg_wal of this node, and nothing else.
    Wal(String),
    /// This repo.
    Repo(String),
}

impl fmt::Display for DiskOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskOf::Data(node) => write!(f, "the disk of `{node}`"),
            DiskOf::Wal(node) => write!(f, "the disk of the WAL of `{node}`"),
            DiskOf::Repo(repo) => write!(f, "the disk of repo `{repo}`"),
        }
    }
}

impl LabSpec {
    /// The size of the disk that this lies on, if it is a small one.
    pub fn small_disk(&self, of: &DiskOf) -> Option<u64> {
        self.disks.iter().find(|disk| disk.of == *of).map(|disk| disk.size)
    }

    /// The file that sets the clock of a node's server, if it has one of its own; `shared` is the
    /// directory that all hosts share.
    pub fn clock(&self, node: &str, shared: &str) -> Option<String> {
        self.clocks.iter().any(|own| own == node).then(|| format!("{shared}/clock-{node}"))
    }

    /// The release of a node's server, if it has one of its own.
    pub fn release(&self, node: &str) -> Option<Version> {
        self.releases.iter().find(|(own, _)| own == node).map(|(_, release)| *release)
    }

    /// The releases that nodes have of their own, each once.
    pub fn other_releases(&self) -> Vec<Version> {
        let mut releases: Vec<Version> = self.releases.iter().map(|(_, release)| *release).collect();
        releases.sort();
        releases.dedup();
        releases
    }

    /// Whether the network between two nodes will be cut.
    pub fn is_cut(&self, a: &str, b: &str) -> bool {
        self.cuts.iter().any(|(one, other)| (one == a && other == b) || (one == b && other == a))
    }
}
