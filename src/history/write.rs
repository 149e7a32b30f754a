//! What a run writes of itself.

use jiff::Timestamp;

use super::History;
use super::error::Result;
use super::read::key;
use super::rows::{DrillRow, RunRow, command_word};
use super::series::Series;
use super::store::{Value, whole};

const PUT_RUN: &str = "\
INSERT INTO runs (id, run, command, version, host, started, finished, outcome, exit_code)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (id) DO UPDATE
SET finished = excluded.finished, outcome = excluded.outcome, exit_code = excluded.exit_code";

const PUT_DRILL: &str = "\
INSERT INTO drills (run, number, name, file, settings, major, postgres, backend, started, duration_ms, outcome, why,
                    rto_ms, rto_max_ms, recovery_ms, lost, lost_work_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (run, number) DO UPDATE
SET started = excluded.started, duration_ms = excluded.duration_ms, outcome = excluded.outcome,
    why = excluded.why, rto_ms = excluded.rto_ms, rto_max_ms = excluded.rto_max_ms,
    recovery_ms = excluded.recovery_ms, lost = excluded.lost, lost_work_ms = excluded.lost_work_ms";

const PUT_PART: &str = "\
INSERT INTO parts (run, drill, part, duration_ms, bytes) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (run, drill, part) DO UPDATE SET duration_ms = excluded.duration_ms, bytes = excluded.bytes";

const FORGET: &str = "\
INSERT INTO forgotten (name, major, backend, settings, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name, major, backend, settings) DO UPDATE SET at = excluded.at";

const FORGET_MEASURE: &str = "\
INSERT INTO forgotten (name, major, backend, settings, measured_from) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name, major, backend, settings) DO UPDATE SET measured_from = excluded.measured_from";

/// What is forgotten of a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// That somebody waits for a pass of it, until it is run again.
    Watch,
    /// What its recoveries took so far.
    Measure,
}

fn time(at: Timestamp) -> Value {
    Value::from(at.as_millisecond())
}

fn number(of: usize) -> Value {
    Value::from(i64::try_from(of).unwrap_or(i64::MAX))
}

impl History {
    /// Writes a run, or what is new of it.
    ///
    /// # Errors
    /// If it could not be written.
    pub fn put_run(&mut self, run: &RunRow) -> Result<()> {
        let (outcome, code) = (run.end.map(|(outcome, _)| outcome.as_str()), run.end.map(|(_, code)| u64::from(code)));
        let values = [
            Value::from(run.id.as_str()),
            Value::from(run.run.as_str()),
            Value::from(command_word(run.command)),
            Value::from(run.version.as_str()),
            Value::from(run.host.as_str()),
            time(run.started),
            Value::Number(run.finished.map(Timestamp::as_millisecond)),
            Value::from(outcome),
            Value::from(code),
        ];
        self.store.execute(PUT_RUN, &values)
    }

    /// Writes a drill, or what is new of it.
    ///
    /// # Errors
    /// If it could not be written.
    pub fn put_drill(&mut self, drill: &DrillRow) -> Result<()> {
        let values = [
            Value::from(drill.run.as_str()),
            number(drill.number),
            Value::from(drill.name.as_str()),
            Value::from(drill.file.as_str()),
            Value::from(drill.settings.as_str()),
            Value::from(drill.major),
            Value::from(drill.postgres.as_str()),
            Value::from(drill.backend.as_str()),
            time(drill.started),
            Value::from(drill.end.map(|(_, duration_ms)| duration_ms)),
            Value::from(drill.end.map(|(outcome, _)| outcome.as_str())),
            Value::from(drill.why.as_deref()),
            Value::from(drill.rto_ms),
            Value::from(drill.rto_max_ms),
            Value::from(drill.recovery_ms),
            Value::from(drill.lost),
            Value::from(drill.lost_work_ms),
        ];
        whole(self.store.as_mut(), |store| {
            store.execute(PUT_DRILL, &values)?;
            for part in &drill.parts {
                let values = [
                    Value::from(drill.run.as_str()),
                    number(drill.number),
                    Value::from(part.name.as_str()),
                    Value::from(Some(part.duration_ms)),
                    Value::from(part.bytes),
                ];
                store.execute(PUT_PART, &values)?;
            }
            Ok(())
        })
    }

    /// Forgets something of a drill. Its runs stay.
    ///
    /// # Errors
    /// If it could not be written.
    pub fn forget(&mut self, series: &Series, what: Forgotten, at: Timestamp) -> Result<()> {
        let values: Vec<Value> = key(series).into_iter().chain([time(at)]).collect();
        let sql = match what {
            Forgotten::Watch => FORGET,
            Forgotten::Measure => FORGET_MEASURE,
        };
        self.store.execute(sql, &values)
    }
}
