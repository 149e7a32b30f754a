//! A history in a file of SQLite.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::error::{HistoryError, Result};
use super::store::{Row, Store, Value};

/// How long a session waits for others to be done with the file. Each writes for some milliseconds.
const PATIENCE: Duration = Duration::from_secs(8);

/// A file that is open.
pub(super) struct File {
    path: PathBuf,
    session: Connection,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let wrong = |error: &dyn std::fmt::Display| trouble(path, error);
        let parent = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(parent).map_err(|error| wrong(&error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let session = Connection::open_with_flags(path, flags).map_err(|error| wrong(&error))?;
        session.busy_timeout(PATIENCE).map_err(|error| wrong(&error))?;
        // The journal stays SQLite's default, which works on network file systems, too.
        Ok(File { path: path.to_owned(), session })
    }

    fn wrong(&self, error: &rusqlite::Error) -> HistoryError {
        trouble(&self.path, error)
    }
}

fn trouble(path: &Path, error: &dyn std::fmt::Display) -> HistoryError {
    HistoryError::new(format!("{}: {error}", path.display()))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Text(Some(text)) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Number(Some(number)) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Value::Text(None) | Value::Number(None) => ToSqlOutput::Borrowed(ValueRef::Null),
        })
    }
}

fn value(found: ValueRef<'_>) -> Value {
    match found {
        ValueRef::Integer(number) => Value::Number(Some(number)),
        ValueRef::Text(text) => Value::Text(Some(String::from_utf8_lossy(text).into_owned())),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Value::Text(None),
    }
}

impl Store for File {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<()> {
        let run = self.session.prepare_cached(sql).and_then(|mut done| done.execute(params_from_iter(values)));
        run.map(drop).map_err(|error| self.wrong(&error))
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        let read = || {
            let mut query = self.session.prepare_cached(sql)?;
            let columns = query.column_count();
            let rows = query.query_map(params_from_iter(values), |row| {
                (0..columns).map(|column| Ok(value(row.get_ref(column)?))).collect::<rusqlite::Result<_>>().map(Row)
            })?;
            rows.collect::<rusqlite::Result<Vec<Row>>>()
        };
        read().map_err(|error| self.wrong(&error))
    }

    fn script(&mut self, sql: &str) -> Result<()> {
        self.session.execute_batch(sql).map_err(|error| self.wrong(&error))
    }

    fn is_made(&mut self) -> Result<bool> {
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'drillyard_history'";
        Ok(!self.query(sql, &[])?.is_empty())
    }

    /// Waits for other writers here, where it may.
    fn begin(&mut self) -> Result<()> {
        self.script("BEGIN IMMEDIATE")
    }

    /// There is one writer at a time.
    fn lock(&mut self) -> Result<()> {
        Ok(())
    }
}
