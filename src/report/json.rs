//! The JSON report, version 1: the fields of docs/reports.md in their order.
//!
//! Fields that came later (`message`, `problem`, `kept`, `again`, `warnings`, `left`) stand behind the others, and are left out
//! where there is nothing to say.

use std::io;

use jiff::Timestamp;
use serde::Serialize;

use crate::journal::{Budget, Facts, Outcome, Problem, TrafficCount};

use super::collect::{DrillRecord, RunRecord, StepRecord};
use super::format::{Format, Made};

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
    run: &'a str,
    started: Option<Timestamp>,
    duration_ms: u64,
    outcome: Outcome,
    /// Null where the run broke off: what the process ended with is not known then.
    exit_code: Option<u8>,
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
}

#[derive(Serialize)]
struct Step<'a> {
    index: usize,
    id: Option<&'a str>,
    kind: &'a str,
    name: &'a str,
    line: usize,
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
    name: &'a str,
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
    let run = Run {
        drillyard: 1,
        run: &record.run,
        started: record.started,
        duration_ms: record.duration_ms(),
        outcome: record.outcome(),
        exit_code: record.exit_code(),
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
    }
}

/// What is wrong first with a drill that says nothing of it as a whole.
fn first_cause(record: &DrillRecord) -> Option<String> {
    let problem = record.troubles().into_iter().next()?.problem;
    let label = problem.places.first().map(|place| place.label.as_str()).filter(|label| !label.is_empty());
    Some(label.map_or_else(|| problem.title.clone(), |label| format!("{}: {label}", problem.title)))
}

fn step<'a>(drill: &DrillRecord, record: &'a StepRecord) -> Step<'a> {
    let end = record.end.as_ref();
    Step {
        index: record.head.index,
        id: record.head.id.as_deref(),
        kind: &record.head.kind,
        name: &record.head.name,
        line: record.head.line,
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
    JudgedBudget { name: &budget.name, outcome: budget.outcome, kind, checked, not_checked, problem }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
