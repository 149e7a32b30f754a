//! What earlier steps of the drill left for later ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::copied::Copied;
use super::users::Users;
use super::{Link, LossWindow, NodeId, NodeSettings, RepoId, StepId};
use crate::data::{Catalog, DataError, Generator, Roles, RowSum, RowsSnapshot, View};
use crate::host::DiskOf;
use crate::journal::Facts;
use crate::node::Node;
use crate::pg::{Mark, TableName};
use crate::repo::Label;
use crate::source::Spanned;

/// What earlier steps of the drill left.
#[derive(Default, Clone)]
pub struct Outputs {
    /// The servers that exist.
    pub nodes: BTreeMap<NodeId, Arc<Node>>,
    /// Marks, by the id of their step.
    pub marks: BTreeMap<StepId, Mark>,
    /// The settings that steps have given to nodes beside those of `nodes`, in the order of the
    /// steps.
    pub settings: BTreeMap<NodeId, NodeSettings>,
    /// What steps found out, by their ids.
    pub facts: BTreeMap<StepId, Facts>,
    /// The copy of the scenario's files, once it is made.
    pub files: Option<Copied>,
    /// Base backups.
    pub backups: BTreeMap<StepId, Backup>,
    /// Dumps.
    pub dumps: BTreeMap<StepId, Dump>,
    /// Snapshots.
    pub snapshots: BTreeMap<StepId, Snapshot>,
    /// What `create_data` steps generated.
    pub generated: BTreeMap<StepId, Generated>,
    /// How far nodes were recovered, by their name.
    pub recovered: BTreeMap<NodeId, LossWindow>,
    /// The nodes whose dumps were imported, by the node that they were imported into.
    pub imported: BTreeMap<NodeId, Vec<NodeId>>,
    /// Users, by the id of their step.
    pub users: BTreeMap<StepId, Arc<Users>>,
    /// How long the server's log was when a mark was made: (mark, node) to bytes.
    pub log_offsets: BTreeMap<(StepId, NodeId), u64>,
    /// The logs of servers whose disks were lost, by their nodes' names: evidence of the drill, not
    /// of the servers.
    pub lost_logs: BTreeMap<NodeId, String>,
    /// The pairs of nodes that are cut off from each other.
    pub cut: BTreeSet<Link>,
    /// The repos that were lost with their site.
    pub lost_repos: Vec<RepoId>,
    /// The small disks that a step has filled and none has freed.
    pub filled: BTreeSet<DiskOf>,
    /// When a command of the drill's ran last on a node's host: it may do there what it likes.
    pub commands: BTreeMap<NodeId, Instant>,
    /// The servers that were gone soon after such a command: as far as anybody can tell it has
    /// stopped them.
    pub felled: BTreeSet<NodeId>,
    /// The servers whose files a step has removed.
    pub wiped: BTreeSet<NodeId>,
    /// How long the server's log was when its archive_command was broken, by the node.
    pub broken_archives: BTreeMap<NodeId, u64>,
    /// How quickly the last recovery from a repo went.
    pub rates: BTreeMap<RepoId, Rates>,
    /// What catalogs hold and nobody can set, as it was reported: once in a drill is enough.
    pub not_compared: BTreeSet<String>,
}

impl Outputs {
    /// The servers, each once: one that stands in for another is among the nodes by that one's id,
    /// too.
    pub fn servers(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.iter().filter(|(id, node)| ***id == *node.name()).map(|(_, node)| node)
    }
}

/// Rows that a `create_data` step has made.
#[derive(Debug, Clone)]
pub struct Generated {
    /// What makes them.
    pub generator: Generator,
    /// Their sum.
    pub sum: RowSum,
    /// The database that they are in, where it is not the node's own one.
    pub database: Option<Spanned<String>>,
}

/// A base backup.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The repo that it was taken to.
    pub repo: RepoId,
    /// What the repo calls it.
    pub label: Label,
    /// Whether it is of a server with somebody else's data.
    pub of_others: bool,
}

/// How quickly a recovery from a repo went.
#[derive(Debug, Clone)]
pub struct Rates {
    /// The backup that was restored.
    pub label: Label,
    /// How long that took.
    pub restore: Duration,
    /// The bytes of WAL that were replayed, and how long that took.
    pub replay: Option<(u64, Duration)>,
}

/// A dump, in the directory that all hosts share.
#[derive(Debug, Clone)]
pub struct Dump {
    /// The SQL files, in the order in which they are run, as every host sees them.
    pub files: Vec<String>,
    /// The node that it was made of.
    pub node: NodeId,
    /// The database that it was made of, where it is not the node's own one.
    pub database: Option<Spanned<String>>,
    /// What was asked for.
    pub what: Dumped,
    /// The SQL file that makes the database itself, of a dump of a whole one.
    pub itself: Option<String>,
    /// The roles that it is of, if it is one of globals.
    pub roles: Option<Roles>,
}

/// What a dump is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dumped {
    /// Tables.
    Tables(Vec<TableName>),
    /// Whole schemas.
    Schemas(Vec<String>),
    /// A whole database.
    Database,
    /// What the databases of a server have in common: its roles.
    Globals,
}

/// What a `snapshot` step remembers.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The rows of each table, in each way in which a later step asks for them; none with
    /// `catalog_only`.
    pub rows: Vec<KeptRows>,
    /// What the tables looked like.
    pub catalog: Catalog,
    /// The tables, in the step's order.
    pub tables: Vec<TableName>,
    /// How far their sequences had come when something happened later.
    pub sequence_floors: Vec<SequenceFloor>,
    /// The database that they are in, where it is not the node's own one.
    pub database: Option<Spanned<String>>,
    /// The roles of the whole server, if they were asked for.
    pub roles: Option<Roles>,
}

/// What a snapshot remembers of the rows of a table.
#[derive(Debug, Clone)]
pub struct KeptRows {
    /// The table, as the step names it.
    pub table: TableName,
    /// What of it.
    pub view: View,
    /// The rows, or why they could not be read as they were to be seen: whoever asks for them tells
    /// it.
    pub rows: Result<Arc<RowsSnapshot>, Arc<DataError>>,
}

impl Snapshot {
    /// What it remembers of a table: the one of that name, or the only one that it is of.
    pub fn rows_of(&self, table: &TableName, view: &View) -> Option<&KeptRows> {
        let named = self.tables.iter().find(|own| own.quoted() == table.quoted());
        let own = named.or(self.tables.first().filter(|_| self.tables.len() == 1))?;
        self.rows.iter().find(|kept| kept.table == *own && kept.view == *view)
    }
}

/// The sequences of a snapshot's tables, as they were seen later.
#[derive(Debug, Clone)]
pub struct SequenceFloor {
    /// The server.
    pub node: NodeId,
    /// When: `` at `accident` ``.
    pub when: String,
    /// Their names, and the last number of each.
    pub numbers: Vec<(String, i128)>,
}
