//! Checks that follow one another, which can be tried before they are made.

use std::time::Duration;

use super::change::Change;
use super::step::{Ran, StepRun};
use super::tally::Tally;
use super::work::Work;
use crate::harness::World;
use crate::journal::Event;
use crate::plan::{Plan, PlannedStep};

/// Judgements that follow one another, an `all` with its lines among them.
pub struct Block<'a> {
    pub(super) work: &'a Work<'a>,
    /// The drill's world.
    pub world: &'a World,
    /// The steps, without the lines of an `all`.
    pub steps: Vec<&'a PlannedStep>,
}

impl Block<'_> {
    /// What happens in the drill.
    pub fn plan(&self) -> &Plan {
        self.work.plan
    }

    /// The index of its first step.
    pub fn first(&self) -> usize {
        self.steps.first().map_or(0, |step| step.head.index)
    }

    /// All its judgements, the lines of an `all` included.
    pub fn lines(&self) -> impl Iterator<Item = &PlannedStep> {
        let all = &self.work.plan.steps;
        let of = |group: usize| self.steps.iter().any(|step| step.head.index == group);
        all.iter().filter(move |step| of(step.head.index) || step.head.group.is_some_and(of))
    }

    /// What everything random begins with.
    pub fn seed(&self) -> u64 {
        self.work.seed
    }

    /// Checks without reporting anything, up to the first check that does not hold; returns what
    /// was heard.
    pub async fn judge(&self, at_most: Duration) -> Vec<Event> {
        let (env, heard) = self.work.env.unheard();
        let change = Change { brief: true, ..Change::within(self.plan(), at_most) };
        let work = self.work.beside(&env, &change, self.work.deadline);
        let world = self.world.telling(env.journal.clone());
        let mut tally = Tally::default();
        for step in &self.steps {
            if StepRun::of(&work, &world, step).run(&mut tally).await == Ran::End {
                break;
            }
        }
        heard.take()
    }
}
