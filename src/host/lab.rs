//! The hosts of one drill.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Host, Isolation, Network, Result};
use crate::pg::Version;

/// All the hosts of one drill, and what they share.
#[async_trait]
pub trait Lab: Send + Sync {
    /// The version of PostgreSQL on its hosts.
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
}

impl LabSpec {
    /// Whether the network between two nodes will be cut.
    pub fn is_cut(&self, a: &str, b: &str) -> bool {
        self.cuts.iter().any(|(one, other)| (one == a && other == b) || (one == b && other == a))
    }
}
