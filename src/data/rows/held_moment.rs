//! A moment of a server at which several tables are read: what users write meanwhile is in none of
//! them.

use tokio_postgres::Client;

use crate::data::error::{DataError, Result};
use crate::pg::quote_literal;

const HOLDING: &str = "holding a moment for all tables";

/// A moment that a session holds, by a snapshot that others of the same database take over (manual,
/// 9.28.5 "Snapshot Synchronization Functions").
pub struct HeldMoment {
    /// The session; the moment lasts as long as its transaction.
    session: Client,
    /// The snapshot's name.
    snapshot: String,
}

impl HeldMoment {
    /// Holds this moment in a session that is in no transaction and has nothing else to do.
    pub async fn hold(session: Client) -> Result<HeldMoment> {
        // It is idle while tables are read; on a server of somebody else's that would end it.
        for sql in ["set idle_in_transaction_session_timeout = 0", "begin isolation level repeatable read read only"] {
            session.batch_execute(sql).await.map_err(DataError::while_doing(HOLDING))?;
        }
        let row = session.query_one("select pg_catalog.pg_export_snapshot()", &[]).await;
        let snapshot = row.and_then(|row| row.try_get(0)).map_err(DataError::while_doing(HOLDING))?;
        Ok(HeldMoment { session, snapshot })
    }

    /// What makes a transaction that has just begun one of this moment.
    pub(super) fn taken_over(&self) -> String {
        format!("set transaction snapshot {}; ", quote_literal(&self.snapshot))
    }

    /// Ends it, and the session.
    pub async fn let_go(self) {
        // If the session is lost there is nothing to end.
        let _ = self.session.batch_execute("rollback").await;
    }
}
