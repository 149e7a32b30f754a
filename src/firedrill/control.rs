//! The way to a firedrill from other terminals of the same user: a socket in the run's directory.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::desk::{Ask, Desk, Reply};
use super::view::TeamView;

/// The socket's name in a run's directory.
const SOCKET: &str = "control";

/// The longest line that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// What a terminal asks for: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    /// Something to be done; the answer is one line.
    Ask(Ask),
    /// What the team sees, a line for each change, until the firedrill is over.
    Watch,
    /// Somebody wants it to end and everything to be removed: granted if nobody is with it.
    Leave,
}

/// Ends a firedrill that nobody is with any more, if nobody is; whether it does.
pub type Leave = Arc<dyn Fn() -> bool + Send + Sync>;

fn socket(run_directory: &Path) -> PathBuf {
    run_directory.join(SOCKET)
}

/// Whether a firedrill is at work there, or somebody stays who can judge it again.
pub fn is_held(run_directory: &Path) -> bool {
    socket(run_directory).exists()
}

/// Listens in a run's directory until the task is dropped, in the place of whoever did before.
///
/// # Errors
/// If the socket cannot be made.
pub fn listen(run_directory: &Path, desk: Desk, leave: Leave) -> std::io::Result<tokio::task::AbortHandle> {
    let path = socket(run_directory);
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let listening = Arc::new(Listening { desk, leave, watchers: AtomicUsize::new(0) });
    let task = tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(listening.clone().serve(stream))),
                // Too many files are open: those of others close sooner or later.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    });
    Ok(task.abort_handle())
}

/// What all terminals that ask have in common.
struct Listening {
    desk: Desk,
    leave: Leave,
    /// How many follow it: they are with it.
    watchers: AtomicUsize,
}

impl Listening {
    /// One terminal. One that goes away is nobody's trouble.
    async fn serve(self: Arc<Self>, stream: tokio::net::UnixStream) {
        let (read, mut write) = stream.into_split();
        let mut lines = tokio::io::BufReader::new(tokio::io::AsyncReadExt::take(read, LONGEST as u64)).lines();
        let Ok(Some(line)) = lines.next_line().await else { return };
        let reply = match serde_json::from_str(&line) {
            Ok(Request::Ask(ask)) if ask.is_facilitators() => Reply::no("that is the facilitator's, on the board"),
            Ok(Request::Ask(ask)) => self.desk.ask(ask).await,
            Ok(Request::Watch) => {
                self.watchers.fetch_add(1, Ordering::SeqCst);
                tokio::select! {
                    () = watch(&self.desk, &mut write) => {}
                    // It says nothing more before it goes away.
                    _ = lines.next_line() => {}
                }
                self.watchers.fetch_sub(1, Ordering::SeqCst);
                return;
            }
            Ok(Request::Leave) => match self.watchers.load(Ordering::SeqCst) == 0 && (self.leave)() {
                true => Reply::yes("it ends"),
                false => Reply::no("somebody is with it"),
            },
            Err(error) => Reply::no(&format!("not understood: {error}")),
        };
        let _ = write.write_all(line_of(&reply).as_bytes()).await;
    }
}

async fn watch(desk: &Desk, write: &mut tokio::net::unix::OwnedWriteHalf) {
    let mut views = desk.views();
    loop {
        let line = line_of(&views.borrow_and_update().team);
        if write.write_all(line.as_bytes()).await.is_err() || views.changed().await.is_err() {
            return;
        }
    }
}

fn line_of(value: &impl Serialize) -> String {
    // What is written here has only maps with names.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

/// Asks the firedrill in a run's directory for something.
///
/// # Errors
/// If none answers there.
pub fn ask(run_directory: &Path, ask: Ask) -> std::io::Result<Reply> {
    request(run_directory, &Request::Ask(ask), None)
}

fn request(run_directory: &Path, request: &Request, patience: Option<Duration>) -> std::io::Result<Reply> {
    let mut stream = UnixStream::connect(socket(run_directory))?;
    stream.set_read_timeout(patience)?;
    stream.write_all(line_of(request).as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    serde_json::from_str(&line).map_err(std::io::Error::other)
}

/// Asks the firedrill in a run's directory to end and to remove everything, if nobody is with it.
///
/// # Errors
/// If none answers there.
pub fn ask_to_leave(run_directory: &Path) -> std::io::Result<Reply> {
    request(run_directory, &Request::Leave, Some(Duration::from_secs(5)))
}

/// Follows the firedrill in a run's directory: `see` is called with what the team sees, at each
/// change, until it is over.
///
/// # Errors
/// If none answers there.
pub fn follow(run_directory: &Path, mut see: impl FnMut(&TeamView)) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket(run_directory))?;
    stream.write_all(line_of(&Request::Watch).as_bytes())?;
    for line in BufReader::new(stream).lines() {
        see(&serde_json::from_str(&line?).map_err(std::io::Error::other)?);
    }
    Ok(())
}
