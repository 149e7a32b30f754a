//! What the runs of a drill say: how long a recovery would take today, whether it is getting
//! slower, and which part of it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::read::Point;
use super::rows::PartName;
use crate::journal::Outcome;

/// How many of the newest passes say how long it takes today.
const TODAY: usize = 7;

/// How many passes it takes to tell a change: as many as for today, and as many to compare with.
const ENOUGH: usize = 6;

/// What is no change: neither less than this part of what it took, ...
const RATIO: f64 = 0.1;

/// ... nor less than this, in milliseconds: on a small drill it is noise.
const LEAST_MS: u64 = 250;

/// What the runs of a drill say.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// How many runs there are that have ended, and how many of them passed.
    pub runs: usize,
    /// How many of them passed.
    pub passed: usize,
    /// The last that passed: its end, and its run.
    pub last_pass: Option<(Timestamp, String)>,
    /// What is measured: the RTO, where the drill has a budget of it; else its recovery, else all
    /// of it.
    pub measure: Measure,
    /// How long it would take today, in milliseconds: the median of the newest passes, the least
    /// and the most of them, and how many they are.
    pub today: Option<Today>,
    /// How that has changed; none where there are too few passes.
    pub change: Option<Change>,
    /// What the budget allows, in milliseconds.
    pub max_ms: Option<u64>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The budget `rto`.
    Rto,
    /// The steps of the recovery.
    Recovery,
    /// The whole drill.
    Drill,
}

/// How long it would take today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Today {
    /// The median, in milliseconds.
    pub median_ms: u64,
    /// The least.
    pub least_ms: u64,
    /// The most.
    pub most_ms: u64,
    /// Of how many passes.
    pub of: usize,
}

/// How the newest passes differ from the oldest.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The median of the oldest, in milliseconds.
    pub before_ms: u64,
    /// That of the newest.
    pub now_ms: u64,
    /// When the oldest was run.
    pub since: Timestamp,
    /// Whether it is more than runs differ by anyway.
    pub is_real: bool,
    /// The part that has changed most, in the same direction, and by how many milliseconds.
    pub part: Option<(PartName, i64)>,
}

impl Measure {
    /// As people read it.
    pub fn words(self) -> &'static str {
        match self {
            Measure::Rto => "RTO",
            Measure::Recovery => "recovery",
            Measure::Drill => "the drill",
        }
    }

    /// What a run took by it.
    pub fn of(self, point: &Point) -> Option<u64> {
        match self {
            Measure::Rto => point.drill.rto_ms,
            Measure::Recovery => point.drill.recovery_ms,
            Measure::Drill => point.drill.end.map(|(_, ms)| ms),
        }
    }
}

