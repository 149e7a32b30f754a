//! A shell that stays open in a container and runs one program after another: the daemon takes 40
//! to 50 ms to start a program by an exec of its own, an open shell a few.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use testcontainers::bollard::container::LogOutput;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::exec::{CreateExecOptions, StartExecResults};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::container;
use super::daemon::{ASK, Daemon};
use super::exec::{self, EndOnDrop, QUIET, Setting};
use crate::host::{HostError, Output, Program, Result, Seen, single_quoted};

/// The open shell of one container. It is opened when it is first needed.
#[derive(Default)]
pub(super) struct Shell {
    session: tokio::sync::Mutex<Option<Session>>,
}

/// One shell, between two programs.
struct Session {
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = std::result::Result<LogOutput, Error>> + Send>>,
    /// Ends the shell and what it runs when nobody waits for it any more.
    guard: EndOnDrop,
    /// What ends a program's output: random, so that no program writes it by chance.
    end: String,
}

/// How long the daemon may take to say that a container has ended, after its programs have.
const NOTICE: std::time::Duration = std::time::Duration::from_secs(1);

/// Why a session did not run a program.
enum Broken {
    /// Nothing was sent: another way can be tried.
    Before,
    /// Nobody knows how far it got.
    After(HostError),
}

impl Shell {
    /// Forgets the open shell: its container has ended.
    pub(super) async fn forget(&self) {
        if let Some(mut session) = self.session.lock().await.take() {
            session.guard.arm(false);
        }
    }

    /// Runs a program to its end; beside another one that is running, by an exec of its own.
    pub(super) async fn run(
        &self,
        daemon: &Daemon,
        container: &str,
        node: &str,
        setting: &Setting,
        program: Program,
    ) -> Result<Output> {
        let Ok(mut place) = self.session.try_lock() else {
            return exec::run(daemon, container, node, setting, program).await;
        };
        // Taken out of its place: when this future is dropped the session goes with it, and its
        // guard ends what it runs.
        let mut session = match place.take() {
            Some(session) => session,
            None => Session::open(daemon, container, node, setting).await?,
        };
        match session.run(daemon, container, node, &program).await {
            Ok(output) => {
                *place = Some(session);
                Ok(output)
            }
            Err(Broken::After(error)) => Err(error),
            Err(Broken::Before) => exec::run(daemon, container, node, setting, program).await,
        }
    }
}

impl Session {
    async fn open(daemon: &Daemon, container: &str, node: &str, setting: &Setting) -> Result<Self> {
        let doing = format!("opening a shell on {node}");
        let guard = EndOnDrop::new(daemon, container, &setting.user);
        let mut env = setting.env.clone();
        env.push(guard.variable());
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            env: Some(env),
            cmd: Some(vec!["sh".to_owned()]),
            user: Some(setting.user.clone()),
            working_dir: Some("/".to_owned()),
            ..Default::default()
        };
        let exec = daemon.call(&doing, ASK, daemon.docker.create_exec(container, options)).await?.id;
        match daemon.call(&doing, ASK, daemon.docker.start_exec(&exec, None)).await? {
            StartExecResults::Attached { output, input } => {
                let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(32).collect();
                Ok(Session { input, output, guard, end: format!("drillyard-{random}") })
            }
            StartExecResults::Detached => Err(HostError::new(format!("{doing}: the daemon started it detached"))),
        }
    }

    async fn run(
        &mut self,
        daemon: &Daemon,
        container: &str,
        node: &str,
        program: &Program,
    ) -> std::result::Result<Output, Broken> {
        let doing = format!("running {} on {node}", program.name);
        let assignments = program.env.iter().map(|(name, value)| format!("{name}={}", single_quoted(value)));
        let words = std::iter::once(&program.name).chain(&program.args).map(|word| single_quoted(word));
        let command = assignments.chain(words).collect::<Vec<_>>().join(" ");
        let end = &self.end;
        let text = format!("{command} </dev/null; printf '\\n%s %s\\n' {end} $?; printf '\\n%s\\n' {end} >&2\n");
        self.guard.arm(true);
        if self.input.write_all(text.as_bytes()).await.is_err() || self.input.flush().await.is_err() {
            self.guard.arm(false);
            return Err(Broken::Before);
        }
        let (stdout_end, stderr_end) = (format!("\n{end} "), format!("\n{end}\n"));
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            if let (Some((out, status)), Some(err)) =
                (finished(&stdout, &stdout_end), stderr.strip_suffix(stderr_end.as_bytes()))
            {
                self.guard.arm(false);
                let stderr = String::from_utf8_lossy(err).into_owned();
                return Ok(Output { status, stdout: out.to_vec(), stderr });
            }
            match tokio::time::timeout(QUIET, self.output.next()).await {
                Ok(Some(Ok(LogOutput::StdErr { message }))) => stderr.extend_from_slice(&message),
                Ok(Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message }))) => {
                    stdout.extend_from_slice(&message);
                }
                Ok(Some(Ok(LogOutput::StdIn { .. }))) => {}
                Ok(Some(Err(error))) => return Err(Broken::After(daemon.explain(&doing, &error))),
                Ok(None) => {
                    self.guard.arm(false);
                    return Err(Broken::After(lost(daemon, &doing, container).await));
                }
                Err(_) => {
                    daemon.call(&doing, ASK, daemon.docker.ping()).await.map_err(Broken::After)?;
                }
            }
        }
    }
}

/// Why a shell has ended in the middle of a program: its container has, or the daemon is away.
async fn lost(daemon: &Daemon, doing: &str, container: &str) -> HostError {
    // The daemon may take a moment to notice that a container has ended.
    let patience = std::time::Instant::now() + NOTICE;
    let seen = loop {
        match container::look(daemon, doing, container).await {
            Ok(Seen::On) if std::time::Instant::now() < patience => tokio::time::sleep(crate::host::POLL * 10).await,
            seen => break seen,
        }
    };
    match seen {
        Ok(Seen::Off(why)) => HostError::new(format!("{doing}: {why}")),
        Ok(Seen::On | Seen::Frozen) => {
            HostError::new(format!("{doing}: the connection to the Docker daemon at {} was lost", daemon.address()))
                .help("was it restarted? `docker info` shows whether it is there")
        }
        Err(error) => error,
    }
}

/// What a program wrote and its exit status, once the line that ends it has come.
fn finished<'o>(stdout: &'o [u8], end: &str) -> Option<(&'o [u8], i64)> {
    let body = stdout.strip_suffix(b"\n")?;
    // The line is short: only the end of what may be a long output is looked at.
    let tail = body.len().saturating_sub(end.len() + 4);
    let at = body[tail..].windows(end.len()).position(|window| window == end.as_bytes())? + tail;
    let status = std::str::from_utf8(&body[at + end.len()..]).ok()?.parse().ok()?;
    Some((&body[..at], status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_output_ends_at_the_line_that_only_the_shell_writes() {
        let end = "\nE ";
        assert_eq!(finished(b"a\nb\n\nE 0\n", end), Some((&b"a\nb\n"[..], 0)));
        assert_eq!(finished(b"\nE 143\n", end), Some((&b""[..], 143)));
        assert_eq!(finished(b"a\nE 1", end), None);
        assert_eq!(finished(b"a\n", end), None);
        assert_eq!(single_quoted("it's"), r"'it'\''s'");
    }
}
