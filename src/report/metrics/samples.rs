//! What metrics say of a run.

use std::collections::BTreeMap;

use crate::journal::{BudgetName, Command, Outcome, TrafficCount};

use super::super::collect::RunRecord;
use super::super::drill::DrillRecord;
use super::file::Sample;

/// The facts of steps that are parts of a recovery.
const PARTS: [(&str, &str); 5] = [
    ("restore_ms", "restore"),
    ("replay_ms", "replay"),
    ("catch_up_ms", "catch_up"),
    ("copy_ms", "copy"),
    ("rewind_ms", "rewind"),
];
const BYTES: [(&str, &str); 3] =
    [("restore_bytes", "restore"), ("replay_bytes", "replay"), ("catch_up_bytes", "catch_up")];

const OUTCOMES: [Outcome; 4] = [Outcome::Passed, Outcome::Failed, Outcome::Errored, Outcome::Skipped];

/// Samples with the labels that all of them have.
struct Samples<'a> {
    labels: Vec<(&'a str, &'a str)>,
    /// What the file had before.
    before: &'a [Sample],
    samples: Vec<Sample>,
}

impl Samples<'_> {
    fn add(&mut self, name: &str, more: Option<(&str, &str)>, value: String) {
        let labels = self.labels.iter().copied().chain(more);
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.samples.push(Sample { name: name.to_owned(), labels, value });
    }

    fn set(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.add(name, None, value);
        }
    }

    fn set_for(&mut self, name: &str, label: (&str, &str), value: Option<u64>) {
        if let Some(value) = value {
            self.add(name, Some(label), value.to_string());
        }
    }

    /// What the file had before.
    fn before(&self, name: &str) -> Option<String> {
        let is_same = |old: &Sample| {
            let labels = old.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            old.name == name && labels.eq(self.labels.iter().copied())
        };
        self.before.iter().find(|old| is_same(old)).map(|old| old.value.clone())
    }
}

/// What there is to say of a run, some of it as it was `before`.
pub(super) fn samples(record: &RunRecord, before: &[Sample]) -> Vec<Sample> {
    let mut samples = of_run(record);
    for (Series { name, version, backend, settings }, drills) in by_series(record) {
        let settings = Some(settings.as_str()).filter(|settings| !settings.is_empty());
        let labels = [("drill", name), ("version", version), ("backend", backend)];
        let labels = labels.into_iter().chain(settings.map(|settings| ("settings", settings))).collect();
        let mut of_drill = Samples { labels, before, samples: vec![] };
        match record.command {
            Command::Run | Command::Firedrill => run(&mut of_drill, record, &drills),
            Command::Prove => proof(&mut of_drill, record, &drills),
        }
        samples.extend(of_drill.samples);
    }
    samples
}

/// What drills are known as that are one series.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Series<'a> {
    name: &'a str,
    /// The major version: a series must not end when a minor release comes.
    version: &'a str,
    backend: &'a str,
    settings: String,
}

fn by_series(record: &RunRecord) -> BTreeMap<Series<'_>, Vec<&DrillRecord>> {
    let mut series: BTreeMap<_, Vec<&DrillRecord>> = BTreeMap::new();
    for drill in record.drills.values() {
        let (version, settings) = (drill.major().unwrap_or_default(), drill.told());
        series.entry(Series { name: &drill.name, version, backend: &drill.backend, settings }).or_default().push(drill);
    }
    series
}

/// Those of a drill that was run, perhaps several times: as the worst of them came out.
fn run(samples: &mut Samples<'_>, record: &RunRecord, drills: &[&DrillRecord]) {
    let Some(drill) = worst(drills) else { return };
    passes(samples, record, drills, ["last_pass_timestamp_seconds", "last_run_timestamp_seconds", "outcome"]);
    if drill.outcome() == Outcome::Skipped {
        return;
    }
    samples.set("drillyard_duration_seconds", Some(seconds(drill.duration_ms())));
    for (budget, _) in &drill.budgets {
        let (measured, max) = match budget.name {
            BudgetName::Rto => ("drillyard_rto_seconds", "drillyard_rto_limit_seconds"),
            BudgetName::RpoTime => ("drillyard_rpo_seconds", "drillyard_rpo_limit_seconds"),
            // It is measured above, and `drillyard_outcome` tells how it came out.
            BudgetName::RtoOfLast => continue,
            BudgetName::Rpo => ("drillyard_rpo_transactions", "drillyard_rpo_limit_transactions"),
        };
        let of = |ms: Option<u64>, lost: Option<u64>| ms.map(seconds).or_else(|| lost.map(|lost| lost.to_string()));
        samples.set(measured, of(budget.measured_ms, budget.measured_lost));
        samples.set(max, of(budget.max_ms, budget.max_lost));
    }
    transactions(samples, drill);
    parts(samples, drill);
}

fn transactions(samples: &mut Samples<'_>, drill: &DrillRecord) {
    if drill.traffic.is_empty() {
        return;
    }
    let sum = |of: fn(&TrafficCount) -> Option<u64>| drill.traffic.iter().filter_map(of).reduce(u64::saturating_add);
    let states = [
        ("acknowledged", sum(|count| Some(count.acknowledged))),
        ("checked", sum(|count| Some(count.checked))),
        ("not_checked", sum(|count| Some(count.not_checked))),
        ("lost", sum(|count| count.lost)),
        ("in_doubt", sum(|count| Some(count.in_doubt))),
    ];
    for (state, number) in states {
        samples.set_for("drillyard_transactions", ("state", state), number);
    }
}

