//! Sessions on a server, and what it says in them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls};

use super::cancel::Cancel;
use super::external::External;
use super::server::{Node, Place};
use super::session_settings::{Purpose, UNLOGGED, as_role, external_options, options};
use super::sql_error::SqlError;
use crate::host::{Endpoint, HostError, Login, POLL, Program};

/// Of a row of pg_database: whether sessions in it can begin. -2 is what an interrupted DROP
/// DATABASE leaves.
pub const TAKES_SESSIONS: &str = "datallowconn AND datconnlimit <> -2";

/// The application_name of drillyard's own sessions; its programs' begin with it.
pub const OWN: &str = "drillyard";

/// The application_name of what a drill does to people who are to find out that: as that of a
/// colleague's tool, but always the same.
pub const SOMEBODY: &str = "pgAdmin 4 - CONN:7340218";

impl Node {
    /// The session that drillyard's own questions go through within a step; opened when it is
    /// needed, and again when it was lost.
    pub async fn client(&self) -> Result<Arc<Client>, SqlError> {
        let mut session = self.session.lock().await;
        match &*session {
            Some(client) if !client.is_closed() => Ok(client.clone()),
            _ => {
                let client = Arc::new(self.connect().await?);
                *session = Some(client.clone());
                Ok(client)
            }
        }
    }

    /// A new session of drillyard's own. On an external server it is read-only from its first
    /// statement on.
    pub async fn connect(&self) -> Result<Client, SqlError> {
        self.connect_for(Purpose::Own).await
    }

    /// A new session; on external servers all are drillyard's own.
    pub async fn connect_for(&self, purpose: Purpose) -> Result<Client, SqlError> {
        match &self.place {
            Place::Host(_) => {
                let login = self.find_login(&self.password).await?;
                let client = self.open(&login, purpose).await?;
                self.set_login(Some(login));
                Ok(client)
            }
            Place::External(external) => self.open_external(external, None).await,
        }
    }

    /// A session for drillyard's own questions: the one that there is, or a new one in another
    /// database, if one is named.
    pub async fn client_of(&self, database: Option<&str>) -> Result<Arc<Client>, SqlError> {
        match database {
            Some(database) => self.connect_to(database).await.map(Arc::new),
            None => self.client().await,
        }
    }

    /// A new session of drillyard's own, in another database if one is named.
    pub async fn connect_in(&self, database: Option<&str>) -> Result<Client, SqlError> {
        match database {
            Some(database) => self.connect_to(database).await,
            None => self.connect().await,
        }
    }

    /// A new session of drillyard's own in another database.
    pub async fn connect_to(&self, database: &str) -> Result<Client, SqlError> {
        self.connect_for_in(Purpose::Own, database).await
    }

    /// A new session in another database; on external servers all are drillyard's own.
    pub async fn connect_for_in(&self, purpose: Purpose, database: &str) -> Result<Client, SqlError> {
        match &self.place {
            Place::Host(_) => {
                let login = Login { database: database.to_owned(), ..self.find_login(&self.password).await? };
                self.open(&login, purpose).await
            }
            Place::External(external) => self.open_external(external, Some(database)).await,
        }
    }

    /// A new session with another password than the drill's.
    pub async fn connect_with(&self, password: &str) -> Result<Client, SqlError> {
        self.open(&self.find_login(password).await?, Purpose::Own).await
    }

    async fn find_login(&self, password: &str) -> Result<Login, SqlError> {
        Ok(Login {
            endpoint: self.endpoint().await?,
            user: self.user.clone(),
            password: password.to_owned(),
            database: self.database.clone(),
        })
    }

    /// A new session beside the step's, whose end does not end it: for whoever asks what holds the
    /// step up.
    pub(super) async fn connect_aside(&self) -> Result<Client, SqlError> {
        Ok(match &self.place {
            Place::Host(_) => connected(&self.config(&self.find_login(&self.password).await?, Purpose::Own)).await?,
            Place::External(external) => external.connect(&external_options(self.version), None).await?.0,
        })
    }

    async fn open(&self, login: &Login, purpose: Purpose) -> Result<Client, SqlError> {
        let client = connected(&self.config(login, purpose)).await?;
        self.note(Cancel::Plain(client.cancel_token()));
        Ok(client)
    }

    async fn open_external(&self, external: &External, database: Option<&str>) -> Result<Client, SqlError> {
        let (client, tls) = external.connect(&external_options(self.version), database).await?;
        self.note(Cancel::Encrypted(client.cancel_token(), tls));
        Ok(client)
    }

