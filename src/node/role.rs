//! Whether a server is a primary, or in recovery: a standby, or one that has not reached its
//! recovery target yet.

use tokio_postgres::Client;

use super::server::Node;
use super::sql_error::SqlError;

/// Whether the server of this session is in recovery.
pub async fn is_in_recovery(client: &Client) -> Result<bool, tokio_postgres::Error> {
    Ok(client.query_one("SELECT pg_is_in_recovery()", &[]).await?.get(0))
}

impl Node {
    /// Whether it is in recovery.
    pub async fn is_in_recovery(&self) -> Result<bool, SqlError> {
        Ok(is_in_recovery(&*self.client().await?).await?)
    }

    /// Whether it answers, and is a primary.
    pub async fn is_primary(&self) -> bool {
        self.is_in_recovery().await.is_ok_and(|in_recovery| !in_recovery)
    }
}
