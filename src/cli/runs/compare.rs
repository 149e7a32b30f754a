//! `drillyard runs compare`

use std::collections::BTreeMap;
use std::fmt::Write;

use super::find::open;
use super::record::{heard, record_of};
use super::words::when;
use crate::cli::args::HistoryArgs;
use crate::cli::out::print_all;
use crate::cli::stop::{Result, Stop};
use crate::history::{History, PartName, Point};
use crate::journal::{ExitCode, Outcome};
use crate::report::{RunRecord, compare_firedrills, duration, one_line};

/// What a drill is called in both runs: its name and version, and how many of the run's drills of
/// that name came before it.
type Key = (String, i64, usize);

/// Shows what differs between two runs, drill by drill.
pub fn compare(a: &str, b: &str, history: &HistoryArgs) -> Result<ExitCode> {
    // What people did stands in the records alone.
    if let (Ok(before), Ok(after)) = (record(a), record(b))
        && let Some(text) = compare_firedrills(&before, &after)
    {
        print_all(&text);
        return Ok(ExitCode::Passed);
    }
    let mut history = open(history)?;
    let (before, after) = (run(&mut history, a)?, run(&mut history, b)?);
    let mut text = String::new();
    for (name, points) in [("before", &before), ("after", &after)] {
        let first = points.values().next();
        let told = first.map(|one| format!("run {}, {}, on {}", one.run, when(one.drill.started), one_line(&one.host)));
        // A String takes every write.
        let _ = writeln!(text, "{name:<7} {}", told.unwrap_or_default());
    }
    let mut keys: Vec<&Key> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        text.push('\n');
        drill(&mut text, key, before.get(key), after.get(key));
    }
    print_all(&text);
    Ok(ExitCode::Passed)
}

/// A run of this machine, as it was told.
fn record(id: &str) -> Result<RunRecord> {
    Ok(heard(&record_of(id)?))
}

/// The drills of one run.
fn run(history: &mut History, id: &str) -> Result<BTreeMap<Key, Point>> {
    let mut found = history.run(id)?;
    let what = match found.len() {
        0 => "there is no run",
        1 => {
            let mut drills = BTreeMap::new();
            for point in found.pop_first().into_iter().flat_map(|(_, points)| points) {
                let (name, major) = (point.drill.name.clone(), point.drill.major);
                let number =
                    drills.keys().filter(|(other, version, _): &&Key| *other == name && *version == major).count();
                drills.insert((name, major, number), point);
            }
            return Ok(drills);
        }
        _ => "there are several runs",
    };
    Err(Stop::usage(format!("{what} `{id}` in the history")).help("`drillyard runs` lists those of this machine"))
}

fn outcome(point: &Point) -> &'static str {
    point.drill.end.map_or("not ended", |(outcome, _)| outcome.as_str())
}

fn drill(text: &mut String, (name, major, _): &Key, before: Option<&Point>, after: Option<&Point>) {
    let outcomes = match (before, after) {
        (Some(before), Some(after)) if outcome(before) == outcome(after) => outcome(after).to_owned(),
        (Some(before), Some(after)) => format!("{}, was {}", outcome(after), outcome(before)),
        (Some(_), None) => "only in the first run".to_owned(),
        _ => "only in the second run".to_owned(),
    };
    let _ = writeln!(text, "{} (PostgreSQL {major}): {outcomes}", one_line(name));
    let (Some(before), Some(after)) = (before, after) else { return };
    if let Some(why) = after.drill.why.as_ref().filter(|_| !matches!(after.drill.end, Some((Outcome::Passed, _)))) {
        let _ = writeln!(text, "  {}", one_line(why));
    }
    if before.drill.settings != after.drill.settings || before.drill.backend != after.drill.backend {
        let told =
            |point: &Point| one_line(&format!("{} {}", point.drill.backend, point.drill.settings)).trim().to_owned();
        let _ = writeln!(text, "  not run alike: {} before, {} after", told(before), told(after));
    }
    let part = |point: &Point, name: PartName| {
        point.drill.parts.iter().find(|part| part.name == name).map(|part| part.duration_ms)
    };
    let whole = |point: &Point| point.drill.end.map(|(_, ms)| ms);
    let rows = [("RTO", before.drill.rto_ms, after.drill.rto_ms)].into_iter();
    let parts = PartName::ALL.into_iter().map(|name| (name.words(), part(before, name), part(after, name)));
    for (name, before, after) in rows.chain(parts).chain([("all", whole(before), whole(after))]) {
        if before.is_none() && after.is_none() {
            continue;
        }
        let shown = |ms: Option<u64>| ms.map_or("-".to_owned(), duration);
        let _ = writeln!(text, "  {name:<15} {:>9} {:>9}  {}", shown(before), shown(after), difference(before, after));
    }
}

/// `+0.4 s, 1.2 times`; nothing where it is the same.
fn difference(before: Option<u64>, after: Option<u64>) -> String {
    let Some((before, after)) = before.zip(after).filter(|(before, after)| before != after) else {
        return String::new();
    };
    let sign = if after > before { '+' } else { '-' };
    let by = duration(after.abs_diff(before));
    match before {
        0 => format!("{sign}{by}"),
        _ => format!("{sign}{by}, {:.1} times", after as f64 / before as f64),
    }
}
