//! The JSON report, version 1: the fields of docs/reports.md in their order.
//!
//! Fields that came later (`message`, `problem`, `kept`, `again`, `warnings`, `left`) stand behind
//! the others, and are left out if there is nothing to say. A proof has all of them, and some of
//! its own.

use std::collections::BTreeMap;

use std::io;

use jiff::Timestamp;
use serde::Serialize;

use crate::journal::{
    BreakHead, BreakVerdict, Budget, BudgetName, Command, Facts, Fragment, Outcome, Problem, TrafficCount,
};

use super::collect::RunRecord;
use super::drill::{DrillRecord, StepRecord};
use super::format::{Format, Made};
use super::proof::{ProofRecord, missed};

pub(super) const FORMAT: Format = Format {
    name: "json",
    option: "report-json",
    value: "PATH",
    help: "Write a report as JSON",
    made: Made::Whole(render),
};

#[derive(Serialize)]
struct Run<'a> {
    drillyard: u8,
    /// Left out of a run's report.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Command>,
    run: &'a str,
    started: Option<Timestamp>,
    duration_ms: u64,
    outcome: Outcome,
    /// Null where the run broke off: what the process ended with is not known then.
    exit_code: Option<u8>,
    /// Of a proof, why it ended before the first drill.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Option<String>>,
    drills: Vec<Drill<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    not_begun: usize,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    left: &'a [String],
}

#[derive(Serialize)]
struct Drill<'a> {
    name: &'a str,
    file: &'a str,
    postgres: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    releases: &'a BTreeMap<String, String>,
    backend: &'a str,
    outcome: Outcome,
    duration_ms: u64,
    seed: u64,
    steps: Vec<Step<'a>>,
    budgets: Vec<JudgedBudget<'a>>,
    traffic: &'a [TrafficCount],
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a Problem>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept: Vec<Kept<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(flatten)]
    proof: Option<Proof<'a>>,
}

/// What a report says besides of a drill that was proved.
#[derive(Serialize)]
struct Proof<'a> {
    unbroken: Outcome,
    unbroken_ms: u64,
    noticed: usize,
    missed: usize,
    ignored: usize,
    errored: usize,
    problems: Vec<String>,
    breaks: Vec<Break<'a>>,
}

#[derive(Serialize)]
struct Break<'a> {
    #[serde(rename = "break")]
    name: &'a str,
    verdict: &'static str,
    by: Option<&'a str>,
    place: Option<&'a str>,
    message: String,
}

#[derive(Serialize)]
struct Step<'a> {
    index: usize,
    id: Option<&'a str>,
    kind: &'a str,
    name: &'a str,
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    fragment: Option<&'a Fragment>,
    outcome: Outcome,
    /// Null where it never began.
    started_ms: Option<u64>,
    /// Null where it did not end.
    duration_ms: Option<u64>,
    message: Option<String>,
    facts: Facts,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a Problem>,
}

/// A budget of time, or of loss; each with its own fields.
#[derive(Serialize)]
struct JudgedBudget<'a> {
    name: BudgetName,
    outcome: Outcome,
    #[serde(flatten)]
    kind: BudgetKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_checked: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a Problem>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum BudgetKind {
    Time { measured_ms: Option<u64>, max_ms: Option<u64> },
    Loss { measured_lost: Option<u64>, max_lost: Option<u64> },
}

#[derive(Serialize)]
struct Kept<'a> {
    node: &'a str,
    shell: &'a str,
}

/// The report as text.
pub(super) fn render(record: &RunRecord) -> io::Result<String> {
    let proof = record.command == Command::Prove;
    let run = Run {
        drillyard: 1,
        command: proof.then_some(record.command),
        run: &record.run,
        started: record.started,
        duration_ms: record.duration_ms(),
        outcome: record.outcome(),
        exit_code: record.exit_code(),
        error: proof.then(|| before_the_first_drill(record)),
        drills: record.drills.values().map(drill).collect(),
        not_begun: record.not_begun(),
        warnings: &record.warnings,
        left: &record.left,
    };
    let mut text = serde_json::to_string_pretty(&run)?;
    text.push('\n');
    Ok(text)
}

