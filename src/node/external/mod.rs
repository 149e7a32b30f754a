//! A server that drillyard did not make, reached as libpq reaches it.

mod around;
mod certificate;
mod commands;
mod complete;
mod connect;
mod files;
mod message;
mod passfile;
mod private;
mod relay;
mod service;
mod standby;
mod startup;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use around::ClientEnvironment;
pub use connect::Unreached;
pub(super) use relay::Relay;
pub(super) use tls::Tls;

use crate::host::HostError;
use crate::pg::conninfo::Conninfo;
use complete::Way;

/// How a scenario says that an external server is reached.
#[derive(Debug, Clone)]
pub struct Address {
    /// The connection string of drillyard's own sessions.
    pub conninfo: Conninfo,
    /// The one that a standby of it is given, if that is another one.
    pub standby: Option<Conninfo>,
    /// Whether a standby comes as a role that is not there: for `prove`.
    pub role_lost: bool,
}

/// An external server with all that libpq would find out about the way to it.
pub struct External {
    /// The way of drillyard's own sessions.
    way: Way,
    /// The way of a standby.
    standby: Option<Way>,
    /// Whether a standby comes as a role that is not there.
    role_lost: bool,
    /// What the standbys of this drill are told by from those of others that are at work there.
    tag: String,
    /// How many base backups drillyard takes of it at the moment by the way of its standbys.
    backups: AtomicUsize,
}

/// A base backup that drillyard takes by the way of a server's standbys, as long as it lives.
pub(in crate::node) struct Copying(Arc<External>);

impl Drop for Copying {
    fn drop(&mut self) {
        self.0.backups.fetch_sub(1, Ordering::SeqCst);
    }
}

impl External {
    /// Completes what the scenario says, by service and password files, the environment, and
    /// libpq's defaults.
    ///
    /// # Errors
    /// If a file is missing or wrong, or if what they say together makes no sense.
    pub fn find(address: &Address, around: &Arc<ClientEnvironment>) -> Result<Arc<Self>, HostError> {
        let way = Way::find(&address.conninfo, around)?;
        let standby = address.standby.as_ref().map(|conninfo| Way::find(conninfo, around)).transpose()?;
        let tag = std::iter::repeat_with(fastrand::alphanumeric).take(6).collect();
        Ok(Arc::new(External { way, standby, role_lost: address.role_lost, tag, backups: AtomicUsize::new(0) }))
    }

    /// Lets a base backup through by the way of its standbys, until that is dropped.
    pub(in crate::node) fn copying(self: &Arc<Self>) -> Copying {
        self.backups.fetch_add(1, Ordering::SeqCst);
        Copying(self.clone())
    }

    /// Whether drillyard takes a base backup at the moment.
    fn is_copied(&self) -> bool {
        self.backups.load(Ordering::SeqCst) > 0
    }

    /// All that has to be kept out of every output.
    pub fn secrets(&self) -> Vec<String> {
        [Some(&self.way), self.standby.as_ref()].into_iter().flatten().flat_map(Way::secrets).collect()
    }

    /// The role of drillyard's own sessions.
    pub(super) fn user(&self) -> &str {
        &self.way.user
    }

    /// The database of drillyard's own sessions.
    pub(super) fn database(&self) -> &str {
        &self.way.database
    }

    /// The password of drillyard's own sessions; empty if they need none.
    pub(super) fn password(&self) -> &str {
        self.way.targets.first().and_then(|target| target.password.as_deref()).unwrap_or_default()
    }
}
