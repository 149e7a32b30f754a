//! Damages, each tried before the judgements that could notice it, and undone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::damage::{self, Done};
use super::verdict::of_steps;
use crate::harness::Checks;
use crate::journal::{BreakVerdict, Event, Problem};
use crate::plan::{Break, NamedBreak, Plan};
use crate::run::{Block, Change, Fork, Trial};

/// What came of trying a damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// The judgements spoke.
    Judged(BreakVerdict),
    /// There is nothing to damage: the tables have no such thing.
    Nothing,
    /// It cannot be undone here, since users are at work: it takes a run of its own.
    Alone,
}

/// Damages to be tried in one run.
#[derive(Debug)]
pub struct Trials {
    damages: Vec<NamedBreak>,
    /// What changes the drill's course from a step on.
    turns: Vec<NamedBreak>,
    /// Whether the damage is left, and the drill goes on with it.
    in_earnest: bool,
    tried: Mutex<BTreeMap<String, Tried>>,
}

/// How long one judgement over a damage may take: what a damaged server does not do at once it does
/// not do.
const PATIENCE: Duration = Duration::from_secs(30);

impl Trials {
    /// Each of these is tried: damages are undone, other courses are followed on a branch as far as
    /// that goes.
    pub fn new(breaks: impl Iterator<Item = NamedBreak>) -> Self {
        let (damages, turns) = breaks.partition(|one| one.what.is_damage());
        Trials { damages, turns, in_earnest: false, tried: Mutex::default() }
    }

    /// This one is done before the first judgements that could notice it, and left.
    pub fn in_earnest(damage: NamedBreak) -> Self {
        Trials { damages: vec![damage], turns: vec![], in_earnest: true, tried: Mutex::default() }
    }

    /// What came of each.
    pub fn take(&self) -> BTreeMap<String, Tried> {
        std::mem::take(&mut self.tried())
    }

    fn tried(&self) -> MutexGuard<'_, BTreeMap<String, Tried>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what came of it; what earlier judgements have passed over is not forgotten.
    fn note(&self, one: &NamedBreak, tried: Tried) {
        let mut all = self.tried();
        match (all.get_mut(&one.name), tried) {
            (
                Some(Tried::Judged(BreakVerdict::Missed { passed: before })),
                Tried::Judged(BreakVerdict::Missed { passed }),
            ) => before.extend(passed),
            (_, tried) => {
                all.insert(one.name.clone(), tried);
            }
        }
    }

    /// Whether somebody has already said all that there is to say. What was missed may still be
    /// noticed by later judgements.
    fn is_open(&self, one: &NamedBreak) -> bool {
        match self.tried().get(&one.name) {
            None => true,
            Some(tried) => !self.in_earnest && matches!(tried, Tried::Judged(BreakVerdict::Missed { .. })),
        }
    }

    async fn try_one(&self, block: &Block<'_>, one: &NamedBreak) -> Result<(), Problem> {
        let undone = |why: String| {
            Problem::new(format!("`{}` could not be undone", one.name))
                .note("", why)
                .help("nothing is proved by this run: `drillyard run` shows whether the drill itself passes")
        };
        let users = block.world.shared_users()();
        // Rows and catalogs under users who write could not be put back as they were.
        let at_work = users.iter().any(|(_, users)| users.pool.at_work());
        if at_work && !self.in_earnest && !matches!(one.what, Break::StandbyStopped { .. }) {
            self.note(one, Tried::Alone);
            return Ok(());
        }
        let done = match damage::make(block, &one.what).await {
            Ok(Done::Damaged(undo)) => undo,
            Ok(Done::Nothing) => {
                // A later block may judge another node, or the same one when it can be written to.
                self.tried().entry(one.name.clone()).or_insert(Tried::Nothing);
                return Ok(());
            }
            Err(why) => {
                let why = format!("the damage could not be done: {why}");
                self.note(one, Tried::Judged(BreakVerdict::Errored { why }));
                return Ok(());
            }
        };
        if self.in_earnest {
            self.note(one, Tried::Alone);
            return Ok(());
        }
        let events = block.judge(PATIENCE).await;
        damage::undo(block, done).await.map_err(undone)?;
        // A check that is tried again may hold later than that: its own time decides.
        let tried = match cut_short(block.plan(), &events) {
            true => Tried::Alone,
            false => Tried::Judged(of_steps(block.plan(), block.first(), &events)),
        };
        self.note(one, tried);
        Ok(())
    }
}

/// The last pause between two tries, and a little more: a check gives up when there is no time left
/// for another try.
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// Whether the first check that did not hold, which decides, was tried again for as long as it was
/// let, and would have been for longer. One that gave up before then has said what it has to say.
pub(super) fn cut_short(plan: &Plan, events: &[Event]) -> bool {
    let first = events.iter().find_map(|event| match event {
        Event::StepFinished { index, outcome, duration_ms, .. } if outcome.is_bad() => {
            Some((plan.steps.get(*index)?, Duration::from_millis(*duration_ms)))
        }
        _ => None,
    });
    first.is_some_and(|(step, took)| step.retry && step.deadline > PATIENCE && took + LAST_PAUSE >= PATIENCE)
}

/// Whether a block comes after the damage's cause and judges at all what it damages.
fn concerns(block: &Block<'_>, what: &Break) -> bool {
    let checks = |wanted: Checks| block.lines().any(|line| line.effects.checks.as_ref() == Some(&wanted));
    match what {
        Break::Damaged(_, step, _) => block.first() > *step,
        Break::TransactionLost { traffic, node } => {
            checks(Checks::Traffic { traffic: traffic.clone(), node: node.clone() })
        }
        Break::StandbyStopped { standby, primary } => {
            checks(Checks::Streaming { standby: standby.clone(), primary: primary.clone() })
        }
        Break::LeftOut(_) | Break::NoIncident(_) | Break::Moved(..) | Break::Spoiled(..) | Break::RoleLost(_) => false,
    }
}

#[async_trait(?Send)]
impl Trial for Trials {
    async fn before(&self, block: &Block<'_>) -> Result<(), Problem> {
        for one in &self.damages {
            let nothing = self.tried().get(&one.name) == Some(&Tried::Nothing);
            if concerns(block, &one.what) && (self.is_open(one) || nothing) {
                self.try_one(block, one).await?;
            }
        }
        Ok(())
    }

    async fn at(&self, fork: &Fork<'_>) -> Result<(), Problem> {
        for one in
            self.turns.iter().filter(|one| one.what.step().map(|step| fork.plan().turn(step)) == Some(fork.index()))
        {
            let change = match &one.what {
                Break::LeftOut(index) => Change { left_out: Some(*index), brief: true, ..Change::default() },
                Break::Moved(index, shift) => {
                    let Some(step) = fork.plan().steps.get(*index).and_then(|step| step.step.moved(*shift)) else {
                        continue;
                    };
                    Change { replaced: Some((*index, step)), brief: true, ..Change::default() }
                }
                // What its mark would know is known only once it has happened: the incident's own
                // run asks for it.
                _ => continue,
            };
            let left = |error: crate::host::HostError| {
                Problem::new(format!("the servers of `{}` could not be removed", one.name)).note("", error.to_string())
            };
            let tried = match fork.go_on(change).await.map_err(left)? {
                Some(events) => Tried::Judged(of_steps(fork.plan(), fork.index(), &events)),
                None => Tried::Alone,
            };
            self.note(one, tried);
        }
        Ok(())
    }

    fn branches(&self) -> bool {
        self.turns.iter().any(|one| matches!(one.what, Break::LeftOut(_) | Break::Moved(..)))
    }
}
