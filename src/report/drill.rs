//! What is known of a drill, put together from its events.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::journal::{
    Budget, BudgetName, CommandRun, Facts, Firedrill, Outcome, PastRun, Problem, StepHead, TrafficCount,
};

use super::proof::ProofRecord;

/// A drill, as far as it was told.
#[derive(Debug, Clone, Default)]
pub struct DrillRecord {
    /// Its name.
    pub name: String,
    /// Its file, as the user named it.
    pub file: String,
    /// What it is about.
    pub about: String,
    /// The version of PostgreSQL.
    pub postgres: String,
    /// The nodes that run another release of it, and which.
    pub releases: BTreeMap<String, String>,
    /// `docker` or `local`.
    pub backend: String,
    /// Its seed.
    pub seed: u64,
    /// When it began, since the run's start, in milliseconds.
    pub began_ms: u64,
    /// When it began.
    pub started: Option<Timestamp>,
    /// What it was told beside its file.
    pub settings: Vec<String>,
    /// How it came out in earlier runs, the oldest first, where that was asked for.
    pub earlier: Vec<PastRun>,
    /// Its steps, in the order of the file.
    pub steps: Vec<StepRecord>,
    /// The programs of its repos, and the version of each.
    pub tools: Vec<(String, String)>,
    /// Its servers that came up, and how long that took in milliseconds.
    pub nodes: Vec<(String, u64)>,
    /// Its budgets, and what is wrong with them.
    pub budgets: Vec<(Budget, Option<Problem>)>,
    /// What became of the users' transactions, as told last, by the traffic step's id.
    pub traffic: Vec<TrafficCount>,
    /// Kept servers, and the command that opens a session on each.
    pub kept: Vec<(String, String)>,
    /// What was to be known and changed no verdict.
    pub warnings: Vec<String>,
    /// How it ended, if it did.
    pub end: Option<DrillEnd>,
    /// Its proof. Everything else is about the unbroken drill then.
    pub proof: Option<ProofRecord>,
    /// What users came to, about once a second: when, acknowledged and refused ones in that second.
    /// Kept where people are to see it.
    pub rates: Vec<(Timestamp, u64, u64)>,
    /// The steps that ended when people's part had, if they played it, by their indices.
    pub judged: Vec<usize>,
    /// What happened while people played it, if they did.
    pub firedrill: Vec<(Timestamp, Firedrill)>,
    /// The time of the last event that concerned it, since the run's start, in milliseconds.
    pub last_ms: u64,
}

/// How a drill ended, in the words of [`Event::DrillFinished`].
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are those of the event")]
pub struct DrillEnd {
    pub outcome: Outcome,
    pub duration_ms: u64,
    pub message: Option<String>,
    pub problem: Option<Problem>,
    pub again: String,
}

/// A step, as far as it was told.
#[derive(Debug, Clone)]
pub struct StepRecord {
    /// What was told of it before it ran.
    pub head: StepHead,
    /// When it began since the drill's start, in milliseconds; `None` where it never did.
    pub started_ms: Option<u64>,
    /// The commands that it ran, as a person gives them.
    pub commands: Vec<CommandRun>,
    /// How it ended, where it did.
    pub end: Option<StepEnd>,
}

impl StepRecord {
    /// One that has not run.
    pub(super) fn of(head: StepHead) -> Self {
        StepRecord { head, started_ms: None, commands: vec![], end: None }
    }

    /// Whether it checks something, by what all such kinds are called.
    pub fn is_check(&self) -> bool {
        self.head.kind.starts_with("assert_")
    }
}

/// How a step ended, in the words of [`Event::StepFinished`].
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are those of the event")]
pub struct StepEnd {
    pub outcome: Outcome,
    pub duration_ms: u64,
    pub message: Option<String>,
    pub problem: Option<Problem>,
    pub facts: Facts,
}

impl StepEnd {
    /// Whether it is one that people did in their own way.
    pub fn was_peoples(&self) -> bool {
        self.message.as_deref() == Some(Firedrill::IN_THEIR_OWN_WAY)
    }
}

