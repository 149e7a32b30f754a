//! The proof of one drill after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::trial::{Trials, Tried};
use super::verdict::{of_run, remedy};
use crate::journal::{BreakHead, BreakVerdict, Event, Heard, Outcome};
use crate::plan::{Break, NamedBreak, Plan, PlannedStep};
use crate::run::{Change, Drill, Env, Finished, Keep, Order, Trial, run_all};

/// How drills are proved.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How many broken drills run at once.
    pub jobs: usize,
    /// Only breaks whose names contain this.
    pub only: Option<String>,
}

/// Proves drills, one after the other. `first` is the number of the first one in the run.
pub async fn prove_all(env: Arc<Env>, drills: Vec<Drill>, options: &Options, first: usize) -> Finished {
    let heard = Heard::default();
    env.journal.also_tell(Box::new(heard.clone()));
    // What broken drills say is for nobody's eyes, and their servers' logs are not kept.
    let broken = Heard::default();
    let quiet = Env {
        journal: env.journal.beside(vec![Box::new(broken.clone())]),
        records: env.dir.join("records"),
        keep: Keep::Never,
        gate: None,
        ..Env::clone(&env)
    };
    let next = first + drills.len();
    let mut proofs =
        Proofs { env, heard, quiet: Arc::new(quiet), broken, options, next, finished: Finished::default() };
    for (at, drill) in drills.iter().enumerate() {
        if proofs.env.cancel.is_cancelled() {
            proofs.finished.outcomes.push(Outcome::Errored);
            break;
        }
        let outcome = proofs.prove(drill, first + at).await;
        proofs.finished.outcomes.push(outcome);
    }
    proofs.finished
}

/// The proofs of a run.
struct Proofs<'a> {
    env: Arc<Env>,
    /// Hears what the unbroken drills say.
    heard: Heard,
    /// Where broken drills run.
    quiet: Arc<Env>,
    /// Hears what they say.
    broken: Heard,
    options: &'a Options,
    /// The number of the next broken drill: its servers must not be taken for another one's.
    next: usize,
    finished: Finished,
}

impl Proofs<'_> {
    /// Proves one drill: unbroken it has to pass, and broken it must not.
    async fn prove(&mut self, drill: &Drill, number: usize) -> Outcome {
        let began = Instant::now();
        let only = self.options.only.as_ref();
        let wanted = |one: &&NamedBreak| only.is_none_or(|text| one.name.contains(text.as_str()));
        let breaks: Vec<NamedBreak> = drill.plan.breaks.iter().filter(wanted).cloned().collect();
        self.env.journal.write(Event::ProofStarted {
            drill: number,
            name: drill.plan.name.clone(),
            file: drill.plan.source.file().to_owned(),
            breaks: breaks.iter().map(head).collect(),
        });
        let outcome = self.break_it(drill, number, &breaks).await;
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.env.journal.write(Event::ProofFinished { drill: number, outcome, duration_ms });
        outcome
    }

    async fn break_it(&mut self, drill: &Drill, number: usize, breaks: &[NamedBreak]) -> Outcome {
        let trials = Arc::new(Trials::new(breaks.iter().filter(|one| one.ignored.is_none()).cloned()));
        let whole = Drill { trial: Some(trials.clone()), ..drill.clone() };
        let env = self.env.clone();
        let unbroken = self.run(env, vec![whole], 1, number).await;
        let events = self.heard.take();
        if unbroken != Outcome::Passed {
            return if unbroken == Outcome::Failed { Outcome::Failed } else { Outcome::Errored };
        }
        let (known, alone) = sort(breaks, &trials.take(), &skipped(&events));
        let mut outcomes = vec![];
        for (at, verdict) in known {
            outcomes.push(verdict.outcome());
            self.tell(number, &breaks[at], verdict);
        }
        let at_most = patience(&drill.plan, &events);
        let broken = alone.into_iter().filter_map(|at| Some((at, broken(drill, &breaks[at], &at_most)?)));
        let (places, drills): (Vec<usize>, Vec<Drill>) = broken.unzip();
        let first = self.next;
        self.next += drills.len();
        self.run(self.quiet.clone(), drills, self.options.jobs, first).await;
        let mut runs = by_drill(self.broken.take());
        for (nth, at) in places.into_iter().enumerate() {
            let events = runs.remove(&(first + nth)).unwrap_or_default();
            let verdict = of_run(&drill.plan, &breaks[at].what, &events);
            outcomes.push(verdict.outcome());
            self.tell(number, &breaks[at], verdict);
        }
        Outcome::worst(outcomes)
    }

    /// Runs drills, notes what they leave, and says how the first one came out.
    async fn run(&mut self, env: Arc<Env>, drills: Vec<Drill>, jobs: usize, first: usize) -> Outcome {
        let finished = run_all(env, drills, Order { jobs, fail_fast: false }, first).await;
        self.finished.left.extend(finished.left);
        self.finished.kept.extend(finished.kept);
        self.finished.removal += finished.removal;
        finished.outcomes.first().copied().unwrap_or(Outcome::Errored)
    }

    fn tell(&self, drill: usize, one: &NamedBreak, verdict: BreakVerdict) {
        self.env.journal.write(Event::BreakTried { drill, name: one.name.clone(), verdict });
    }
}

fn head(one: &NamedBreak) -> BreakHead {
    BreakHead { name: one.name.clone(), step: one.what.step(), remedy: remedy(&one.what) }
}

/// The steps that were not run, on this version.
fn skipped(events: &[Event]) -> Vec<usize> {
    let skipped = events.iter().filter_map(|event| match event {
        Event::StepFinished { index, outcome: Outcome::Skipped, .. } => Some(*index),
        _ => None,
    });
    skipped.collect()
}

