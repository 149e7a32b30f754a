//! What a server and its standby know of each other.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Client;

use super::config::{DELAY, Following, peer_conninfo, quote_setting, with_secret};
use super::external::{External, Relay};
use super::server::Node;
use super::session_settings::Purpose;
use super::sql_error::SqlError;
use super::tablespaces::own_tablespaces;
use crate::host::{HostError, Output, Program};
use crate::pg::Lsn;

/// Ends whatever server still works in a data directory, and removes that.
const CLEAR: &str = include_str!("scripts/clear.sh");
/// Fills a data directory from a running server.
const BASE_BACKUP: &str = include_str!("scripts/base_backup.sh");

/// A walsender, as its server shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Its process.
    pub pid: i32,
    /// `catchup`, `streaming` and so on. None if the session may not see it.
    pub state: Option<String>,
    /// What the standby has written to its disk.
    pub flushed: Option<Lsn>,
    /// What the standby has replayed.
    pub replayed: Option<Lsn>,
}

impl Sender {
    /// Whether it has caught up and sends what is written.
    pub fn streams(&self) -> bool {
        self.state.as_deref() == Some("streaming")
    }
}

/// How late a standby applies on purpose what it has received (`recovery_min_apply_delay`); none if
/// it is not late, and on a primary, where the setting does nothing.
pub async fn apply_delay(client: &Client) -> Result<Option<Duration>, SqlError> {
    let query = "SELECT setting::bigint FROM pg_settings WHERE name = $1 AND pg_is_in_recovery()";
    let row = client.query_opt(query, &[&DELAY]).await?;
    let ms = row.map_or(0, |row| row.get::<_, i64>(0)).cast_unsigned();
    Ok((ms > 0).then(|| Duration::from_millis(ms)))
}

impl Node {
    /// Whether it waits for the time to apply a commit that it has at hand: until then it does not
    /// ask its primary for more.
    pub async fn sleeps_in_delay(&self) -> bool {
        let Ok(client) = self.client().await else { return false };
        let query = "SELECT FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event = 'RecoveryApplyDelay'";
        client.query_opt(query, &[]).await.is_ok_and(|row| row.is_some())
    }

    /// Whether its replay is paused, or is asked to pause; false if it does not say.
    pub async fn replay_is_paused(&self) -> bool {
        let Ok(client) = self.client().await else { return false };
        let query = "SELECT FROM pg_is_wal_replay_paused() AS paused WHERE pg_is_in_recovery() AND paused";
        client.query_opt(query, &[]).await.is_ok_and(|row| row.is_some())
    }

    /// Lets this server, which runs, apply its WAL so much later from now on.
    pub async fn fall_behind(&self, delay: &str) -> Result<(), HostError> {
        let host = self.host()?;
        let script = include_str!("scripts/fall_behind.sh");
        let line = format!("{DELAY} = {}", quote_setting(delay));
        let output = host.run(Program::script(script, [&host.paths().data, &line])).await?;
        match output.success() {
            true => Ok(()),
            false => Err(HostError::new(format!("`{}` does not reload: {}", self.name(), output.stderr.trim()))),
        }
    }

    /// How the hosts of other nodes reach this server: a connection string without the password.
    fn reached_as(&self, standby: &str) -> Result<String, HostError> {
        match self.as_external() {
            Some(external) => Ok(external.conninfo(standby)),
            None => Ok(peer_conninfo(&self.moved(self.host()?.peer_endpoint(standby)), standby)),
        }
    }

    /// The application_name by which this server knows a standby of the drill.
    pub fn knows_as(&self, standby: &str) -> String {
        self.as_external().map_or_else(|| standby.to_owned(), |external| external.knows_as(standby))
    }

    /// What a standby of this server has to be given. The way to an external server is opened for
    /// one that is cut off from the network.
    pub async fn followed_by(&self, standby: &Node, slot: Option<String>) -> Result<Following, HostError> {
        let conninfo = match self.as_external() {
            Some(external) => {
                let conninfo = match standby.way_to(self.name(), external).await? {
                    Some(relay) => external.conninfo_by(&relay, standby.name()),
                    None => with_secret(&external.conninfo(standby.name()), "sslpassword", external.key_password()),
                };
                with_secret(&conninfo, "password", external.password_of_standby()?)
            }
            None => self.followed_by_peer(standby.name())?,
        };
        Ok(Following { conninfo, slot })
    }

    /// `primary_conninfo` of a standby of that name, of a server that lives on a host of the drill.
    pub fn followed_by_peer(&self, standby: &str) -> Result<String, HostError> {
        Ok(with_secret(&self.reached_as(standby)?, "password", self.password()))
    }

