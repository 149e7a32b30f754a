//! The session that a damage is made and undone in.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::harness::World;
use crate::node::{is_in_recovery, wait_until};
use crate::pg::error_message;

/// What making a damage came to.
pub enum Done {
    /// It is made.
    Damaged(Undo),
    /// There is nothing to damage.
    Nothing,
}

/// How a damage is undone.
pub enum Undo {
    /// By statements, in the session that made it: what it needs lies there.
    Sql(Session, String),
    /// By starting a standby.
    Start {
        /// The standby.
        standby: String,
        /// The server that it streams from.
        primary: String,
    },
}

/// A session of ours on the node that is damaged.
pub struct Session {
    pub(super) client: Client,
}

/// Why something could not be done.
pub type Result<T> = std::result::Result<T, String>;

impl Session {
    /// A session on a server that can be written to; none on others.
    pub(super) async fn open(world: &World, name: &str, database: Option<&str>) -> Result<Option<Session>> {
        let node = world.node(name).map_err(|finding| finding.title)?;
        if node.is_external() || !node.is_up() {
            return Ok(None);
        }
        let client = node.connect_in(database).await.map_err(|error| error.to_string())?;
        let session = Session { client };
        // No triggers fire and no foreign keys are checked, and what goes wrong does not stand in
        // the server's log, which may be judged.
        session
            .client
            .batch_execute(
                "SET session_replication_role = replica; SET log_min_messages = panic; SET lock_timeout = '5s';
                 SET synchronous_commit = local",
            )
            .await
            .map_err(|error| error_message(&error))?;
        let in_recovery = is_in_recovery(&session.client).await.map_err(|error| error_message(&error))?;
        Ok((!in_recovery).then_some(session))
    }

    /// From now on every name is shown with its schema, and what is random begins with `seed`.
    pub(super) async fn settled(&self, seed: u64) -> Result<()> {
        let settings = format!(
            "SET search_path = ''; SELECT setseed({})",
            f64::from(u32::try_from(seed % 1000).unwrap_or_default()) / 1000.0
        );
        self.client.batch_execute(&settings).await.map_err(|error| error_message(&error))
    }

    /// Statements in one transaction: all or none of them.
    pub(super) async fn execute(&self, statements: &str) -> Result<()> {
        let all = format!("BEGIN; {statements}; COMMIT");
        if let Err(error) = self.client.batch_execute(&all).await {
            // The session is used again.
            let _ = self.client.batch_execute("ROLLBACK").await;
            return Err(error_message(&error));
        }
        Ok(())
    }

    pub(super) async fn one(&self, query: &str) -> Result<tokio_postgres::Row> {
        self.client.query_one(query, &[]).await.map_err(|error| error_message(&error))
    }

    /// The first row of what a statement returns; none where it returns nothing.
    pub(super) async fn first(&self, query: &str) -> Result<Option<tokio_postgres::Row>> {
        let rows = self.client.query(query, &[]).await.map_err(|error| error_message(&error))?;
        Ok(rows.into_iter().next())
    }

    pub(super) async fn of_tables(&self, query: &str, tables: &[u32]) -> Result<Vec<tokio_postgres::Row>> {
        self.client.query(query, &[&tables]).await.map_err(|error| error_message(&error))
    }

    /// Waits until the standbys that stream have replayed what was done: they may be judged, too.
    /// One that is cut off is not waited for long.
    pub(super) async fn settle(&self) -> Result<()> {
        const PATIENCE: Duration = Duration::from_secs(3);
        let end: String = self.one("SELECT pg_current_wal_insert_lsn()::text").await?.get(0);
        let query = format!(
            "SELECT coalesce(bool_and(replay_lsn >= '{end}'::pg_lsn), true) FROM pg_stat_replication WHERE state = 'streaming'"
        );
        let settled = wait_until(Instant::now() + PATIENCE, async |_| {
            Ok::<_, String>(self.one(&query).await?.get::<_, bool>(0).then_some(()))
        });
        settled.await.map(|_| ())
    }
}
