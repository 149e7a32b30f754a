//! A drill whose servers were left running: what its last checks need is kept with them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::change::Change;
use super::people::{Checked, Field};
use super::work::{Env, Work};
use crate::harness::World;
use crate::journal::Outcome;
use crate::plan::Plan;

/// How long all of its checks may take together.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A drill whose servers were left running.
pub struct KeptDrill {
    /// What all drills of its run share.
    pub(super) env: Env,
    pub(super) plan: Arc<Plan>,
    pub(super) seed: u64,
    pub(super) index: usize,
    pub(super) world: World,
    /// Its last checks.
    pub(super) judge: Vec<usize>,
    /// Those of them that cannot be made when people recover in their own way.
    pub(super) unjudged: Vec<usize>,
}

impl std::fmt::Debug for KeptDrill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptDrill").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl KeptDrill {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// What a check is called, by its index.
    pub fn check_name(&self, index: usize) -> &str {
        self.plan.steps.get(index).map_or("", |step| &step.head.name)
    }

    /// Makes its last checks again: those that were made, as they are now. Nobody else is told.
    pub async fn check(&self) -> Vec<Checked> {
        let change = Change::default();
        let deadline = Instant::now() + PATIENCE;
        let place = (self.index, self.seed);
        let work = Work::begin(&self.env, &self.plan, &change, place, deadline);
        let field = Field { work: &work, world: &self.world };
        let mut checked = field.check(&self.judge, Duration::MAX).await;
        checked.retain(|one| one.outcome != Outcome::Skipped && !self.unjudged.contains(&one.index));
        checked
    }
}

/// The checks that a drill ends with, in their order.
pub(super) fn last_checks(plan: &Plan) -> Vec<usize> {
    let course = plan.course();
    let last = course.iter().rev().take_while(|step| step.is_check());
    let mut last: Vec<usize> = last.map(|step| step.head.index).collect();
    last.reverse();
    last
}
