//! Event triggers of a copy of somebody else's server.

use super::server::Node;
use super::session::TAKES_SESSIONS;
use super::sql_error::SqlError;
use crate::pg::quote_identifier;

impl Node {
    /// Disables the event triggers in every database of a server with somebody else's data, which
    /// has just begun to take writes: drillyard's own DDL, and that of the drill, is no business of
    /// theirs. On a standby there is nothing that they could fire for, and from 17 on its
    /// configuration turns them off. DDL about event triggers fires none (manual, CREATE EVENT
    /// TRIGGER).
    ///
    /// # Errors
    /// If a database cannot be reached, or refuses.
    pub async fn disable_event_triggers(&self) -> Result<(), SqlError> {
        if !self.of_others || self.version().major >= 17 {
            return Ok(());
        }
        let databases = format!("SELECT datname::text FROM pg_database WHERE {TAKES_SESSIONS}");
        for database in self.client().await?.query(&databases, &[]).await? {
            let client = self.connect_to(database.get(0)).await?;
            let enabled = "SELECT evtname::text FROM pg_event_trigger WHERE evtenabled <> 'D'";
            for trigger in client.query(enabled, &[]).await? {
                let disable = format!("ALTER EVENT TRIGGER {} DISABLE", quote_identifier(trigger.get(0)));
                client.batch_execute(&disable).await?;
            }
        }
        Ok(())
    }
}