impl DrillRecord {
    /// The step at that place; one that was not announced gets a name all the same.
    pub(super) fn step(&mut self, index: usize) -> &mut StepRecord {
        let at = match self.steps.iter().position(|step| step.head.index == index) {
            Some(at) => at,
            None => {
                let name = format!("step {}", index + 1);
                let kind = "step".to_owned();
                self.steps.push(StepRecord::of(StepHead { index, kind, name, ..StepHead::default() }));
                self.steps.len() - 1
            }
        };
        &mut self.steps[at]
    }

    /// A step has ended.
    pub(super) fn end_step(&mut self, index: usize, started_ms: u64, end: StepEnd) {
        let is_over = self.firedrill.iter().any(|(_, what)| matches!(what, Firedrill::Ended { .. }));
        if is_over && !end.was_peoples() {
            self.judged.push(index);
        }
        let step = self.step(index);
        (step.started_ms, step.end) = (Some(started_ms), Some(end));
    }

    /// Takes in what users came to, and keeps their rate where somebody is to see it.
    pub(super) fn note_rate(&mut self, count: TrafficCount, shown: Option<(Timestamp, u64)>) {
        if let Some((at, per_second)) = shown {
            let before = self.traffic.iter().find(|known| known.id == count.id).map_or(0, |known| known.rejected);
            self.rates.push((at, per_second, count.rejected.saturating_sub(before)));
        }
        self.count_traffic(count);
    }

    pub(super) fn count_traffic(&mut self, count: TrafficCount) {
        match self.traffic.iter_mut().find(|known| known.id == count.id) {
            // A later count that looked for no losses does not take back what was found.
            Some(known) => {
                let (checked, wrote_nothing, without_ledger) = match count.was_judged() {
                    true => (count.checked, count.wrote_nothing, count.without_ledger),
                    false => (known.checked, known.wrote_nothing, known.without_ledger),
                };
                *known = TrafficCount {
                    checked,
                    wrote_nothing,
                    without_ledger,
                    not_checked: count.acknowledged.saturating_sub(checked + wrote_nothing),
                    lost: count.lost.or(known.lost),
                    duplicated: count.duplicated.or(known.duplicated),
                    partial: count.partial.or(known.partial),
                    unexpected: count.unexpected.or(known.unexpected),
                    rejected_present: count.rejected_present.or(known.rejected_present),
                    lost_work_ms: count.lost_work_ms.or(known.lost_work_ms),
                    ..count
                };
            }
            None => self.traffic.push(count),
        }
    }

    /// Whether it said how it came out; of a drill that is proved, whether its proof did.
    pub fn has_ended(&self) -> bool {
        self.proof.as_ref().map_or(self.end.is_some(), |proof| proof.end.is_some())
    }

    /// How it came out. Of a drill that is proved, how the proof did: if the drill does not pass
    /// unbroken, nothing is proved.
    pub fn outcome(&self) -> Outcome {
        match (&self.proof, self.unbroken()) {
            (Some(proof), Outcome::Passed | Outcome::Skipped) => proof.outcome(),
            (_, unbroken) => unbroken,
        }
    }

    /// How the drill itself came out: as it said at its end, unless that is better than a step or a
    /// budget of it. A drill that never ended is errored.
    pub fn unbroken(&self) -> Outcome {
        let steps = self.steps.iter().map(|step| self.step_outcome(step));
        let parts = steps.chain(self.budgets.iter().map(|(budget, _)| budget.outcome));
        self.end.as_ref().map_or(Outcome::Errored, |end| end.outcome.or_worse(parts))
    }

    /// How a step of it came out: one that began and did not end is errored, one that never began
    /// is skipped.
    pub fn step_outcome(&self, step: &StepRecord) -> Outcome {
        match (&step.end, step.started_ms) {
            (Some(end), _) => end.outcome,
            (None, Some(_)) => Outcome::Errored,
            (None, None) => Outcome::Skipped,
        }
    }

    /// What is said of a step: its problem in one line, or the reason why it was skipped.
    pub fn step_message(&self, step: &StepRecord) -> Option<String> {
        let skipped = || self.end.as_ref().filter(|end| end.outcome == Outcome::Skipped)?.message.clone();
        match (&step.end, step.started_ms) {
            (Some(end), _) => end.message.clone().or_else(|| Some(end.problem.as_ref()?.title.clone())),
            (None, Some(_)) => Some("it was running when the drill ended".to_owned()),
            (None, None) => Some(skipped().unwrap_or_else(|| "not run: the drill ended before it".to_owned())),
        }
    }

