//! Making, starting and stopping a server.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::cluster::{INITDB_OPTIONS, SUPERUSER};
use super::config::{Setup, Signal};
use super::log::{log_reason, log_tail};
use super::server::{Node, ServerState};
use super::sql_error::SqlError;
use crate::host::{HostError, POLL, Program};
use crate::pg::{ShutdownMode, SystemId};

/// What a start came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// The server answers queries.
    Answers,
    /// It came up, and shut itself down again without a FATAL error, as
    /// `recovery_target_action = shutdown` asks it to.
    ShutDown,
}

/// Why a server is down that nobody has struck.
const BY_ITSELF: &str = "it ended by itself";
/// Configures and starts a server.
const LAUNCH: &str = include_str!("scripts/launch.sh");
/// The milliseconds between two looks of [`LAUNCH`].
const LAUNCH_POLL_MS: u128 = 5;
/// What [`LAUNCH`] exits with when it has looked often enough.
const LAUNCH_DEADLINE: i64 = 4;
/// What it exits with when it could not configure the server; standard error says why.
const LAUNCH_UNCONFIGURED: i64 = 5;
/// Ends a server whose postmaster.pid was removed.
const END_UNKNOWN: &str = include_str!("scripts/end_unknown.sh");

/// Why a server is not up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The lab failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The server gave up; its log says why.
    #[error("the server on `{node}` does not start: {reason}")]
    Failed {
        /// The node.
        node: String,
        /// The log's reason.
        reason: String,
        /// The log's last lines.
        log: String,
    },
    /// It did not answer in time.
    #[error("the server on `{node}` does not answer; last seen: {last}")]
    Deadline {
        /// The node.
        node: String,
        /// The last answer to an attempt to connect.
        last: String,
        /// The log's last lines.
        log: String,
    },
}

impl StartError {
    /// The node whose server it is, if the error is its own.
    pub fn node(&self) -> Option<&str> {
        match self {
            StartError::Host(_) => None,
            StartError::Failed { node, .. } | StartError::Deadline { node, .. } => Some(node),
        }
    }
}

impl Node {
    /// Fills PGDATA with a new cluster of this identifier, whose superuser has the returned
    /// password.
    pub async fn initdb(&self, system: SystemId) -> Result<String, HostError> {
        self.host()?.initdb(INITDB_OPTIONS, system).await
    }

    /// Gives the superuser of a new cluster, which runs, this node's password; `template` is what
    /// [`Node::initdb`] has returned.
    pub async fn take_over(&self, template: &str) -> Result<(), SqlError> {
        let client = self.connect_with(template).await?;
        // The server is given a verifier: the password itself appears in no statement and no log.
        let verifier = postgres_protocol::password::scram_sha_256(self.password.as_bytes());
        // A synchronous standby may not be there yet.
        let statement = format!("SET synchronous_commit = local; ALTER ROLE {SUPERUSER} PASSWORD '{verifier}'");
        client.batch_execute(&statement).await?;
        Ok(())
    }

