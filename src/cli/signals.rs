//! Being interrupted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::out::complain;
use crate::journal::ExitCode;

/// Which signal ended the run, if one did.
#[derive(Clone, Default)]
pub struct Interruption {
    code: Arc<AtomicU8>,
    /// Whether Ctrl-C is meant for a program that has the terminal.
    lent: Arc<AtomicBool>,
    /// Whether people are at work, whom neither a slip nor a lost terminal is to send home.
    confirm: Arc<AtomicBool>,
}

impl Interruption {
    /// The exit code that it calls for; none where the run was not interrupted.
    pub fn exit_code(&self) -> Option<ExitCode> {
        match self.code.load(Ordering::SeqCst) {
            0 => None,
            code if code == ExitCode::Interrupted.code() => Some(ExitCode::Interrupted),
            _ => Some(ExitCode::Terminated),
        }
    }

    /// Notes that a person or a signal ends the run. The first word counts.
    pub fn note(&self, code: ExitCode) {
        let _ = self.code.compare_exchange(0, code.code(), Ordering::SeqCst, Ordering::SeqCst);
    }

    /// From now on Ctrl-C has to come twice, and a terminal that goes away ends nothing.
    pub fn confirm(&self) {
        self.confirm.store(true, Ordering::SeqCst);
    }

    /// While `lent`, Ctrl-C is another program's business: psql cancels a query by it.
    pub fn lend_terminal(&self, lent: bool) {
        self.lent.store(lent, Ordering::SeqCst);
    }
}

/// What a signal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// SIGINT: somebody has pressed Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal has gone away.
    HangUp,
}

/// How soon Ctrl-C has to come again where it is asked for twice.
const TWICE_WITHIN: Duration = Duration::from_secs(5);

/// Cancels `token` at the first SIGINT, SIGTERM or SIGHUP; at the second one the process ends at
/// once, and its reaper cleans up.
///
/// A thread of its own listens: the others may all be waiting for somebody to read what they write.
pub fn listen(token: CancellationToken) -> std::io::Result<Interruption> {
    let interruption = Interruption::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let streams = {
        let _inside = runtime.enter();
        [
            (signal(SignalKind::interrupt())?, Told::Interrupt),
            (signal(SignalKind::terminate())?, Told::Terminate),
            (signal(SignalKind::hangup())?, Told::HangUp),
        ]
    };
    let noted = interruption.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(heed(streams, &token, &noted)))?;
    Ok(interruption)
}

async fn heed(streams: [(Signal, Told); 3], token: &CancellationToken, interruption: &Interruption) {
    let next = |(mut stream, told): (Signal, Told)| async move {
        let came = stream.recv().await;
        (came, (stream, told))
    };
    let mut waiting: FuturesUnordered<_> = streams.into_iter().map(next).collect();
    let mut asked: Option<Instant> = None;
    while let Some((came, (stream, told))) = waiting.next().await {
        if came.is_none() {
            continue;
        }
        waiting.push(next((stream, told)));
        if told == Told::Interrupt && interruption.lent.load(Ordering::SeqCst) {
            continue;
        }
        if interruption.confirm.load(Ordering::SeqCst) && !token.is_cancelled() {
            if told == Told::HangUp {
                continue;
            }
            let again = asked.is_some_and(|asked| asked.elapsed() < TWICE_WITHIN);
            if told == Told::Interrupt && !again {
                asked = Some(Instant::now());
                complain("Ctrl-C once more within 5 s ends the firedrill for everybody");
                continue;
            }
        }
        let code = if told == Told::Interrupt { ExitCode::Interrupted } else { ExitCode::Terminated };
        if token.is_cancelled() {
            std::process::exit(code.code().into());
        }
        interruption.note(code);
        token.cancel();
    }
}
