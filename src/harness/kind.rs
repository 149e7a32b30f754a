//! What is the same for all steps of a kind.

use std::time::Duration;

use schemars::{Schema, SchemaGenerator};

use super::MarkKind;

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
    /// It waits until something is so, and changes nothing.
    Wait,
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
    /// It is not, but behind the incident it prepares one: a runbook has it, too.
    Prepares,
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
    /// Whether the servers that its steps name have to run.
    pub needs_server: bool,
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

    /// Why none of its steps is a mark; none if they are.
    pub fn why_no_mark(&self) -> Option<&'static str> {
        if self.is_mark() {
            return None;
        }
        Some(match self.role {
            Role::Check => "a check changes nothing",
            Role::Group | Role::Team | Role::Fragment => "it stands for the steps in it: give one of those an `id`",
            Role::Act | Role::Wait | Role::Incident => "it only reads, or waits, and changes nothing",
        })
    }

    /// The facts that its steps may report, whether they are marks or not.
    pub fn own_facts(&self) -> impl Iterator<Item = &'static str> {
        self.facts.split_whitespace()
    }

    /// The facts that its steps may report, each once: what later steps can ask for.
    pub fn facts(&self) -> Vec<&'static str> {
        let of_mark = self.mark.facts().iter().map(|fact| fact.name());
        let mut all: Vec<&str> = self.own_facts().collect();
        for fact in of_mark {
            if !all.contains(&fact) {
                all.push(fact);
            }
        }
        all
    }

    /// Whether its steps may report this.
    pub fn leaves(&self, fact: &str) -> bool {
        self.facts().contains(&fact)
    }
}
