//! A PostgreSQL server: who it is, where it lives, and what the drill has last done to it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::Client;

use super::cancel::Cancel;
use super::cluster::{DATABASE, SOCKET_PORT, SUPERUSER};
use super::external::{External, Relay};
use super::found::Found;
use crate::host::{Host, HostError, Login};
use crate::pg::Version;

/// A PostgreSQL server. Made by drillyard on a [`Host`], or an external one that it only looks at.
pub struct Node {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) version: Version,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) database: String,
    /// Whether its user is known to be a superuser.
    pub(super) superuser: bool,
    /// Whether its data are those of somebody else's server.
    pub(super) of_others: bool,
    pub(super) session: tokio::sync::Mutex<Option<Arc<Client>>>,
    /// Whether the server's log is to have nothing of what drillyard runs here.
    pub(super) unlogged: AtomicBool,
    /// Whether its new sessions look like somebody else's.
    pub(super) disguised: AtomicBool,
    /// How the statements of this step's sessions are cancelled.
    pub(super) cancels: Mutex<Vec<Cancel>>,
    /// The current way in, for the users, who cannot wait for a host's answer.
    login: Mutex<Option<Login>>,
    /// What the drill did last: whether the server should be running.
    server_state: Mutex<ServerState>,
    /// How long its log was when it was started last.
    pub(super) log_start: AtomicU64,
    /// The ways to external servers that were opened for it, by their names.
    pub(super) ways: tokio::sync::Mutex<BTreeMap<String, Arc<Relay>>>,
    /// Where it is, if drillyard did not configure it.
    pub(super) found: Option<Found>,
}

/// What the drill has last done to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerState {
    /// It should be running.
    Up,
    /// Its host is frozen.
    Frozen,
    /// It is not running, and why: `it was crashed`.
    Down(&'static str),
}

/// Where a server is.
pub(super) enum Place {
    /// On a host of this drill.
    Host(Arc<dyn Host>),
    /// Somewhere else: never written to.
    External(Arc<External>),
}

impl Node {
    /// The port of every server that drillyard makes, on its own host or beside its own socket.
    pub const PORT: &str = SOCKET_PORT;

    /// A server that lives, or will live, on `host`; `password` is its superuser's.
    pub fn on(host: Arc<dyn Host>, password: &str) -> Self {
        let (version, credentials) = (host.version(), (SUPERUSER, password, DATABASE));
        Node { superuser: true, ..Node::new(host.name().to_owned(), Place::Host(host), version, credentials) }
    }

    /// A server on `host` with the data of somebody else's, whose passwords nobody knows here: it
    /// lets in whoever reaches its socket, as the superuser that initdb makes by default.
    fn of_others(host: Arc<dyn Host>, password: &str) -> Result<Self, HostError> {
        if host.open_hba().is_none() {
            let name = host.name();
            return Err(HostError::new(format!("node `{name}` would have passwords that nobody knows here"))
                .help("restore backups of somebody else's servers to local processes: `--backend local`"));
        }
        Ok(Node { of_others: true, ..Node::on(host, password) })
    }

    /// A server on `host` whose data are those of somebody else's server if `others` says so, and
    /// the drill's own if not.
    pub fn with_data_of(others: bool, host: Arc<dyn Host>, password: &str) -> Result<Self, HostError> {
        match others {
            true => Node::of_others(host, password),
            false => Ok(Node::on(host, password)),
        }
    }

    /// A server that runs on `host`, and that was made there by somebody else.
    pub(super) fn somewhere(host: Arc<dyn Host>, password: &str, found: Found) -> Self {
        let node = Node { found: Some(found), ..Node::on(host, password) };
        node.set_server_state(ServerState::Up);
        node
    }

    /// A server that drillyard did not make.
    pub fn external(name: &str, external: &Arc<External>, version: Version) -> Self {
        let credentials = (external.user(), external.password(), external.database());
        Node::new(name.to_owned(), Place::External(external.clone()), version, credentials)
    }

