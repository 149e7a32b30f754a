//! In what a run differs from its plan, so that somebody can see whether the drill notices; and trying judgements before they are made.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::branch::Fork;
use super::drill::{Drill, Env, Tally, Work};
use super::step::{Ran, StepRun};
use crate::harness::{Step, World};
use crate::journal::{Event, Heard, Problem};
use crate::plan::PlannedStep;

/// In what a run differs from its plan. The default is in nothing.
#[derive(Debug, Default)]
pub struct Change {
    /// A step that is not run.
    pub left_out: Option<usize>,
    /// A step that does something else.
    pub replaced: Option<(usize, Box<dyn Step>)>,
    /// The most that a step may take, by its index, whatever its deadline: something that never comes is not waited for as
    /// patiently as in earnest.
    pub at_most: Vec<Duration>,
    /// Whether the first line of an `all` that does not hold is the last one.
    pub brief: bool,
    /// Who is called before each block of judgements.
    pub trial: Option<Arc<dyn Trial>>,
}

impl Change {
    /// What the step does in this run.
    pub fn step<'a>(&'a self, planned: &'a PlannedStep) -> &'a dyn Step {
        match &self.replaced {
            Some((index, step)) if *index == planned.head.index => step.as_ref(),
            _ => planned.step.as_ref(),
        }
    }

    /// How long the step may take in this run.
    pub fn deadline(&self, planned: &PlannedStep) -> Duration {
        self.at_most.get(planned.head.index).map_or(planned.deadline, |most| planned.deadline.min(*most))
    }

    /// Whether the step is left out.
    pub fn leaves_out(&self, planned: &PlannedStep) -> bool {
        self.left_out == Some(planned.head.index)
    }
}

/// Somebody who does something to the servers before they are judged.
#[async_trait(?Send)]
pub trait Trial: Send + Sync + std::fmt::Debug {
    /// Called before each block of judgements, which may be tried as often as one likes.
    ///
    /// # Errors
    /// Where the servers are not any more as they were: the drill cannot be judged then.
    async fn before(&self, block: &Block<'_>) -> Result<(), Problem>;

    /// Called before each other step, from which branches can be followed.
    ///
    /// # Errors
    /// Where a branch could not be removed: the drill cannot be judged then.
    async fn at(&self, fork: &Fork<'_>) -> Result<(), Problem>;

    /// Whether branches will be followed: they need hosts.
    fn branches(&self) -> bool;
}

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
    pub fn plan(&self) -> &crate::plan::Plan {
        &self.work.drill.plan
    }

    /// The index of its first step.
    pub fn first(&self) -> usize {
        self.steps.first().map_or(0, |step| step.head.index)
    }

    /// All its judgements, the lines of an `all` included.
    pub fn lines(&self) -> impl Iterator<Item = &PlannedStep> {
        let all = &self.work.drill.plan.steps;
        let of = |group: usize| self.steps.iter().any(|step| step.head.index == group);
        all.iter().filter(move |step| of(step.head.index) || step.group.is_some_and(of))
    }

    /// What everything random begins with.
    pub fn seed(&self) -> u64 {
        self.work.drill.seed
    }

    /// Judges without telling anybody, up to the first judgement that does not hold; what was heard is returned.
    pub async fn judge(&self, at_most: Duration) -> Vec<Event> {
        let heard = Heard::default();
        let journal = self.work.env.journal.beside(vec![Box::new(heard.clone())]);
        let env = Env { journal: journal.clone(), gate: None, ..self.work.env.clone() };
        let steps = self.work.drill.plan.steps.len();
        let change = Change { at_most: vec![at_most; steps], brief: true, ..Change::default() };
        let drill = Drill { change: Arc::new(change), ..self.work.drill.clone() };
        let work = Work {
            env: &env,
            drill: &drill,
            index: self.work.index,
            start: Instant::now(),
            aside: Mutex::default(),
            deadline: self.work.deadline,
            times: Mutex::new(vec![None; steps]),
        };
        let world = self.world.telling(journal);
        let mut tally = Tally::default();
        for step in &self.steps {
            let run = StepRun { work: &work, world: &world, step, deadline: work.ends(), lenient: false };
            if run.run(&mut tally).await == Ran::End {
                break;
            }
        }
        heard.take()
    }
}
