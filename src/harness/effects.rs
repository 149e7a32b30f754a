//! What a step does to the rest of a drill, declared once: for whoever lays out its hosts, finds
//! the ways to break it, and follows what would come of it without the step.

use super::{Link, NodeId, Releases, RepoId, StepId};
use crate::data::View;
use crate::host::SmallDisk;
use crate::pg::TableName;
use crate::source::Spanned;

/// What a step does. The default is a step that may do anything, and nothing that could be said of
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effects {
    /// What it changes.
    pub writes: Writes,
    /// The nodes between which it cuts the network: the lab has to be laid out for it.
    pub cuts: Option<Link>,
    /// The rows that it brings into a node, for `prove`, which damages them.
    pub brings: Option<Brings>,
    /// What it reads of a repo, for `prove`, which spoils that.
    pub reads_repo: Option<ReadsRepo>,
    /// What it checks, for `prove`, which takes it away.
    pub checks: Option<Checks>,
    /// The step that it goes back before: a mistake.
    pub undoes: Option<StepId>,
    /// The tables that it spoils: whoever asks for them notices.
    pub spoils: Vec<TableName>,
    /// The server that it makes a standby of, for `prove`, which has that refuse it.
    pub follows: Option<NodeId>,
    /// The disk that it fills, which has to be one of its own.
    pub fills: Option<SmallDisk>,
    /// The node whose clock it sets, which has to be one of its own.
    pub clock: Option<NodeId>,
    /// The node that it makes with a release of its own, and which one: the lab has to have it.
    pub releases: Option<(NodeId, Releases)>,
    /// What it compares with what a snapshot remembers, which has to remember that.
    pub recalls: Option<Recalls>,
    /// Whether it needs servers that summarize their WAL.
    pub summarizes: bool,
    /// Whether it ends users, whom a firedrill's checks need at their end.
    pub stops_users: bool,
    /// Whether it changes what is there, and does not only read or add rows of its own.
    pub changes: bool,
}

/// What a step changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Writes {
    /// It may change anything: servers, repos, what users do.
    #[default]
    Anything,
    /// These nodes and nothing else; without any, it only reads.
    Nodes(Vec<NodeId>),
}

impl Effects {
    /// Those of a step that only reads.
    pub fn reads() -> Self {
        Effects { writes: Writes::Nodes(vec![]), ..Effects::default() }
    }

    /// Those of a step that changes this node and nothing else.
    pub fn writes(node: &NodeId) -> Self {
        Effects { writes: Writes::Nodes(vec![node.clone()]), ..Effects::default() }
    }

    /// Those of a step that may change anything.
    pub fn anything() -> Self {
        Effects::default()
    }

    /// The same step, which brings rows into a node, into another of its databases if one is named.
    pub fn brings(self, into: &NodeId, what: Brought, database: Option<&Spanned<String>>) -> Self {
        let database = database.map(|database| database.value.clone());
        Effects { brings: Some(Brings { into: into.clone(), what, database }), ..self }
    }

    /// The same step, which spoils a table.
    pub fn spoils(self, table: &TableName) -> Self {
        Effects { spoils: vec![table.clone()], ..self }
    }

    /// The same step, which reads from a repo.
    pub fn reads_repo(self, reads: ReadsRepo) -> Self {
        Effects { reads_repo: Some(reads), ..self }
    }

    /// The same step, which has a server follow this one.
    pub fn follows(self, upstream: &NodeId) -> Self {
        Effects { follows: Some(upstream.clone()), ..self }
    }

    /// The same step, which makes a node that runs these releases.
    pub fn runs(self, node: &NodeId, releases: &Releases) -> Self {
        let releases = (!releases.is_empty()).then(|| (node.clone(), releases.clone()));
        Effects { releases, ..self }
    }

    /// The same step, which ends users.
    pub fn stops_users(self) -> Self {
        Effects { stops_users: true, ..self }
    }

    /// The same step, which checks something that can be taken away.
    pub fn checks(self, what: Checks) -> Self {
        Effects { checks: Some(what), ..self }
    }
}

/// What a step asks of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalls {
    /// The snapshot.
    pub snapshot: StepId,
    /// The table.
    pub table: TableName,
    /// What of the table.
    pub view: View,
}

/// What a step reads of a repo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadsRepo {
    /// The repo.
    pub repo: RepoId,
    /// Whether it takes the newest backup.
    pub newest: bool,
    /// Whether it restores a backup.
    pub restores: bool,
    /// Whether it looks at the WAL.
    pub wal: bool,
}

/// How the target of a recovery is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    /// Before what the drill is after.
    Earlier,
    /// Behind it.
    Later,
}

/// The rows that a step brings into a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brings {
    /// The node.
    pub into: NodeId,
    /// Which rows.
    pub what: Brought,
    /// The database that they go to: by default that of the dump, or the node's own one.
    pub database: Option<String>,
}

/// Which rows a step brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// Those of the dump with this id.
    Dump(StepId),
    /// Those of this table.
    Table(TableName),
}

/// What an assertion looks at, if `prove` can take it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checks {
    /// The transactions of these users on this node.
    Traffic {
        /// The traffic step.
        traffic: StepId,
        /// The node.
        node: NodeId,
    },
    /// That this standby streams.
    Streaming {
        /// The standby.
        standby: NodeId,
        /// The server that it streams from.
        primary: NodeId,
    },
}
