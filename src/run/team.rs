//! A `team` step in an ordinary run: its `auto` is done in people's place, then its checks are
//! made.

use std::time::Duration;

use super::end::End;
use super::step::{Ran, StepRun};
use super::tally::{StepTime, Tally};
use super::work::Work;
use crate::harness::{Part, World, in_words};
use crate::journal::{Cause, Event, Outcome, Problem};
use crate::plan::PlannedStep;

/// A `team` step at work.
pub struct TeamRun<'a> {
    work: &'a Work<'a>,
    world: &'a World,
    /// The team step.
    step: &'a PlannedStep,
    /// When it began, by the drill's clock.
    began: Duration,
    /// Why its lines are not run, if they are not.
    pub skipped: Option<String>,
    /// What the lines of `auto` came to.
    auto: Tally,
    /// What the lines of `judge` came to.
    judge: Tally,
}

impl<'a> TeamRun<'a> {
    /// Begins with the team step in which `line` stands, if it stands in one.
    pub fn begin(work: &'a Work<'a>, world: &'a World, line: &PlannedStep) -> Option<Self> {
        let step = work.plan.steps.get(line.in_team?.team)?;
        let began = work.clock();
        let (drill, index, started_ms) = (work.index, step.head.index, ms(began));
        work.env.journal.write(Event::StepStarted { drill, index, started_ms });
        let skipped = StepRun::of(work, world, step).skipped();
        Some(TeamRun { work, world, step, began, skipped, auto: Tally::default(), judge: Tally::default() })
    }

    /// Whether a step of the drill is a line of it.
    pub fn has(&self, line: &PlannedStep) -> bool {
        line.in_team.is_some_and(|line| line.team == self.step.head.index)
    }

    /// Runs a line. All the checks of `judge` are made, however many fail, unless somebody wants to
    /// know only whether one does.
    pub async fn run(&mut self, line: &'a PlannedStep) -> Ran {
        let judges = line.in_team.is_some_and(|line| line.part == Part::Judge);
        let tally = if judges { &mut self.judge } else { &mut self.auto };
        let ran = StepRun::of(self.work, self.world, line).run(tally).await;
        let goes_on = judges && !self.work.change.brief && !self.work.env.cancel.is_cancelled();
        if self.is_late() || (ran == Ran::End && !goes_on) { Ran::End } else { Ran::GoOn }
    }

    /// Whether people would have been out of time by now.
    fn is_late(&self) -> bool {
        self.work.clock().saturating_sub(self.began) > self.step.deadline
    }

    /// Reports what it came to, to the drill, too. Whether the drill goes on.
    pub fn finish(self, tally: &mut Tally) -> Ran {
        let ended = self.work.clock();
        let end = self.end();
        let (outcome, drill, index) = (end.outcome, self.work.index, self.step.head.index);
        self.work.note_time(index, StepTime { began: self.began, ended, passed: outcome == Outcome::Passed });
        tally.outcomes.push(outcome);
        tally.failures.extend(end.problem.as_ref().map(Problem::text));
        tally.failures.extend(self.auto.failures.into_iter().chain(self.judge.failures));
        tally.judged += self.auto.judged + self.judge.judged;
        self.work.env.journal.write(Event::StepFinished {
            drill,
            index,
            outcome,
            started_ms: ms(self.began),
            duration_ms: ms(ended.saturating_sub(self.began)),
            message: end.message,
            problem: end.problem,
            facts: end.facts,
        });
        if outcome.is_bad() { Ran::End } else { Ran::GoOn }
    }

    /// What it comes to. What failed in it has spoken for itself.
    fn end(&self) -> End {
        if let Some(reason) = &self.skipped {
            return End { message: Some(reason.clone()), ..End::new(Outcome::Skipped) };
        }
        let (auto, judge) = (self.auto.worst(), self.judge.worst());
        let failed = self.judge.outcomes.iter().filter(|outcome| outcome.is_bad()).count();
        let with = |outcome, message: String| End { message: Some(message), ..End::new(outcome) };
        match () {
            () if auto.is_bad() => with(auto, "`auto` did not come to its end".to_owned()),
            () if failed > 0 => with(judge, format!("{failed} of {} checks did not hold", self.judge.outcomes.len())),
            () if self.is_late() => {
                let label = format!("people would have had {}", in_words(self.step.deadline));
                let problem = Problem::new("`auto` and `judge` took longer than people have")
                    .because(Cause::StepDeadline)
                    .at(self.world.source.place(self.step.action, label))
                    .help("give people longer with `within`");
                End::of_problem(Outcome::Failed, problem)
            }
            () if self.judge.judged == 0 => with(Outcome::Failed, "none of its checks was made".to_owned()),
            () => End::new(Outcome::worst([auto, judge])),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
