//! Making, starting, stopping and watching a server.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::host::{HostError, POLL, Program};
use crate::pg::{ShutdownMode, SystemId};

use super::{INITDB_OPTIONS, Node, Postmaster, SOCKET_PORT, ServerState, SqlError, log_reason};

/// What a start came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// The server answers queries.
    Answers,
    /// It came up, and shut itself down again without a FATAL error, as `recovery_target_action = shutdown` asks it to.
    ShutDown,
}

/// The milliseconds between two looks of [`LAUNCH`].
const LAUNCH_POLL_MS: u128 = 5;
/// What [`LAUNCH`] exits with when it has looked often enough.
const LAUNCH_DEADLINE: i64 = 4;
/// What it exits with when it could not configure the server; standard error says why.
const LAUNCH_UNCONFIGURED: i64 = 5;
/// Starts a server in `$1` that logs to `$2`, and looks at most `$3` times whether it accepts connections: the eighth line of
/// postmaster.pid says so (`LOCK_FILE_LINE_PM_STATUS` in PostgreSQL's pidfile.h). A file that was there and is gone means that the
/// server has ended; one that never comes, that it did not get as far.
///
/// It prints the length of the log before the start. Where `$4` says so, it configures the server first: `$5` is appended to
/// postgresql.conf, `$6` is pg_hba.conf, `$7` the name of a signal file, `$8` a directory to make, `$9` a postgresql.auto.conf where
/// it cannot stay as it is. One trip to the host for all of it, since in a container each costs 50 ms.
const LAUNCH: &str = r#"runs() {
  kill -0 "$1" 2>/dev/null || return 1
  # One that was killed stays as a zombie for as long as its parent looks away.
  case $(cat "/proc/$1/stat" 2>/dev/null) in *") Z "*) return 1 ;; esac
}
if [ "$4" = configure ]; then
  { rm -f "$1/standby.signal" "$1/recovery.signal" && printf '%s' "$5" >>"$1/postgresql.conf" &&
    printf '%s' "$6" >"$1/pg_hba.conf"; } || exit 5
  if [ -n "$9" ]; then printf '%s' "$9" >"$1/postgresql.auto.conf" || exit 5; fi
  if [ -n "$7" ]; then : >"$1/$7" || exit 5; fi
  if [ -n "$8" ]; then mkdir -p "$8" || exit 5; fi
fi
if [ -f "$2" ]; then wc -c <"$2"; else echo 0; fi
# Reads the file: the process, the status, and all of it.
look() {
  pid=; status=; all=; number=0
  [ -f "$1" ] || return 1
  while read -r line; do
    number=$((number + 1)); all="$all|$line"
    case $number in 1) pid=$line ;; 8) status=$line ;; esac
  done <"$1" || :
}
seen=0; missing=0; left=$3; stale=
if look "$1/postmaster.pid" 2>/dev/null && ! runs "$pid"; then
  # That of one that was killed lies there until the new one takes its place.
  stale=$all
  # PostgreSQL would take a zombie for a server that runs, and refuses to start beside the last of a killed one's children.
  children() { for cwd in /proc/[0-9]*/cwd; do [ "$cwd" -ef "$1" ] && return 0; done; return 1; }
  while [ "$left" -gt 0 ] && { kill -0 "$pid" 2>/dev/null || children "$1"; }; do left=$((left - 1)); sleep 0.005; done
fi
pg_ctl -D "$1" -l "$2" -W start >/dev/null 2>&1 || exit 3
while [ "$left" -gt 0 ]; do
  left=$((left - 1))
  if look "$1/postmaster.pid" 2>/dev/null && [ "$all" != "$stale" ]; then
    seen=1
    case $status in ready*|standby*) exit 0 ;; esac
    if [ -n "$pid" ] && ! runs "$pid"; then exit 3; fi
  else
    missing=$((missing + 1))
    if [ $seen = 1 ] || [ $missing -gt 400 ]; then exit 3; fi
  fi
  sleep 0.005
done
exit 4"#;

/// How long a log may take to be read that is only told beside something else.
pub(super) const LOG_PATIENCE: Duration = Duration::from_secs(3);

