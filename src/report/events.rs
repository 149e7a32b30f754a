//! The events themselves, one JSON a line, as they happen.

use std::io::Write;
use std::path::PathBuf;

use crate::journal::{Entry, Listener};

use super::failures::WriteFailures;
use super::format::{Format, Made};

pub(super) const FORMAT: Format = Format {
    name: "events",
    option: "events",
    value: "PATH|-",
    help: "Write each event as a line of JSON as it happens; - is stdout",
    made: Made::Lines(|out, name, failures| Box::new(Events::new(out, name, failures))),
};

/// Writes each event at once, so that a reader is never behind and a crash loses nothing.
pub(super) struct Events {
    out: Box<dyn Write + Send>,
    /// For messages: a file, or `-`.
    name: PathBuf,
    failures: WriteFailures,
}

impl Events {
    pub(super) fn new(out: Box<dyn Write + Send>, name: PathBuf, failures: WriteFailures) -> Self {
        Events { out, name, failures }
    }
}

impl Listener for Events {
    fn hear(&mut self, entry: &Entry) {
        let line = serde_json::to_string(entry).map_err(Into::into);
        // One write a line: readers of a pipe never see half of one.
        let written =
            line.and_then(|line| self.out.write_all(format!("{line}\n").as_bytes())).and_then(|()| self.out.flush());
        if let Err(error) = written {
            self.failures.add(&self.name, &error);
        }
    }
}
