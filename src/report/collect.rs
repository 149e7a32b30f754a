//! What is known of a run, put together from its events: the one source of every report that is more than a stream, so that
//! they agree.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::journal::{Budget, Entry, Event, Facts, Outcome, Problem, StepHead, TrafficCount};

/// A run, as far as it was told. Feed it with [`RunRecord::hear`].
#[derive(Debug, Clone, Default)]
pub struct RunRecord {
    /// The run's id; empty before its start was heard.
    pub run: String,
    /// drillyard's version.
    pub version: String,
    /// When the first event was written.
    pub started: Option<Timestamp>,
    /// How many drills were meant to run.
    pub planned: usize,
    /// `docker` or `local`.
    pub backend: String,
    /// Why that backend.
    pub backend_reason: String,
    /// The run's seed.
    pub seed: u64,
    /// The drills, by their place in the run.
    pub drills: BTreeMap<usize, DrillRecord>,
    /// What was to be known and changed no verdict, and concerned no single drill.
    pub warnings: Vec<String>,
    /// What clean-up could not remove.
    pub left: Vec<String>,
    /// The run's end: outcome, exit code and duration in milliseconds.
    pub finished: Option<(Outcome, u8, u64)>,
    /// The time of the last event since the run's start, in milliseconds.
    pub last_ms: u64,
}

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
    /// `docker` or `local`.
    pub backend: String,
    /// Its seed.
    pub seed: u64,
    /// When it began, since the run's start, in milliseconds.
    pub began_ms: u64,
    /// When it began.
    pub started: Option<Timestamp>,
    /// Its steps, in the order of the file.
    pub steps: Vec<StepRecord>,
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
    /// How it ended, where it did.
    pub end: Option<DrillEnd>,
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
    /// How it ended, where it did.
    pub end: Option<StepEnd>,
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

/// How many drills came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the outcomes")]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub errored: usize,
    pub skipped: usize,
}

/// The counts as people read them: `1 passed, 2 failed, 0 errored, 0 skipped`.
pub fn explain_counts(counts: Counts) -> String {
    let Counts { passed, failed, errored, skipped } = counts;
    format!("{passed} passed, {failed} failed, {errored} errored, {skipped} skipped")
}

impl RunRecord {
    /// Takes one event in.
    pub fn hear(&mut self, entry: &Entry) {
        self.started.get_or_insert(entry.at);
        self.last_ms = self.last_ms.max(entry.elapsed_ms);
        if let Some(drill) = drill_of(&entry.event) {
            self.drill(drill).last_ms = entry.elapsed_ms;
        }
        match entry.event.clone() {
            Event::RunStarted { run, version, drills, backend, backend_reason, seed } => {
                (self.run, self.version, self.planned) = (run, version, drills);
                (self.backend, self.backend_reason, self.seed) = (backend, backend_reason, seed);
            }
            Event::DrillStarted { drill, name, file, about, postgres, backend, seed, steps } => {
                let steps = steps.into_iter().map(|head| StepRecord { head, started_ms: None, end: None }).collect();
                let drill = self.drill(drill);
                (drill.name, drill.file, drill.about) = (name, file, about);
                (drill.postgres, drill.backend, drill.seed, drill.steps) = (postgres, backend, seed, steps);
                (drill.began_ms, drill.started) = (entry.elapsed_ms, Some(entry.at));
            }
            Event::NodeReady { drill, node, duration_ms } => self.drill(drill).nodes.push((node, duration_ms)),
            Event::StepStarted { drill, index, started_ms } => {
                self.drill(drill).step(index).started_ms = Some(started_ms);
            }
            Event::StepFinished { drill, index, outcome, started_ms, duration_ms, message, problem, facts } => {
                let step = self.drill(drill).step(index);
                step.started_ms = Some(started_ms);
                step.end = Some(StepEnd { outcome, duration_ms, message, problem, facts });
            }
            Event::TrafficRate { drill, count, .. } | Event::TrafficFinished { drill, count } => {
                self.drill(drill).count_traffic(count);
            }
            Event::BudgetJudged { drill, budget, problem } => self.drill(drill).budgets.push((budget, problem)),
            Event::NodeKept { drill, node, shell } => self.drill(drill).kept.push((node, shell)),
            Event::Warned { drill: Some(drill), message } => self.drill(drill).warnings.push(message),
            Event::Warned { drill: None, message } => self.warnings.push(message),
            Event::DrillFinished { drill, outcome, duration_ms, message, problem, again, kept: _ } => {
                self.drill(drill).end = Some(DrillEnd { outcome, duration_ms, message, problem, again });
            }
            Event::CleanedUp { left, duration_ms: _ } => self.left = left,
            Event::RunFinished { outcome, exit_code, duration_ms } => {
                self.finished = Some((outcome, exit_code, duration_ms));
            }
            Event::StepWaiting { .. } => {}
        }
    }

