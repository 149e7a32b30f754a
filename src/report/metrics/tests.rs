//! Metrics of recorded runs, one after the other in the same file.

use insta::assert_snapshot;

use super::super::tests::{journal, record};
use super::*;

/// The value of a line of the file.
fn value<'t>(text: &'t str, series: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}

fn named(name: &str, as_drill: &str) -> RunRecord {
    let mut record = record(&journal(name));
    for drill in record.drills.values_mut() {
        as_drill.clone_into(&mut drill.name);
        "17.2".clone_into(&mut drill.postgres);
        "docker".clone_into(&mut drill.backend);
    }
    record
}

#[test]
fn metrics_reports() {
    for name in super::super::tests::JOURNALS {
        assert_snapshot!(format!("metrics_{name}"), render(&record(&journal(name)), "").expect("metrics"));
    }
}

#[test]
fn the_last_pass_outlives_a_run_that_does_not_pass_and_a_drill_that_nobody_runs() {
    const A: &str = "drillyard_last_pass_timestamp_seconds{drill=\"a\",version=\"17\",backend=\"docker\"}";
    const B: &str = "drillyard_last_pass_timestamp_seconds{drill=\"b\",version=\"17\",backend=\"docker\"}";
    let outcome = |drill: &str, outcome: &str| {
        format!("drillyard_outcome{{drill=\"{drill}\",version=\"17\",backend=\"docker\",outcome=\"{outcome}\"}}")
    };
    let never = render(&named("failed", "a"), "").expect("metrics");
    assert_eq!(value(&never, A), Some("0"), "{never}");
    let passed = render(&named("passed", "a"), &never).expect("metrics");
    let at = value(&passed, A).expect("a last pass").to_owned();
    assert!(at.parse::<f64>().is_ok_and(|at| at > 1e9), "{passed}");
    assert_eq!(value(&passed, &outcome("a", "passed")), Some("1"));
    // It failed since, and could not be judged after that: the age of its last pass grows.
    let mut text = passed;
    for (name, came_out) in [("failed", "failed"), ("interrupted", "errored")] {
        text = render(&named(name, "a"), &text).expect("metrics");
        assert_eq!(value(&text, A), Some(at.as_str()), "{text}");
        assert_eq!(value(&text, &outcome("a", came_out)), Some("1"), "{text}");
        assert_eq!(value(&text, &outcome("a", "passed")), Some("0"), "{text}");
    }
    // Another drill is run in its place.
    let other = render(&named("passed", "b"), &text).expect("metrics");
    assert_eq!(value(&other, A), Some(at.as_str()), "{other}");
    assert!(value(&other, B).is_some_and(|at| at != "0"), "{other}");
    assert_eq!(value(&other, &outcome("a", "errored")), Some("1"), "{other}");
    // A proof of it says nothing of whether it passed, and the other way round.
    let proved = render(&named("proof", "a"), &other).expect("metrics");
    assert_eq!(value(&proved, A), Some(at.as_str()), "{proved}");
    assert!(proved.contains("drillyard_proof_outcome{drill=\"a\""), "{proved}");
    let again = render(&named("passed", "a"), &proved).expect("metrics");
    assert!(again.contains("drillyard_proof_outcome{drill=\"a\""), "{again}");
    // Said twice, it is the same.
    assert_eq!(render(&named("passed", "a"), &again).expect("metrics"), again);
}

#[test]
fn drills_that_are_told_something_else_are_series_of_their_own() {
    let told = |name: &str, setting: &str| {
        let mut record = named(name, "a");
        record.drills.values_mut().for_each(|drill| drill.settings = vec![setting.to_owned()]);
        record
    };
    let of = |setting: &str| {
        format!("drillyard_last_pass_timestamp_seconds{{drill=\"a\",version=\"17\",backend=\"docker\"{setting}}}")
    };
    let text = render(&told("failed", "prod=service=a"), "").expect("metrics");
    let text = render(&told("passed", "prod=service=b"), &text).expect("metrics");
    let text = render(&named("passed", "a"), &text).expect("metrics");
    assert_eq!(value(&text, &of(",settings=\"prod=service=a\"")), Some("0"), "{text}");
    for passed in [",settings=\"prod=service=b\"", ""] {
        assert!(value(&text, &of(passed)).is_some_and(|at| at != "0"), "{passed}: {text}");
    }
    let failed = "drillyard_outcome{drill=\"a\",version=\"17\",backend=\"docker\",settings=\"prod=service=a\",outcome=\"failed\"}";
    assert_eq!(value(&text, failed), Some("1"), "{text}");
}

#[test]
fn a_drill_that_was_skipped_has_not_run_now() {
    const RUN: &str = "drillyard_last_run_timestamp_seconds{drill=\"a\",version=\"17\",backend=\"docker\"}";
    const SKIPPED: &str = "drillyard_outcome{drill=\"a\",version=\"17\",backend=\"docker\",outcome=\"skipped\"}";
    let mut skipped = named("passed", "a");
    skipped.started = skipped.started.map(|at| at + jiff::SignedDuration::from_hours(24));
    for drill in skipped.drills.values_mut() {
        (drill.steps, drill.budgets, drill.traffic) = Default::default();
        drill.end.as_mut().expect("its end").outcome = crate::journal::Outcome::Skipped;
    }
    let never = render(&skipped, "").expect("metrics");
    assert_eq!((value(&never, SKIPPED), value(&never, RUN)), (Some("1"), None), "{never}");
    let passed = render(&named("passed", "a"), "").expect("metrics");
    let since = render(&skipped, &passed).expect("metrics");
    assert_eq!(value(&since, SKIPPED), Some("1"), "{since}");
    assert!(value(&passed, RUN).is_some());
    assert_eq!(value(&since, RUN), value(&passed, RUN), "{since}");
}

#[test]
fn a_drill_that_came_to_no_version_is_no_alarm_that_never_ends() {
    let mut invalid = named("failed", "a");
    invalid.drills.values_mut().for_each(|drill| drill.postgres.clear());
    let text = render(&invalid, "").expect("metrics");
    assert!(text.contains("version=\"\"") && !text.contains("drillyard_last_pass"), "{text}");
    let next = render(&named("passed", "b"), &text).expect("metrics");
    assert!(!next.contains("version=\"\""), "{next}");
}

#[test]
fn names_are_read_as_they_were_written() {
    let name = "we\"ird\\ n\name {x=\"1\"} 3";
    let text = render(&named("passed", name), "").expect("metrics");
    let kept = render(&named("passed", "b"), &text).expect("metrics");
    let lines = |text: &str| text.lines().filter(|line| line.contains("ird")).map(str::to_owned).collect::<Vec<_>>();
    assert!(!lines(&text).is_empty());
    assert_eq!(lines(&text), lines(&kept));
    // Nothing of what is no such file is kept, and nothing is wrong with it.
    let foreign = render(&named("passed", "b"), "<html>{\ndrillyard_outcome{drill=\"x\nup 1\n").expect("metrics");
    assert_eq!(foreign, render(&named("passed", "b"), "").expect("metrics"));
}
