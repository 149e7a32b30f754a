//! Being interrupted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::journal::ExitCode;

/// Which signal ended the run, if one did.
#[derive(Clone, Default)]
pub struct Interruption(Arc<AtomicU8>);

impl Interruption {
    /// The exit code that it calls for; none where the run was not interrupted.
    pub fn exit_code(&self) -> Option<ExitCode> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            code if code == ExitCode::Interrupted.code() => Some(ExitCode::Interrupted),
            _ => Some(ExitCode::Terminated),
        }
    }
}

/// Cancels `token` at the first SIGINT, SIGTERM or SIGHUP; at the second one the process ends at once, and its reaper cleans up.
pub fn listen(token: CancellationToken) -> std::io::Result<Interruption> {
    let interruption = Interruption::default();
    let signals = [
        (SignalKind::interrupt(), ExitCode::Interrupted),
        (SignalKind::terminate(), ExitCode::Terminated),
        (SignalKind::hangup(), ExitCode::Terminated),
    ];
    for (kind, code) in signals {
        let mut stream = signal(kind)?;
        let (token, interruption) = (token.clone(), interruption.clone());
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if token.is_cancelled() {
                    std::process::exit(code.code().into());
                }
                interruption.0.store(code.code(), Ordering::SeqCst);
                token.cancel();
            }
        });
    }
    Ok(interruption)
}
