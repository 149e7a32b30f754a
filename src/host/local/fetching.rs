//! Fetching WAL for a server that is cut off from the network: its restore_command asks drillyard,
//! which runs the real one outside.

use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use rustix::fs::OFlags;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::owner::Owner;
use crate::host::{HostError, POLL, Result};

/// The restore_command that the server has.
pub(super) const ASK: &str = include_str!("scripts/fetch_outside.sh");

/// How much of what a command has said is passed on, its end: it has room in a pipe.
const PASSED_ON: u64 = 16 << 10;

/// How long who asks may take to read the answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The status of what cannot be asked for: above 125, which ends the recovery (manual, 20.5.5). 1
/// would be the end of the archive.
const REFUSED: i32 = 200;

/// A pipe at which a server's requests come in.
pub(super) struct Fetching {
    requests: pipe::Receiver,
    /// The directory in which who asks makes a pipe for the answer. The servers' user can put
    /// anything there.
    answers: Arc<OwnedFd>,
}

/// A file that the server wants.
#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    /// `%f`.
    file: &'a str,
    /// `%p`.
    path: &'a str,
    /// `%r`.
    restart: &'a str,
}

impl Fetching {
    /// Makes the pipe, for the servers' user alone, and a directory `.answers` beside it.
    pub(super) fn at(pipe: PathBuf, owner: Owner) -> Result<Self> {
        let failed = |e: std::io::Error| HostError::new(format!("cannot make {}: {e}", pipe.display()));
        let answers = PathBuf::from(format!("{}.answers", pipe.display()));
        owner.make_directory(&answers)?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let answers = rustix::fs::open(&answers, flags, rustix::fs::Mode::empty()).map_err(|e| failed(e.into()))?;
        mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|e| failed(e.into()))?;
        owner.give(&pipe).map_err(failed)?;
        // Both ends are open here: it does not end when a server has asked.
        let requests = pipe::OpenOptions::new().read_write(true).open_receiver(&pipe).map_err(failed)?;
        Ok(Fetching { requests, answers: Arc::new(answers) })
    }

    /// Fetches what is asked for by `command`, which `shell` runs as the servers' user in PGDATA.
    pub(super) async fn serve(self, command: String, shell: impl Fn(&str) -> Command) {
        let mut lines = BufReader::new(self.requests).split(b'\n');
        // What is being fetched ends with this.
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                line = lines.next_segment() => {
                    let Ok(Some(line)) = line else { return };
                    let line = String::from_utf8_lossy(&line);
                    let Some((pid, request)) = read(&line) else { continue };
                    let command = request.map(|request| shell(&request.filled_in(&command)));
                    running.spawn(fetch(command, self.answers.clone(), pid));
                }
                Some(_) = running.join_next() => {}
            }
        }
    }
}

/// Runs a command, and answers with what it said and with its status, in lines: `+what it said`,
/// then the number.
async fn fetch(command: Option<Command>, answers: Arc<OwnedFd>, pid: u32) {
    // It is held open from now on: if drillyard ends, who has asked learns of it.
    let Ok(mut answer) = answer_to(&answers, pid).await else { return };
    let (status, said) = match command {
        // As a shell that cannot run it.
        Some(command) => run(command).await.unwrap_or_else(|e| (126, e.to_string().into_bytes())),
        None => (REFUSED, b"drillyard fetches files of WAL alone, to pg_wal".to_vec()),
    };
    let mut text = vec![];
    for line in said.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        text.extend([b"+", line, b"\n"].concat());
    }
    text.extend(format!("{status}\n").bytes());
    // Who has ended meanwhile needs no answer.
    let _ = answer.write_all(&text).await;
}

/// Opens the pipe of who has asked, as soon as it is read there.
async fn answer_to(answers: &OwnedFd, pid: u32) -> std::io::Result<pipe::Sender> {
    let given_up = Instant::now() + PATIENCE;
    loop {
        match open_answer(answers, pid) {
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) && Instant::now() < given_up => {
                tokio::time::sleep(POLL).await;
            }
            opened => return opened,
        }
    }
}

/// Opens a pipe for an answer: that, and nothing that a link of this name leads to. `ENXIO` if
/// nobody reads it.
fn open_answer(answers: &OwnedFd, pid: u32) -> std::io::Result<pipe::Sender> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(answers, pid.to_string(), flags, rustix::fs::Mode::empty())?;
    // An error if it is no pipe.
    pipe::Sender::from_owned_fd(opened)
}

