//! The schema, as it came to be. A migration only adds, so that an older program can go on writing
//! beside a newer one; where that cannot be, [`OLDEST`] is raised.

use super::error::{HistoryError, Result};
use super::store::{Store, Value, whole};

/// What brings a history from each version to the next.
pub(super) const MIGRATIONS: &[&str] = &[
    // 1: runs and drills. Times in milliseconds since 1970; what is not known is NULL, and a run or
    // a drill without an outcome has not ended.
    "CREATE TABLE runs (
         id TEXT PRIMARY KEY, run TEXT NOT NULL, command TEXT NOT NULL, version TEXT NOT NULL, host TEXT NOT NULL,
         started BIGINT NOT NULL, finished BIGINT, outcome TEXT, exit_code BIGINT
     );
     CREATE TABLE drills (
         run TEXT NOT NULL REFERENCES runs (id), number BIGINT NOT NULL,
         name TEXT NOT NULL, file TEXT NOT NULL, settings TEXT NOT NULL, major BIGINT NOT NULL,
         postgres TEXT NOT NULL, backend TEXT NOT NULL,
         started BIGINT NOT NULL, duration_ms BIGINT, outcome TEXT, why TEXT,
         rto_ms BIGINT, rto_max_ms BIGINT, recovery_ms BIGINT, lost BIGINT, lost_work_ms BIGINT,
         PRIMARY KEY (run, number)
     );
     CREATE INDEX drills_by_name ON drills (name, started);
     CREATE INDEX drills_by_start ON drills (started);",
    // 2: how long each part took; drills that nobody waits for any longer, and those whose recovery
    // times are no measure any longer.
    "CREATE TABLE parts (
         run TEXT NOT NULL, drill BIGINT NOT NULL, part TEXT NOT NULL, duration_ms BIGINT NOT NULL, bytes BIGINT,
         PRIMARY KEY (run, drill, part)
     );
     CREATE TABLE forgotten (
         name TEXT NOT NULL, major BIGINT NOT NULL, backend TEXT NOT NULL, settings TEXT NOT NULL,
         at BIGINT, measured_from BIGINT,
         PRIMARY KEY (name, major, backend, settings)
     );",
];

/// The oldest version whose programs can use a history of this one.
const OLDEST: i64 = 1;

/// This program's version of the schema.
pub(super) fn current() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Brings a history to this program's version; one that is newer stays as it is.
pub(super) fn upgrade(store: &mut dyn Store) -> Result<()> {
    if is_current(store)? {
        return Ok(());
    }
    whole(store, |store| {
        store.lock()?;
        // Somebody else may have been quicker.
        match is_current(store)? {
            true => Ok(()),
            false => migrate(store),
        }
    })
}

/// Whether nothing is left to do.
fn is_current(store: &mut dyn Store) -> Result<bool> {
    let Some((version, oldest)) = version(store)? else { return Ok(false) };
    if version > current() && oldest > current() {
        let text = "the history is of a newer drillyard, which older ones cannot use any longer";
        return Err(HistoryError::new(text).help("use that one, or another history with `--history`"));
    }
    Ok(version >= current())
}

/// Of which version it is, and the oldest that can use it; none before it is made.
fn version(store: &mut dyn Store) -> Result<Option<(i64, i64)>> {
    if !store.is_made()? {
        return Ok(None);
    }
    let rows = store.query("SELECT version, oldest FROM drillyard_history", &[])?;
    Ok(rows.first().and_then(|row| Some((row.number(0)?, row.number(1)?))))
}

fn migrate(store: &mut dyn Store) -> Result<()> {
    let from = match version(store)? {
        Some((version, _)) => version,
        None => {
            store.script("CREATE TABLE drillyard_history (version BIGINT NOT NULL, oldest BIGINT NOT NULL)")?;
            store.script("INSERT INTO drillyard_history VALUES (0, 1)")?;
            0
        }
    };
    for migration in MIGRATIONS.iter().skip(usize::try_from(from).unwrap_or_default()) {
        store.script(migration)?;
    }
    store.execute(
        "UPDATE drillyard_history SET version = $1, oldest = $2",
        &[Value::from(current()), Value::from(OLDEST)],
    )
}
