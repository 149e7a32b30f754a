//! `drillyard runs trend`

use std::fmt::Write;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::find::{open, unknown};
use super::words::{Bar, ago, bars, when};
use crate::cli::args::HistoryArgs;
use crate::cli::out::print_all;
use crate::cli::stop::{Result, Stop};
use crate::history::{Change, Point, Series, Trend};
use crate::journal::{ExitCode, Outcome};
use crate::report::{count, duration, one_line};

/// How many runs a chart has.
const BARS: usize = 60;

/// Shows how the drills have come out, each in some lines.
pub fn trend(drills: &[String], since: Duration, history: &HistoryArgs) -> Result<ExitCode> {
    let now = Timestamp::now();
    let back = SignedDuration::try_from(since).map_err(|_| Stop::usage("--since: that is too long ago"))?;
    let mut history = open(history)?;
    let from = now.checked_sub(back).unwrap_or(Timestamp::MIN);
    let mut found = match drills {
        [one] => history.points(from, Some(one))?,
        _ => history.points(from, None)?,
    };
    for name in drills {
        if !found.keys().any(|series| series.name == *name) {
            return Err(unknown(name, history.latest()?.into_iter().map(|latest| latest.series.name)));
        }
    }
    history.add_parts(found.values_mut().flat_map(|points| Trend::needed(points)))?;
    let mut text = String::new();
    for (series, points) in found.iter().filter(|(series, _)| drills.is_empty() || drills.contains(&series.name)) {
        show(&mut text, series, points, now);
    }
    if text.is_empty() {
        let stop = Stop::nothing(format!("no drill was run in the last {}", humantime::format_duration(since)));
        return Err(stop.help("`--since 365d` looks further back"));
    }
    print_all(&text);
    Ok(ExitCode::Passed)
}

fn show(text: &mut String, series: &Series, points: &[Point], now: Timestamp) {
    let trend = Trend::of(points);
    if !text.is_empty() {
        text.push('\n');
    }
    // A String takes every write.
    let _ = writeln!(text, "{}", one_line(&series.to_string()));
    let mut line = |name: &str, what: String| {
        let _ = writeln!(text, "  {name:<12} {what}");
    };
    line(
        "last pass",
        match &trend.last_pass {
            Some((at, run)) => format!("{} ({}), run {run}", when(*at), ago(*at, now)),
            None => "none of these runs passed".to_owned(),
        },
    );
    let words = trend.measure.words();
    if let Some(today) = trend.today {
        let limit = trend.max_ms.map(|ms| format!("; limit {}", duration(ms))).unwrap_or_default();
        let range = match today.of {
            1 => "the only pass".to_owned(),
            of => format!("{} to {} in the last {of} passes", duration(today.least_ms), duration(today.most_ms)),
        };
        line("today", format!("{words} about {} ({range}{limit})", duration(today.median_ms)));
    }
    line(
        "trend",
        match &trend.change {
            Some(change) => told(change),
            None => format!("too few passes to tell ({})", trend.passed),
        },
    );
    let newest = &points[points.len().saturating_sub(BARS)..];
    let bar = |point: &Point| match trend.measure.of(point) {
        _ if !passed(point) => Bar::Bad,
        Some(ms) => Bar::Took(ms),
        None => Bar::Unknown,
    };
    let values: Vec<Bar> = newest.iter().map(bar).collect();
    line("runs", bars(&values));
    let died = points.len() - trend.runs;
    let died = if died > 0 { format!(", {died} did not end") } else { String::new() };
    let since = points.first().map(|point| when(point.drill.started)).unwrap_or_default();
    line("", format!("{} since {since}, {} passed{died}", count(points.len() as u64, "run"), trend.passed));
    if let Some(parts) = parts(points) {
        line("parts", parts);
    }
    if let Some(failed) = points.last().filter(|point| !passed(point)) {
        line("last run", format!("{} in run {}{}", ended(failed), failed.run, why(failed)));
    }
}

fn passed(point: &Point) -> bool {
    matches!(point.drill.end, Some((Outcome::Passed, _)))
}

fn ended(point: &Point) -> &'static str {
    match point.drill.end {
        Some((Outcome::Failed, _)) => "FAILED",
        Some((Outcome::Errored, _)) => "could not be judged",
        Some((outcome, _)) => outcome.as_str(),
        None => "has not ended",
    }
}

fn why(point: &Point) -> String {
    point.drill.why.as_ref().map(|why| format!(": {}", one_line(why))).unwrap_or_default()
}

/// `slower: 4.6 s, and 2.3 s in the runs from 2026-10-29; most of it in replay (+2.3 s)`.
fn told(change: &Change) -> String {
    let (now, before) = (duration(change.now_ms), duration(change.before_ms));
    let since = when(change.since);
    if !change.is_real {
        return format!("steady since {since}");
    }
    let (word, sign) = if change.now_ms > change.before_ms { ("slower", '+') } else { ("quicker", '-') };
    let part = change
        .part
        .map(|(part, by)| format!("; most of it in {} ({sign}{})", part.words(), duration(by.unsigned_abs())));
    format!("{word}: {now} now, {before} in the runs from {since} on{}", part.unwrap_or_default())
}

/// The parts of the newest run that passed.
fn parts(points: &[Point]) -> Option<String> {
    let newest = points.iter().rev().find(|point| passed(point))?;
    let parts = newest.drill.parts.iter().map(|part| format!("{} {}", part.name.words(), duration(part.duration_ms)));
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| format!("{} in the last pass", parts.join(", ")))
}
