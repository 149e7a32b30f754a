//! The ways in which a drill can be broken on purpose, each of which it should notice. Found
//! without a server: what the tables have (a foreign key, a grant) is known when the drill runs.

use std::fmt;

use crate::harness::{NodeId, RepoId, Shift, StepId};
use crate::repo::Spoil;

/// One way of breaking a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Break {
    /// A recovery step is left out.
    LeftOut(usize),
    /// An incident is left out.
    NoIncident(usize),
    /// A recovery's target is moved.
    Moved(usize, Shift),
    /// What the step has brought into this node is damaged.
    Damaged(Damage, usize, NodeId),
    /// A transaction that these users were told is committed is gone from this node.
    TransactionLost {
        /// The traffic step's id.
        traffic: StepId,
        /// The node.
        node: NodeId,
    },
    /// A standby is stopped before it is judged.
    StandbyStopped {
        /// The standby.
        standby: NodeId,
        /// The server that it streams from.
        primary: NodeId,
    },
    /// A repo of somebody else's is read as if something were wrong with it.
    Spoiled(Spoil, RepoId),
    /// The role by which a copy follows this external server is gone.
    RoleLost(NodeId),
}

/// What can happen to the tables that a step has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// One row is deleted.
    RowDeleted,
    /// One value that is no key is changed.
    RowChanged,
    /// One row is there twice, under a new key where it must have one.
    RowDoubled,
    /// A foreign key is lost: one that refers to the tables, else one of theirs.
    ForeignKeyLost,
    /// An index is lost.
    IndexLost,
    /// What somebody was granted is lost.
    GrantLost,
    /// A sequence begins again.
    SequenceLost,
}

impl Damage {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Damage; 7] = [
        Damage::RowDeleted,
        Damage::RowChanged,
        Damage::RowDoubled,
        Damage::ForeignKeyLost,
        Damage::IndexLost,
        Damage::GrantLost,
        Damage::SequenceLost,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Damage::RowDeleted => "row-deleted",
            Damage::RowChanged => "row-changed",
            Damage::RowDoubled => "row-doubled",
            Damage::ForeignKeyLost => "foreign-key-lost",
            Damage::IndexLost => "index-lost",
            Damage::GrantLost => "grant-lost",
            Damage::SequenceLost => "sequence-lost",
        }
    }
}

/// A way of breaking a drill, by the name that `prove: { ignore: ... }` knows it by.
#[derive(Debug, Clone)]
pub struct NamedBreak {
    /// `left-out recover:rescue`.
    pub name: String,
    /// What is done.
    pub what: Break,
    /// Why the scenario says that it makes no difference.
    pub ignored: Option<String>,
}

impl Break {
    /// The step that is left out or moved, or whose rows are damaged.
    pub fn step(&self) -> Option<usize> {
        match self {
            Break::LeftOut(index) | Break::NoIncident(index) | Break::Moved(index, _) | Break::Damaged(_, index, _) => {
                Some(*index)
            }
            Break::TransactionLost { .. } | Break::StandbyStopped { .. } | Break::Spoiled(..) | Break::RoleLost(_) => {
                None
            }
        }
    }

    /// Whether it is something that is done to servers before they are judged, and can be undone.
    pub fn is_damage(&self) -> bool {
        matches!(self, Break::Damaged(..) | Break::TransactionLost { .. } | Break::StandbyStopped { .. })
    }

    pub(super) fn word(&self) -> &'static str {
        match self {
            Break::LeftOut(_) => "left-out",
            Break::NoIncident(_) => "no-incident",
            Break::Moved(_, Shift::Earlier) => "too-early",
            Break::Moved(_, Shift::Later) => "too-late",
            Break::Damaged(damage, ..) => damage.as_str(),
            Break::TransactionLost { .. } => "transaction-lost",
            Break::StandbyStopped { .. } => "standby-stopped",
            Break::Spoiled(spoil, _) => spoil.word(),
            Break::RoleLost(_) => "role-lost",
        }
    }
}

impl fmt::Display for NamedBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
