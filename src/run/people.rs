//! People who do a part of a drill: what they are given to see it by, and what is done for them.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::change::Change;
use super::keep::KeptNode;
use super::overtaken::overtaken;
use super::step::{Ran, StepRun};
use super::tally::{StepTime, Tally};
use super::work::{Env, Work};
use super::{disk, shells, users};
use crate::harness::{World, Writes};
use crate::journal::{Event, Facts, Firedrill, Outcome, Problem};
use crate::plan::{PeoplesPart, Plan, PlannedStep};

/// The longest that a step of the drill's own course takes behind the incident: what people do can
/// make it wait for something that never comes, and nobody judges them meanwhile.
const OWN_COURSE: Duration = Duration::from_secs(30);

/// Somebody who plays a drill in place of its own recovery.
#[async_trait(?Send)]
pub trait People: Send + Sync + std::fmt::Debug {
    /// What is theirs.
    fn part(&self) -> &PeoplesPart;

    /// How long they may take, with everything that comes before.
    fn at_most(&self) -> Duration;

    /// Called when all is ready, right before the incident. The drill's clock stands still until it
    /// returns.
    ///
    /// # Errors
    /// If they cannot begin.
    async fn begin(&self, field: &Field<'_>) -> Result<(), Problem>;

    /// Called when the drill itself has done something that people find as it is, the incident
    /// first: what changes from here on is theirs.
    async fn struck(&self, field: &Field<'_>);

    /// Called while the drill does something of its own behind the incident. Answers whoever asks
    /// for what need not wait for that; never returns.
    async fn meanwhile(&self, field: &Field<'_>);

    /// Called before the drill does something more of that kind: what has changed since is theirs.
    async fn strikes(&self, field: &Field<'_>);

    /// Called when the drill has done its part. Returns when they are done, or may not go on.
    async fn recover(&self, field: &Field<'_>) -> Recovered;

    /// Called when everything has been checked for good, before anything is removed. Whether they
    /// want to keep the servers, whatever else is said of that.
    async fn end(&self, field: &Field<'_>, outcome: Outcome) -> bool;
}

/// How people's part has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// All checks hold, as was seen so long ago.
    Yes {
        /// How long ago.
        ago: Duration,
    },
    /// They do not, and why people do not go on.
    No(&'static str),
    /// The run was interrupted.
    Interrupted,
}

/// A drill at the point where people are at work.
pub struct Field<'a> {
    pub(super) work: &'a Work<'a>,
    /// The drill's world.
    pub world: &'a World,
}

/// What a check has shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The check's index; a line of an `all` has its own.
    pub index: usize,
    /// Whether it holds.
    pub outcome: Outcome,
    /// What was seen, if it does not.
    pub problem: Option<Problem>,
}

impl Field<'_> {
    /// What happens in the drill.
    pub fn plan(&self) -> &Plan {
        self.work.plan
    }

    /// What all drills of the run share.
    pub fn env(&self) -> &Env {
        self.work.env
    }

    /// The drill's number in the run.
    pub fn drill(&self) -> usize {
        self.work.index
    }

    /// What everything random begins with.
    pub fn seed(&self) -> u64 {
        self.work.seed
    }

    /// The drill's clock.
    pub fn clock(&self) -> Duration {
        self.work.clock()
    }

    /// The drill's clock has stood still for so long.
    pub fn stood_still(&self, time: Duration) {
        self.work.stood_still_for(time);
    }

    /// Whether the servers of a drill that came out so are kept, whatever people want.
    pub fn keeps(&self, outcome: Outcome) -> bool {
        self.work.env.keep.keeps(outcome)
    }

    /// When a step began and ended, if it was run.
    pub fn time(&self, index: usize) -> Option<StepTime> {
        self.work.times().get(index).copied().flatten()
    }

    /// What a step waits for that comes later in the drill is there, in people's own way.
    pub fn note_served(&self, index: usize) {
        let now = self.clock();
        self.work.note_time(index, StepTime { began: now, ended: now, passed: true });
    }

    /// Writes an event.
    pub fn tell(&self, event: Event) {
        self.work.env.journal.write(event);
    }

    /// Lets `drillyard shell` run commands on these hosts, too, from now on.
    pub fn open_shells(&self, scratch: Vec<KeptNode>) {
        self.work.scratch.lock().unwrap_or_else(PoisonError::into_inner).extend(scratch);
        self.note_shells();
    }

    /// Lets `drillyard shell` know a node, or one of those hosts, by a name of people's own, too.
    pub fn call(&self, node: &str, name: &str) {
        let mut called = self.work.called.lock().unwrap_or_else(PoisonError::into_inner);
        called.insert(name.to_owned(), node.to_owned());
        drop(called);
        self.note_shells();
    }

    /// The disks on which no server can write any more, by where they are mounted; those are left
    /// out that the drill has for itself.
    pub async fn full_disks(&self) -> BTreeMap<String, String> {
        disk::tight(self.world, &self.work.env.dir).await
    }

    /// Notes for `drillyard shell` which nodes there are.
    pub fn note_shells(&self) {
        shells::note(self.work, self.world);
    }

    /// Checks without telling anybody, none of them for longer than this.
    pub async fn check(&self, steps: &[usize], at_most: Duration) -> Vec<Checked> {
        let heard = self.quietly(steps, at_most).await;
        let group = |index: usize| self.plan().steps.iter().any(|step| step.head.group == Some(index));
        heard
            .into_iter()
            .filter_map(|event| match event {
                Event::StepFinished { index, outcome, problem, .. } if !group(index) => {
                    Some(Checked { index, outcome, problem })
                }
                _ => None,
            })
            .collect()
    }

    /// Whether a step passes within this time; nobody is told.
    pub async fn passes(&self, step: usize, at_most: Duration) -> bool {
        let finished = self.quietly(&[step], at_most).await;
        finished.iter().any(|event| matches!(event, Event::StepFinished { outcome: Outcome::Passed, .. }))
    }

    /// Keeps what the drill runs on servers out of their logs from now on, or no longer. People
    /// read them: what is checked is nothing that they are told.
    fn keep_out_of_logs(&self, out: bool) {
        self.world.outputs().nodes.values().for_each(|node| node.keep_out_of_log(out));
    }

    async fn quietly(&self, steps: &[usize], at_most: Duration) -> Vec<Event> {
        // Servers that people made since are among them.
        self.keep_out_of_logs(true);
        let (env, heard) = self.work.env.unheard();
        let change = Change::within(self.plan(), at_most);
        let work = self.work.beside(&env, &change, self.work.ends());
        let world = self.world.telling(env.journal.clone());
        for step in self.listed(steps) {
            StepRun::of(&work, &world, step).run(&mut Tally::default()).await;
        }
        // What was asked is not to be read in pg_stat_activity.
        let nodes: Vec<_> = self.world.outputs().nodes.values().cloned().collect();
        futures_util::future::join_all(nodes.iter().map(|node| node.renew())).await;
        heard.take()
    }

    /// Runs steps that change no verdict, since people may be at work: what they do can make one of
    /// them futile, which is skipped then. Whether all passed.
    pub async fn put_in(&self, steps: &[usize]) -> bool {
        self.put_in_within(steps, Duration::MAX).await
    }

    async fn put_in_within(&self, steps: &[usize], at_most: Duration) -> bool {
        self.keep_out_of_logs(false);
        self.disguise(true);
        let all = self.beside_people(steps, at_most).await;
        self.disguise(false);
        self.keep_out_of_logs(true);
        all
    }

    /// Whether one of these steps may change what people find.
    pub fn may_change(&self, steps: &[usize]) -> bool {
        let reads = |step: &PlannedStep| matches!(&step.effects.writes, Writes::Nodes(nodes) if nodes.is_empty());
        self.listed(steps).any(|step| !reads(step))
    }

    /// Has what the drill runs on servers look as if somebody had run it, or no longer: the logs
    /// tell people what was done, and not that it was a drill.
    fn disguise(&self, disguised: bool) {
        self.world.outputs().nodes.values().for_each(|node| node.disguise_as_somebody(disguised));
    }

    async fn beside_people(&self, steps: &[usize], at_most: Duration) -> bool {
        let unjudged = self.work.change.unjudged.clone();
        let change = Change { unjudged, ..Change::within(self.plan(), at_most) };
        for step in self.listed(steps) {
            let (env, heard) = self.work.env.unheard();
            let since = self.clock();
            let work = self.work.beside(&env, &change, self.work.ends());
            let world = self.world.telling(env.journal.clone());
            let ran = StepRun::of(&work, &world, step).run(&mut Tally::default()).await;
            for (index, time) in work.times().into_iter().enumerate().filter_map(|(at, time)| Some((at, time?))) {
                let (began, ended) = (since + time.began, since + time.ended);
                self.work.note_time(index, StepTime { began, ended, ..time });
            }
            heard.take().into_iter().for_each(|event| self.tell(overtaken(event, since)));
            if ran == Ran::End {
                return false;
            }
        }
        true
    }

    /// Writes how a step came out that people did.
    fn tell_step(&self, index: usize, outcome: Outcome, message: Option<&str>) {
        self.tell(Event::StepFinished {
            drill: self.drill(),
            index,
            outcome,
            started_ms: self.clock().as_millis() as u64,
            duration_ms: 0,
            message: message.map(str::to_owned),
            problem: None,
            facts: Facts::new(),
        });
    }

    pub(super) async fn run(&self, step: &PlannedStep, tally: &mut Tally) -> Ran {
        StepRun::of(self.work, self.world, step).run(tally).await
    }

    pub(super) fn listed<'b>(&'b self, steps: &'b [usize]) -> impl Iterator<Item = &'b PlannedStep> {
        steps.iter().filter_map(|index| self.plan().steps.get(*index))
    }
}

/// A drill that people play.
pub(super) struct Played<'a> {
    pub field: Field<'a>,
    pub people: &'a dyn People,
}

impl Played<'_> {
    /// Plays it, from its first step to the last check. A problem is one outside of its steps.
    pub async fn play(&self, tally: &mut Tally) -> Option<Problem> {
        let part = self.people.part();
        let before: Vec<&PlannedStep> = self.outer().filter(|step| step.head.index < part.begins).collect();
        let incident = part.incident.unwrap_or(part.begins);
        // With the step during which it happens, if it has no turn of its own.
        let incident = self.field.plan().turn(incident);
        for step in before.iter().filter(|step| step.head.index < incident) {
            if self.field.run(step, tally).await == Ran::End {
                return None;
            }
        }
        let began = Instant::now();
        let begun = self.people.begin(&self.field).await;
        self.field.work.stand_still(began);
        if let Err(problem) = begun {
            tally.outcomes.push(Outcome::Errored);
            return Some(problem);
        }
        for step in before.iter().filter(|step| step.head.index == incident) {
            self.field.disguise(true);
            let ran = self.field.run(step, tally).await;
            self.field.disguise(false);
            if ran == Ran::End {
                return None;
            }
        }
        self.people.struck(&self.field).await;
        let behind = before.iter().map(|step| step.head.index).filter(|index| *index > incident);
        let behind: Vec<usize> = behind.chain(part.opening.iter().copied()).collect();
        for step in behind {
            let changes = self.field.may_change(&[step]);
            if changes {
                self.people.strikes(&self.field).await;
            }
            let own = [step];
            tokio::select! {
                _ = self.field.put_in_within(&own, OWN_COURSE) => {}
                () = self.people.meanwhile(&self.field) => {}
            }
            if changes {
                self.people.struck(&self.field).await;
            }
        }
        let began = self.field.clock();
        let recovered = self.people.recover(&self.field).await;
        if self.field.env().cancel.is_cancelled() {
            return None;
        }
        let since = part.incident.and_then(|index| self.field.time(index)).map_or(began, |time| time.began);
        self.conclude(part, (recovered, since), tally).await;
        match recovered {
            Recovered::No(why) if tally.worst() == Outcome::Passed => {
                tally.outcomes.push(Outcome::Failed);
                Some(Problem::new(why))
            }
            _ => None,
        }
    }

    /// The steps of the drill's course, without their lines.
    fn outer(&self) -> impl Iterator<Item = &PlannedStep> {
        self.field.plan().steps.iter().filter(|step| step.is_top())
    }

    /// Checks for good: every check, however many fail.
    async fn conclude(&self, part: &PeoplesPart, (recovered, since): (Recovered, Duration), tally: &mut Tally) {
        self.note_end(part, recovered, since);
        for step in self.field.listed(&part.closing) {
            let served = self.field.time(step.head.index);
            self.field.run(step, tally).await;
            if let Some(served) = served {
                self.field.work.note_time(step.head.index, served);
            }
        }
        users::hear_out(self.field.world).await;
        let mut judged = Tally::default();
        for step in self.field.listed(&part.judge) {
            self.field.run(step, &mut judged).await;
        }
        if self.field.plan().people.is_some() {
            let worst = judged.worst();
            let outcome = if let Recovered::No(_) = recovered { worst.or_worse([Outcome::Failed]) } else { worst };
            self.field.tell_step(part.begins, outcome, None);
        }
        tally.judged += judged.judged;
        tally.failures.append(&mut judged.failures);
        tally.outcomes.append(&mut judged.outcomes);
    }

    /// The recovery that people did in their own way ends now. One that brought nothing back took
    /// no time that a budget could count.
    fn note_end(&self, part: &PeoplesPart, recovered: Recovered, since: Duration) {
        let now = self.field.clock();
        let (ago, passed) = match recovered {
            Recovered::Yes { ago } => (ago, true),
            Recovered::No(_) | Recovered::Interrupted => (Duration::ZERO, false),
        };
        // All of it is one recovery: nobody knows when which of its steps was done.
        let time = StepTime { began: since, ended: now.saturating_sub(ago), passed };
        // What a `team` step begins with is its end, too.
        self.field.work.note_time(part.begins, time);
        for step in &part.theirs {
            if self.field.time(*step).is_none() {
                self.field.work.note_time(*step, time);
            }
            self.field.tell_step(*step, Outcome::Skipped, Some(Firedrill::IN_THEIR_OWN_WAY));
        }
    }
}
