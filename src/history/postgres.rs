//! A history in a database of PostgreSQL, in a schema of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};

use super::error::{HistoryError, Result};
use super::store::{Row, Store, Value};
use crate::node::External;
use crate::pg::error_message;

/// How long one statement may take, waits for locks included.
const PATIENCE: Duration = Duration::from_secs(8);

/// The number by which those who change the schema find each other: any that nobody else uses.
const LOCK: i64 = 0x6472_696c_6c79;

/// A session.
pub(super) struct Server {
    name: String,
    runtime: Runtime,
    client: tokio_postgres::Client,
}

impl Server {
    pub(super) fn open(server: &Arc<External>) -> Result<Self> {
        let name = server.shown();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| HistoryError::new(format!("{name}: {error}")))?;
        let opened = runtime.block_on(async { timeout(PATIENCE, server.open_to_write(PATIENCE)).await });
        let opened = opened.map_err(|_| late(&name))?;
        let client = opened.map_err(|unreached| {
            HistoryError::new(format!("{name} was not reached: {unreached}")).help(unreached.help.clone())
        })?;
        let mut server = Server { name, runtime, client };
        server.choose_schema()?;
        Ok(server)
    }

    /// An administrator may have made the schema, for a role that may not; or another run, in this
    /// moment.
    fn choose_schema(&mut self) -> Result<()> {
        let there = "SELECT 'there' FROM pg_namespace WHERE nspname = 'drillyard'";
        if self.query(there, &[])?.is_empty()
            && let Err(error) = self.script("CREATE SCHEMA IF NOT EXISTS drillyard")
            && self.query(there, &[])?.is_empty()
        {
            return Err(error.help("the role needs CREATE on that database, or a schema `drillyard` of its own there"));
        }
        self.script("SET search_path = drillyard")
    }

    /// What the server makes of it, if it does not take too long: a network that has gone says
    /// nothing.
    fn ask<T>(&self, asked: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>) -> Result<T> {
        let answer = self.runtime.block_on(async { timeout(PATIENCE, asked).await }).map_err(|_| late(&self.name))?;
        answer.map_err(|error| HistoryError::new(format!("{}: {}", self.name, error_message(&error))))
    }
}

fn late(name: &str) -> HistoryError {
    HistoryError::new(format!("{name} did not answer within {} s", PATIENCE.as_secs()))
}

impl Value {
    fn parameter(&self) -> &(dyn ToSql + Sync) {
        match self {
            Value::Text(text) => text,
            Value::Number(number) => number,
        }
    }
}

fn row(found: &tokio_postgres::Row) -> Row {
    let columns = found.columns().iter().enumerate();
    Row(columns
        .map(|(at, column)| match *column.type_() {
            Type::INT8 => Value::Number(found.get(at)),
            _ => Value::Text(found.get(at)),
        })
        .collect())
}

impl Store for Server {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<()> {
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(Value::parameter).collect();
        self.ask(self.client.execute(sql, &values)).map(drop)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(Value::parameter).collect();
        Ok(self.ask(self.client.query(sql, &values))?.iter().map(row).collect())
    }

    fn script(&mut self, sql: &str) -> Result<()> {
        self.ask(self.client.batch_execute(sql))
    }

    fn is_made(&mut self) -> Result<bool> {
        // Not by to_regclass: that may answer from a cache that a lock waited for does not renew.
        let sql = "SELECT 'there' FROM pg_tables WHERE schemaname = 'drillyard' AND tablename = 'drillyard_history'";
        Ok(!self.query(sql, &[])?.is_empty())
    }

    fn begin(&mut self) -> Result<()> {
        self.script("BEGIN")
    }

    fn lock(&mut self) -> Result<()> {
        self.script(&format!("SELECT pg_advisory_xact_lock({LOCK})"))
    }
}