    fn config(&self, login: &Login, purpose: Purpose) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        match &login.endpoint {
            Endpoint::Socket { dir, port } => config.host_path(dir).port(*port),
            Endpoint::Tcp { host, port } => config.host(host).port(*port),
        };
        config.user(&login.user).password(&login.password).dbname(&login.database);
        config.application_name(self.disguise().unwrap_or(OWN)).connect_timeout(Duration::from_secs(5));
        config.options(self.session_options(purpose));
        config
    }

    /// Notes how what runs in a session can be cancelled.
    fn note(&self, cancel: Cancel) {
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner).push(cancel);
    }

    /// One of PostgreSQL's client programs, set up for a session of drillyard's on this server,
    /// from its own host.
    pub fn client_program(&self, name: &str, purpose: Purpose) -> Result<Program, HostError> {
        let program = Program { env: self.session_env()?, ..Program::new(name, Vec::<String>::new()) };
        let application = self.disguise().map_or_else(|| format!("{OWN} {name}"), str::to_owned);
        let program = program.env("PGAPPNAME", application).env("LC_ALL", "C");
        Ok(program.env("PGOPTIONS", self.session_options(purpose)))
    }

    /// The options with which PostgreSQL's own programs open sessions here (PGOPTIONS).
    pub fn session_options(&self, purpose: Purpose) -> String {
        let options = options(purpose, self.version, self.superuser, self.of_others);
        match self.superuser && self.unlogged.load(Ordering::Relaxed) {
            true => format!("{options} {UNLOGGED}"),
            false => options,
        }
    }

    /// Keeps what drillyard runs here out of the server's log from now on, or no longer: the
    /// sessions of the next step are the first ones.
    pub fn keep_out_of_log(&self, out: bool) {
        self.unlogged.store(out, Ordering::Relaxed);
    }

    /// The same, for sessions that begin as another role.
    pub fn session_options_as(&self, purpose: Purpose, role: &str) -> String {
        format!("{} {}", self.session_options(purpose), as_role(role))
    }

    /// Has the sessions of the next steps look like somebody else's, or no longer.
    pub fn disguise_as_somebody(&self, disguised: bool) {
        self.disguised.store(disguised, Ordering::Relaxed);
    }

    fn disguise(&self) -> Option<&'static str> {
        self.disguised.load(Ordering::Relaxed).then_some(SOMEBODY)
    }

    /// Ends the sessions of an earlier step, so that the next one begins with clean ones: what was
    /// SET, temporary tables, locks, prepared statements, cursors. What ALTER ROLE and ALTER
    /// DATABASE have set meanwhile holds in the new ones.
    pub async fn renew(&self) {
        let Ok(mut session) = tokio::time::timeout(PATIENCE, self.session.lock()).await else { return };
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if let Some(client) = session.take()
            && Arc::strong_count(&client) == 1
            && self.should_answer()
        {
            discard(&client).await;
        }
    }

    /// Cancels what runs in the sessions of this step, and ends them: a step that was left in the
    /// middle must not go on, nor leave its transaction open for the next one.
    pub async fn abandon(&self) {
        let Ok(mut session) = tokio::time::timeout(PATIENCE, self.session.lock()).await else { return };
        // A server that is gone has nothing to cancel.
        drop(session.take());
        let cancels = std::mem::take(&mut *self.cancels.lock().unwrap_or_else(PoisonError::into_inner));
        let all = cancels.iter().map(Cancel::send);
        let _ = tokio::time::timeout(PATIENCE, futures_util::future::join_all(all)).await;
    }

    /// Whether the session that [`Node::client`] holds was ended by the server.
    pub async fn lost_session(&self) -> bool {
        self.session.lock().await.as_ref().is_some_and(|client| client.is_closed())
    }

    /// Ends the session that [`Node::client`] holds.
    pub async fn hang_up(&self) {
        *self.session.lock().await = None;
    }
}

/// How long is waited for a server that may not answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Has a session give up all that it holds, before it ends: the server takes its time to notice an
/// end.
pub async fn discard(client: &Client) {
    if !client.is_closed() {
        let _ = tokio::time::timeout(PATIENCE, client.batch_execute("DISCARD ALL")).await;
    }
}

async fn connected(config: &tokio_postgres::Config) -> Result<Client, tokio_postgres::Error> {
    let end = Instant::now() + BUSY;
    let (client, connection) = loop {
        match config.connect(NoTls).await {
            Err(error) if is_busy(&error) && Instant::now() < end => tokio::time::sleep(POLL).await,
            opened => break opened?,
        }
    };
    // Its errors reach whoever waits for an answer; the task ends with the client.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// How long it is tried again to connect to a socket whose queue is full.
const BUSY: Duration = Duration::from_secs(5);

/// Whether a socket has no room for another one who wants in (EAGAIN): so many try at once, and it
/// passes.
fn is_busy(error: &tokio_postgres::Error) -> bool {
    let io = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|cause| cause.kind() == std::io::ErrorKind::WouldBlock)
}

/// A parameter given as text, whatever its type is: the server's own input function reads it.
/// `None` is NULL.
#[derive(Debug, Clone)]
pub struct Text(pub Option<String>);

impl ToSql for Text {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match &self.0 {
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}
