//! The live server, in which everything is done, and done before the deadline.

use std::time::Instant;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use super::error::{MergeError, refused};
use crate::data::error::DataError;
use crate::data::rows::STABLE;

/// A session in the live server.
pub(super) struct Live<'a> {
    pub(super) client: &'a Client,
    /// When the merge has to be done.
    pub(super) deadline: Instant,
}

impl Live<'_> {
    /// Milliseconds until a little before the deadline, so that the server ends what takes too long
    /// and says so.
    fn left(&self) -> u128 {
        self.deadline.saturating_duration_since(Instant::now()).as_millis().saturating_sub(50).max(1)
    }

    /// Settings under which every server writes a value in the same way, reads a table in its
    /// order, and ends in time.
    pub(super) async fn prepare(&self, client: &Client) -> Result<(), MergeError> {
        let stable = STABLE.replace("set local", "set");
        let left = self.left();
        let settings = format!(
            "{stable}; set jit = off; set synchronize_seqscans = off; set max_parallel_workers_per_gather = 0; set xmloption = content; \
             set work_mem = '128MB'; set temp_buffers = '64MB'; set lock_timeout = {left}; set statement_timeout = {left}"
        );
        client.batch_execute(&settings).await.map_err(refused("setting the sessions up"))
    }

    /// Runs a statement, and gives the number of its rows.
    pub(super) async fn execute(&self, doing: &'static str, statement: &str) -> Result<u64, MergeError> {
        self.limit(doing).await?;
        self.client.execute(statement, &[]).await.map_err(refused(doing))
    }

    /// Runs a query that has one row.
    pub(super) async fn row(&self, doing: &'static str, query: &str) -> Result<Row, MergeError> {
        self.limit(doing).await?;
        self.client.query_one(query, &[]).await.map_err(refused(doing))
    }

    /// Has the server end the next statement in time: one that goes on when nobody waits for it
    /// would hold the lock.
    pub(super) async fn limit(&self, doing: &'static str) -> Result<(), MergeError> {
        let limit = format!("set statement_timeout = {}", self.left());
        self.client.batch_execute(&limit).await.map_err(refused(doing))
    }

    /// Runs a statement, and fails if it does not do as much as was counted, in the same
    /// transaction and under the same lock: a rule of the table may have made something else of it.
    pub(super) async fn exactly(&self, doing: &'static str, statement: &str, rows: u64) -> Result<u64, MergeError> {
        let done = self.execute(doing, statement).await?;
        match done == rows {
            true => Ok(done),
            false => {
                let what = format!("{done} rows in the place of {rows}: is there a rule on the table?");
                Err(DataError::Answer { doing: doing.to_owned(), what }.into())
            }
        }
    }

    /// Runs statements that give no rows.
    pub(super) async fn batch(&self, doing: &'static str, statements: &str) -> Result<(), MergeError> {
        self.client.batch_execute(statements).await.map_err(refused(doing))
    }

    /// Begins the transaction. From here on to its end users can read the tables and not write to
    /// them, so that what is seen is what is changed.
    pub(super) async fn lock(&self, relations: &[String]) -> Result<(), MergeError> {
        let left = self.left();
        let lock = format!(
            "begin; set local lock_timeout = {left}; set local statement_timeout = 0; lock table {} in share row exclusive mode",
            relations.join(", ")
        );
        let Err(error) = self.client.batch_execute(&lock).await else { return Ok(()) };
        let _ = self.client.batch_execute("rollback").await;
        match error.code() {
            Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => {
                Err(MergeError::Locked(self.holders(relations).await))
            }
            _ => Err(refused("waiting for the lock")(error)),
        }
    }

    /// Who holds a lock on one of the tables that keeps ours waiting.
    async fn holders(&self, relations: &[String]) -> Vec<String> {
        let query = "select distinct format('%s (pid %s, %s): %s', coalesce(nullif(a.application_name, ''), a.backend_type), l.pid, l.mode,
                coalesce(nullif(left(regexp_replace(a.query, '\\s+', ' ', 'g'), 100), ''), a.state))
            from pg_locks l left join pg_stat_activity a on a.pid = l.pid
            where l.relation = any ($1::text[]::regclass[]::oid[]) and l.granted and l.pid is distinct from pg_backend_pid()
                and l.mode in ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                    'AccessExclusiveLock') limit 5";
        let rows = self.client.query(query, &[&relations]).await.unwrap_or_default();
        rows.iter().map(|row| row.get(0)).collect()
    }
}
