//! The ways in which a drill can be broken on purpose, each of which it should notice. Found without a server: what the tables have
//! (a foreign key, a grant) is known when the drill runs.

use std::collections::BTreeMap;
use std::fmt;

use super::PlannedStep;
use crate::harness::{Brought, Checks, NodeId, NodeSpec, Recovers, Role, Shift, StepId};

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
            Break::TransactionLost { .. } | Break::StandbyStopped { .. } => None,
        }
    }

    /// Whether it is something that is done to servers before they are judged, and can be undone.
    pub fn is_damage(&self) -> bool {
        matches!(self, Break::Damaged(..) | Break::TransactionLost { .. } | Break::StandbyStopped { .. })
    }

    fn word(&self) -> &'static str {
        match self {
            Break::LeftOut(_) => "left-out",
            Break::NoIncident(_) => "no-incident",
            Break::Moved(_, Shift::Earlier) => "too-early",
            Break::Moved(_, Shift::Later) => "too-late",
            Break::Damaged(damage, ..) => damage.as_str(),
            Break::TransactionLost { .. } => "transaction-lost",
            Break::StandbyStopped { .. } => "standby-stopped",
        }
    }
}

impl fmt::Display for NamedBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// All the ways of breaking a drill, in the order of its steps. A step that is expected to fail is a judgement, and left alone;
/// what the drill does in `finally` is no part of it.
pub fn breaks(steps: &[PlannedStep], nodes: &BTreeMap<NodeId, NodeSpec>) -> Vec<NamedBreak> {
    let mut found: Vec<Break> = vec![];
    let own = |step: &&PlannedStep| !step.finally && step.fails.is_none();
    let strikes = |step: &&PlannedStep| step.kind.role == Role::Incident && step.kind.recovers == Recovers::Never;
    let inject = steps.iter().filter(own).find(strikes).map(|step| step.head.index);
    let judged =
        steps.iter().filter(|step| !step.finally && step.kind.role == Role::Check).map(|step| step.head.index).max();
    for step in steps.iter().filter(|step| !step.finally) {
        let index = step.head.index;
        // One that is a part of the recovery (a start, say) is left out for good.
        if strikes(&step) && step.fails.is_none() {
            found.push(Break::NoIncident(index));
        }
        // What no step kind knows may be done by hand.
        let between = inject.is_some_and(|inject| inject < index) && judged.is_some_and(|judged| index < judged);
        let recovers = match step.kind.recovers {
            Recovers::Never => false,
            Recovers::Always => true,
            Recovers::BehindIncident => between,
        };
        if recovers && step.fails.is_none() {
            found.push(Break::LeftOut(index));
            for shift in [Shift::Earlier, Shift::Later] {
                found.extend(step.step.moved(shift).map(|_| Break::Moved(index, shift)));
            }
        }
        if let Some(brings) = step.effects.brings.as_ref().filter(|_| step.fails.is_none()) {
            // A copy on which the import is rehearsed is not the drill's result.
            let own = nodes.get(&brings.into).is_some_and(|spec| spec.external.is_none());
            let is_last = !steps.iter().any(|other| {
                let same = other
                    .effects
                    .brings
                    .as_ref()
                    .is_some_and(|also| also.into == brings.into && !differ(&also.what, &brings.what));
                same && !other.finally && other.fails.is_none() && other.head.index > index
            });
            if own && is_last {
                // A merge brings rows, and leaves the table that they go to as it is.
                let damages = match brings.what {
                    Brought::Dump(_) => &Damage::ALL[..],
                    Brought::Table(_) => &Damage::ALL[..3],
                };
                found.extend(damages.iter().map(|damage| Break::Damaged(*damage, index, brings.into.clone())));
            }
        }
        // What is expected to find losses finds one more, and a line of an `all` that is to fail too.
        let fails = |step: &PlannedStep| step.fails.is_some();
        let to_fail = fails(step) || step.group.and_then(|group| steps.get(group)).is_some_and(fails);
        let judged = match step.effects.checks.as_ref().filter(|_| !to_fail) {
            Some(Checks::Traffic { traffic, node }) if !is_external(nodes, node) => {
                Some(Break::TransactionLost { traffic: traffic.clone(), node: node.clone() })
            }
            Some(Checks::Streaming { standby, primary }) if !is_external(nodes, standby) => {
                Some(Break::StandbyStopped { standby: standby.clone(), primary: primary.clone() })
            }
            _ => None,
        };
        if let Some(judged) = judged
            && !found.contains(&judged)
        {
            found.push(judged);
        }
    }
    named(steps, found)
}

/// Whether what was brought once is certainly not what was brought the other time.
fn differ(one: &Brought, other: &Brought) -> bool {
    matches!((one, other), (Brought::Table(one), Brought::Table(other)) if one != other)
}

fn is_external(nodes: &BTreeMap<NodeId, NodeSpec>, node: &str) -> bool {
    nodes.get(node).is_some_and(|spec| spec.external.is_some())
}

/// Gives each its name: that of the step is its id, else `KIND:NODE`, with a number where several are called so.
fn named(steps: &[PlannedStep], found: Vec<Break>) -> Vec<NamedBreak> {
    let mut named: Vec<NamedBreak> = vec![];
    for what in found {
        let of = match (&what, what.step().and_then(|index| steps.get(index))) {
            (_, Some(step)) => step.head.id.clone().unwrap_or_else(|| by_kind_and_node(step)),
            (Break::TransactionLost { traffic, node }, _) => format!("{traffic}:{node}"),
            (Break::StandbyStopped { standby, .. }, _) => standby.to_string(),
            _ => String::new(),
        };
        let plain = format!("{} {of}", what.word());
        let taken = |name: &str| named.iter().any(|other| other.name == name);
        let mut name = plain.clone();
        let mut number = 2;
        while taken(&name) {
            name = format!("{plain}#{number}");
            number += 1;
        }
        named.push(NamedBreak { name, what, ignored: None });
    }
    named
}

fn by_kind_and_node(step: &PlannedStep) -> String {
    match step.makes.as_ref().or_else(|| step.nodes().next()) {
        Some(node) => format!("{}:{node}", step.kind.name),
        None => step.kind.name.to_owned(),
    }
}
