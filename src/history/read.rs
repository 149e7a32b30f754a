//! What is asked of a history.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::History;
use super::error::Result;
use super::rows::{DrillRow, Part, PartName, RunRow, command_word};
use super::series::Series;
use super::store::{Row, Value};
use crate::journal::Outcome;

/// A drill in an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// What the run is called.
    pub run: String,
    /// The machine.
    pub host: String,
    /// The drill.
    pub drill: DrillRow,
}

/// What is known of a drill in sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// The drill.
    pub series: Series,
    /// When it was begun last.
    pub started: Timestamp,
    /// When it ended the last time that it passed.
    pub passed: Option<Timestamp>,
    /// How it came out the last time; none if it has not ended.
    pub outcome: Option<Outcome>,
}

/// The columns of a point.
const POINT: &str = "\
SELECT d.run, d.number, d.name, d.file, d.settings, d.major, d.postgres, d.backend, d.started, d.duration_ms, d.outcome,
       d.why, d.rto_ms, d.rto_max_ms, d.recovery_ms, d.lost, d.lost_work_ms, r.run, r.host
FROM drills d JOIN runs r ON r.id = d.run AND (d.outcome IS NULL OR d.outcome <> 'skipped')";

const LATEST: &str = "\
SELECT d.name, d.major, d.backend, d.settings, max(d.started),
       max(CASE WHEN d.outcome = 'passed' THEN d.started + d.duration_ms END)
FROM drills d JOIN runs r ON r.id = d.run AND (d.outcome IS NULL OR d.outcome <> 'skipped')
     LEFT JOIN forgotten f ON f.name = d.name AND f.major = d.major AND f.backend = d.backend AND f.settings = d.settings
WHERE r.command = 'run'
GROUP BY d.name, d.major, d.backend, d.settings, f.at
HAVING f.at IS NULL OR max(d.started) > f.at
ORDER BY d.name, d.major, d.backend, d.settings";

fn outcome(word: &str) -> Option<Outcome> {
    [Outcome::Passed, Outcome::Failed, Outcome::Errored, Outcome::Skipped].into_iter().find(|one| one.as_str() == word)
}

fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

fn point(row: &Row) -> Option<Point> {
    let text = |column| row.text(column).unwrap_or_default();
    let positive = |column| row.number(column).and_then(|number| u64::try_from(number).ok());
    let drill = DrillRow {
        run: row.text(0)?,
        number: usize::try_from(row.number(1)?).ok()?,
        name: text(2),
        file: text(3),
        settings: text(4),
        major: row.number(5)?,
        postgres: text(6),
        backend: text(7),
        started: time(row.number(8)?),
        end: row.text(10).and_then(|word| outcome(&word)).zip(positive(9)),
        why: row.text(11),
        rto_ms: positive(12),
        rto_max_ms: positive(13),
        recovery_ms: positive(14),
        lost: positive(15),
        lost_work_ms: positive(16),
        parts: vec![],
    };
    Some(Point { run: text(17), host: text(18), drill })
}

impl History {
    /// The runs of drills since a time, by drill, the oldest first; of one drill if it is named.
    /// Without their parts: see [`History::add_parts`].
    ///
    /// # Errors
    /// If it could not be read.
    pub fn points(&mut self, since: Timestamp, name: Option<&str>) -> Result<BTreeMap<Series, Vec<Point>>> {
        let since = Value::from(since.as_millisecond());
        let sql =
            |which: &str| format!("{POINT} WHERE r.command = 'run' AND d.started >= $1{which} ORDER BY d.started");
        let rows = match name {
            None => self.store.query(&sql(""), &[since])?,
            Some(name) => self.store.query(&sql(" AND d.name = $2"), &[since, Value::from(name)])?,
        };
        let mut found: BTreeMap<Series, Vec<Point>> = BTreeMap::new();
        for point in rows.iter().filter_map(point) {
            found.entry(point.drill.series()).or_default().push(point);
        }
        Ok(found)
    }

