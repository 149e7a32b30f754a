//! Fetching WAL for a server that is cut off from the network: its restore_command asks drillyard,
//! which runs the real one outside.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::host::{HostError, Result};

/// The restore_command that the server has.
pub(super) const ASK: &str = include_str!("scripts/fetch_outside.sh");

/// A pipe at which a server's requests come in.
pub(super) struct Fetching {
    pipe: PathBuf,
    requests: pipe::Receiver,
}

/// A file that the server wants.
#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    /// The process that asks.
    pid: u32,
    /// `%f`.
    file: &'a str,
    /// `%p`.
    path: &'a str,
    /// `%r`.
    restart: &'a str,
}

impl Fetching {
    /// Makes the pipe, for its owner alone.
    pub(super) fn at(pipe: PathBuf, give: impl Fn(&std::path::Path) -> std::io::Result<()>) -> Result<Self> {
        let made = mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).map_err(std::io::Error::from);
        // Both ends are open here: it does not end when a server has asked.
        let opened = made
            .and_then(|()| give(&pipe))
            .and_then(|()| pipe::OpenOptions::new().read_write(true).open_receiver(&pipe));
        let requests = opened.map_err(|e| HostError::new(format!("cannot make {}: {e}", pipe.display())))?;
        Ok(Fetching { pipe, requests })
    }

    /// Fetches what is asked for by `command`, which `shell` runs as the servers' user in PGDATA.
    pub(super) async fn serve(self, command: String, shell: impl Fn(&str) -> Command) {
        let mut lines = BufReader::new(self.requests).lines();
        // What is being fetched ends with this.
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                line = lines.next_line() => {
                    let Ok(Some(line)) = line else { return };
                    let Some(request) = read(&line) else { continue };
                    let answer = PathBuf::from(format!("{}.{}", self.pipe.display(), request.pid));
                    running.spawn(fetch(shell(&request.filled_in(&command)), answer));
                }
                Some(_) = running.join_next() => {}
            }
        }
    }
}

/// Runs a command, and answers with its status.
async fn fetch(mut command: Command, answer: PathBuf) {
    let run = async {
        let said = File::create(format!("{}.said", answer.display()))?;
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).kill_on_drop(true);
        let status = command.status().await?;
        std::io::Result::Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
    };
    // As a shell that cannot run it.
    let status = run.await.unwrap_or(126);
    // Who has ended meanwhile needs no answer.
    if let Ok(mut answer) = pipe::OpenOptions::new().open_sender(&answer) {
        let _ = answer.write_all(format!("{status}\n").as_bytes()).await;
    }
}

/// A request, as the server's shell has written it.
fn read(line: &str) -> Option<Request<'_>> {
    let mut words = line.splitn(4, ' ');
    let (pid, file) = (words.next()?.parse().ok()?, words.next()?);
    Some(Request { pid, file, path: words.next()?, restart: words.next()? })
}

impl Request<'_> {
    /// A restore_command with what PostgreSQL would put into it (manual, 20.5.5).
    fn filled_in(&self, command: &str) -> String {
        let (mut filled, mut rest) = (String::new(), command);
        while let Some(at) = rest.find('%') {
            let (before, from) = rest.split_at(at);
            filled.push_str(before);
            let (stands_for, length) = match from.as_bytes().get(1) {
                Some(b'f') => (self.file, 2),
                Some(b'p') => (self.path, 2),
                Some(b'r') => (self.restart, 2),
                Some(b'%') => ("%", 2),
                _ => ("%", 1),
            };
            filled.push_str(stands_for);
            rest = &from[length..];
        }
        filled + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_fills_in_the_command() {
        let request = read("7 00000002.history pg_wal/RECOVERYHISTORY 000000010000000000000001").expect("a request");
        assert_eq!(
            request.filled_in("get %f '%p' 100%% %r %x %"),
            "get 00000002.history 'pg_wal/RECOVERYHISTORY' 100% 000000010000000000000001 %x %"
        );
        assert_eq!(read("x y"), None);
    }

    #[tokio::test]
    async fn the_server_hears_the_status_and_what_was_said() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("fetch");
        let fetching = Fetching::at(pipe.clone(), |_| Ok(())).unwrap();
        let served = tokio::spawn(fetching.serve("echo no %f at %p >&2; exit 3".to_owned(), |line| {
            let mut command = Command::new("sh");
            command.args(["-c", line]);
            command
        }));
        let ask = |file: &str| {
            let mut command = Command::new("sh");
            command.args(["-euc", ASK, "sh"]).arg(&pipe).args([file, "pg_wal/x", "r"]);
            command
        };
        for file in ["one", "two"] {
            let output = ask(file).output().await.unwrap();
            assert_eq!(output.status.code(), Some(3));
            assert_eq!(String::from_utf8_lossy(&output.stderr), format!("no {file} at pg_wal/x\n"));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        served.abort();
    }
}