    /// Starts the server and waits until it answers, or until it has shut itself down again.
    pub async fn start(&self, setup: Option<&Setup>, deadline: Instant) -> Result<Started, StartError> {
        let started = self.launch(setup, deadline).await?;
        if started == Started::ShutDown {
            return Ok(started);
        }
        loop {
            let error = match self.client().await {
                Ok(_) => return Ok(Started::Answers),
                Err(SqlError::Host(error)) => return Err(StartError::Host(error)),
                Err(error) => error,
            };
            // It accepted connections, and has gone since.
            if !self.postmaster_runs().await? {
                return self.ended(&ServerState::Up, self.log_start.load(Ordering::SeqCst)).await;
            }
            // One that is about to go away again refuses sessions, or breaks them, until it has
            // gone.
            let passing = error.is_passing() || !error.is_refusal();
            if !passing || Instant::now() >= deadline {
                let (node, reason) = (self.name.clone(), error.to_string());
                return Err(StartError::Failed { node, reason, log: self.log_tail().await });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Starts the server and waits until it would accept connections, without making one: attempts
    /// that come too early would stand in its log as FATAL.
    pub async fn launch(&self, setup: Option<&Setup>, deadline: Instant) -> Result<Started, StartError> {
        let host = self.host()?;
        self.hang_up().await;
        let before = self.server_state();
        let paths = host.paths();
        let patience = deadline.saturating_duration_since(Instant::now()).as_millis() / LAUNCH_POLL_MS;
        let mut args = vec![paths.data.clone(), self.log_file()?.to_owned(), patience.to_string()];
        let hba = self.hba(host.as_ref()).join("\n") + "\n";
        args.extend(match setup {
            Some(Setup { lines, signal, directory, auto }) => {
                let (signal, directory) = (signal.map_or("", Signal::file), directory.as_deref().unwrap_or_default());
                ["configure", lines, &hba, signal, directory, auto.as_deref().unwrap_or_default()].map(str::to_owned)
            }
            None => [""; 6].map(str::to_owned),
        });
        args.extend([&paths.wal, &paths.clock].map(|place| place.clone().unwrap_or_default()));
        let output = host.run(Program::script(LAUNCH, args)).await?;
        let log_start = output.text().trim().parse().unwrap_or(0);
        self.log_start.store(log_start, Ordering::SeqCst);
        match output.status {
            LAUNCH_UNCONFIGURED => {
                let why = output.stderr.trim();
                Err(HostError::new(format!("cannot configure the server on `{}`: {why}", self.name)).into())
            }
            0 => {
                self.turned(&before, ServerState::Up);
                Ok(Started::Answers)
            }
            LAUNCH_DEADLINE => {
                // It runs, if only so far.
                self.turned(&before, ServerState::Up);
                Err(StartError::Deadline {
                    node: self.name.clone(),
                    last: "the server is starting".to_owned(),
                    log: log_tail(&self.log_from(log_start).await?),
                })
            }
            _ => self.ended(&before, log_start).await,
        }
    }

    /// Notes what has become of it, unless an incident has struck it meanwhile and said so: then it
    /// is not as it was before.
    fn turned(&self, before: &ServerState, state: ServerState) {
        if self.server_state() == *before {
            self.set_server_state(state);
        }
    }

    /// Whether a server that has ended since it was started was to end: its log knows.
    async fn ended(&self, before: &ServerState, log_start: u64) -> Result<Started, StartError> {
        self.turned(before, ServerState::Down(BY_ITSELF));
        let log = self.log_from(log_start).await?;
        // What a client heard that came too early or too late is no reason.
        let passing_by =
            |line: &str| line.contains("the database system is") || line.contains("terminating connection");
        // Before it has a log it speaks by its name: `postgres: could not find the database
        // system`.
        let grave = |line: &str| line.contains("FATAL") || line.contains("PANIC") || line.starts_with("postgres: ");
        let failed = log.is_empty() || log.lines().any(|line| grave(line) && !passing_by(line));
        if failed { Err(self.refused(log_start).await) } else { Ok(Started::ShutDown) }
    }

    /// Why it has ended: what its log says last, or which incident has struck it.
    pub async fn reason(&self, log: &str) -> String {
        /// Whoever kills a server says so a moment later.
        const SAID: Duration = Duration::from_millis(200);
        if let Some(reason) = log_reason(log) {
            return reason;
        }
        tokio::time::sleep(SAID).await;
        match self.server_state() {
            ServerState::Down(why) if why != BY_ITSELF => format!("{why} meanwhile, by a step of the drill"),
            _ => "its log gives no reason".to_owned(),
        }
    }

    async fn refused(&self, log_start: u64) -> StartError {
        let log = match self.log_from(log_start).await {
            Ok(log) => log,
            Err(error) => return StartError::Host(error),
        };
        let reason = self.reason(&log).await;
        StartError::Failed { node: self.name.clone(), reason, log: log_tail(&log) }
    }

    /// Stops the server; one that is not running is no error.
    pub async fn stop(&self, mode: ShutdownMode, deadline: Instant) -> Result<(), HostError> {
        let host = self.host()?;
        self.hang_up().await;
        self.set_server_state(ServerState::Down("it was stopped"));
        let seconds = deadline.saturating_duration_since(Instant::now()).as_secs().max(1).to_string();
        let data = &host.paths().data;
        let args = ["-D", data, "-m", &mode.to_string(), "-t", &seconds, "-w", "stop"].map(str::to_owned);
        let output = host.run(Program::new("pg_ctl", args)).await?;
        if output.success() {
            return Ok(());
        }
        if !self.postmaster_runs().await? {
            return Ok(());
        }
        // It may run on although its postmaster.pid was wiped away.
        let signal = match mode {
            ShutdownMode::Smart => "TERM",
            ShutdownMode::Fast => "INT",
            ShutdownMode::Immediate => "QUIT",
        };
        let args = [data, self.sockets()?, self.port(), signal, &seconds];
        if host.run(Program::script(END_UNKNOWN, args)).await?.success() {
            return Ok(());
        }
        let why = output.stderr.trim();
        Err(HostError::new(format!("the server on `{}` does not stop ({mode}): {why}", self.name)))
    }
}
