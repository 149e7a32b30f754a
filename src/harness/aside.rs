//! The sessions of a step that happens while another one is at work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_postgres::Client;

use crate::node::{Node, SqlError};

/// The sessions of a step that happens while another one is at work, by the names of their nodes:
/// those that nodes keep are the other one's, which may be in a transaction.
pub struct Aside {
    sessions: tokio::sync::Mutex<BTreeMap<String, Arc<Client>>>,
    struck: Arc<AtomicBool>,
}

impl Aside {
    /// None yet; `struck` is set when the step's deed hits others.
    pub fn new(struck: Arc<AtomicBool>) -> Self {
        Aside { sessions: tokio::sync::Mutex::default(), struck }
    }

    /// Notes that others can fail by the step's deed from now on.
    pub(super) fn hits(&self) {
        self.struck.store(true, Ordering::SeqCst);
    }

    /// The one on a node, opened when it is needed.
    pub(super) async fn client(&self, node: &Node) -> Result<Arc<Client>, SqlError> {
        let mut sessions = self.sessions.lock().await;
        if let Some(client) = sessions.get(node.name()).filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        let client = Arc::new(node.connect().await?);
        sessions.insert(node.name().to_owned(), client.clone());
        Ok(client)
    }
}
