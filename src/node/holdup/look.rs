//! Asking a server what holds it up.

use std::time::Duration;

use super::archive::archive;
use super::commits::commits;
use super::kind::Holdup;
use super::locks::locks;
use super::replay::replay;
use super::slots::lost_slots;
use crate::node::server::Node;
use crate::node::session::{OWN, SOMEBODY};
use crate::node::sql_error::SqlError;

/// How long a server may take to say what holds it up.
const PATIENCE: Duration = Duration::from_secs(2);
/// A session that has waited for fewer seconds is not held up.
const MOMENT: f64 = 0.3;

impl Node {
    /// Ends the programs of a step that was given up if they wait for a lock: nobody would end
    /// their sessions.
    pub async fn end_blocked_programs(&self) {
        let query = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE (application_name LIKE '{OWN} %' OR application_name = '{SOMEBODY}')
               AND application_name <> 'drillyard users' AND wait_event_type = 'Lock'"
        );
        let end = async { self.connect_aside().await?.batch_execute(&query).await.map_err(SqlError::from) };
        // One that does not answer has nothing to end.
        let _ = tokio::time::timeout(PATIENCE, end).await;
    }

    /// Whether it takes a new session, or says itself why not.
    pub async fn takes_sessions(&self) -> bool {
        match tokio::time::timeout(PATIENCE, self.connect_aside()).await {
            Ok(Err(error)) => error.is_refusal(),
            Ok(Ok(_)) | Err(_) => true,
        }
    }

    /// What holds this server's sessions and its replay up, what is most to blame first. A server
    /// that does not answer in time is an error.
    pub async fn holdups(&self) -> Result<Vec<Holdup>, SqlError> {
        match tokio::time::timeout(PATIENCE, self.ask_holdups()).await {
            Ok(found) => found,
            Err(_) => Err(SqlError::Answer(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    async fn ask_holdups(&self) -> Result<Vec<Holdup>, SqlError> {
        let client = self.connect_aside().await?;
        client.batch_execute("SET statement_timeout = '2s'; SET lock_timeout = '1s'").await?;
        let replay = replay(self, &client).await?;
        let paused = replay.iter().any(|one| one.endless);
        let mut found = locks(&client, self.name(), paused, MOMENT).await?;
        found.extend(commits(&client, self.name(), MOMENT).await?);
        found.extend(replay);
        found.extend(lost_slots(self, &client).await?);
        found.extend(archive(self, &client).await?);
        Ok(found)
    }
}
