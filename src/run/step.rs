//! One step: whether it is run, how often it is tried, and what is reported of it.

use std::time::Instant;

use super::at_work::AtWork;
use super::attempt::Attempt;
use super::end::End;
use super::gate::{Answer, Gate, Stop};
use super::shells;
use super::tally::{StepTime, Tally};
use super::work::Work;
use crate::harness::{Role, World};
use crate::journal::{Cause, Event, Outcome, Problem};
use crate::pg::Version;
use crate::plan::PlannedStep;

/// Whether the drill goes on after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// With the next one.
    GoOn,
    /// With `finally`.
    End,
}

/// A step about to be run.
pub struct StepRun<'a> {
    pub work: &'a Work<'a>,
    pub world: &'a World,
    pub step: &'a PlannedStep,
    /// When it has to be done at the latest, whatever its own deadline.
    pub deadline: Instant,
    /// Whether it may fail: it is a line of an `all` that is expected to.
    pub lenient: bool,
    /// The step that is at work meanwhile, if it is an incident during that.
    pub beside: Option<&'a AtWork>,
    /// What those see of it that happen while it is at work, if there are any.
    pub at_work: Option<&'a AtWork>,
}

impl<'a> StepRun<'a> {
    /// A step that has its own time, within what the drill has left, and may not fail.
    pub fn of(work: &'a Work<'a>, world: &'a World, step: &'a PlannedStep) -> Self {
        StepRun { work, world, step, deadline: work.ends(), lenient: false, beside: None, at_work: None }
    }

    /// Runs it, with the lines of an `all` after it, and with the incidents that happen meanwhile;
    /// of these each is run with its step, and has no turn of its own.
    pub async fn run(&self, tally: &mut Tally) -> Ran {
        let during = self.work.plan.during(self.step);
        match (&self.step.during, during.is_empty()) {
            (Some(_), _) => Ran::GoOn,
            (None, true) => self.take_turn(tally).await,
            (None, false) => self.run_with(&during, tally).await,
        }
    }

    /// Runs it alone.
    pub(super) async fn take_turn(&self, tally: &mut Tally) -> Ran {
        let gate = self.work.env.gate.as_deref();
        if let Some(gate) = gate {
            let asked = self.work.ends();
            if !self.may_begin(gate).await {
                return Ran::End;
            }
            // The drill's time did not pass while somebody was asked.
            let deadline = self.deadline + (self.work.ends() - asked);
            self.at_work.inspect(|at_work| at_work.begins());
            return StepRun { deadline, ..*self }.begin(tally).await;
        }
        self.at_work.inspect(|at_work| at_work.begins());
        self.begin(tally).await
    }

    pub(super) async fn begin(&self, tally: &mut Tally) -> Ran {
        let (journal, drill, index) = (&self.work.env.journal, self.work.index, self.step.head.index);
        let began = self.work.clock();
        let started_ms = began.as_millis() as u64;
        journal.write(Event::StepStarted { drill, index, started_ms });
        let mut lines = Tally::default();
        let end = self.end(&mut lines).await;
        shells::note(self.work, self.world);
        let ended = self.work.clock();
        self.work.note_time(index, StepTime { began, ended, passed: end.outcome == Outcome::Passed });
        tally.outcomes.push(end.outcome);
        tally.failures.extend(end.problem.as_ref().map(Problem::text));
        tally.judged += usize::from(end.judged) + lines.judged;
        let end = if self.lenient { end.of_a_lenient_line() } else { end };
        if let Some(at_work) = self.beside
            && end.problem.as_ref().is_some_and(|problem| problem.cause == Cause::Missed)
        {
            // Where the step failed, that is why it was missed, and the first thing to read.
            at_work.told().await;
        }
        journal.write(Event::StepFinished {
            drill,
            index,
            outcome: end.outcome,
            started_ms,
            duration_ms: ended.saturating_sub(began).as_millis() as u64,
            message: end.message,
            problem: end.problem,
            facts: end.facts,
        });
        match end.outcome {
            Outcome::Passed | Outcome::Skipped if !self.work.env.cancel.is_cancelled() => Ran::GoOn,
            _ => Ran::End,
        }
    }

    /// What the step comes to; `lines` is what the lines of an `all` come to.
    async fn end(&self, lines: &mut Tally) -> End {
        if let Some(reason) = self.skipped() {
            return End { message: Some(reason), ..End::new(Outcome::Skipped) };
        }
        if self.work.change.leaves_out(self.step) {
            self.attempt().mark_nothing().await;
            return End { message: Some("left out on purpose".to_owned()), ..End::new(Outcome::Skipped) };
        }
        if let Some(end) = self.without_moment().await {
            return end;
        }
        if let Some(end) = self.too_late().await {
            return end;
        }
        match self.step.kind.role == Role::Group {
            true => self.run_lines(lines).await,
            false => self.attempts().await,
        }
    }

