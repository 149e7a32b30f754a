//! Runs of one drill, as a statement of the first version tells them, with this or that changed.

use std::path::Path;

use jiff::SignedDuration;

use super::super::key::VerifyingKey;
use super::super::not_tested::NO_SUCH_CHECK;
use super::super::verify::verify;
use super::*;

/// What becomes of a drill in a run.
type Change = fn(&mut Drill);

/// What a time showed in which the drill was run once a day.
fn quarter(changes: &[Change]) -> Quarter {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/evidence");
    let text = std::fs::read_to_string(folder.join("v1.intoto.jsonl")).expect("a file");
    let key = VerifyingKey::read(&folder.join("v1.pub.pem")).expect("a key");
    let mut verified = verify(&text, &key);
    let (_, first) = verified.statements.swap_remove(0);
    let of_day = |(day, change): (usize, &Change)| {
        let mut statement = first.clone();
        let predicate = &mut statement.predicate;
        predicate.run.ended += SignedDuration::from_hours(24 * day as i64);
        predicate.run.id = Some(format!("run{day}"));
        change(&mut predicate.drills[0]);
        (day + 1, statement)
    };
    verified.statements = changes.iter().enumerate().map(of_day).collect();
    let time = |text: &str| text.parse::<Timestamp>().expect("a time");
    let chain = Chain { name: "q".to_owned(), verified };
    Quarter::of(&[chain], time("2026-11-01T00:00:00Z"), time("2027-02-01T00:00:00Z"))
}

fn told(drill: &mut Drill, setting: &str) {
    drill.settings = vec![setting.to_owned()];
}

fn lacks(drill: &mut Drill, edition: &str, what: &str, why: &str) {
    drill.sha256 = Some(edition.to_owned());
    drill.not_tested = vec![NotTested { what: what.to_owned(), why: why.to_owned() }];
}

fn never(changes: &[Change]) -> Vec<String> {
    quarter(changes).drills[0].never.iter().map(|one| one.what.clone()).collect()
}

#[test]
fn a_pass_with_other_settings_repairs_nothing() {
    let quarter = quarter(&[
        |drill| {
            told(drill, "prod=service=a");
            drill.outcome = Outcome::Failed;
        },
        |drill| told(drill, "prod=service=b"),
        |_| {},
    ]);
    let lines: Vec<_> = quarter.drills.iter().map(|line| (line.place.as_str(), line.runs.len())).collect();
    let places =
        ["PostgreSQL 15, local", "PostgreSQL 15, local, prod=service=a", "PostgreSQL 15, local, prod=service=b"];
    assert_eq!(lines, places.map(|place| (place, 1)));
    let failed = &quarter.drills[1];
    assert_eq!((&failed.runs[0].repaired, failed.last_pass), (&None, None));
}

#[test]
fn a_run_that_judged_nothing_takes_back_no_limit_and_its_measurement_is_not_an_older_one() {
    let nothing: Change = |drill| {
        drill.outcome = Outcome::Errored;
        for objective in &mut drill.objectives {
            (objective.allowed, objective.measured, objective.outcome) = (None, None, None);
        }
    };
    let goal = |changes: &[Change]| {
        let quarter = quarter(changes);
        let line = &quarter.drills[0].goals[0];
        assert_eq!(line.goal, Goal::RtoMs);
        (line.allowed, line.worst, line.newest)
    };
    assert_eq!(goal(&[|_| {}, nothing]), (Some(60_000), Some(1299), None));
    // One that passed without a limit has none any more.
    let without: Change = |drill| {
        drill.objectives[0].allowed = None;
        drill.objectives[0].outcome = None;
    };
    assert_eq!(goal(&[|_| {}, without]), (None, Some(1299), Some(1299)));
}

#[test]
fn what_was_never_tested_stays_when_its_line_or_its_words_change() {
    let (nine, ten): (Change, Change) = (
        |drill| lacks(drill, "a", "the orders (line 9)", "skipped"),
        |drill| lacks(drill, "b", "the orders (line 10)", "skipped"),
    );
    assert_eq!(never(&[nine, ten]), ["the orders (line 10)"]);
    // In one and the same file, these are two checks.
    let other: Change = |drill| lacks(drill, "a", "the orders (line 10)", "skipped");
    assert_eq!(never(&[nine, other]), Vec::<String>::new());
    assert_eq!(never(&[nine, |drill| drill.not_tested.clear(), nine]), Vec::<String>::new());
    // Where one run left out a part, the rest was tested.
    let part: Change = |drill| lacks(drill, "a", "the orders (line 9): a view", "it was not compared");
    let less: Change = |drill| lacks(drill, "a", "the orders (line 9): a view, a rule", "it was not compared");
    assert_eq!(never(&[part, nine]), ["the orders (line 9): a view"]);
    assert_eq!(never(&[less, nine, part, nine]), ["the orders (line 9): a view"]);
    assert_eq!(never(&[part, less]), ["the orders (line 9): a view, a rule"]);
    let (old, new): (Change, Change) = (
        |drill| lacks(drill, "a", "assert_log: Checks a log.", NO_SUCH_CHECK),
        |drill| lacks(drill, "a", "assert_log: Checks a server's log.", NO_SUCH_CHECK),
    );
    assert_eq!(never(&[old, new]), ["assert_log: Checks a server's log."]);
}