    /// The drill at that place. One whose start was never told gets a name all the same, so that it is not lost.
    fn drill(&mut self, drill: usize) -> &mut DrillRecord {
        let nameless = || DrillRecord { name: format!("drill {}", drill + 1), ..DrillRecord::default() };
        self.drills.entry(drill).or_insert_with(nameless)
    }

    /// How the run came out: as it said at its end, unless that is better than one of its drills. A run that never ended is
    /// errored.
    pub fn outcome(&self) -> Outcome {
        let counts = self.counts();
        match self.finished {
            None => Outcome::Errored,
            Some((said @ (Outcome::Failed | Outcome::Errored), ..)) => said,
            Some(_) if counts.errored > 0 => Outcome::Errored,
            Some(_) if counts.failed > 0 => Outcome::Failed,
            Some((said, ..)) => said,
        }
    }

    /// The code that the process ends with; `None` while the run has not ended.
    pub fn exit_code(&self) -> Option<u8> {
        self.finished.map(|(_, exit_code, _)| exit_code)
    }

    /// How long it took, or has taken so far, in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.finished.map_or(self.last_ms, |(_, _, duration_ms)| duration_ms)
    }

    /// How many drills came out how. Those that never began are not among them.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for drill in self.drills.values() {
            match drill.outcome() {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed => counts.failed += 1,
                Outcome::Errored => counts.errored += 1,
                Outcome::Skipped => counts.skipped += 1,
            }
        }
        counts
    }

    /// How many of the drills that were meant to run never began.
    pub fn not_begun(&self) -> usize {
        self.planned.saturating_sub(self.drills.len())
    }
}

impl DrillRecord {
    /// The step at that place; one that was not announced gets a name all the same.
    fn step(&mut self, index: usize) -> &mut StepRecord {
        let at = match self.steps.iter().position(|step| step.head.index == index) {
            Some(at) => at,
            None => {
                let name = format!("step {}", index + 1);
                let kind = "step".to_owned();
                let head = StepHead { index, id: None, kind, name, line: 0, recovers: false, group: None };
                self.steps.push(StepRecord { head, started_ms: None, end: None });
                self.steps.len() - 1
            }
        };
        &mut self.steps[at]
    }

    fn count_traffic(&mut self, count: TrafficCount) {
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

    /// How it came out: as it said at its end, unless that is better than a step or a budget of it. A drill that never ended
    /// is errored.
    pub fn outcome(&self) -> Outcome {
        let parts = || {
            let steps = self.steps.iter().map(|step| self.step_outcome(step));
            steps.chain(self.budgets.iter().map(|(budget, _)| budget.outcome))
        };
        match self.end.as_ref().map(|end| end.outcome) {
            None => Outcome::Errored,
            Some(said @ (Outcome::Failed | Outcome::Errored)) => said,
            Some(_) if parts().any(|outcome| outcome == Outcome::Errored) => Outcome::Errored,
            Some(_) if parts().any(|outcome| outcome == Outcome::Failed) => Outcome::Failed,
            Some(said) => said,
        }
    }

    /// How a step of it came out: one that began and did not end is errored, one that never began is skipped.
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
            Some(end) => end.message.clone().or_else(|| Some(end.problem.as_ref()?.title.clone())),
        }
    }

    /// How long it took, or had taken when it was last heard of, in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.end.as_ref().map_or(self.last_ms.saturating_sub(self.began_ms), |end| end.duration_ms)
    }

    /// `17.2, docker`. Nothing for an invalid scenario, which is run nowhere.
    pub fn place(&self) -> String {
        [&self.postgres, &self.backend]
            .into_iter()
            .filter(|word| !word.is_empty() && *word != "none")
            .cloned()
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// `dropped-table (17.2, docker)`.
    pub fn title(&self) -> String {
        match self.place() {
            place if place.is_empty() => self.name.clone(),
            place => format!("{} ({place})", self.name),
        }
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

fn drill_of(event: &Event) -> Option<usize> {
    match event {
        Event::DrillStarted { drill, .. }
        | Event::NodeReady { drill, .. }
        | Event::StepStarted { drill, .. }
        | Event::StepWaiting { drill, .. }
        | Event::StepFinished { drill, .. }
        | Event::TrafficRate { drill, .. }
        | Event::TrafficFinished { drill, .. }
        | Event::BudgetJudged { drill, .. }
        | Event::NodeKept { drill, .. }
        | Event::DrillFinished { drill, .. } => Some(*drill),
        Event::Warned { drill, .. } => *drill,
        Event::RunStarted { .. } | Event::CleanedUp { .. } | Event::RunFinished { .. } => None,
    }
}