    pub(super) fn attempt(&self) -> Attempt<'_> {
        let aside = self.beside.map(AtWork::struck);
        let StepRun { work, world, step, deadline, at_work, .. } = *self;
        Attempt { work, world, step, deadline, own: None, aside, at_work }
    }

    /// As the step's `expect` has it.
    pub(super) fn expected(&self, end: End) -> End {
        end.expected(self.step.fails.as_ref(), &self.world.source)
    }

    /// Tries it; and again as long as somebody who goes through the drill by hand wants to see
    /// that.
    async fn attempts(&self) -> End {
        let mut tries = 1;
        loop {
            let mut end = match self.step.retry {
                true => self.until_it_holds().await,
                false => self.expected(self.in_time(self.hit(self.attempt().make().await)).await),
            };
            if end.outcome.is_bad()
                && !self.work.env.cancel.is_cancelled()
                && let Some(gate) = self.work.env.gate.as_deref()
                && self.is_tried_again(gate, end.message.as_deref().unwrap_or_default()).await
            {
                tries += 1;
                continue;
            }
            if tries > 1 {
                end.facts.insert("tries".to_owned(), tries.into());
                let message = format!("step {} was tried {tries} times by hand", self.step.head.index);
                self.work.env.journal.write(Event::Warned { drill: Some(self.work.index), message });
            }
            return end;
        }
    }

    /// The version that the drill is about: the servers' own where drillyard made none of them.
    fn version(&self) -> Version {
        let external = || self.world.outputs().nodes.values().next().map(|node| node.version());
        self.work.plan.only_external().then(external).flatten().unwrap_or_else(|| self.world.lab.version())
    }

    /// Why it is not run.
    pub fn skipped(&self) -> Option<String> {
        if let Some(other) = self.step.during.as_ref().and_then(|during| self.work.plan.steps.get(during.step))
            && let Some(why) = (StepRun { step: other, beside: None, at_work: None, ..*self }).skipped()
        {
            return Some(why);
        }
        let (when, version) = (self.step.when.as_ref()?, self.version());
        (!when.matches(version)).then(|| format!("for PostgreSQL {when}, and this is {version}"))
    }

    /// Every line of an `all` is run and told.
    async fn run_lines(&self, tally: &mut Tally) -> End {
        let steps = &self.work.plan.steps;
        for line in steps.iter().filter(|line| line.head.group == Some(self.step.head.index)) {
            if self.work.env.cancel.is_cancelled() {
                break;
            }
            let lenient = self.step.fails.is_some();
            let ran = Box::pin(StepRun { step: line, lenient, ..*self }.run(tally)).await;
            if ran == Ran::End && self.work.change.brief && !lenient {
                break;
            }
        }
        let bad = tally.outcomes.iter().filter(|outcome| outcome.is_bad()).count();
        let message = (bad > 0).then(|| format!("{bad} of {} did not hold", tally.outcomes.len()));
        let end = End { message, ..End::new(tally.worst()) };
        match (&self.step.fails, end.outcome) {
            (Some(_), Outcome::Failed) => {
                let text = end.message.clone().unwrap_or_default();
                let problem = Problem::new(text).at(self.world.source.place(self.step.action, ""));
                let problem = tally.failures.iter().fold(problem, |problem, text| problem.note("line", text));
                self.expected(End::of_problem(Outcome::Failed, problem))
            }
            (Some(_), Outcome::Passed) => self.expected(end),
            _ => end,
        }
    }

    /// Whether the step is run. The drill's clock stands still meanwhile.
    async fn may_begin(&self, gate: &dyn Gate) -> bool {
        let cancel = &self.work.env.cancel;
        // What tidies up is run whatever ends the drill.
        if self.step.finally && cancel.is_cancelled() {
            return true;
        }
        let stop = self.stop();
        let began = Instant::now();
        let answer = tokio::select! {
            biased;
            () = cancel.cancelled() => Answer::Quit,
            answer = gate.before(&stop) => answer,
        };
        self.work.stand_still(began);
        answer != Answer::Quit || self.step.finally
    }

    /// Whether a step that did not pass is tried again.
    async fn is_tried_again(&self, gate: &dyn Gate, why: &str) -> bool {
        let stop = self.stop();
        let began = Instant::now();
        let answer = tokio::select! {
            biased;
            () = self.work.env.cancel.cancelled() => Answer::Quit,
            answer = gate.after(&stop, why) => answer,
        };
        self.work.stand_still(began);
        answer == Answer::Retry
    }

    fn stop(&self) -> Stop<'_> {
        let nodes = shells::note(self.work, self.world);
        Stop { drill: &self.work.plan.name, step: &self.step.head, nodes }
    }
}