/// Exits with 0 where a postmaster runs in `$1`. `pg_ctl status` takes one that was killed for running until its parent has
/// taken notice, which can take seconds. One whose postmaster.pid was removed is still known by the lock file of its socket, in `$2`,
/// whose name has the number `$3`; a process id may have become somebody else's, who works elsewhere.
///
/// With [`STOPPED`] where it is there, and stopped in its tracks.
pub(super) const RUNS: &str = r#"pid=
{ read -r pid <"$1/postmaster.pid"; } 2>/dev/null || {
  { read -r pid <"$2/.s.PGSQL.$3.lock"; } 2>/dev/null || exit 3
  [ "$(readlink "/proc/$pid/cwd")" = "$(cd "$1" && pwd -P)" ] || exit 3
}
kill -0 "$pid" 2>/dev/null || exit 3
case $(cat "/proc/$pid/stat" 2>/dev/null) in *") Z "*) exit 3 ;; *") T "*) exit 6 ;; esac"#;
/// What [`RUNS`] exits with for a postmaster that was stopped by a signal.
pub(super) const STOPPED: i64 = 6;

/// Ends the postmaster of `$1` whose postmaster.pid was removed, and which pg_ctl does not find: the lock file of its socket knows it,
/// as in [`RUNS`]. `$4` is the signal, `$5` how many seconds it may take.
const END_UNKNOWN: &str = r#"[ ! -e "$1/postmaster.pid" ] || exit 3
pid=
{ read -r pid <"$2/.s.PGSQL.$3.lock"; } 2>/dev/null || exit 3
kill "-$4" "$pid" 2>/dev/null || exit 0
left=$(($5 * 200))
while [ "$left" -gt 0 ]; do
  case $(cat "/proc/$pid/stat" 2>/dev/null) in "" | *") Z "*) exit 0 ;; esac
  left=$((left - 1)); sleep 0.005
done
exit 3"#;

/// How a server is set up before it starts.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Appended to postgresql.conf; pg_hba.conf is the host's.
    pub lines: String,
    /// `standby.signal`, `recovery.signal` or none of the two.
    pub signal: Option<&'static str>,
    /// A directory on the host that has to be there.
    pub directory: Option<String>,
    /// Its postgresql.auto.conf, where it cannot stay as it is.
    pub auto: Option<String>,
}

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
    /// The node whose server it is, where the error is its own.
    pub fn node(&self) -> Option<&str> {
        match self {
            StartError::Host(_) => None,
            StartError::Failed { node, .. } | StartError::Deadline { node, .. } => Some(node),
        }
    }
}

/// Looks every few milliseconds until `look` returns a value; gives the last thing seen when the deadline passes.
///
/// `look` returns `Ok(None)` with what it saw through the string it is given.
pub async fn wait_until<T, E>(
    deadline: Instant,
    mut look: impl AsyncFnMut(&mut String) -> Result<Option<T>, E>,
) -> Result<Result<T, String>, E> {
    let mut seen = String::new();
    loop {
        if let Some(value) = look(&mut seen).await? {
            return Ok(Ok(value));
        }
        if Instant::now() >= deadline {
            return Ok(Err(seen));
        }
        tokio::time::sleep(POLL).await;
    }
}

