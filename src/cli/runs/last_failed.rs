//! `drillyard runs last-failed`, and what `drillyard run --last-failed` runs.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::find::open;
use super::words::ago;
use crate::cli::args::HistoryArgs;
use crate::cli::out::print_all;
use crate::cli::stop::Result;
use crate::history::Latest;
use crate::journal::{ExitCode, Outcome};
use crate::report::one_line;

fn is_bad(one: &Latest) -> bool {
    one.outcome != Some(Outcome::Passed)
}

/// The names of the drills that did not pass when they were run last.
pub fn last_failed(history: &HistoryArgs) -> Result<BTreeSet<String>> {
    let known = open(history)?.latest()?;
    Ok(known.into_iter().filter(is_bad).map(|one| one.series.name).collect())
}

/// Lists them, each with how it came out.
pub fn list(history: &HistoryArgs) -> Result<ExitCode> {
    let now = Timestamp::now();
    let known = open(history)?.latest()?;
    let lines = known.iter().filter(|one| is_bad(one)).map(|one| {
        let outcome = one.outcome.map_or("has not ended", Outcome::as_str);
        format!("{}: {outcome}, {}\n", one_line(&one.series.to_string()), ago(one.started, now))
    });
    let text: String = lines.collect();
    print_all(if text.is_empty() { "every drill passed when it was run last\n" } else { &text });
    Ok(ExitCode::Passed)
}
