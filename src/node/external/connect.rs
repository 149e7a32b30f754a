//! Opening a session on an external server: which hosts are tried, and how.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::config::{self, SslNegotiation};

use super::External;
use super::complete::{Target, Way};
use super::tls::{Tls, TlsError};
use crate::pg::conninfo::{ChannelBinding, Pick, SessionAttrs, SslMode};
use crate::pg::error_message;

/// How long a host may take to answer if nobody says: libpq would wait for as long as the operating
/// system does.
const PATIENCE: u64 = 10;

/// That no session could be opened, and why.
#[derive(Debug)]
pub struct Unreached {
    /// What came of each try.
    tries: Vec<String>,
    /// What a server said.
    pub(in crate::node) said: Option<tokio_postgres::Error>,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tries.join("; "))
    }
}

impl std::error::Error for Unreached {}

/// What came of one try.
enum Failure {
    /// The connection or the server failed.
    Postgres(tokio_postgres::Error),
    /// Nobody answered in time.
    Timeout(Duration),
    /// It is another server than the one that is wanted.
    Other(&'static str),
}

impl Failure {
    fn text(&self) -> String {
        match self {
            Failure::Postgres(error) => match error.source().and_then(|cause| cause.downcast_ref::<TlsError>()) {
                Some(tls) => tls.message.clone(),
                None => error_message(error),
            },
            Failure::Timeout(time) => format!("no answer within {} s (`connect_timeout`)", time.as_secs()),
            Failure::Other(what) => (*what).to_owned(),
        }
    }

    /// What to do about it.
    fn help(&self) -> &'static str {
        match self {
            Failure::Postgres(error) => match error.source().and_then(|cause| cause.downcast_ref::<TlsError>()) {
                Some(tls) => tls.help,
                None if error.as_db_error().is_some() => {
                    "does pg_hba.conf there let this role in from here, with this database, password and `sslmode`?"
                }
                None => {
                    "is its url right, does it answer, and does it speak TLS if `sslmode` demands it? A password comes from the \
                     url, PGPASSWORD or ~/.pgpass"
                }
            },
            Failure::Timeout(_) => "is its url right, and does it answer?",
            Failure::Other(_) => "which server is the right one? See `target_session_attrs`",
        }
    }

    /// Whether another host may be tried: libpq takes it for an answer if a server refuses a role,
    /// but not if it is just starting.
    fn is_final(&self) -> bool {
        let Failure::Postgres(error) = self else { return false };
        error.code().is_some_and(|code| *code != tokio_postgres::error::SqlState::CANNOT_CONNECT_NOW)
    }
}

impl External {
    /// Opens a session with these options, in `database` if not in its own; and what encrypts it,
    /// for whoever cancels a statement.
    pub(in crate::node) async fn connect(
        &self,
        options: &str,
        database: Option<&str>,
    ) -> Result<(Client, Tls), Box<Unreached>> {
        let way = &self.way;
        let mut order: Vec<&Target> = way.targets.iter().collect();
        if way.conninfo.pick() == Ok(Pick::Random) {
            fastrand::shuffle(&mut order);
        }
        let attrs = way.conninfo.session_attrs().unwrap_or(SessionAttrs::Any);
        let rounds: &[SessionAttrs] = match attrs {
            SessionAttrs::PreferStandby => &[SessionAttrs::Standby, SessionAttrs::Any],
            _ => &[attrs],
        };
        let mut tries: Vec<String> = vec![];
        let mut last = None;
        for wanted in rounds {
            for target in &order {
                for mode in way.modes(target) {
                    let failure = match way.open(target, *mode, options, database, *wanted).await {
                        Ok(client) => return Ok((client, way.tls.clone())),
                        Err(failure) => failure,
                    };
                    let said = format!("{}: {}", target.shown(), failure.text());
                    if !tries.contains(&said) {
                        tries.push(said);
                    }
                    last = Some(failure);
                }
                if last.as_ref().is_some_and(Failure::is_final) {
                    return Err(way.unreached(tries, last));
                }
            }
        }
        Err(way.unreached(tries, last))
    }
}

impl External {
    /// Opens a session to write in, for what somebody has named to be written to: never for a
    /// server of a scenario. No statement takes longer than `limit`.
    ///
    /// # Errors
    /// If no session could be opened.
    pub async fn open_to_write(&self, limit: Duration) -> Result<Client, Box<Unreached>> {
        let options = format!("-c statement_timeout={}", limit.as_millis());
        let (client, _) = self.connect(&options, None).await?;
        match client.batch_execute("SET default_transaction_read_only = off").await {
            Ok(()) => Ok(client),
            Err(error) => Err(self.way.unreached(vec![error_message(&error)], Some(Failure::Postgres(error)))),
        }
    }

    /// As messages call it: `shop on db.example.com, port 5432`.
    pub fn shown(&self) -> String {
        let hosts: Vec<String> = self.way.targets.iter().map(Target::shown).collect();
        format!("{} on {}", self.way.database, hosts.join(" or "))
    }
}

impl Target {
    /// As messages call it.
    pub(super) fn shown(&self) -> String {
        match &self.address {
            Some(address) if *address != self.host => format!("{} ({address}), port {}", self.host, self.port),
            _ => format!("{}, port {}", self.host, self.port),
        }
    }
}

