//! Incidents that happen while another step is at work.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};

use super::at_work::{AtWork, Ended, POLL};
use super::end::End;
use super::step::{Ran, StepRun};
use super::tally::Tally;
use crate::harness::Finding;
use crate::journal::{Cause, Outcome, Problem};
use crate::node::rest;
use crate::plan::PlannedStep;

/// Which part of the time that a server takes to come it may be seen late.
const PART: u32 = 50;
/// What helps an incident that comes too late.
const SHORTER: &str = "make that step take longer, or `after` shorter";
/// The same of one that began in time, and takes a while by itself.
const SLOW: &str = "it takes a while until it is done: make that step take longer, or give less to do (a disk that is filled: a smaller `size`)";
/// The same of any other.
const LOCKED: &str = "what waits for a lock that the step holds happens after it";

impl<'a> StepRun<'a> {
    /// Runs the step together with what happens while it is at work.
    pub(super) async fn run_with(&self, during: &[&'a PlannedStep], tally: &mut Tally) -> Ran {
        let at_work = AtWork::new();
        let mut own = Tally::default();
        let step = async {
            let ran = StepRun { at_work: Some(&at_work), ..*self }.take_turn(&mut own).await;
            at_work.ends(ran == Ran::End);
            at_work.is_told();
            ran
        };
        let others = join_all(during.iter().map(|incident| self.strike(incident, &at_work)));
        let (ran, others) = Box::pin(join(step, others)).await;
        tally.add(own);
        let mut ended = ran == Ran::End;
        for (ran, other) in others {
            ended |= ran == Ran::End;
            tally.add(other);
        }
        if ended { Ran::End } else { Ran::GoOn }
    }

    /// Runs an incident at its moment.
    async fn strike(&self, incident: &'a PlannedStep, at_work: &AtWork) -> (Ran, Tally) {
        let mut tally = Tally::default();
        let Some(began) = at_work.began().await else { return (Ran::GoOn, tally) };
        let beside = StepRun { step: incident, ..*self };
        // Of one whose moment is not known is told at once why.
        let after = beside.after().await.unwrap_or_default();
        // What is left out on purpose is never at work: the incident happens all the same.
        let left_out = self.work.change.leaves_out(self.step);
        if !left_out {
            let moment = async {
                tokio::time::sleep_until((began + after).into()).await;
                while !self.is_there(incident).await {
                    tokio::time::sleep(rest(began.elapsed(), POLL, PART)).await;
                }
            };
            tokio::select! {
                biased;
                () = self.work.env.cancel.cancelled() => return (Ran::End, tally),
                () = at_work.over() => {}
                () = moment => {}
            }
        }
        let beside = (!left_out).then_some(at_work);
        let run = StepRun { step: incident, beside, at_work: None, lenient: false, ..*self };
        let ran = run.begin(&mut tally).await;
        (ran, tally)
    }

    /// How long after the start of its step the incident happens.
    async fn after(&self) -> Result<Duration, Box<Finding>> {
        let after = self.step.during.as_ref().and_then(|during| during.after.as_ref());
        match after {
            Some(after) => Ok(self.attempt().now(after).await?.0),
            None => Ok(Duration::ZERO),
        }
    }

    /// What an incident comes to whose moment is not known.
    pub(super) async fn without_moment(&self) -> Option<End> {
        let finding = self.after().await.err()?;
        Some(End::of_problem(finding.outcome, finding.problem(&self.world.source, self.step.action)))
    }

    /// Whether the servers of an incident are there that the step makes, and run where it needs
    /// that.
    async fn is_there(&self, incident: &PlannedStep) -> bool {
        for name in incident.nodes().filter(|node| self.step.makes.contains(node)) {
            let node = self.world.outputs().nodes.get(name).cloned();
            let Some(node) = node else { return false };
            if incident.kind.needs_server && !node.postmaster_runs().await.unwrap_or(false) {
                return false;
            }
        }
        true
    }

    /// What the step comes to. If the lab failed it once an incident had struck, that was the
    /// incident's doing: a host that is down is what the drill is about.
    pub(super) fn hit(&self, end: End) -> End {
        let struck = self.at_work.is_some_and(|at_work| at_work.struck().load(Ordering::SeqCst));
        let by_lab = end.problem.as_ref().is_some_and(|problem| problem.cause == Cause::Lab);
        match struck && by_lab && end.outcome == Outcome::Errored {
            true => End { outcome: Outcome::Failed, ..end },
            false => end,
        }
    }

    /// What an incident comes to whose step has ended before it could happen.
    pub(super) async fn too_late(&self) -> Option<End> {
        let missed = self.missed(self.beside?.ended()?, Instant::now()).await;
        Some(End { problem: missed.problem.map(|problem| problem.help(SHORTER)), ..missed })
    }

    /// The end of an incident, unless its step had ended when it happened.
    pub(super) async fn in_time(&self, end: End) -> End {
        let Some(at_work) = self.beside.filter(|_| end.outcome == Outcome::Passed) else { return end };
        let Some(over) = at_work.missed_by(&end.struck).await else { return end };
        let missed = self.missed(over, end.struck.latest()).await;
        let waited = end.struck.begun.and_then(|begun| over.ended.checked_duration_since(begun));
        let problem = missed.problem.map(|problem| match waited {
            Some(before) => problem
                .note("began", format!("{} ms before that step's end, and was not done then", before.as_millis()))
                .help(if end.struck.slow { SLOW } else { LOCKED }),
            None => problem.help(SHORTER),
        });
        End { facts: end.facts, problem, ..missed }
    }

    async fn missed(&self, Ended { began, ended, .. }: Ended, moment: Instant) -> End {
        let during = self.step.during.as_ref();
        let other = during.and_then(|during| self.work.plan.steps.get(during.step));
        let id = other.and_then(|other| other.head.id.as_deref()).unwrap_or_default();
        let took = ended.saturating_duration_since(began).as_millis();
        let after = self.after().await.unwrap_or_default();
        let label = match began + after > ended {
            true => format!("it ended {took} ms after its start, and this was to happen after {after:?}"),
            false => format!("it had ended {} ms before", moment.saturating_duration_since(ended).as_millis()),
        };
        let place = self.world.source.place(during.map_or(self.step.action, |during| during.span), label);
        let problem = Problem::new(format!("step `{id}` was not at work any more when this was to happen")).at(place);
        let problem = problem.because(Cause::Missed);
        // No failure of the incident that anybody can have expected: it did what it does.
        End { foreign: true, ..End::of_problem(Outcome::Failed, problem) }
    }
}