    fn new(name: String, place: Place, version: Version, credentials: (&str, &str, &str)) -> Self {
        let (user, password, database) = credentials;
        Node {
            name,
            place,
            version,
            user: user.to_owned(),
            password: password.to_owned(),
            database: database.to_owned(),
            superuser: false,
            of_others: false,
            session: tokio::sync::Mutex::default(),
            unlogged: AtomicBool::new(false),
            disguised: AtomicBool::new(false),
            cancels: Mutex::default(),
            login: Mutex::default(),
            server_state: Mutex::new(ServerState::Down("it was not started")),
            log_start: AtomicU64::new(0),
            ways: tokio::sync::Mutex::default(),
            found: None,
        }
    }

    /// The lines of its pg_hba.conf.
    pub(super) fn hba(&self, host: &dyn Host) -> Vec<String> {
        let open = if self.of_others { host.open_hba() } else { None };
        open.unwrap_or_else(|| host.hba())
    }

    /// Its name in the scenario.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version that it runs.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The variables that set libpq's programs up for a session, from the node's own host.
    pub fn session_env(&self) -> Result<Vec<(String, String)>, HostError> {
        let (dir, port) = (self.sockets()?, self.port());
        let pairs = [
            ("PGHOST", dir),
            ("PGPORT", port),
            ("PGUSER", &self.user),
            ("PGDATABASE", &self.database),
            ("PGPASSWORD", &self.password),
        ];
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
    }

    /// Whether both have the same user, password and database, and data of the same origin.
    pub fn is_like(&self, other: &Node) -> bool {
        self.of_others == other.of_others
            && (&self.user, &self.password, &self.database) == (&other.user, &other.password, &other.database)
    }

    /// Whether its data are those of somebody else's server, so that whatever is made from it has
    /// to be kept from doing harm, too.
    pub fn has_data_of_others(&self) -> bool {
        self.of_others || self.is_external()
    }

    /// Its superuser's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The user that drillyard logs in as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database that it has its sessions in.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Whether drillyard only looks at it.
    pub fn is_external(&self) -> bool {
        matches!(self.place, Place::External(_))
    }

    /// The host that it lives on; external servers have none.
    pub fn host(&self) -> Result<&Arc<dyn Host>, HostError> {
        match &self.place {
            Place::Host(host) => Ok(host),
            Place::External(_) => Err(HostError::new(format!(
                "node `{}` is external: drillyard reads from it and does nothing else there",
                self.name
            ))),
        }
    }

    /// How an external server is reached; `None` for servers of the drill.
    pub(super) fn as_external(&self) -> Option<&Arc<External>> {
        match &self.place {
            Place::External(external) => Some(external),
            Place::Host(_) => None,
        }
    }

    /// Notes that the server does not run any more, and why: `it was crashed`.
    pub async fn went_down(&self, why: &'static str) {
        self.set_server_state(ServerState::Down(why));
        self.hang_up().await;
    }

    /// Notes what the drill has done to it.
    pub fn set_server_state(&self, state: ServerState) {
        *self.server_state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// What the drill has last done to it.
    pub fn server_state(&self) -> ServerState {
        self.server_state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the drill left it running, and not frozen.
    pub fn is_up(&self) -> bool {
        self.server_state() == ServerState::Up
    }

    /// Whether the drill left it so that it should answer: running, or not the drill's own.
    pub fn should_answer(&self) -> bool {
        self.is_up() || self.is_external()
    }

    /// The current way in, as far as it is known without asking.
    pub fn login(&self) -> Option<Login> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same, into a database of that name if one is named.
    pub fn login_to(&self, database: Option<&str>) -> Option<Login> {
        let login = self.login()?;
        Some(match database {
            Some(database) => Login { database: database.to_owned(), ..login },
            None => login,
        })
    }

    pub(super) fn set_login(&self, login: Option<Login>) {
        *self.login.lock().unwrap_or_else(PoisonError::into_inner) = login;
    }
}