/// Runs a command: its status, and the end of what it said. A file takes that, so that something
/// that the command leaves running holds up nobody.
async fn run(mut command: Command) -> std::io::Result<(i32, Vec<u8>)> {
    let mut said = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said.try_clone()?).kill_on_drop(true);
    let status = command.status().await?;
    let length = said.seek(SeekFrom::End(0))?;
    said.seek(SeekFrom::Start(length.saturating_sub(PASSED_ON)))?;
    let mut text = vec![];
    said.take(PASSED_ON).read_to_end(&mut text)?;
    Ok((status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)), text))
}

/// A request, as the server's shell has written it: which process asks, and for what; nothing if
/// that is no file that a server asks for.
fn read(line: &str) -> Option<(u32, Option<Request<'_>>)> {
    let mut words = line.split(' ');
    let pid = words.next()?.parse().ok()?;
    let mut request = || {
        let request = Request { file: words.next()?, path: words.next()?, restart: words.next()? };
        let in_wal = request.path.strip_prefix("pg_wal/");
        let plain =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
        let fit = plain(request.file) && in_wal.is_some_and(plain) && plain(request.restart);
        (fit && words.next().is_none()).then_some(request)
    };
    Some((pid, request()))
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
        let (pid, request) = read("7 00000002.history pg_wal/RECOVERYHISTORY 000000010000000000000001").expect("a pid");
        assert_eq!(pid, 7);
        assert_eq!(
            request.expect("a request").filled_in("get %f '%p' 100%% %r %x %"),
            "get 00000002.history 'pg_wal/RECOVERYHISTORY' 100% 000000010000000000000001 %x %"
        );
        assert_eq!(read("x y"), None);
    }

    #[test]
    fn what_a_shell_would_run_is_no_file() {
        let backup = "7 000000010000000000000001.00000028.backup pg_wal/RECOVERYXLOG 000000010000000000000001";
        assert!(matches!(read(backup), Some((7, Some(_)))));
        for wrong in [
            "7 x;psql${IFS}-hprod pg_wal/x r",
            "7 $(id) pg_wal/x r",
            "7 x pg_wal/a/b r",
            "7 x /etc/passwd r",
            "7 x pg_wal/ r",
            "7 x pg_wal/x r y",
            "7 x pg_wal/x `id`",
            "7 x pg_wal/x",
            "7",
        ] {
            assert_eq!(read(wrong), Some((7, None)), "{wrong}");
        }
    }

    /// Who asks, with the arguments that a server's shell has.
    fn ask(pipe: &std::path::Path, file: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-uc", ASK, "sh"]).arg(pipe).args([file, "pg_wal/x", "r"]).kill_on_drop(true);
        command
    }

    fn shell(line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        command
    }

    #[tokio::test]
    async fn the_server_hears_the_status_and_what_was_said() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("fetch");
        let fetching = Fetching::at(pipe.clone(), Owner::Me).unwrap();
        let served = tokio::spawn(fetching.serve("echo no %f at %p >&2; exit 3".to_owned(), shell));
        for file in ["one", "two"] {
            let output = ask(&pipe, file).output().await.unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stderr), format!("no {file} at pg_wal/x\n"));
            assert_eq!(output.status.code(), Some(3));
        }
        let output = ask(&pipe, "x;id").output().await.unwrap();
        assert_eq!(output.status.code(), Some(REFUSED));
        let answers = dir.path().join("fetch.answers");
        assert_eq!(std::fs::read_dir(&answers).unwrap().count(), 0);
        // Without a pipe for the answer it is not the end of the archive, either.
        std::fs::remove_dir(&answers).unwrap();
        assert_eq!(ask(&pipe, "one").output().await.unwrap().status.code(), Some(200));
        served.abort();
    }

    #[tokio::test]
    async fn a_copy_that_is_kept_gets_an_end_when_nobody_serves_it_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("fetch");
        let fetching = Fetching::at(pipe.clone(), Owner::Me).unwrap();
        let begun = dir.path().join("begun");
        let served = tokio::spawn(fetching.serve(format!("echo >{}; exec sleep 60", begun.display()), shell));
        let mut asking = ask(&pipe, "one").spawn().unwrap();
        while !begun.exists() {
            tokio::time::sleep(POLL).await;
        }
        served.abort();
        assert_eq!(asking.wait().await.unwrap().code(), Some(1));
        assert_eq!(ask(&pipe, "two").output().await.unwrap().status.code(), Some(1));
    }

    #[tokio::test]
    async fn no_link_is_followed_to_an_answer() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let fetching = Fetching::at(dir.path().join("fetch"), Owner::Me).unwrap();
        std::os::unix::fs::symlink(&file, dir.path().join("fetch.answers/7")).unwrap();
        assert!(open_answer(&fetching.answers, 7).is_err());
        std::fs::rename(&file, dir.path().join("fetch.answers/8")).unwrap();
        assert!(open_answer(&fetching.answers, 8).is_err());
    }
}