impl Node {
    /// Fills PGDATA with a new cluster of this identifier, whose superuser has the returned password.
    pub async fn initdb(&self, system: SystemId) -> Result<String, HostError> {
        self.host()?.initdb(INITDB_OPTIONS, system).await
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
                return self.ended(self.log_start.load(Ordering::SeqCst)).await;
            }
            // One that is about to go away again refuses sessions, or breaks them, until it has gone.
            let passing = error.is_passing() || !error.is_refusal();
            if !passing || Instant::now() >= deadline {
                let (node, reason) = (self.name.clone(), error.to_string());
                return Err(StartError::Failed { node, reason, log: self.log_tail().await });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Starts the server and waits until it would accept connections, without making one: attempts that come too early would
    /// stand in its log as FATAL.
    pub async fn launch(&self, setup: Option<&Setup>, deadline: Instant) -> Result<Started, StartError> {
        let host = self.host()?;
        self.hang_up().await;
        let paths = host.paths();
        let patience = deadline.saturating_duration_since(Instant::now()).as_millis() / LAUNCH_POLL_MS;
        let mut args = vec![paths.data.clone(), paths.log.clone(), patience.to_string()];
        let hba = host.hba().join("\n") + "\n";
        args.extend(match setup {
            Some(Setup { lines, signal, directory, auto }) => {
                let (signal, directory) = (signal.unwrap_or_default(), directory.as_deref().unwrap_or_default());
                ["configure", lines, &hba, signal, directory, auto.as_deref().unwrap_or_default()].map(str::to_owned)
            }
            None => [""; 6].map(str::to_owned),
        });
        let output = host.run(Program::script(LAUNCH, args)).await?;
        let log_start = output.text().trim().parse().unwrap_or(0);
        self.log_start.store(log_start, Ordering::SeqCst);
        match output.status {
            LAUNCH_UNCONFIGURED => {
                let why = output.stderr.trim();
                Err(HostError::new(format!("cannot configure the server on `{}`: {why}", self.name)).into())
            }
            0 => {
                self.set_server_state(ServerState::Up);
                Ok(Started::Answers)
            }
            LAUNCH_DEADLINE => {
                // It runs, if only so far.
                self.set_server_state(ServerState::Up);
                Err(StartError::Deadline {
                    node: self.name.clone(),
                    last: "the server is starting".to_owned(),
                    log: log_tail(&self.log_from(log_start).await?),
                })
            }
            _ => self.ended(log_start).await,
        }
    }

    /// Whether a server that has ended since it was started was to end: its log knows.
    async fn ended(&self, log_start: u64) -> Result<Started, StartError> {
        self.set_server_state(ServerState::Down("it ended by itself"));
        let log = self.log_from(log_start).await?;
        // What somebody was told who came too early or too late is no reason.
        let told = |line: &str| line.contains("the database system is") || line.contains("terminating connection");
        let grave = |line: &str| line.contains("FATAL") || line.contains("PANIC");
        let failed = log.is_empty() || log.lines().any(|line| grave(line) && !told(line));
        if failed { Err(self.refused(log_start).await) } else { Ok(Started::ShutDown) }
    }

    async fn refused(&self, log_start: u64) -> StartError {
        let log = match self.log_from(log_start).await {
            Ok(log) => log,
            Err(error) => return StartError::Host(error),
        };
        let reason = log_reason(&log).unwrap_or_else(|| "its log gives no reason".to_owned());
        StartError::Failed { node: self.name.clone(), reason, log: log_tail(&log) }
    }

    /// Whether a postmaster runs in PGDATA.
    pub async fn postmaster_runs(&self) -> Result<bool, HostError> {
        Ok(self.postmaster().await? != Postmaster::Gone)
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
        let args = [data, &host.paths().sockets, SOCKET_PORT, signal, &seconds];
        if host.run(Program::script(END_UNKNOWN, args)).await?.success() {
            return Ok(());
        }
        let why = output.stderr.trim();
        Err(HostError::new(format!("the server on `{}` does not stop ({mode}): {why}", self.name)))
    }

    /// How long its log is, in bytes.
    pub async fn log_size(&self) -> Result<u64, HostError> {
        Ok(self.host()?.read(&self.host()?.paths().log, 0).await?.len() as u64)
    }

    /// How long its log was when it was started last.
    pub fn log_start(&self) -> u64 {
        self.log_start.load(Ordering::SeqCst)
    }

    /// Its log from `offset` on.
    pub async fn log_from(&self, offset: u64) -> Result<String, HostError> {
        let host = self.host()?;
        Ok(String::from_utf8_lossy(&host.read(&host.paths().log, offset).await?).into_owned())
    }

    /// The last lines of its log, for messages; empty where there is none.
    pub async fn log_tail(&self) -> String {
        // A container that was frozen from outside never answers.
        match tokio::time::timeout(LOG_PATIENCE, self.log_from(0)).await {
            Ok(Ok(log)) => log_tail(&log),
            Ok(Err(_)) | Err(_) => String::new(),
        }
    }
}

/// The last lines of a log that say something.
fn log_tail(log: &str) -> String {
    const LINES: usize = 8;
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
