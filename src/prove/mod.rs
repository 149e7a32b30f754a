//! Proving drills: each is broken on purpose, in every way that its plan knows, and has to notice.
//!
//! First the drill runs unbroken. What can be done to its servers just before they are judged, and undone, is tried in that very run
//! (`trial`): one damage after the other, the judgements over each, and then the judgements in earnest. What changes the drill's
//! course, a step left out or a recovery's target moved, is followed on a branch of that run ([`crate::run::Fork`]), on servers of its
//! own, until a step does not pass. Where it would touch what the drill still needs it is a run of its own; those run side by side.
//! A break is noticed when something fails after it; that the lab fails is no notice (`verdict`).

mod damage;
mod trial;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::journal::{Event, Heard, Outcome, Problem};
use crate::plan::{Break, NamedBreak, Plan};
use crate::run::{Change, Drill, Env, Order, run_all};
use trial::{Trials, Tried};
pub use verdict::{Sign, Verdict, remedy};
use verdict::{of_run, problems};

/// What proving a drill came to.
#[derive(Debug)]
pub struct Proof {
    /// What happens in it.
    pub plan: Arc<Plan>,
    /// The version of PostgreSQL.
    pub postgres: String,
    /// How the drill came out unbroken. Where it did not pass, nothing is proved.
    pub unbroken: Outcome,
    /// What went wrong then.
    pub problems: Vec<Problem>,
    /// How long it took unbroken, without what was tried in between.
    pub duration: Duration,
    /// The breaks and what came of them.
    pub breaks: Vec<(NamedBreak, Verdict)>,
    /// What could not be removed.
    pub left: Vec<String>,
    /// Whether somebody ended it.
    pub interrupted: bool,
}

/// How drills are proved.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How many broken drills run at once.
    pub jobs: usize,
    /// Only breaks whose names contain this.
    pub only: Option<String>,
}

/// Proves one drill. `env`'s journal tells `heard`; `next` is the number of the next drill of the run.
pub async fn prove(env: &Arc<Env>, heard: &Heard, drill: &Drill, options: &Options, next: &mut usize) -> Proof {
    let wanted = |one: &&NamedBreak| options.only.as_ref().is_none_or(|text| one.name.contains(text.as_str()));
    let breaks: Vec<NamedBreak> = drill.plan.breaks.iter().filter(wanted).cloned().collect();
    let trials = Arc::new(Trials::new(breaks.iter().filter(|one| one.ignored.is_none()).cloned()));
    let whole =
        Drill { change: Arc::new(Change { trial: Some(trials.clone()), ..Change::default() }), ..drill.clone() };
    let (first, mut left) = run_one_by_one(env, vec![whole], 1, next).await;
    let events = heard.take();
    let mut proof = unbroken(drill, &events, first);
    if proof.unbroken != Outcome::Passed {
        proof.left = left;
        proof.interrupted = env.cancel.is_cancelled();
        return proof;
    }
    let tried = trials.take();
    let (mut verdicts, alone) = sort(&breaks, &tried, &skipped(&events));
    let at_most = patience(&drill.plan, &events);
    let broken: Vec<(usize, Drill)> =
        alone.into_iter().filter_map(|at| Some((at, broken(drill, &breaks[at], &at_most)?))).collect();
    let (places, drills): (Vec<usize>, Vec<Drill>) = broken.into_iter().unzip();
    let (first, more) = run_one_by_one(env, drills, options.jobs, next).await;
    left.extend(more);
    let mut runs = by_drill(heard.take());
    for (number, at) in places.into_iter().enumerate() {
        let events = runs.remove(&(first + number)).unwrap_or_default();
        verdicts.insert(at, of_run(&drill.plan, &breaks[at].what, &events));
    }
    proof.breaks = breaks.into_iter().enumerate().filter_map(|(at, one)| Some((one, verdicts.remove(&at)?))).collect();
    proof.left = left;
    proof.interrupted = env.cancel.is_cancelled();
    proof
}

/// Runs drills under numbers of their own; returns the first number, and what could not be removed.
async fn run_one_by_one(env: &Arc<Env>, drills: Vec<Drill>, jobs: usize, next: &mut usize) -> (usize, Vec<String>) {
    let first = *next;
    *next += drills.len();
    let finished = run_all(env.clone(), drills, Order { jobs, fail_fast: false }, first).await;
    (first, finished.left)
}

