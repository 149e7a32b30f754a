//! Whether a session waits for a lock that a step holds.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use tokio_postgres::Client;

use crate::node::{Node, SqlError};

/// How often a server is asked who is in whose way.
const POLL: Duration = Duration::from_millis(20);

/// One who sees whether a session waits for a lock that a step holds.
pub struct LockWatch {
    /// The session that asks.
    client: Client,
    /// The backend of the one that may wait.
    pid: i32,
}

impl LockWatch {
    /// Of a session on a node.
    pub async fn of(node: &Node, session: &Client) -> Result<Self, SqlError> {
        let pid = session.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        Ok(LockWatch { client: node.connect().await?, pid })
    }

    /// Notes again and again whether the last wait was for somebody other than the users: one of an
    /// incident's step, or of a program that the step runs.
    pub async fn note(&self, waited: &Cell<bool>) -> Infallible {
        const QUERY: &str = "SELECT bool_or(application_name <> 'drillyard users') FROM pg_stat_activity
            WHERE pid = ANY (pg_blocking_pids($1)) AND backend_type = 'client backend'";
        loop {
            match self.client.query_one(QUERY, &[&self.pid]).await {
                // Nothing if nobody is in its way any more: the last one counts.
                Ok(row) => waited.set(row.get::<_, Option<bool>>(0).unwrap_or(waited.get())),
                // One that does not answer has nobody who waits.
                Err(_) => std::future::pending::<()>().await,
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
