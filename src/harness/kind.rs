//! What is the same for all steps of a kind.

use std::time::Duration;

use schemars::{Schema, SchemaGenerator};

/// What users without a rate do while a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserPace {
    /// As much as they can: the step waits for them, or has nothing to do with recovery.
    Full,
    /// Less, so that they do not slow down what the drill is about.
    HeldBack,
}

/// What a step is in a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It does something.
    Act,
    /// It is what the drill is about.
    Incident,
    /// It checks what came out.
    Check,
    /// It is a list of checks, which are steps of their own.
    Group,
    /// It is what people do, with lists of steps that are steps of their own.
    Team,
    /// It stands for the steps of a fragment, and is none itself.
    Fragment,
}

/// What a step with an `id` is as a mark: a point in the WAL that a recovery can be given as its
/// target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// None.
    None,
    /// A transaction: PostgreSQL can stop right before or after its commit.
    Transaction,
    /// A moment, with a time and a position.
    Moment,
    /// The same, where files go before the commit does: of all targets only the position before the
    /// step is before it.
    FilesFirst,
    /// A restore point with a name.
    RestorePoint,
}

/// What a mark reports: its LSN before and after it, the timeline, the server's time after it, and
/// its transaction, if it was one that wrote.
const MARK_FACTS: &str = "before lsn timeline at xid";

/// What a step leaves under its `id` for later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Rows made from a seed.
    Data,
    /// Users.
    Traffic,
    /// A base backup.
    Backup,
    /// A dump.
    Dump,
    /// A snapshot of tables.
    Snapshot,
}

/// Whether a step is a part of the recovery: its time is told by itself, and `prove` leaves it out
/// and demands that the drill notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovers {
    /// It is not.
    Never,
    /// It is.
    Always,
    /// It may be, behind an incident: the scenario says if leaving it out makes no difference.
    BehindIncident,
    /// It is, if it changes what another step of the recovery has brought.
    IfRepairs,
}

/// Which field names the node, or the nodes, that a step makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Makes {
    /// The field.
    pub field: &'static str,
    /// The field without which the step goes on with a node that is there, and makes none.
    pub with: Option<&'static str>,
}

/// A step kind, as the registry knows it.
#[derive(Debug)]
pub struct Kind {
    /// The action key.
    pub name: &'static str,
    /// Its default deadline.
    pub deadline: Duration,
    /// What it is in a drill.
    pub role: Role,
    /// What mark it is with an `id`.
    pub mark: MarkKind,
    /// What it leaves under its `id`.
    pub output: Option<Output>,
    /// Which field names the node that it makes.
    pub makes: Option<Makes>,
    /// What users without a rate do meanwhile.
    pub users: UserPace,
    /// Whether it is a part of the recovery.
    pub recovers: Recovers,
    /// The facts that its steps may report, beside those of a mark: names with spaces between them.
    pub facts: &'static str,
    /// Its fields as a JSON Schema, with the manual page as the description.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Kind {
    /// Whether a step of this kind with an `id` is a mark.
    pub fn is_mark(&self) -> bool {
        self.mark != MarkKind::None
    }

    /// The facts that its steps may report: what later steps can ask for.
    pub fn facts(&self) -> impl Iterator<Item = &'static str> {
        let of_mark = if self.is_mark() { MARK_FACTS } else { "" };
        self.facts.split_whitespace().chain(of_mark.split_whitespace())
    }

    /// Whether its steps may report this.
    pub fn leaves(&self, fact: &str) -> bool {
        self.facts().any(|known| known == fact)
    }
}
