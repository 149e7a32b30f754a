//! What is known of a run, put together from its events: the one source of every report that is
//! more than a stream, so that they agree.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::journal::{Command, Entry, Event, Outcome};

use super::drill::{DrillEnd, DrillRecord, StepEnd, StepRecord};
use super::proof::{BreakRecord, ProofRecord, Score};

/// A run, as far as it was told. Feed it with [`RunRecord::hear`].
#[derive(Debug, Clone, Default)]
pub struct RunRecord {
    /// The run's id; empty before its start was heard.
    pub run: String,
    /// drillyard's version.
    pub version: String,
    /// When the first event was written.
    pub started: Option<Timestamp>,
    /// What it does with its drills.
    pub command: Command,
    /// How many drills were meant to run.
    pub planned: usize,
    /// `docker` or `local`.
    pub backend: String,
    /// Why that backend.
    pub backend_reason: String,
    /// The run's seed.
    pub seed: u64,
    /// What it works with besides, and the version of each: the daemon, say.
    pub tools: Vec<(String, String)>,
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
        if matches!(entry.event, Event::PlanMade { .. }) {
            return; // it is of no run
        }
        self.note_time(entry);
        match entry.event.clone() {
            Event::RunStarted { run, version, command, drills, backend, backend_reason, seed } => {
                (self.run, self.version, self.command, self.planned) = (run, version, command, drills);
                (self.backend, self.backend_reason, self.seed) = (backend, backend_reason, seed);
            }
            Event::DrillStarted { drill, name, file, about, postgres, backend, seed, settings, releases, steps } => {
                let drill = self.drill(drill);
                (drill.name, drill.file, drill.about, drill.settings) = (name, file, about, settings);
                (drill.postgres, drill.releases, drill.backend, drill.seed) = (postgres, releases, backend, seed);
                drill.steps = steps.into_iter().map(StepRecord::of).collect();
                (drill.began_ms, drill.started) = (entry.elapsed_ms, Some(entry.at));
            }
            Event::ToolFound { drill, name, version } => self.tools_of(drill).push((name, version)),
            Event::NodeReady { drill, node, duration_ms } => self.drill(drill).nodes.push((node, duration_ms)),
            Event::StepStarted { drill, index, started_ms: ms } => self.drill(drill).step(index).started_ms = Some(ms),
            Event::CommandRun { drill, index, command } => self.drill(drill).step(index).commands.push(*command),
            Event::StepFinished { drill, index, outcome, started_ms, duration_ms, message, problem, facts } => {
                let end = StepEnd { outcome, duration_ms, message, problem, facts };
                self.drill(drill).end_step(index, started_ms, end);
            }
            Event::TrafficRate { drill, count, per_second } => {
                let shown = (self.command == Command::Firedrill).then_some((entry.at, per_second));
                self.drill(drill).note_rate(count, shown);
            }
            Event::TrafficFinished { drill, count } => self.drill(drill).count_traffic(count),
            Event::BudgetJudged { drill, budget, problem } => self.drill(drill).budgets.push((budget, problem)),
            Event::NodeKept { drill, node, shell } => self.drill(drill).kept.push((node, shell)),
            Event::Warned { drill, message } => self.warnings_of(drill).push(message),
            Event::DrillFinished { drill, outcome, duration_ms, message, problem, again, kept: _ } => {
                let end = DrillEnd { outcome, duration_ms, message, problem, again };
                self.drill(drill).end_with(end, entry);
            }
            Event::ProofStarted { drill, name, file, breaks } => {
                let drill = self.drill(drill);
                (drill.name, drill.file, drill.began_ms) = (name, file, entry.elapsed_ms);
                let breaks = breaks.into_iter().map(|head| BreakRecord { head, verdict: None }).collect();
                drill.proof = Some(ProofRecord { breaks, end: None });
            }
            Event::BreakTried { drill, name, verdict } => {
                self.drill(drill).proof.get_or_insert_default().tried(name, verdict);
            }
            Event::ProofFinished { drill, outcome, duration_ms } => {
                self.drill(drill).proof.get_or_insert_default().end = Some((outcome, duration_ms));
            }
            Event::Firedrill { drill, what } => self.drill(drill).firedrill.push((entry.at, what)),
            Event::DrillTrend { drill, runs } => self.drill(drill).earlier = runs,
            Event::CleanedUp { left, duration_ms: _ } => self.left = left,
            Event::RunFinished { outcome, exit_code, duration_ms } => {
                self.finished = Some((outcome, exit_code, duration_ms));
            }
            Event::StepWaiting { .. } | Event::PlanMade { .. } => {}
        }
    }

    fn note_time(&mut self, entry: &Entry) {
        self.started.get_or_insert(entry.at);
        self.last_ms = self.last_ms.max(entry.elapsed_ms);
        if let Some(drill) = drill_of(&entry.event) {
            self.drill(drill).last_ms = entry.elapsed_ms;
        }
    }

    /// The drill at that place. One whose start was never told gets a name all the same, so that it
    /// is not lost.
    fn drill(&mut self, drill: usize) -> &mut DrillRecord {
        let nameless = || DrillRecord { name: format!("drill {}", drill + 1), ..DrillRecord::default() };
        self.drills.entry(drill).or_insert_with(nameless)
    }

    fn warnings_of(&mut self, drill: Option<usize>) -> &mut Vec<String> {
        match drill {
            Some(drill) => &mut self.drill(drill).warnings,
            None => &mut self.warnings,
        }
    }

    fn tools_of(&mut self, drill: Option<usize>) -> &mut Vec<(String, String)> {
        match drill {
            Some(drill) => &mut self.drill(drill).tools,
            None => &mut self.tools,
        }
    }

    /// How the run came out: as it said at its end, unless that is better than one of its drills. A
    /// run that never ended is errored.
    pub fn outcome(&self) -> Outcome {
        let drills = self.drills.values().map(DrillRecord::outcome);
        self.finished.map_or(Outcome::Errored, |(said, ..)| said.or_worse(drills))
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

    /// How many breaks of all drills came out how.
    pub fn score(&self) -> Score {
        let proofs = self.drills.values().filter_map(|drill| drill.proof.as_ref());
        proofs.fold(Score::default(), |score, proof| score.plus(proof.score()))
    }

    /// How many drills did not pass unbroken, so that nothing is proved of them.
    pub fn not_proved(&self) -> usize {
        let proved = self.drills.values().filter(|drill| drill.proof.is_some());
        proved.filter(|drill| drill.unbroken().is_bad()).count()
    }

    /// The drill that has ended with this event. One that is proved ends with its proof.
    pub(super) fn ended(&self, event: &Event) -> Option<(usize, &DrillRecord)> {
        let proved = |drill: &DrillRecord| drill.proof.is_some();
        let (at, by_proof) = match event {
            Event::DrillFinished { drill, .. } => (*drill, false),
            Event::ProofFinished { drill, .. } => (*drill, true),
            _ => return None,
        };
        self.drills.get(&at).filter(|drill| proved(drill) == by_proof).map(|drill| (at, drill))
    }

    /// The drill that has begun or ended with this event.
    pub fn begun_or_ended(&self, event: &Event) -> Option<usize> {
        match event {
            Event::DrillStarted { drill, .. } => Some(*drill),
            event => self.ended(event).map(|(drill, _)| drill),
        }
    }

    /// How many of the drills that were meant to run never began.
    pub fn not_begun(&self) -> usize {
        self.planned.saturating_sub(self.drills.len())
    }
}

