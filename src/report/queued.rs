//! A report that is written by a thread of its own, so that a reader who takes his time holds
//! nothing up.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use crate::journal::{Entry, Event, Listener};

use super::failures::WriteFailures;

/// How long a reader may take for what is left when the run has ended.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hands every event to another listener, in a thread.
pub(super) struct Queued {
    entries: Option<Sender<Entry>>,
    /// Hears when everything is written.
    done: Receiver<()>,
    name: PathBuf,
    failures: WriteFailures,
}

impl Queued {
    /// `name` is what a message calls it.
    pub(super) fn new(mut listener: Box<dyn Listener>, name: PathBuf, failures: WriteFailures) -> Self {
        let (entries, coming) = mpsc::channel::<Entry>();
        let (written, done) = mpsc::channel();
        std::thread::spawn(move || {
            for entry in coming {
                listener.hear(&entry);
            }
            // Nobody may wait any more.
            let _ = written.send(());
        });
        Queued { entries: Some(entries), done, name, failures }
    }

    fn finish(&mut self) {
        if self.entries.take().is_some() && self.done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let error = std::io::Error::new(std::io::ErrorKind::TimedOut, "its reader does not read");
            self.failures.add(&self.name, &error);
        }
    }
}

impl Listener for Queued {
    fn hear(&mut self, entry: &Entry) {
        if let Some(entries) = &self.entries {
            // The thread ends only when this one lets go.
            let _ = entries.send(entry.clone());
        }
        if matches!(entry.event, Event::RunFinished { .. }) {
            self.finish();
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.finish();
    }
}
