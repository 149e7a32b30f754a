//! In what a run differs from its plan, so that somebody can see whether the drill notices.

use std::time::Duration;

use crate::harness::{NodeId, RepoId, Step};
use crate::node::Address;
use crate::plan::{Plan, PlannedStep};
use crate::repo::Spoil;

/// In what a run differs from its plan. The default is in nothing.
#[derive(Debug, Default)]
pub struct Change {
    /// A step that is not run.
    pub left_out: Option<usize>,
    /// A step that does something else.
    pub replaced: Option<(usize, Box<dyn Step>)>,
    /// A repo of somebody else's that is read as if something were wrong with it.
    pub spoiled: Option<(RepoId, Spoil)>,
    /// An external server whose standbys come as a role that is not there.
    pub role_lost: Option<NodeId>,
    /// The most that a step may take, by its index, whatever its deadline: something that never
    /// comes is not waited for as patiently as in earnest.
    pub at_most: Vec<Duration>,
    /// Whether people work on its servers, which keep a log of what they do.
    pub attended: bool,
    /// The hosts that people have for servers of their own, and those of servers that the drill
    /// makes itself, in the place of those of all steps.
    pub scratch: Vec<String>,
    /// The checks that cannot be made when people recover in their own way.
    pub unjudged: Vec<usize>,
    /// Whether the first line of an `all` that does not hold is the last one.
    pub brief: bool,
}

impl Change {
    /// One in which no step takes longer than this.
    pub fn within(plan: &Plan, at_most: Duration) -> Self {
        Change { at_most: vec![at_most; plan.steps.len()], ..Change::default() }
    }

    /// What the step does in this run.
    pub fn step<'a>(&'a self, planned: &'a PlannedStep) -> &'a dyn Step {
        match &self.replaced {
            Some((index, step)) if *index == planned.head.index => step.as_ref(),
            _ => planned.step.as_ref(),
        }
    }

    /// How long the step may take in this run.
    pub fn deadline(&self, planned: &PlannedStep) -> Duration {
        self.cut_short(planned, planned.deadline)
    }

    /// The same, if by itself it may take this long.
    pub fn cut_short(&self, planned: &PlannedStep, own: Duration) -> Duration {
        self.at_most.get(planned.head.index).map_or(own, |most| own.min(*most))
    }

    /// What is wrong with a repo in this run.
    pub fn spoils(&self, repo: &RepoId) -> Option<Spoil> {
        self.spoiled.as_ref().filter(|(spoiled, _)| spoiled == repo).map(|(_, spoil)| *spoil)
    }

    /// How an external server is reached in this run.
    pub fn address(&self, node: &str, address: &Address) -> Address {
        let role_lost = self.role_lost.as_ref().is_some_and(|lost| lost.as_str() == node);
        Address { role_lost, ..address.clone() }
    }

    /// Whether the step is left out.
    pub fn leaves_out(&self, planned: &PlannedStep) -> bool {
        let index = planned.head.index;
        self.left_out == Some(index) || self.unjudged.contains(&index)
    }
}