fn parts(samples: &mut Samples<'_>, drill: &DrillRecord) {
    let facts = || drill.steps.iter().filter_map(|step| step.end.as_ref()).map(|end| &end.facts);
    let sum = |fact: &str| facts().filter_map(|facts| facts.get(fact)?.as_u64()).reduce(u64::saturating_add);
    let recovery = drill.recoveries().map(|(_, ms)| ms).reduce(u64::saturating_add);
    let named = PARTS.iter().map(|(fact, part)| (*part, sum(fact)));
    for (part, ms) in named.chain([("recovery", recovery)]) {
        if let Some(ms) = ms {
            samples.add("drillyard_part_seconds", Some(("part", part)), seconds(ms));
        }
    }
    for (fact, part) in BYTES {
        samples.set_for("drillyard_part_bytes", ("part", part), sum(fact));
    }
    // Only what looks at a backup says how old it is, and how large.
    let backup = facts().filter(|facts| facts.contains_key("age")).find_map(|facts| facts.get("bytes")?.as_u64());
    samples.set_for("drillyard_part_bytes", ("part", "backup"), backup);
}

/// Those of a drill that was proved.
fn proof(samples: &mut Samples<'_>, record: &RunRecord, drills: &[&DrillRecord]) {
    let Some(drill) = worst(drills) else { return };
    let names = ["proof_last_pass_timestamp_seconds", "proof_last_run_timestamp_seconds", "proof_outcome"];
    passes(samples, record, drills, names);
    let Some(proof) = drill.proof.as_ref().filter(|_| drill.outcome() != Outcome::Skipped) else { return };
    samples.set("drillyard_proof_duration_seconds", Some(seconds(drill.duration_ms())));
    let score = proof.score();
    let verdicts =
        [("noticed", score.noticed), ("missed", score.missed), ("ignored", score.ignored), ("errored", score.errored)];
    for (verdict, number) in verdicts {
        samples.set_for("drillyard_proof_breaks", ("verdict", verdict), Some(number as u64));
    }
}

/// When they passed and ended last, and how: what a run and a proof have in common.
fn passes(samples: &mut Samples<'_>, record: &RunRecord, drills: &[&DrillRecord], names: [&str; 3]) {
    let [last_pass, last_run, outcome] = names.map(|name| format!("drillyard_{name}"));
    let came_out = worst(drills).map_or(Outcome::Errored, DrillRecord::outcome);
    let version_known = samples.labels.iter().all(|(name, value)| *name != "version" || !value.is_empty());
    // What came to no version has no last pass: it would be an alarm of its own that never ends.
    if version_known {
        let ended = drills.iter().map(|drill| drill.began_ms.saturating_add(drill.duration_ms())).max();
        let at = moment(record, ended.unwrap_or_default());
        let passed = at.clone().filter(|_| came_out == Outcome::Passed).or_else(|| samples.before(&last_pass));
        samples.add(&last_pass, None, passed.unwrap_or_else(|| "0".to_owned()));
        // One that was skipped, after Ctrl-C or with --fail-fast, has not run now.
        samples.set(&last_run, if came_out == Outcome::Skipped { samples.before(&last_run) } else { at });
    }
    for one in OUTCOMES {
        samples.set_for(&outcome, ("outcome", one.as_str()), Some(u64::from(one == came_out)));
    }
}

/// A moment of a run, so many milliseconds after its start, in seconds since 1970.
fn moment(record: &RunRecord, after_ms: u64) -> Option<String> {
    let at = record.started?.as_millisecond().saturating_add_unsigned(after_ms);
    Some(seconds(at.max(0).unsigned_abs()))
}

fn of_run(record: &RunRecord) -> Vec<Sample> {
    let command = match record.command {
        Command::Run => "run",
        Command::Prove => "prove",
        Command::Firedrill => "firedrill",
    };
    let mut samples = Samples { labels: vec![("command", command)], before: &[], samples: vec![] };
    samples.set("drillyard_run_timestamp_seconds", moment(record, record.duration_ms()));
    samples.set("drillyard_run_duration_seconds", Some(seconds(record.duration_ms())));
    samples.set("drillyard_run_exit_code", record.exit_code().map(|code| code.to_string()));
    let counts = record.counts();
    let numbers = [counts.passed, counts.failed, counts.errored, counts.skipped];
    let all = OUTCOMES.iter().map(|outcome| outcome.as_str()).zip(numbers);
    for (outcome, number) in all.chain([("not_begun", record.not_begun())]) {
        samples.set_for("drillyard_run_drills", ("outcome", outcome), Some(number as u64));
    }
    samples.samples
}

/// The one that came out worst, of several alike the last.
fn worst<'a>(drills: &[&'a DrillRecord]) -> Option<&'a DrillRecord> {
    let badness = |drill: &&DrillRecord| match drill.outcome() {
        Outcome::Skipped => 0,
        Outcome::Passed => 1,
        Outcome::Failed => 2,
        Outcome::Errored => 3,
    };
    drills.iter().copied().max_by_key(badness)
}

/// Milliseconds as seconds: `2.1`.
fn seconds(ms: u64) -> String {
    let text = format!("{}.{:03}", ms / 1000, ms % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
