//! JUnit XML: a suite for each drill, a case for each step and each budget; of a proof, one for
//! each break as well.
//!
//! A drill that came out otherwise than all its steps and budgets (its servers did not start, it
//! was interrupted, it judged nothing) has a case of its own, called `drill`; likewise a run in the
//! suite `drillyard`. So a reader that knows JUnit alone sees every failure.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::journal::{Outcome, TrafficCount};

use super::collect::RunRecord;
use super::drill::DrillRecord;
use super::format::{Format, Made};
use super::proof::explained;
use super::snippet;
use super::text::{one_line, visible};
use super::trouble::{Of, Trouble, UNMEASURED};

pub(super) const FORMAT: Format = Format {
    name: "junit",
    option: "report-junit",
    value: "PATH",
    help: "Write a report as JUnit XML",
    made: Made::Whole(render),
};

/// The report as text.
pub(super) fn render(record: &RunRecord) -> io::Result<String> {
    let mut report = Report::new("drillyard");
    report.set_time(Duration::from_millis(record.duration_ms()));
    for drill in record.drills.values() {
        report.add_test_suite(suite(record, drill));
    }
    if let Some(suite) = run_suite(record) {
        report.add_test_suite(suite);
    }
    let xml = report.to_string().map_err(io::Error::other)?;
    Ok(without_skipped(&xml))
}

/// Jenkins' schema knows `skipped` of a suite, and not of the root.
fn without_skipped(xml: &str) -> String {
    let (start, name) = ("<testsuites ", " skipped=\"");
    let found = xml.find(start).and_then(|root| {
        let end = root + xml[root..].find('>')?;
        let at = root + xml[root..end].find(name)?;
        let value = at + name.len();
        Some(at..value + xml[value..end].find('"')? + 1)
    });
    found.map_or_else(|| xml.to_owned(), |found| [&xml[..found.start], &xml[found.end..]].concat())
}

fn suite(run: &RunRecord, drill: &DrillRecord) -> TestSuite {
    let title = one_line(&drill.title());
    let mut suite = TestSuite::new(&title);
    suite.set_time(Duration::from_millis(drill.duration_ms()));
    if let Some(started) = drill.started {
        suite.extra.insert("timestamp".into(), started.to_string().into());
    }
    let seed = drill.seed.to_string();
    let properties = [
        ("file", &drill.file),
        ("postgres", &drill.postgres),
        ("backend", &drill.backend),
        ("seed", &seed),
        ("run", &run.run),
    ];
    for (name, value) in properties {
        suite.add_property(Property::new(name, one_line(value)));
    }
    for (name, value) in drill.traffic.iter().flat_map(numbers) {
        suite.add_property(Property::new(one_line(&name), value));
    }
    let mut names = HashSet::new();
    for case in cases(drill) {
        let mut name = one_line(&case.name);
        // Readers merge cases of the same name into one.
        let mut times = 1;
        while !names.insert(name.clone()) {
            times += 1;
            name = format!("{} ({times})", one_line(&case.name));
        }
        let mut test = TestCase::new(name, case.status);
        test.set_classname(&title).set_time(Duration::from_millis(case.duration_ms));
        suite.add_test_case(test);
    }
    suite
}

/// What became of users' transactions: `users.acknowledged` and so on; `users.lost` is left out
/// where nothing was checked.
fn numbers(count: &TrafficCount) -> Vec<(String, String)> {
    let told = [
        ("acknowledged", Some(count.acknowledged)),
        ("checked", Some(count.checked)),
        ("not_checked", Some(count.not_checked)),
        ("lost", count.lost),
    ];
    let told = told.into_iter().filter_map(|(name, number)| Some((name, number?)));
    told.map(|(name, number)| (format!("{}.{name}", count.id), number.to_string())).collect()
}

struct Case {
    name: String,
    outcome: Outcome,
    status: TestCaseStatus,
    duration_ms: u64,
}