fn drill(record: &DrillRecord) -> Drill<'_> {
    let outcome = record.outcome();
    let end = record.end.as_ref();
    Drill {
        name: &record.name,
        file: &record.file,
        postgres: &record.postgres,
        releases: &record.releases,
        backend: &record.backend,
        outcome,
        duration_ms: record.duration_ms(),
        seed: record.seed,
        steps: record.steps.iter().map(|one| step(record, one)).collect(),
        budgets: record.budgets.iter().map(|(budget, problem)| judged(budget, problem.as_ref())).collect(),
        traffic: &record.traffic,
        message: record.message().or_else(|| first_cause(record)),
        problem: end.and_then(|end| end.problem.as_ref()),
        kept: record.kept.iter().map(|(node, shell)| Kept { node, shell }).collect(),
        again: end.map(|end| end.again.as_str()).filter(|again| !again.is_empty()),
        warnings: &record.warnings,
        proof: record.proof.as_ref().map(|proof| proved(record, proof)),
    }
}

/// What is wrong first with a drill that says nothing of it as a whole.
fn first_cause(record: &DrillRecord) -> Option<String> {
    let problem = record.first_cause()?.problem;
    let label = problem.places.first().map(|place| place.label.as_str()).filter(|label| !label.is_empty());
    Some(label.map_or_else(|| problem.title.clone(), |label| format!("{}: {label}", problem.title)))
}

fn before_the_first_drill(record: &RunRecord) -> Option<String> {
    let ended_early = record.drills.is_empty() && record.exit_code().is_some_and(|code| code != 0);
    ended_early.then(|| record.warnings.join("\n"))
}

fn proved<'a>(record: &'a DrillRecord, proof: &'a ProofRecord) -> Proof<'a> {
    let score = proof.score();
    let steps =
        record.steps.iter().filter_map(|step| step.end.as_ref().filter(|end| end.outcome.is_bad())?.problem.as_ref());
    let budgets = record.budgets.iter().filter_map(|(_, problem)| problem.as_ref());
    let whole = record.end.as_ref().and_then(|end| end.problem.as_ref());
    Proof {
        unbroken: record.unbroken(),
        unbroken_ms: record.unbroken_ms(),
        noticed: score.noticed,
        missed: score.missed,
        ignored: score.ignored,
        errored: score.errored,
        problems: steps.chain(budgets).chain(whole).map(Problem::text).collect(),
        breaks: proof.verdicts().map(|(head, verdict)| broken(head, verdict)).collect(),
    }
}

fn broken<'a>(head: &'a BreakHead, verdict: &'a BreakVerdict) -> Break<'a> {
    let sign = match verdict {
        BreakVerdict::Noticed(sign) => Some(sign),
        _ => None,
    };
    let message = match verdict {
        BreakVerdict::Noticed(sign) => sign.said.clone(),
        BreakVerdict::Missed { passed } => missed(head, passed),
        BreakVerdict::Ignored { because: text } | BreakVerdict::Errored { why: text } => text.clone(),
    };
    let (by, place) = (sign.map(|sign| sign.by.as_str()), sign.map(|sign| sign.place.as_str()));
    Break { name: &head.name, verdict: verdict.as_str(), by, place, message }
}

fn step<'a>(drill: &DrillRecord, record: &'a StepRecord) -> Step<'a> {
    let end = record.end.as_ref();
    Step {
        index: record.head.index,
        id: record.head.id.as_deref(),
        kind: &record.head.kind,
        name: &record.head.name,
        line: record.head.line,
        fragment: record.head.fragment.as_ref(),
        outcome: drill.step_outcome(record),
        started_ms: record.started_ms,
        duration_ms: end.map(|end| end.duration_ms),
        message: drill.step_message(record),
        facts: end.map(|end| end.facts.clone()).unwrap_or_default(),
        problem: end.and_then(|end| end.problem.as_ref()),
    }
}

fn judged<'a>(budget: &'a Budget, problem: Option<&'a Problem>) -> JudgedBudget<'a> {
    let of_loss = budget.max_lost.is_some() || budget.measured_lost.is_some();
    let kind = match of_loss {
        true => BudgetKind::Loss { measured_lost: budget.measured_lost, max_lost: budget.max_lost },
        false => BudgetKind::Time { measured_ms: budget.measured_ms, max_ms: budget.max_ms },
    };
    let (checked, not_checked) = (budget.checked, budget.not_checked);
    JudgedBudget { name: budget.name, outcome: budget.outcome, kind, checked, not_checked, problem }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