    /// Adds to these drills how long each of their parts took.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn add_parts<'p>(&mut self, points: impl IntoIterator<Item = &'p mut Point>) -> Result<()> {
        let mut runs: HashMap<String, HashMap<usize, Vec<Part>>> = HashMap::new();
        for point in points {
            let parts = match runs.entry(point.drill.run.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let parts = self.parts(new.key())?;
                    new.insert(parts)
                }
            };
            point.drill.parts = parts.get(&point.drill.number).cloned().unwrap_or_default();
        }
        Ok(())
    }

    /// The parts of all drills of a run, by their numbers.
    fn parts(&mut self, run: &str) -> Result<HashMap<usize, Vec<Part>>> {
        let sql = "SELECT drill, part, duration_ms, bytes FROM parts WHERE run = $1";
        let mut found: HashMap<usize, Vec<Part>> = HashMap::new();
        for row in self.store.query(sql, &[Value::from(run)])? {
            let number = |column| row.number(column).and_then(|number| u64::try_from(number).ok());
            let part = row.text(1).and_then(|name| PartName::named(&name)).zip(number(2));
            let (Some(drill), Some((name, duration_ms))) = (number(0), part) else { continue };
            let drill = usize::try_from(drill).unwrap_or_default();
            found.entry(drill).or_default().push(Part { name, duration_ms, bytes: number(3) });
        }
        found.values_mut().for_each(|parts| parts.sort_by_key(|part| part.name));
        Ok(found)
    }

    /// The drills of a run, by how its name begins: as many runs as there are.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn run(&mut self, name: &str) -> Result<BTreeMap<String, Vec<Point>>> {
        let sql = format!("{POINT} WHERE substr(r.run, 1, length($1)) = $1 ORDER BY d.started");
        let mut found: BTreeMap<String, Vec<Point>> = BTreeMap::new();
        for point in self.store.query(&sql, &[Value::from(name)])?.iter().filter_map(point) {
            found.entry(point.drill.run.clone()).or_default().push(point);
        }
        self.add_parts(found.values_mut().flatten())?;
        Ok(found)
    }

    /// Every drill that was ever run and is not forgotten.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn latest(&mut self) -> Result<Vec<Latest>> {
        let newest = "SELECT d.name, d.major, d.backend, d.settings, d.started, d.outcome
                      FROM drills d JOIN runs r ON r.id = d.run
                      WHERE r.command = 'run' AND (d.outcome IS NULL OR d.outcome <> 'skipped') ORDER BY d.started";
        let series = |row: &Row| {
            let (name, backend) = (row.text(0)?, row.text(2)?);
            Some(Series { name, major: row.number(1)?, backend, settings: row.text(3)? })
        };
        let mut outcomes: HashMap<Series, Option<Outcome>> = HashMap::new();
        for row in self.store.query(newest, &[])? {
            if let Some(series) = series(&row) {
                outcomes.insert(series, row.text(5).and_then(|word| outcome(&word)));
            }
        }
        let rows = self.store.query(LATEST, &[])?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                let series = series(row)?;
                let outcome = outcomes.get(&series).copied().flatten();
                Some(Latest { series, started: time(row.number(4)?), passed: row.number(5).map(time), outcome })
            })
            .collect())
    }

    /// A drill in the newest run before this one in which it came out. A run that was interrupted
    /// does not count.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn before(&mut self, series: &Series, run: &RunRow) -> Result<Option<Point>> {
        let sql = format!(
            "{POINT} WHERE d.name = $1 AND d.major = $2 AND d.backend = $3 AND d.settings = $4 AND r.command = $5
             AND r.id <> $6 AND d.outcome IS NOT NULL AND coalesce(r.exit_code, 0) NOT IN (130, 143)
             ORDER BY d.started DESC LIMIT 1"
        );
        let (command, run) = (Value::from(command_word(run.command)), Value::from(run.id.as_str()));
        let values: Vec<Value> = key(series).into_iter().chain([command, run]).collect();
        Ok(self.store.query(&sql, &values)?.iter().find_map(point))
    }

    /// What the budget `rto` measured in the newest runs of a drill that passed, in milliseconds:
    /// at most so many, and none from before its measure was forgotten.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn last_rtos(&mut self, series: &Series, most: usize) -> Result<Vec<u64>> {
        let sql = format!(
            "SELECT d.rto_ms FROM drills d JOIN runs r ON r.id = d.run
                  LEFT JOIN forgotten f ON f.name = d.name AND f.major = d.major AND f.backend = d.backend
                                           AND f.settings = d.settings
             WHERE d.name = $1 AND d.major = $2 AND d.backend = $3 AND d.settings = $4 AND r.command = 'run'
             AND d.outcome = 'passed' AND d.rto_ms IS NOT NULL AND (f.measured_from IS NULL OR d.started > f.measured_from)
             ORDER BY d.started DESC LIMIT {most}"
        );
        let rows = self.store.query(&sql, &key(series))?;
        Ok(rows.iter().filter_map(|row| u64::try_from(row.number(0)?).ok()).collect())
    }
}

/// What names a drill in statements.
pub(super) fn key(series: &Series) -> [Value; 4] {
    let Series { name, major, backend, settings } = series;
    [name.as_str().into(), (*major).into(), backend.as_str().into(), settings.as_str().into()]
}
