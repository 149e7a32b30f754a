//! A process of its own keeps what is to outlive the one at the terminal: a firedrill at work, and
//! what the checks of servers need that are left running.
//!
//! The program at the terminal starts itself again, passes signals on, and ends as the other one
//! does: with its exit code, or as soon as all reports are written if that one stays. If it is
//! killed, the keeper goes on, or dies too, and the reaper cleans up as after any other run.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};

use super::dirs;
use super::stop::{Result, Stop};
use super::typed;
use crate::journal::ExitCode;
use crate::run::Named;

/// How the keeper knows that it is one, and where the program at the terminal waits for it.
const LINK: &str = "DRILLYARD_KEEPER_LINK";

/// What it is called in lists of processes.
const NAME: &str = "drillyard-keeper";

/// A keeper's side of the link to the program at the terminal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Keeper {
    link: Arc<UnixStream>,
    /// Whether the program at the terminal has got its exit code, and goes.
    released: Arc<AtomicBool>,
    /// Whether it was killed.
    alone: Arc<AtomicBool>,
}

impl Keeper {
    /// The link, if this process is a keeper.
    pub fn here() -> Result<Option<Self>> {
        let Some(path) = std::env::var_os(LINK) else { return Ok(None) };
        let failed = |e: std::io::Error| Stop::lab(format!("nobody waits at {}: {e}", Path::new(&path).display()));
        let link = UnixStream::connect(&path).map_err(failed)?;
        // Signals of the terminal come from the program there, and none of its session.
        nix::unistd::setsid().map_err(|e| failed(e.into()))?;
        Ok(Some(Keeper { link: Arc::new(link), released: Arc::default(), alone: Arc::default() }))
    }

    /// Watches the program at the terminal. If it is killed, the keeper goes on without a terminal
    /// if it `outlives` it, and is killed otherwise.
    ///
    /// `hear` is called with each line that is typed there.
    pub fn watch(&self, outlives: bool, hear: impl Fn(String) + Send + 'static) -> Result<()> {
        let own = self.clone();
        let watch = move || {
            BufReader::new(&*own.link).lines().map_while(std::io::Result::ok).for_each(hear);
            match (own.released.load(Ordering::SeqCst), outlives) {
                (true, _) => {}
                (false, true) => {
                    let_go_of_terminal();
                    own.alone.store(true, Ordering::SeqCst);
                }
                (false, false) => drop(kill(Pid::this(), Signal::SIGKILL)),
            }
        };
        let thread = std::thread::Builder::new().name("keeper".to_owned()).spawn(watch);
        thread.map(drop).map_err(|e| Stop::lab(format!("cannot watch the terminal: {e}")))
    }

    /// Whether the program at the terminal was killed.
    pub fn is_alone(&self) -> bool {
        self.alone.load(Ordering::SeqCst)
    }

    /// Lets the program at the terminal end with this code.
    pub fn release(&self, code: ExitCode) {
        self.released.store(true, Ordering::SeqCst);
        let_go_of_terminal();
        // One that was killed need not know.
        let _ = (&*self.link).write_all(format!("{}\n", code.code()).as_bytes());
    }
}

/// Whoever reads what is printed is not kept waiting for more.
fn let_go_of_terminal() {
    let _ = std::io::stdout().flush();
    let Ok(null) = std::fs::File::options().read(true).write(true).open("/dev/null") else { return };
    let _ = nix::unistd::dup2_stdin(&null);
    let _ = nix::unistd::dup2_stdout(&null);
    let _ = nix::unistd::dup2_stderr(&null);
}

/// Runs this very command in a keeper, and ends as it does.
pub fn attend() -> Result<ExitCode> {
    let failed = |e: std::io::Error| Stop::lab(format!("cannot start what keeps the drill: {e}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(attending()).map_err(failed)?
}

async fn attending() -> std::io::Result<Result<ExitCode>> {
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [mut interrupt, mut terminate, mut hangup] = [signal(signals[0])?, signal(signals[1])?, signal(signals[2])?];
    let meeting = Meeting::make()?;
    let listener = tokio::net::UnixListener::from_std(meeting.listener.try_clone()?)?;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).arg0(NAME).env(LINK, meeting.path());
    let mut child = tokio::process::Command::from(command).spawn()?;
    let pid = child.id().map(|pid| Pid::from_raw(pid.cast_signed()));
    let pass_on = |signal| pid.map(|pid| kill(pid, signal));
    let link = tokio::select! {
        status = child.wait() => return Ok(ended(status?)),
        accepted = listener.accept() => accepted?.0,
    };
    drop(meeting);
    let (link, mut passes_on) = link.into_split();
    let mut said = tokio::io::BufReader::new(link).lines();
    let mut typed = typed::lines();
    let mut listens = true;
    loop {
        tokio::select! {
            biased;
            line = said.next_line(), if listens => match line {
                Ok(Some(code)) => return Ok(code_of(code.trim().parse().ok())),
                _ => listens = false,
            },
            status = child.wait() => return Ok(ended(status?)),
            // One that does not listen ends.
            Some(line) = typed.recv() => drop(passes_on.write_all(format!("{line}\n").as_bytes()).await),
            // One that is gone by now needs no signal.
            _ = interrupt.recv() => drop(pass_on(Signal::SIGINT)),
            _ = terminate.recv() => drop(pass_on(Signal::SIGTERM)),
            _ = hangup.recv() => drop(pass_on(Signal::SIGHUP)),
        }
    }
}

/// How the keeper has ended.
fn ended(status: std::process::ExitStatus) -> Result<ExitCode> {
    match status.signal() {
        Some(signal) => {
            let name = Signal::try_from(signal).map_or("a signal", Signal::as_str);
            Err(Stop::lab(format!("the process that kept the drill was killed by {name}")))
        }
        None => code_of(status.code()),
    }
}

fn code_of(number: Option<i32>) -> Result<ExitCode> {
    let known = number.and_then(|number| ExitCode::of(u8::try_from(number).ok()?));
    known.ok_or_else(|| Stop::lab("the process that kept the drill has failed"))
}

/// Where the keeper finds the program at the terminal: gone as soon as they have met. Its directory
/// is called as one of a run that was half made, so that a later run removes what a kill leaves.
struct Meeting {
    directory: PathBuf,
    listener: UnixListener,
}

impl Meeting {
    fn make() -> std::io::Result<Self> {
        let directory = Named::below(&dirs::work()).staged();
        std::fs::create_dir(&directory)?;
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700))?;
        let listener = UnixListener::bind(directory.join("link"))?;
        listener.set_nonblocking(true)?;
        Ok(Meeting { directory, listener })
    }

    fn path(&self) -> PathBuf {
        self.directory.join("link")
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        // A later run removes what is left of it.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
