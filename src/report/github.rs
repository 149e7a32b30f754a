//! GitHub Actions: annotations at the lines of the scenarios, and the summary on the job's page.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::journal::{Entry, Event, Listener};

use super::collect::RunRecord;
use super::drill::DrillRecord;
use super::failures::WriteFailures;
use super::markdown::markdown;
use super::snippet;
use super::text::{one_line, visible};

/// What GitHub takes of a step's summary is 1 MiB; with more, it shows nothing at all.
const LARGEST_SUMMARY: usize = 1_000_000;

/// Writes annotations as drills end, and the summary when the run ends.
pub(super) struct Github {
    out: Box<dyn Write + Send>,
    summary: Option<PathBuf>,
    failures: WriteFailures,
    record: RunRecord,
    summarized: bool,
}

impl Github {
    /// `out` must be what the runner reads, which is the program's stdout. `summary` is the value
    /// of `GITHUB_STEP_SUMMARY`.
    pub(super) fn new(out: Box<dyn Write + Send>, summary: Option<PathBuf>, failures: WriteFailures) -> Self {
        Github { out, summary, failures, record: RunRecord::default(), summarized: false }
    }

    fn print(&mut self, text: &str) {
        // Who reads annotations has the log, the exit code and the other reports as well.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    fn summarize(&mut self) {
        self.summarized = true;
        let unfinished: String =
            self.record.drills.values().filter(|drill| !drill.has_ended()).map(annotations).collect();
        self.print(&unfinished);
        if !self.record.left.is_empty() {
            let left = self.record.left.join(", ");
            let message = format!("clean-up is not complete, left: {left}");
            self.print(&format!("::error title=drillyard::{}\n", data(&message)));
        }
        let outcome = self.record.outcome();
        if outcome.is_bad() && !self.record.drills.values().any(|drill| drill.outcome().is_bad()) {
            let code = self.record.exit_code().map(|code| format!(", with exit code {code}")).unwrap_or_default();
            self.print(&format!("::error title=drillyard::{}\n", data(&format!("the run {outcome}{code}"))));
        }
        let Some(path) = self.summary.clone() else { return };
        let text = shortened(markdown(&self.record));
        let written = OpenOptions::new().create(true).append(true).open(&path);
        if let Err(error) = written.and_then(|mut file| file.write_all(text.as_bytes())) {
            self.failures.add(&path, &error);
        }
    }
}

impl Listener for Github {
    fn hear(&mut self, entry: &Entry) {
        self.record.hear(entry);
        match &entry.event {
            Event::DrillFinished { .. } | Event::ProofFinished { .. } => {
                let text = self.record.ended(&entry.event).map(|(_, drill)| annotations(drill)).unwrap_or_default();
                self.print(&text);
            }
            Event::Warned { message, .. } => self.print(&format!("::warning title=drillyard::{}\n", data(message))),
            Event::RunFinished { .. } => self.summarize(),
            _ => {}
        }
    }
}

impl Drop for Github {
    /// For a run that broke off without its last event.
    fn drop(&mut self) {
        if !self.summarized && self.record.started.is_some() {
            self.summarize();
        }
    }
}

fn annotations(drill: &DrillRecord) -> String {
    let mut text = String::new();
    if !drill.outcome().is_bad() {
        return text;
    }
    for trouble in drill.troubles() {
        let place = match trouble.problem.places.first() {
            Some(place) => {
                let end = place.column.saturating_add(place.width.max(1)) - 1;
                format!("file={},line={},col={},endColumn={end},", property(&place.file), place.line, place.column)
            }
            None if !drill.file.is_empty() => format!("file={},", property(&drill.file)),
            None => String::new(),
        };
        let title = property(&trouble.headline(drill));
        let message = data(snippet::render(&trouble.problem, false).trim_end());
        text.push_str(&format!("::error {place}title={title}::{message}\n"));
    }
    text
}

/// The escapes of a workflow command's message; what is left of line ends would begin a new
/// command.
fn data(text: &str) -> String {
    visible(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The escapes of a workflow command's property.
fn property(text: &str) -> String {
    data(&one_line(text)).replace(':', "%3A").replace(',', "%2C")
}

fn shortened(mut text: String) -> String {
    if text.len() <= LARGEST_SUMMARY {
        return text;
    }
    let end = (0..=LARGEST_SUMMARY).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(end);
    text.push_str("\n\nCut here: GitHub takes no more. The other reports have all of it.\n");
    text
}

/// Fails where the summary's file cannot be appended to, before anything runs.
pub(super) fn check(summary: &PathBuf) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(summary).map(drop)
}