fn is_pass(point: &Point) -> bool {
    matches!(point.drill.end, Some((Outcome::Passed, _)))
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// The distance between the quarters of some values: how far they lie apart without any change.
fn spread(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    let at = |quarter: usize| values.get(values.len() * quarter / 4).copied().unwrap_or_default();
    at(3).saturating_sub(at(1))
}

/// The passes that can be measured, and what each took; and by what that is measured.
fn measured(points: &[Point]) -> (Measure, Vec<(usize, u64)>) {
    let passes = || points.iter().enumerate().filter(|(_, point)| is_pass(point));
    let newest = passes().next_back().map(|(_, point)| point);
    let has = |one: &Measure| newest.is_some_and(|newest| one.of(newest).is_some());
    let measure = [Measure::Rto, Measure::Recovery].into_iter().find(has).unwrap_or(Measure::Drill);
    (measure, passes().filter_map(|(at, point)| Some((at, measure.of(point)?))).collect())
}

/// How many passes are compared on either side.
fn compared(passes: usize) -> usize {
    (passes / 3).min(TODAY)
}

impl Trend {
    /// Those of a drill's runs whose parts matter to what is said of them.
    pub fn needed(points: &mut [Point]) -> impl Iterator<Item = &mut Point> {
        let (_, measured) = measured(points);
        let many = compared(measured.len()).max(1);
        let ends = measured.iter().take(many).chain(measured.iter().rev().take(many));
        let wanted: BTreeSet<usize> = ends.map(|(at, _)| *at).collect();
        points.iter_mut().enumerate().filter(move |(at, _)| wanted.contains(at)).map(|(_, point)| point)
    }

    /// What the runs of one drill say, the oldest first.
    pub fn of(points: &[Point]) -> Self {
        let ended = points.iter().filter(|point| point.drill.end.is_some()).count();
        let passes = points.iter().filter(|point| is_pass(point));
        let (measure, measured) = measured(points);
        let measured: Vec<(&Point, u64)> = measured.into_iter().map(|(at, ms)| (&points[at], ms)).collect();
        let of_today = &measured[measured.len().saturating_sub(TODAY)..];
        let values = || of_today.iter().map(|(_, ms)| *ms);
        let today = median(values().collect()).map(|median_ms| Today {
            median_ms,
            least_ms: values().min().unwrap_or_default(),
            most_ms: values().max().unwrap_or_default(),
            of: of_today.len(),
        });
        let last_pass = passes.clone().next_back().and_then(|point| {
            let took = jiff::SignedDuration::from_millis(i64::try_from(point.drill.end?.1).ok()?);
            Some((point.drill.started.checked_add(took).ok()?, point.run.clone()))
        });
        Trend {
            runs: ended,
            passed: passes.count(),
            last_pass,
            measure,
            today,
            change: change(&measured),
            max_ms: points.last().and_then(|point| point.drill.rto_max_ms),
        }
    }
}

/// Compares the oldest passes with the newest, a third each, at most as many as make up today.
fn change(measured: &[(&Point, u64)]) -> Option<Change> {
    if measured.len() < ENOUGH {
        return None;
    }
    let many = compared(measured.len());
    let (old, new) = (&measured[..many], &measured[measured.len() - many..]);
    let values = |of: &[(&Point, u64)]| of.iter().map(|(_, ms)| *ms).collect::<Vec<_>>();
    let (before_ms, now_ms) = (median(values(old))?, median(values(new))?);
    let by = before_ms.abs_diff(now_ms);
    let noise = spread(values(old)).max(spread(values(new))).max(LEAST_MS);
    let is_real = by > noise && by as f64 > RATIO * before_ms as f64;
    let of_part = |of: &[(&Point, u64)], name: PartName| {
        let values = of.iter().filter_map(|(point, _)| point.drill.parts.iter().find(|part| part.name == name));
        median(values.map(|part| part.duration_ms).collect()).and_then(|ms| i64::try_from(ms).ok())
    };
    let slower = now_ms > before_ms;
    let parts = PartName::ALL.into_iter().filter(|name| *name != PartName::Checks);
    let parts = parts.filter_map(|name| Some((name, of_part(new, name)? - of_part(old, name)?)));
    let part = parts.filter(|(_, by)| (*by > 0) == slower && *by != 0).max_by_key(|(_, by)| by.abs());
    Some(Change { before_ms, now_ms, since: old.first()?.0.drill.started, is_real, part })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::rows::{DrillRow, Part};

    /// A pass of so many milliseconds, all but a tenth of a second of it a replay.
    fn pass(day: i64, rto_ms: u64) -> Point {
        let part = |name, duration_ms| Part { name, duration_ms, bytes: None };
        let drill = DrillRow {
            run: String::new(),
            number: 0,
            name: "nightly".to_owned(),
            file: "nightly.yaml".to_owned(),
            settings: String::new(),
            major: 15,
            postgres: "15.18".to_owned(),
            backend: "local".to_owned(),
            started: Timestamp::from_second(day * 86400).unwrap_or_default(),
            end: Some((Outcome::Passed, rto_ms + 1000)),
            why: None,
            rto_ms: Some(rto_ms),
            rto_max_ms: Some(60_000),
            recovery_ms: Some(rto_ms),
            lost: None,
            lost_work_ms: None,
            parts: vec![part(PartName::Restore, 100), part(PartName::Replay, rto_ms - 100)],
        };
        Point { run: format!("{day:08x}"), host: "here".to_owned(), drill }
    }

    #[test]
    fn a_recovery_that_gets_slower_is_told_with_the_part_that_does() {
        let points: Vec<Point> = (0..30).map(|day| pass(day, 2000 + 100 * day.unsigned_abs())).collect();
        let trend = Trend::of(&points);
        let change = trend.change.expect("there are enough");
        assert!(change.is_real);
        assert_eq!((change.before_ms, change.now_ms), (2300, 4600));
        assert_eq!(change.part, Some((PartName::Replay, 2300)));
        let today = trend.today.expect("it passed");
        assert_eq!((today.least_ms, today.median_ms, today.most_ms, today.of), (4300, 4600, 4900, 7));
        assert_eq!((trend.measure, trend.max_ms), (Measure::Rto, Some(60_000)));
        assert_eq!(trend.last_pass.map(|(_, run)| run), Some("0000001d".to_owned()));
    }

    #[test]
    fn noise_is_no_change_and_a_few_runs_say_nothing() {
        let noisy: Vec<Point> = (0..30).map(|day| pass(day, 2000 + (day.unsigned_abs() * 7919) % 900)).collect();
        assert!(!Trend::of(&noisy).change.expect("there are enough").is_real);
        assert_eq!(Trend::of(&noisy[..5]).change, None);
        let mut failed = pass(0, 2000);
        failed.drill.end = Some((Outcome::Failed, 10));
        let trend = Trend::of(&[failed]);
        assert_eq!((trend.runs, trend.passed, trend.today, trend.last_pass), (1, 0, None, None));
    }
}