fn drill_of(event: &Event) -> Option<usize> {
    match event {
        Event::DrillStarted { drill, .. }
        | Event::NodeReady { drill, .. }
        | Event::StepStarted { drill, .. }
        | Event::StepWaiting { drill, .. }
        | Event::CommandRun { drill, .. }
        | Event::StepFinished { drill, .. }
        | Event::TrafficRate { drill, .. }
        | Event::TrafficFinished { drill, .. }
        | Event::BudgetJudged { drill, .. }
        | Event::NodeKept { drill, .. }
        | Event::DrillFinished { drill, .. }
        | Event::ProofStarted { drill, .. }
        | Event::BreakTried { drill, .. }
        | Event::ProofFinished { drill, .. }
        | Event::Firedrill { drill, .. }
        | Event::DrillTrend { drill, .. } => Some(*drill),
        Event::Warned { drill, .. } | Event::ToolFound { drill, .. } => *drill,
        Event::RunStarted { .. } | Event::PlanMade { .. } | Event::CleanedUp { .. } | Event::RunFinished { .. } => None,
    }
}

impl DrillRecord {
    /// It has ended. That it has started is told when its lab is made, which is a part of it.
    fn end_with(&mut self, end: DrillEnd, entry: &Entry) {
        let took = SignedDuration::from_millis(end.duration_ms.try_into().unwrap_or(i64::MAX));
        let began = entry.at.checked_sub(took).ok();
        self.started = self.started.map(|told| began.unwrap_or(told).min(told));
        self.began_ms = self.began_ms.min(entry.elapsed_ms.saturating_sub(end.duration_ms));
        self.end = Some(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Outcome;

    #[test]
    fn a_drill_has_ended_when_that_was_told() {
        let at = |ms| Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap();
        let entry = |ms: u64, event| Entry { at: at(ms.cast_signed()), elapsed_ms: ms, event };
        let mut record = RunRecord::default();
        // Its lab took 400 ms.
        let started = Event::DrillStarted {
            drill: 0,
            name: "nightly".to_owned(),
            file: "nightly.yaml".to_owned(),
            about: String::new(),
            postgres: "17.1".to_owned(),
            backend: "docker".to_owned(),
            seed: 1,
            settings: vec![],
            releases: Default::default(),
            steps: vec![],
        };
        record.hear(&entry(500, started));
        assert_eq!(record.drills[&0].started, Some(at(500)));
        let (outcome, message, problem, again) = (Outcome::Passed, None, None, String::new());
        record.hear(&entry(
            2100,
            Event::DrillFinished { drill: 0, outcome, duration_ms: 2000, message, problem, again, kept: false },
        ));
        assert_eq!((record.drills[&0].started, record.drills[&0].began_ms), (Some(at(100)), 100));
    }
}
