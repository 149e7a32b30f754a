//! How what runs in a session is cancelled.

use tokio_postgres::{CancelToken, NoTls};

use super::external::Tls;

/// How what runs in a session is cancelled.
pub(super) enum Cancel {
    /// On a server of the drill.
    Plain(CancelToken),
    /// On an external one.
    Encrypted(CancelToken, Tls),
}

impl Cancel {
    /// Asks the server to.
    pub(super) async fn send(&self) -> Result<(), tokio_postgres::Error> {
        match self {
            Cancel::Plain(token) => token.cancel_query(NoTls).await,
            Cancel::Encrypted(token, tls) => token.cancel_query(tls.clone()).await,
        }
    }
}