    /// The way from this server to an external one, opened at the first call; none if it reaches
    /// that by itself.
    async fn way_to(&self, name: &str, external: &Arc<External>) -> Result<Option<Arc<Relay>>, HostError> {
        let mut ways = self.ways.lock().await;
        if let Some(relay) = ways.get(name) {
            return Ok(Some(relay.clone()));
        }
        let opened = external.open(self.host()?.as_ref()).await?.map(Arc::new);
        if let Some(relay) = &opened {
            ways.insert(name.to_owned(), relay.clone());
        }
        Ok(opened)
    }

    /// Checks that this server may read what its connection to `up` takes, if that is its own.
    pub async fn may_reach(&self, up: &Node) -> Result<(), HostError> {
        match up.as_external() {
            Some(external) => match self.way_to(up.name(), external).await? {
                Some(_) => Ok(()),
                None => external.check_files(self.host()?.as_ref()).await,
            },
            None => Ok(()),
        }
    }

    /// Runs a program on this server's host that connects to `up`: its arguments get the connection
    /// string without the password, which is in the environment, where a list of processes does not
    /// show it. It reaches an external server also if the node's own server is cut off. Returns the
    /// program, too.
    pub async fn run_against(
        &self,
        up: &Node,
        make: impl FnOnce(&str) -> Program,
    ) -> Result<(Output, Program), HostError> {
        let program = make(&up.reached_as(self.name())?);
        let program = match up.as_external() {
            Some(external) if !external.key_password().is_empty() => {
                return Err(HostError::new("a list of processes would show the password of the client's key")
                    .help("give the servers a key without one (`standby_conninfo`), or `recover` from a backup"));
            }
            Some(external) => program.env("PGPASSWORD", external.password_of_standby()?).with_network(),
            None => program.env("PGPASSWORD", up.password()).env("PGOPTIONS", up.session_options(Purpose::Own)),
        };
        Ok((self.host()?.run(program.clone()).await?, program))
    }

    /// Ends this server if it runs, and removes its PGDATA. Whether it ran.
    pub async fn clear(&self) -> Result<bool, HostError> {
        let host = self.host()?;
        self.went_down("its data directory was removed").await;
        let paths = host.paths();
        let output = host.run(Program::script(CLEAR, [&paths.data, self.sockets()?])).await?;
        match output.success() {
            true => Ok(!output.stdout.is_empty()),
            false => {
                let why = output.stderr.trim();
                Err(HostError::new(format!("the data directory of `{}` cannot be removed: {why}", self.name())))
            }
        }
    }

    /// The upstream that this server is set up to follow, and the slot that it uses there; `None`
    /// for a primary.
    ///
    /// Compared here and not there: a server may log what it is asked, and there is a password in
    /// it.
    pub async fn following(&self) -> Result<Option<Following>, SqlError> {
        let query =
            "SELECT pg_is_in_recovery(), current_setting('primary_conninfo'), current_setting('primary_slot_name')";
        let row = self.client().await?.query_one(query, &[]).await?;
        let slot = Some(row.get::<_, String>(2)).filter(|slot| !slot.is_empty());
        Ok(row.get::<_, bool>(0).then(|| Following { conninfo: row.get(1), slot }))
    }

    /// Fills PGDATA, which must not be there, from a running server. Its tablespaces get places of
    /// this server's own. Returns the program that has done it, too.
    pub async fn base_backup(&self, up: &Node) -> Result<(Output, Program), SqlError> {
        let data = self.host()?.paths().data.clone();
        let places = own_tablespaces(&data);
        let mappings: Vec<String> = up.tablespaces().await?.iter().map(|space| space.mapping(&places)).collect();
        let program = |conninfo: &str| Program::script(BASE_BACKUP, [conninfo, &data, &places]).with_args(mappings);
        if let Some(external) = up.as_external()
            && let Some(relay) = self.way_to(up.name(), external).await?
        {
            let program = program(&external.conninfo_by(&relay, self.name()));
            let program = program.env("PGPASSWORD", external.password_of_standby()?);
            let _copying = external.copying();
            return Ok((self.host()?.run(program.clone()).await?, program));
        }
        Ok(self.run_against(up, program).await?)
    }

    /// What this server says of its standbys of that name.
    ///
    /// A standby's own word is not enough: `pg_stat_wal_receiver` says `streaming` as soon as it is
    /// connected, also when the next thing that it hears is that the WAL is gone.
    pub async fn senders_to(&self, standby: &str) -> Result<Vec<Sender>, SqlError> {
        let query = "SELECT pid, state, flush_lsn::text, replay_lsn::text FROM pg_stat_replication
                     WHERE application_name = $1";
        let rows = self.client().await?.query(query, &[&self.knows_as(standby)]).await?;
        let lsn = |text: Option<&str>| text.and_then(|text| text.parse().ok());
        Ok(rows
            .iter()
            .map(|row| Sender {
                pid: row.get(0),
                state: row.get(1),
                flushed: lsn(row.get(2)),
                replayed: lsn(row.get(3)),
            })
            .collect())
    }
}