impl Way {
    /// The ways to try with one host, in order.
    pub(super) fn modes(&self, target: &Target) -> &'static [config::SslMode] {
        use config::SslMode::{Disable, Prefer, Require};
        match self.ssl {
            _ if target.is_socket() => &[Disable],
            SslMode::Disable => &[Disable],
            SslMode::Allow => &[Disable, Require],
            SslMode::Prefer => &[Prefer, Disable],
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Require],
        }
    }

    /// How long a host may take to answer; none if it may take for ever.
    pub(super) fn patience(&self) -> Option<Duration> {
        match self.conninfo.number("connect_timeout") {
            // As libpq has it: no less than two seconds; nothing, or less, is for ever.
            Some(0 | i32::MIN..0) => None,
            Some(seconds) => Some(Duration::from_secs(seconds.unsigned_abs().max(2).into())),
            None => Some(Duration::from_secs(PATIENCE)),
        }
    }

    /// How TLS begins.
    pub(super) fn negotiation(&self, mode: config::SslMode) -> SslNegotiation {
        match self.conninfo.is_direct() == Ok(true) && mode == config::SslMode::Require {
            true => SslNegotiation::Direct,
            false => SslNegotiation::Postgres,
        }
    }

    fn unreached(&self, tries: Vec<String>, last: Option<Failure>) -> Box<Unreached> {
        let help = last.as_ref().map_or("", Failure::help);
        let help = match &self.hint {
            Some(hint) => format!("{help} ({hint})"),
            None => help.to_owned(),
        };
        let said = match last {
            Some(Failure::Postgres(error)) => Some(error),
            _ => None,
        };
        Box::new(Unreached { tries, said, help })
    }

    async fn open(
        &self,
        target: &Target,
        mode: config::SslMode,
        options: &str,
        database: Option<&str>,
        wanted: SessionAttrs,
    ) -> Result<Client, Failure> {
        let patience = self.patience();
        let config = self.config(target, mode, options, database, patience);
        let opening = async {
            let (client, connection) = config.connect(self.tls.clone()).await.map_err(Failure::Postgres)?;
            // Its errors reach whoever waits for an answer; the task ends with the client.
            tokio::spawn(async move { drop(connection.await) });
            if wanted == SessionAttrs::Any {
                return Ok(client);
            }
            let row = client.query_one("SELECT pg_is_in_recovery()", &[]).await.map_err(Failure::Postgres)?;
            match (wanted, row.get::<_, bool>(0)) {
                (SessionAttrs::Primary, true) => Err(Failure::Other("it is in recovery, and a primary is wanted")),
                (SessionAttrs::Standby, false) => Err(Failure::Other("it is a primary, and a standby is wanted")),
                _ => Ok(client),
            }
        };
        match patience {
            Some(time) => tokio::time::timeout(time, opening).await.unwrap_or(Err(Failure::Timeout(time))),
            None => opening.await,
        }
    }

    fn config(
        &self,
        target: &Target,
        mode: config::SslMode,
        options: &str,
        database: Option<&str>,
        patience: Option<Duration>,
    ) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        match target.is_socket() {
            true => config.host_path(&target.host),
            false => config.host(&target.host),
        };
        if let Some(address) = target.address.as_ref().and_then(|address| address.parse().ok()) {
            config.hostaddr(address);
        }
        config
            .port(target.port)
            .user(&self.user)
            .dbname(database.unwrap_or(&self.database))
            .application_name("drillyard");
        if let Some(password) = &target.password {
            config.password(password);
        }
        // If its string asks for something else that holds, but for writing.
        let asked = self.conninfo.get("options").map(|asked| format!("{asked} ")).unwrap_or_default();
        config.options(format!("{options} {asked}-c default_transaction_read_only=on"));
        if let Some(patience) = patience {
            config.connect_timeout(patience);
        }
        let seconds = |name: &str| {
            let number = self.conninfo.number(name).and_then(|number| u64::try_from(number).ok());
            number.filter(|number| *number > 0)
        };
        config.keepalives(self.conninfo.is_on("keepalives"));
        if let Some(idle) = seconds("keepalives_idle") {
            config.keepalives_idle(Duration::from_secs(idle));
        }
        if let Some(interval) = seconds("keepalives_interval") {
            config.keepalives_interval(Duration::from_secs(interval));
        }
        if let Some(count) = seconds("keepalives_count").and_then(|count| u32::try_from(count).ok()) {
            config.keepalives_retries(count);
        }
        if let Some(ms) = seconds("tcp_user_timeout") {
            config.tcp_user_timeout(Duration::from_millis(ms));
        }
        config.ssl_mode(mode);
        config.ssl_negotiation(self.negotiation(mode));
        config.channel_binding(match self.conninfo.channel_binding() {
            Ok(ChannelBinding::Disable) => config::ChannelBinding::Disable,
            Ok(ChannelBinding::Require) => config::ChannelBinding::Require,
            Ok(ChannelBinding::Prefer) | Err(_) => config::ChannelBinding::Prefer,
        });
        config
    }
}