fn cases(drill: &DrillRecord) -> Vec<Case> {
    let troubles = drill.troubles();
    let trouble = |is: &dyn Fn(&Of) -> bool| troubles.iter().find(|trouble| is(&trouble.of));
    let steps = drill.steps.iter().map(|step| {
        let outcome = drill.step_outcome(step);
        let trouble = trouble(&|of| matches!(of, Of::Step(index, _) if *index == step.head.index));
        let duration_ms = step.end.as_ref().map_or(0, |end| end.duration_ms);
        let status = status(outcome, drill.step_message(step), trouble);
        Case { name: step.head.name.clone(), outcome, status, duration_ms }
    });
    let budgets = drill.budgets.iter().enumerate().map(|(at, (budget, _))| {
        let trouble = trouble(&|of| matches!(of, Of::Budget(place, _) if *place == at));
        // Its trouble is that of what ended the drill.
        let message = (budget.outcome.is_bad() && trouble.is_none()).then(|| format!("not measured: {UNMEASURED}"));
        let status = status(budget.outcome, message, trouble);
        let duration_ms = budget.measured_ms.unwrap_or(0);
        Case { name: format!("budget {}", budget.name), outcome: budget.outcome, status, duration_ms }
    });
    let verdicts = drill.proof.iter().flat_map(|proof| proof.verdicts());
    let breaks = verdicts.map(|(head, verdict)| {
        let outcome = verdict.outcome();
        let trouble = trouble(&|of| matches!(of, Of::Break(name) if *name == head.name));
        let message = (outcome == Outcome::Skipped).then(|| explained(head, verdict));
        let name = format!("break {}", head.name);
        Case { name, outcome, status: status(outcome, message, trouble), duration_ms: 0 }
    });
    let mut cases: Vec<Case> = steps.chain(budgets).chain(breaks).collect();
    let (outcome, whole) = (drill.outcome(), trouble(&|of| *of == Of::Drill));
    if whole.is_some() || !cases.iter().any(|case| case.outcome == outcome) {
        let status = status(outcome, drill.message(), whole);
        cases.push(Case { name: "drill".to_owned(), outcome, status, duration_ms: drill.duration_ms() });
    }
    cases
}

fn status(outcome: Outcome, message: Option<String>, trouble: Option<&Trouble>) -> TestCaseStatus {
    let mut status = match outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Outcome::Errored => TestCaseStatus::non_success(NonSuccessKind::Error),
        Outcome::Skipped => TestCaseStatus::skipped(),
    };
    let message = message.or_else(|| Some(trouble?.problem.title.clone())).filter(|message| !message.is_empty());
    if outcome == Outcome::Passed {
        return status;
    }
    // A reader that shows nothing but the text shows the reason all the same.
    let text = trouble.map(|trouble| visible(&snippet::render(&trouble.problem, false)));
    let unsaid = || format!("it {outcome}, and gave no reason");
    let message = message.unwrap_or_else(unsaid);
    status.set_message(one_line(&message));
    if outcome.is_bad() {
        status.set_type(if outcome == Outcome::Failed { "failed" } else { "errored" });
        status.set_description(text.unwrap_or_else(|| visible(&message)));
    }
    status
}

/// What went wrong with the run and is no drill's: without it a run that ended with an exit code
/// could look green.
fn run_suite(record: &RunRecord) -> Option<TestSuite> {
    let (outcome, counts) = (record.outcome(), record.counts());
    let mut cases = vec![];
    let told = match outcome {
        Outcome::Errored => counts.errored > 0,
        Outcome::Failed => counts.failed > 0,
        Outcome::Passed | Outcome::Skipped => true,
    };
    if !told {
        let message = match (record.exit_code(), record.warnings.last()) {
            (_, Some(warning)) => warning.clone(),
            (Some(code), None) => format!("the run {outcome} with exit code {code}"),
            (None, None) => "the run broke off".to_owned(),
        };
        cases.push(("run", status(outcome, Some(message), None)));
    }
    if !record.left.is_empty() {
        let message = format!("clean-up could not remove {}", record.left.join(", "));
        cases.push(("clean-up", status(Outcome::Errored, Some(message), None)));
    }
    let mut suite = TestSuite::new("drillyard");
    suite.add_test_cases(cases.into_iter().map(|(name, status)| {
        let mut case = TestCase::new(name, status);
        case.set_classname("drillyard");
        case
    }));
    (suite.tests > 0).then_some(suite)
}
