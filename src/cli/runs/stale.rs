//! `drillyard runs stale`

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::find::open;
use super::words::{ago, when};
use crate::cli::args::HistoryArgs;
use crate::cli::out::print_all;
use crate::cli::stop::{Result, Stop};
use crate::history::Latest;
use crate::journal::ExitCode;
use crate::report::{count, one_line};

/// By how much the clock of another machine may be ahead: a pass that is further in the future is
/// of a clock that is wrong, and would never grow old.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);

/// Tells which drills have not passed for too long. That nothing is there to ask about is no good
/// news.
pub fn stale(drills: &[String], max_age: Duration, history: &HistoryArgs) -> Result<ExitCode> {
    let max_age_signed = SignedDuration::try_from(max_age).map_err(|_| Stop::usage("--max-age: that is too long"))?;
    let now = Timestamp::now();
    let known = open(history)?.latest()?;
    let meant: Vec<&Latest> =
        known.iter().filter(|one| drills.is_empty() || drills.contains(&one.series.name)).collect();
    let missing = drills.iter().filter(|name| !known.iter().any(|one| one.series.name == **name));
    let is_fresh = |passed: Timestamp| {
        let age = now.duration_since(passed);
        age <= max_age_signed && age > -AHEAD
    };
    let is_stale = |one: &&&Latest| !one.passed.is_some_and(is_fresh);
    let stale: Vec<String> = missing
        .map(|name| format!("{}: no run of it is in the history", one_line(name)))
        .chain(meant.iter().filter(is_stale).map(|one| line(one, now)))
        .collect();
    let age = in_words(max_age);
    match (stale.as_slice(), meant.as_slice()) {
        ([], []) => Err(Stop::nothing("no drill is in the history").help("name those that should be")),
        ([], _) => {
            print_all(&format!("{} passed in the last {age}\n", count(meant.len() as u64, "drill")));
            Ok(ExitCode::Passed)
        }
        _ => {
            print_all(&format!("{} not passed in the last {age}:\n", have(stale.len())));
            print_all(&stale.iter().map(|line| format!("  {line}\n")).collect::<String>());
            Ok(ExitCode::Failed)
        }
    }
}

/// As people say it: `26 h` is not `1 day 2 h`.
fn in_words(age: Duration) -> String {
    match age.as_secs() {
        seconds if seconds > 0 && seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ => humantime::format_duration(age).to_string(),
    }
}

fn have(number: usize) -> String {
    match number {
        1 => "1 drill has".to_owned(),
        _ => format!("{number} drills have"),
    }
}

fn line(one: &Latest, now: Timestamp) -> String {
    let series = one_line(&one.series.to_string());
    let last = match one.outcome {
        Some(outcome) => format!("{outcome} when it was run last, {}", ago(one.started, now)),
        None => format!("it has not ended when it was run last, {}", ago(one.started, now)),
    };
    match one.passed {
        Some(passed) if now.duration_since(passed) <= -AHEAD => {
            format!("{series}: last passed {}, which is in the future: a clock is wrong", when(passed))
        }
        Some(passed) if passed >= one.started => {
            format!("{series}: last passed {} ({})", when(passed), ago(passed, now))
        }
        Some(passed) => format!("{series}: last passed {} ({}); {last}", when(passed), ago(passed, now)),
        None => format!("{series}: never passed; {last}"),
    }
}