/// What is known after the unbroken run, and the breaks that take a run of their own. What is not
/// there to be broken is in neither.
fn sort(
    breaks: &[NamedBreak],
    tried: &BTreeMap<String, Tried>,
    skipped: &[usize],
) -> (BTreeMap<usize, BreakVerdict>, Vec<usize>) {
    let (mut known, mut alone) = (BTreeMap::new(), vec![]);
    for (at, one) in breaks.iter().enumerate() {
        if one.what.step().is_some_and(|step| skipped.contains(&step)) {
            continue;
        }
        match (&one.ignored, tried.get(&one.name)) {
            (Some(because), _) => {
                known.insert(at, BreakVerdict::Ignored { because: because.clone() });
            }
            (None, Some(Tried::Judged(verdict))) => {
                known.insert(at, verdict.clone());
            }
            (None, Some(Tried::Nothing)) => {}
            (None, Some(Tried::Alone)) => alone.push(at),
            // It has no judgement after it.
            (None, None) if one.what.is_damage() => {
                known.insert(at, BreakVerdict::Missed { passed: vec![] });
            }
            (None, None) => alone.push(at),
        }
    }
    (known, alone)
}

/// How long each step may take in a broken run: much longer than it has just taken, and no longer
/// than it may.
fn patience(plan: &Plan, events: &[Event]) -> Vec<Duration> {
    const MORE: Duration = Duration::from_secs(10);
    let mut most: Vec<Duration> = plan.steps.iter().map(PlannedStep::longest).collect();
    for event in events {
        if let Event::StepFinished { index, duration_ms, .. } = event
            && let Some(most) = most.get_mut(*index)
            // What is tried again until it holds has all of its time: it might hold in the end.
            && !plan.steps.get(*index).is_some_and(|step| step.retry)
        {
            *most = Duration::from_millis(*duration_ms) * 4 + MORE;
        }
    }
    most
}

/// The drill, broken. None where there is no such step.
fn broken(drill: &Drill, one: &NamedBreak, at_most: &[Duration]) -> Option<Drill> {
    // Up to the break everything is as it was.
    let from = one.what.step().map_or(0, |step| drill.plan.turn(step));
    let time = |(step, most): (&PlannedStep, &Duration)| match drill.plan.turn(step.head.index) < from {
        true => step.longest(),
        false => *most,
    };
    let at_most = drill.plan.steps.iter().zip(at_most).map(time).collect();
    let mut change = Change { at_most, brief: true, ..Change::default() };
    let mut trial: Option<Arc<dyn Trial>> = None;
    match &one.what {
        Break::LeftOut(index) | Break::NoIncident(index) => change.left_out = Some(*index),
        Break::Moved(index, shift) => {
            change.replaced = Some((*index, drill.plan.steps.get(*index)?.step.moved(*shift)?));
        }
        Break::Spoiled(spoil, repo) => change.spoiled = Some((repo.clone(), *spoil)),
        Break::RoleLost(node) => change.role_lost = Some(node.clone()),
        Break::Damaged(..) | Break::TransactionLost { .. } | Break::StandbyStopped { .. } => {
            trial = Some(Arc::new(Trials::in_earnest(one.clone())));
        }
    }
    Some(Drill { change: Arc::new(change), trial, ..drill.clone() })
}

fn by_drill(events: Vec<Event>) -> BTreeMap<usize, Vec<Event>> {
    let mut runs: BTreeMap<usize, Vec<Event>> = BTreeMap::new();
    for event in events {
        let number = match &event {
            Event::DrillStarted { drill, .. }
            | Event::StepFinished { drill, .. }
            | Event::BudgetJudged { drill, .. }
            | Event::DrillFinished { drill, .. } => *drill,
            _ => continue,
        };
        runs.entry(number).or_default().push(event);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Facts;
    use crate::prove::trial::cut_short;
    use crate::prove::verdict::tests::plan_of;

    #[test]
    fn a_check_that_may_still_hold_is_no_notice() {
        let text = "drillyard: 1
nodes: { master: {} }
steps:
  - create_data: { node: master, table: items, rows: 10 }
  - { assert_rows: { node: master, table: items, count: 10 }, within: 2m }
  - { assert_rows: { node: master, table: items, count: 10 }, retry: true, within: 20s }
  - { assert_rows: { node: master, table: items, count: 10 }, retry: true, within: 2m }
";
        let plan = plan_of(text);
        let finished_in = |index: usize, outcome: Outcome, duration_ms: u64| Event::StepFinished {
            drill: 0,
            index,
            outcome,
            started_ms: 0,
            duration_ms,
            message: None,
            problem: None,
            facts: Facts::new(),
        };
        let finished = |index: usize, outcome: Outcome| finished_in(index, outcome, 30_000);
        let failed = |index: usize| cut_short(&plan, &[finished(index, Outcome::Failed)]);
        assert_eq!([1, 2, 3].map(failed), [false, false, true]);
        assert!(!cut_short(&plan, &[finished(3, Outcome::Passed)]));
        // What has noticed it before, and what gave up by itself, stands.
        assert!(!cut_short(&plan, &[1, 3].map(|index| finished(index, Outcome::Failed))));
        assert!(cut_short(&plan, &[3, 1].map(|index| finished(index, Outcome::Failed))));
        assert_eq!([29_100, 40].map(|took| cut_short(&plan, &[finished_in(3, Outcome::Failed, took)])), [true, false]);
        // Nor is one in a run of its own that had less time than in earnest.
        let most = patience(&plan, &[1, 3].map(|index| finished(index, Outcome::Passed)));
        assert_eq!([most[1], most[3]].map(|most| most.as_secs()), [130, 120]);
    }
}
