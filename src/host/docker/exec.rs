//! Programs in a container, through the daemon's exec: it takes 40 to 50 ms, so nothing is run
//! twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::container::LogOutput;
use testcontainers::bollard::exec::{CreateExecOptions, StartExecResults};
use tokio::time::Instant;

use super::daemon::{ASK, Daemon};
use crate::host::{HostError, Output, Program, Result};

/// As whom and with what a program is run.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// The operating system's user in the container.
    pub user: String,
    /// `KEY=VALUE`, before the program's own.
    pub env: Vec<String>,
}

/// A quiet daemon is asked for a sign of life this often; a program may well be quiet for longer.
pub(super) const QUIET: Duration = Duration::from_secs(2);

/// How long the daemon may take to know a program's exit status after the end of its output.
const STATUS_PATIENCE: Duration = Duration::from_secs(5);

/// What the daemon says of a program that is not in the container.
const NOT_FOUND: &str = "executable file not found";

/// What a shell would say of it.
fn not_found(stderr: String) -> Output {
    Output { status: 127, stdout: vec![], stderr }
}

/// Ends a program that has a mark in its environment.
const END: &str = include_str!("scripts/end_program.sh");

/// Runs a program to its end.
pub(super) async fn run(
    daemon: &Daemon,
    container: &str,
    node: &str,
    setting: &Setting,
    program: Program,
) -> Result<Output> {
    let doing = format!("running {} on {node}", program.name);
    let mut guard = EndOnDrop::new(daemon, container, &setting.user);
    let mut env = setting.env.clone();
    env.extend(program.env.iter().map(|(key, value)| format!("{key}={value}")));
    env.push(guard.variable());
    let options = CreateExecOptions {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        env: Some(env),
        cmd: Some(std::iter::once(program.name).chain(program.args).collect()),
        user: Some(setting.user.clone()),
        working_dir: Some("/".to_owned()),
        ..Default::default()
    };
    let exec = daemon.call(&doing, ASK, daemon.docker.create_exec(container, options)).await?.id;
    guard.arm(true);
    let started = daemon.call(&doing, ASK, daemon.docker.start_exec(&exec, None)).await;
    let result = match started {
        Ok(StartExecResults::Attached { output, .. }) => read(daemon, &doing, &exec, output).await,
        Ok(StartExecResults::Detached) => Err(HostError::new(format!("{doing}: the daemon started it detached"))),
        Err(error) if error.message.contains(NOT_FOUND) => Ok(not_found(error.message)),
        Err(error) => Err(error),
    };
    guard.arm(false);
    result
}

async fn read(
    daemon: &Daemon,
    doing: &str,
    exec: &str,
    mut output: impl futures_util::Stream<Item = std::result::Result<LogOutput, testcontainers::bollard::errors::Error>>
    + Unpin,
) -> Result<Output> {
    let (mut stdout, mut stderr) = (vec![], vec![]);
    loop {
        match tokio::time::timeout(QUIET, output.next()).await {
            Ok(Some(Ok(LogOutput::StdErr { message }))) => stderr.extend_from_slice(&message),
            Ok(Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message }))) => {
                stdout.extend_from_slice(&message)
            }
            Ok(Some(Ok(LogOutput::StdIn { .. }))) => {}
            Ok(Some(Err(error))) => return Err(daemon.explain(doing, &error)),
            Ok(None) => break,
            Err(_) => {
                daemon.call(doing, ASK, daemon.docker.ping()).await?;
            }
        }
    }
    let status = status(daemon, doing, exec).await?;
    // Some versions of the daemon say so in place of the program's own output, and give 126.
    if status == 126
        && stdout.starts_with(b"OCI runtime exec failed")
        && String::from_utf8_lossy(&stdout).contains(NOT_FOUND)
    {
        return Ok(not_found(String::from_utf8_lossy(&stdout).into_owned()));
    }
    Ok(Output { status, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() })
}

/// The output may end a moment before the daemon knows the exit status.
async fn status(daemon: &Daemon, doing: &str, exec: &str) -> Result<i64> {
    let end = Instant::now() + STATUS_PATIENCE;
    loop {
        let seen = daemon.call(doing, ASK, daemon.docker.inspect_exec(exec)).await?;
        match (seen.running, seen.exit_code) {
            (Some(false), Some(status)) => return Ok(status),
            // A container that is killed takes its programs along, and nothing is said of them.
            (Some(false), None) => return Ok(128 + 9),
            _ if Instant::now() >= end => {
                return Err(HostError::new(format!(
                    "{doing}: its output has ended, but the daemon says that it still runs"
                )));
            }
            _ => tokio::time::sleep(crate::host::POLL).await,
        }
    }
}

/// Ends the program when nobody waits for it any more.
pub(super) struct EndOnDrop {
    daemon: Daemon,
    container: String,
    user: String,
    mark: String,
    armed: bool,
}

impl EndOnDrop {
    /// For a program that is about to be started, with [`EndOnDrop::variable`] in its environment.
    pub(super) fn new(daemon: &Daemon, container: &str, user: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        EndOnDrop { daemon: daemon.clone(), container: container.to_owned(), user: user.to_owned(), mark, armed: false }
    }

    /// What marks the program.
    pub(super) fn variable(&self) -> String {
        format!("DRILLYARD_EXEC={}", self.mark)
    }

    /// Whether there is something to end.
    pub(super) fn arm(&mut self, armed: bool) {
        self.armed = armed;
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        let (true, Ok(runtime)) = (self.armed, tokio::runtime::Handle::try_current()) else { return };
        let (daemon, container) = (self.daemon.clone(), self.container.clone());
        let (user, mark) = (self.user.clone(), self.mark.clone());
        runtime.spawn(async move {
            let options = CreateExecOptions {
                cmd: Some(vec!["sh", "-c", END, "drillyard", mark.as_str()]),
                // Root in a container may not read other users' environments.
                user: Some(user.as_str()),
                attach_stdout: Some(true),
                ..Default::default()
            };
            // Nobody is left to report to; the container goes with the drill in any case.
            if let Ok(exec) = daemon.call("ending a program", ASK, daemon.docker.create_exec(&container, options)).await
            {
                daemon.call("ending a program", ASK, daemon.docker.start_exec(&exec.id, None)).await.ok();
            }
        });
    }
}
