//! A drill at work: what its parts share, its clock, and the times of its steps.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::change::Change;
use super::gate::Gate;
use super::keep::KeptNode;
use super::tally::StepTime;
use crate::host::Backend;
use crate::journal::{Heard, Journal, Outcome};
use crate::node::ClientEnvironment;
use crate::plan::Plan;

/// What is left running after a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Nothing.
    #[default]
    Never,
    /// The servers of a drill that did not pass.
    OnFailure,
    /// All servers.
    Always,
}

impl Keep {
    /// Whether the servers of a drill stay that came out so.
    pub fn keeps(self, outcome: Outcome) -> bool {
        match self {
            Keep::Never => false,
            Keep::OnFailure => outcome != Outcome::Passed,
            Keep::Always => true,
        }
    }
}

/// What all drills of a run share.
#[derive(Clone)]
pub struct Env {
    /// Where servers are run.
    pub backend: Arc<dyn Backend>,
    /// The run's id.
    pub run: String,
    /// The run's work directory.
    pub dir: PathBuf,
    /// Where the run's records are kept.
    pub records: PathBuf,
    /// Where events go.
    pub journal: Journal,
    /// What is left running.
    pub keep: Keep,
    /// Who is asked before each step.
    pub gate: Option<Arc<dyn Gate>>,
    /// Ends everything.
    pub cancel: CancellationToken,
    /// What libpq would look at to find external servers.
    pub around: Arc<ClientEnvironment>,
}

impl Env {
    /// The same for whoever tries something beside the drill: nobody is asked, and what happens is
    /// told to the returned listener alone.
    pub(super) fn unheard(&self) -> (Env, Heard) {
        let heard = Heard::default();
        let journal = self.journal.beside(vec![Box::new(heard.clone())]);
        (Env { journal, gate: None, ..self.clone() }, heard)
    }
}

/// A drill at work, or a part of one that is tried beside it.
pub struct Work<'a> {
    pub env: &'a Env,
    pub plan: &'a Arc<Plan>,
    /// What everything random begins with.
    pub seed: u64,
    /// In what it differs from the plan.
    pub change: &'a Change,
    /// The drill's number in the run.
    pub index: usize,
    pub start: Instant,
    /// How long the drill's clock stood still, for what is no part of the drill.
    aside: Mutex<Duration>,
    /// When the whole drill has to be done, by that clock.
    pub deadline: Instant,
    times: Mutex<Vec<Option<StepTime>>>,
    /// Whether `drillyard shell` may open sessions on its nodes.
    pub shells: bool,
    /// The hosts without a server of the drill's on which it may run commands, too.
    pub scratch: Mutex<Vec<KeptNode>>,
    /// What people call some of them besides, by their own names for them.
    pub called: Mutex<BTreeMap<String, String>>,
}

impl<'a> Work<'a> {
    /// Begins now, and has to be done at `deadline`.
    pub fn begin(
        env: &'a Env,
        plan: &'a Arc<Plan>,
        change: &'a Change,
        (index, seed): (usize, u64),
        deadline: Instant,
    ) -> Self {
        Work {
            env,
            plan,
            seed,
            change,
            index,
            start: Instant::now(),
            aside: Mutex::default(),
            deadline,
            times: Mutex::new(vec![None; plan.steps.len()]),
            shells: true,
            scratch: Mutex::default(),
            called: Mutex::default(),
        }
    }

    /// The same drill with another change, tried beside it: its servers are nobody's to work on.
    pub fn beside<'b>(&'b self, env: &'b Env, change: &'b Change, deadline: Instant) -> Work<'b> {
        Work { shells: false, ..Work::begin(env, self.plan, change, (self.index, self.seed), deadline) }
    }

    /// How long the drill has been at work.
    pub fn clock(&self) -> Duration {
        self.start.elapsed().saturating_sub(self.stood_still())
    }

    /// When it has to be done.
    pub fn ends(&self) -> Instant {
        self.deadline + self.stood_still()
    }

    fn stood_still(&self) -> Duration {
        *self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The drill's clock has stood still since then.
    pub fn stand_still(&self, since: Instant) {
        self.stood_still_for(since.elapsed());
    }

    /// It has stood still for so long.
    pub fn stood_still_for(&self, time: Duration) {
        *self.aside.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }

    /// Notes when a step began and ended.
    pub fn note_time(&self, step: usize, time: StepTime) {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)[step] = Some(time);
    }

    /// When each step began and ended, if it was run.
    pub fn times(&self) -> Vec<Option<StepTime>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