    /// What is said of the drill as a whole.
    pub fn message(&self) -> Option<String> {
        match &self.end {
            None => Some("the run ended before this drill did".to_owned()),
            Some(_) if self.proof.as_ref().is_some_and(|proof| proof.end.is_none()) => {
                Some("the run ended before all its breaks were tried".to_owned())
            }
            Some(end) => end.message.clone().or_else(|| Some(end.problem.as_ref()?.title.clone())),
        }
    }

    /// How long it took, or had taken when it was last heard of, in milliseconds; with all its
    /// breaks, if it is proved.
    pub fn duration_ms(&self) -> u64 {
        let ended = match &self.proof {
            Some(proof) => proof.end.map(|(_, duration_ms)| duration_ms),
            None => self.end.as_ref().map(|end| end.duration_ms),
        };
        ended.unwrap_or_else(|| self.last_ms.saturating_sub(self.began_ms))
    }

    /// How long the drill itself took, without what was tried in between, in milliseconds.
    pub fn unbroken_ms(&self) -> u64 {
        let ends = self.steps.iter().filter_map(|step| Some(step.started_ms? + step.end.as_ref()?.duration_ms));
        ends.max().unwrap_or_default()
    }

    /// `17.2, docker`; `17.2, standby 17.1, docker` if a node runs another release. Nothing for an
    /// invalid scenario, which is run nowhere.
    pub fn place(&self) -> String {
        let words = [self.versions(), self.backend.clone()];
        words.into_iter().filter(|word| !word.is_empty() && word != "none").collect::<Vec<_>>().join(", ")
    }

    /// The version of PostgreSQL, and the nodes that run another release: `17.2, standby 17.1`.
    pub fn versions(&self) -> String {
        let others = self.releases.iter().map(|(node, release)| format!("{node} {release}"));
        let own = Some(self.postgres.clone()).filter(|version| !version.is_empty());
        own.into_iter().chain(others).collect::<Vec<_>>().join(", ")
    }

    /// `dropped-table (17.2, docker)`.
    pub fn title(&self) -> String {
        match self.place() {
            place if place.is_empty() => self.name.clone(),
            place => format!("{} ({place})", self.name),
        }
    }

    /// The major version of PostgreSQL; none of one that is not meant for this run.
    pub fn major(&self) -> Option<&str> {
        self.postgres.split('.').next().filter(|major| !major.is_empty())
    }

    /// What it was told beside its file, in a line.
    pub fn told(&self) -> String {
        self.settings.join(" ")
    }

    /// Its budget of recovery time, where one was judged.
    pub fn rto(&self) -> Option<&Budget> {
        self.budgets.iter().map(|(budget, _)| budget).find(|budget| budget.name == BudgetName::Rto)
    }

    /// How long all the steps of its recovery took that passed; `None` where there are none.
    pub fn recovery_ms(&self) -> Option<u64> {
        self.recoveries().map(|(_, ms)| ms).reduce(u64::saturating_add)
    }

    /// The steps of the recovery that passed, and how long each took.
    pub fn recoveries(&self) -> impl Iterator<Item = (&StepRecord, u64)> {
        self.steps.iter().filter(|step| step.head.recovers).filter_map(|step| {
            Some((step, step.end.as_ref().filter(|end| end.outcome == Outcome::Passed)?.duration_ms))
        })
    }

    /// How many acknowledged transactions were checked, and how many were not.
    pub fn checked(&self) -> (u64, u64) {
        let sum = |of: fn(&TrafficCount) -> u64| self.traffic.iter().map(of).fold(0, u64::saturating_add);
        (sum(|count| count.checked), sum(|count| count.not_checked))
    }

    /// The most that any look at it found lost; `None` where nothing looked.
    pub fn lost(&self) -> Option<u64> {
        let budgets = self.budgets.iter().filter_map(|(budget, _)| budget.measured_lost);
        self.traffic.iter().filter_map(|count| count.lost).reduce(u64::saturating_add).or_else(|| budgets.max())
    }
}