fn unbroken(drill: &Drill, events: &[Event], number: usize) -> Proof {
    let end = events.iter().find_map(|event| match event {
        Event::DrillFinished { drill, outcome, duration_ms, .. } if *drill == number => Some((*outcome, *duration_ms)),
        _ => None,
    });
    let version = events.iter().find_map(|event| match event {
        Event::DrillStarted { drill, postgres, .. } if *drill == number => Some(postgres.clone()),
        _ => None,
    });
    let (outcome, _) = end.unwrap_or((Outcome::Errored, 0));
    let last = events.iter().filter_map(|event| match event {
        Event::StepFinished { started_ms, duration_ms, .. } => Some(started_ms + duration_ms),
        _ => None,
    });
    Proof {
        plan: drill.plan.clone(),
        postgres: version.unwrap_or_else(|| drill.major.to_string()),
        unbroken: if outcome == Outcome::Skipped { Outcome::Errored } else { outcome },
        problems: problems(events),
        duration: Duration::from_millis(last.max().unwrap_or_default()),
        breaks: vec![],
        left: vec![],
        interrupted: false,
    }
}

/// The steps that were not run, on this version.
fn skipped(events: &[Event]) -> Vec<usize> {
    let skipped = events.iter().filter_map(|event| match event {
        Event::StepFinished { index, outcome: Outcome::Skipped, .. } => Some(*index),
        _ => None,
    });
    skipped.collect()
}

/// What is known after the unbroken run, and the breaks that take a run of their own. What is not there to be broken is in neither.
fn sort(
    breaks: &[NamedBreak],
    tried: &BTreeMap<String, Tried>,
    skipped: &[usize],
) -> (BTreeMap<usize, Verdict>, Vec<usize>) {
    let (mut known, mut alone) = (BTreeMap::new(), vec![]);
    for (at, one) in breaks.iter().enumerate() {
        if one.what.step().is_some_and(|step| skipped.contains(&step)) {
            continue;
        }
        match (&one.ignored, tried.get(&one.name)) {
            (Some(because), _) => {
                known.insert(at, Verdict::Ignored(because.clone()));
            }
            (None, Some(Tried::Judged(verdict))) => {
                known.insert(at, verdict.clone());
            }
            (None, Some(Tried::Nothing)) => {}
            (None, Some(Tried::Alone)) => alone.push(at),
            // It has no judgement after it.
            (None, None) if one.what.is_damage() => {
                known.insert(at, Verdict::Missed(vec![]));
            }
            (None, None) => alone.push(at),
        }
    }
    (known, alone)
}

/// How long each step may take in a broken run: much longer than it has just taken, and no longer than it may.
fn patience(plan: &Plan, events: &[Event]) -> Vec<Duration> {
    const MORE: Duration = Duration::from_secs(10);
    let mut most: Vec<Duration> = plan.steps.iter().map(|step| step.deadline).collect();
    for event in events {
        if let Event::StepFinished { index, duration_ms, .. } = event
            && let Some(most) = most.get_mut(*index)
        {
            *most = Duration::from_millis(*duration_ms) * 4 + MORE;
        }
    }
    most
}

/// The drill, broken. None where there is no such step.
fn broken(drill: &Drill, one: &NamedBreak, at_most: &[Duration]) -> Option<Drill> {
    // Up to the break everything is as it was.
    let from = one.what.step().unwrap_or_default();
    let patient = drill.plan.steps.iter().take(from).map(|step| step.deadline);
    let at_most = patient.chain(at_most.iter().skip(from).copied()).collect();
    let mut change = Change { at_most, brief: true, ..Change::default() };
    match &one.what {
        Break::LeftOut(index) | Break::NoIncident(index) => change.left_out = Some(*index),
        Break::Moved(index, shift) => {
            change.replaced = Some((*index, drill.plan.steps.get(*index)?.step.moved(*shift)?));
        }
        Break::Damaged(..) | Break::TransactionLost { .. } | Break::StandbyStopped { .. } => {
            change.trial = Some(Arc::new(Trials::in_earnest(one.clone())));
        }
    }
    Some(Drill { change: Arc::new(change), ..drill.clone() })
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
