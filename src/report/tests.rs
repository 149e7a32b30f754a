//! Recorded journals, fed to every report: what people and programs read of them.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use insta::assert_snapshot;

use crate::journal::{Entry, Listener};

use super::*;

mod agreement;
mod junit_schema;
mod secrets;

/// Every recorded journal.
pub(super) const JOURNALS: [&str; 9] =
    ["passed", "failed", "errored", "skipped", "interrupted", "mixed", "nasty", "lab", "proof"];

/// The events of `fixtures/journals/NAME.jsonl`.
pub(super) fn journal(name: &str) -> Vec<Entry> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/journals").join(format!("{name}.jsonl"));
    let text = fs::read_to_string(&path).expect("a recorded journal");
    text.split_terminator('\n').map(|line| serde_json::from_str(line).expect("an event")).collect()
}

pub(super) fn record(entries: &[Entry]) -> RunRecord {
    let mut record = RunRecord::default();
    entries.iter().for_each(|entry| record.hear(entry));
    record
}

/// Keeps what is written to it.
#[derive(Clone, Default)]
pub(super) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("UTF-8")
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells a listener all of it, and lets go of it, as the program does at its end.
pub(super) fn tell(mut listener: impl Listener, entries: &[Entry]) {
    entries.iter().for_each(|entry| listener.hear(entry));
}

#[test]
fn json_reports() {
    for name in JOURNALS {
        assert_snapshot!(format!("json_{name}"), json::render(&record(&journal(name))).expect("JSON"));
    }
}

#[test]
fn junit_reports() {
    for name in JOURNALS {
        assert_snapshot!(format!("junit_{name}"), junit::render(&record(&journal(name))).expect("XML"));
    }
}

#[test]
fn markdown_reports() {
    for name in JOURNALS {
        assert_snapshot!(format!("markdown_{name}"), markdown::markdown(&record(&journal(name))));
    }
}

#[test]
fn html_reports() {
    for name in ["mixed", "nasty", "proof"] {
        let page = html::render(&record(&journal(name))).expect("HTML");
        let body = page.split_once("<body>").map_or("", |(_, body)| body);
        assert_snapshot!(format!("html_{name}"), body);
    }
}

#[test]
fn a_page_needs_nothing_but_itself_and_runs_nothing() {
    for name in JOURNALS {
        let page = html::render(&record(&journal(name))).expect("HTML");
        for bad in ["<script", "http:", "https:", "src=", "@import", "url(", "<b>|", "onerror"] {
            assert!(!page.contains(bad), "{bad} in the page of {name}");
        }
    }
}

#[test]
fn annotations_on_github() {
    for name in JOURNALS {
        let (paper, folder) = (Paper::default(), tempfile::tempdir().expect("a folder"));
        let summary = folder.path().join("summary");
        fs::write(&summary, "what was there before\n").expect("a file");
        let failures = WriteFailures::default();
        let entries = journal(name);
        tell(github::Github::new(Box::new(paper.clone()), Some(summary.clone()), failures.clone()), &entries);
        assert_snapshot!(format!("github_{name}"), paper.text());
        assert!(paper.text().lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")));
        let text = fs::read_to_string(&summary).expect("a summary");
        assert_eq!(text, format!("what was there before\n{}", markdown::markdown(&record(&entries))));
        assert!(failures.list().is_empty());
    }
}

#[test]
fn events_can_be_read_again() {
    for name in JOURNALS {
        let (paper, entries) = (Paper::default(), journal(name));
        tell(events::Events::new(Box::new(paper.clone()), "-".into(), WriteFailures::default()), &entries);
        let text = paper.text();
        let again: Vec<Entry> =
            text.split_terminator('\n').map(|line| serde_json::from_str(line).expect("an event")).collect();
        assert_eq!(again, entries);
    }
}

#[test]
fn all_reports_at_once_are_on_the_disk_before_the_run_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join("made/here").join(name);
    let files = FORMATS.iter().map(|format| (format, path(format.name))).collect();
    let mut reports = ReportOptions { files, ..ReportOptions::default() }.open().expect("reports");
    let entries = journal("interrupted");
    let hear = |reports: &mut Reports, entries: &[Entry]| {
        for entry in entries {
            reports.listeners.iter_mut().for_each(|listener| listener.hear(entry));
        }
    };
    hear(&mut reports, &entries[..1]);
    // As after SIGKILL: nobody had the time to let go of anything.
    let killed = fs::read_to_string(path("json")).expect("a report from the first event on");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&killed).expect("JSON")["outcome"], "errored");
    hear(&mut reports, &entries[1..]);
    let failures = reports.failures.clone();
    drop(reports);
    for format in FORMATS {
        let told = fs::read_to_string(format.file(&path(format.name))).expect("a report");
        let paper = Paper::default();
        format.write(&entries, Box::new(paper.clone())).expect("a report");
        assert!(!told.is_empty() && told == paper.text(), "{}: {told}", format.name);
    }
    assert_eq!(failures.list(), Vec::<String>::new());
    let left = fs::read_dir(folder.path().join("made/here")).expect("the folder").count();
    assert_eq!(left, FORMATS.len(), "temporary files were left");
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_and_after() {
    let folder = tempfile::tempdir().expect("a folder");
    let json_to = |path: &Path| {
        let files = vec![(&json::FORMAT, path.to_owned())];
        ReportOptions { files, ..ReportOptions::default() }.open()
    };
    let error = json_to(folder.path()).err().expect("a folder is no file");
    let (told, path) = (error.to_string(), folder.path().display().to_string());
    assert!(told.contains(&path) && told.contains("there is a folder of that name"), "{told}");

    let inside = folder.path().join("gone/report.json");
    let mut reports = json_to(&inside).expect("a report");
    fs::remove_dir_all(folder.path().join("gone")).expect("removed");
    for entry in journal("passed") {
        reports.listeners[0].hear(&entry);
    }
    let told = reports.failures.list();
    assert!(told.len() == 1 && told[0].contains("gone/report.json cannot be written"), "{told:?}");
}

#[test]
fn a_link_stays_a_link_and_a_pipe_gets_the_report_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, "old").expect("a file");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("a pipe");
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        // The first opening is the check; whoever is slow sees its end only together with the next.
        move || loop {
            let text = fs::read_to_string(&pipe).expect("text");
            if !text.is_empty() {
                return text;
            }
        }
    });
    let files = vec![(&json::FORMAT, link.clone()), (&junit::FORMAT, pipe)];
    let mut reports = ReportOptions { files, ..ReportOptions::default() }.open().expect("reports");
    for entry in journal("passed") {
        reports.listeners.iter_mut().for_each(|listener| listener.hear(&entry));
    }
    drop(reports);
    assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
    assert!(fs::read_to_string(&file).expect("the file").starts_with("{\n  \"drillyard\": 1,"));
    let told = reader.join().expect("a reader");
    assert_eq!(told.matches("<testsuites").count(), 1);
}
