//! What people do in a drill that is played as a firedrill.

use std::time::Duration;

use crate::harness::NodeId;

/// What people do in a drill that is played as a firedrill, and how it is judged.
#[derive(Debug, Clone, Default)]
pub struct PeoplesPart {
    /// The index of the incident that it is about; none for a drill without one.
    pub incident: Option<usize>,
    /// The steps before this one are played; from here on people are on their own.
    pub begins: usize,
    /// The steps behind that one that the drill itself does before people begin, by their indices:
    /// what ends users whom the recovery does not wait for.
    pub opening: Vec<usize>,
    /// The steps that people do in their own way, by their indices, without the lines of an `all`:
    /// of a `team` step those of `auto`, none if only people can play the drill.
    pub theirs: Vec<usize>,
    /// The steps that the drill itself does once people are done, before the checks are made for
    /// good, by their indices, without the lines of an `all`: what ends the users; and what comes
    /// behind a `team` step.
    pub closing: Vec<usize>,
    /// The checks that say when they are done, by their indices, without the lines of an `all`.
    pub judge: Vec<usize>,
    /// The checks at the drill's end that cannot be made when people recover in their own way, with
    /// the reason.
    pub left_out: Vec<(usize, String)>,
    /// The servers that they may make: where the checks look for what they made.
    pub adopt: Vec<NodeId>,
    /// What they are told, in Markdown; none: it is made from the drill.
    pub brief: Option<String>,
    /// Hints that can be bought.
    pub hints: Vec<Hint>,
    /// What comes in between.
    pub injects: Vec<Inject>,
    /// Second accidents that cost points.
    pub traps: Vec<Trap>,
    /// How long they have; none: as the command line says.
    pub within: Option<Duration>,
}

/// A hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// What it says.
    pub text: String,
    /// What it costs, in points.
    pub costs: u32,
    /// How long after the incident it can be bought at the earliest.
    pub after: Duration,
}

/// Something that comes in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inject {
    /// How long after the incident it comes.
    pub after: Option<Duration>,
    /// The index of the step that waits for its moment.
    pub when: Option<usize>,
    /// What the team is told.
    pub say: Option<String>,
    /// The indices of the steps that are run, without the lines of an `all`.
    pub steps: Vec<usize>,
}

/// A second accident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// What it is called.
    pub name: String,
    /// The index of the step that waits for it.
    pub when: usize,
    /// What it costs, in points.
    pub costs: u32,
}
