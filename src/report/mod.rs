//! Reports: what people and programs read of a run. Each is a [`Listener`] fed with the journal's entries and with nothing
//! else.
//!
//! - [`Terminal`]: the run as people follow it, with live lines on a terminal
//! - `json`, `junit`, `html`, `markdown`: files, written whole from a [`RunRecord`], so that they agree
//! - `events`: the journal itself, a JSON a line
//! - `github`: annotations, and the Markdown in the job's summary
//! - [`render`], [`render_warning`]: one problem with its line and a caret, as all of them show it
//!
//! A new format is one file with a `render(&RunRecord)`, or a [`Listener`], and a line in [`ReportOptions::open`].

mod collect;
mod events;
mod facts;
mod file;
mod github;
mod html;
mod json;
mod junit;
mod markdown;
mod pipe;
mod progress;
mod queued;
mod snippet;
mod terminal;
mod text;
mod trouble;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::journal::Listener;

pub use collect::{Counts, DrillEnd, DrillRecord, RunRecord, StepEnd, StepRecord, explain_counts};
pub use file::WriteFailures;
pub use pipe::{is_pipe, open_pipe};
pub use snippet::{render, render_warning};
pub use terminal::{Terminal, TerminalOptions, Verbosity};
pub use trouble::{Of, Trouble};

/// Which reports are made of a run. The default makes none.
#[derive(Default)]
pub struct ReportOptions {
    /// The run on a terminal or in a log, and where to write it: stdout, or stderr where events go to stdout.
    pub terminal: Option<(TerminalOptions, Box<dyn Write + Send>)>,
    /// Every event as it happens.
    pub events: Option<EventsTo>,
    /// The file of the JSON report.
    pub json: Option<PathBuf>,
    /// The file of the JUnit report.
    pub junit: Option<PathBuf>,
    /// The folder of the HTML report, which gets an `index.html`.
    pub html: Option<PathBuf>,
    /// The file of the report in Markdown.
    pub markdown: Option<PathBuf>,
    /// Annotations and the job's summary on GitHub.
    pub github: Option<GithubOptions>,
    /// Those of the paths above that are pipes, opened since somebody reads them. The others would be waited for.
    pub pipes: Vec<(PathBuf, File)>,
}

/// Where the events go.
pub enum EventsTo {
    /// A file, made anew.
    File(PathBuf),
    /// Stdout, or whatever else.
    Writer(Box<dyn Write + Send>),
}

/// What the reports on GitHub need to know.
pub struct GithubOptions {
    /// What the runner reads: stdout.
    pub out: Box<dyn Write + Send>,
    /// The file of the job's summary: `GITHUB_STEP_SUMMARY`.
    pub summary: Option<PathBuf>,
}

/// A report that cannot be written, found out before anything runs.
#[derive(Debug, thiserror::Error)]
#[error("the report {} cannot be written: {source}; name a path that can be", path.display())]
pub struct ReportError {
    path: PathBuf,
    source: io::Error,
}

impl ReportError {
    /// Why, in the system's words.
    pub fn reason(&self) -> String {
        self.source.to_string()
    }
}

/// The reports of a run, ready for its journal.
pub struct Reports {
    /// To be given to [`crate::journal::Journal::new`].
    pub listeners: Vec<Box<dyn Listener>>,
    /// What could not be written; complete after the run's last event.
    pub failures: WriteFailures,
}

impl ReportOptions {
    /// Makes the reports: the one place where formats are registered.
    ///
    /// # Errors
    /// Where a file cannot be made, so that nobody waits an hour for a report that cannot be written.
    pub fn open(mut self) -> Result<Reports, ReportError> {
        let failures = WriteFailures::default();
        let mut pipes = std::mem::take(&mut self.pipes);
        let mut pipe_at = |path: &Path| {
            let at = pipes.iter().position(|(known, _)| known == path)?;
            Some(pipes.swap_remove(at).1)
        };
        let mut listeners: Vec<Box<dyn Listener>> = vec![];
        // First of all: whatever breaks later, the events are on the disk.
        match self.events {
            Some(EventsTo::Writer(out)) => {
                let events = events::Events::new(out, "-".into(), failures.clone());
                listeners.push(Box::new(queued::Queued::new(Box::new(events), "-".into(), failures.clone())));
            }
            Some(EventsTo::File(path)) => {
                let pipe = pipe_at(&path);
                let is_pipe = pipe.is_some();
                let make = || make_folder_of(&path).and_then(|()| File::create(&path));
                let file = pipe.map_or_else(make, Ok).map_err(at(&path))?;
                let events = Box::new(events::Events::new(Box::new(file), path.clone(), failures.clone()));
                listeners.push(match is_pipe {
                    true => Box::new(queued::Queued::new(events, path, failures.clone())),
                    false => events,
                });
            }
            None => {}
        }
        let files: [(_, collect::Render); 4] = [
            (self.json, json::render),
            (self.junit, junit::render),
            (self.html.map(|folder| folder.join("index.html")), html::render),
            (self.markdown, markdown::render),
        ];
        for (path, render) in files {
            let Some(path) = path else { continue };
            let pipe = pipe_at(&path);
            if pipe.is_none() {
                check_file(&path).map_err(at(&path))?;
            }
            listeners.push(Box::new(file::FileReport::new(path, pipe, render, failures.clone())));
        }
        if let Some((options, out)) = self.terminal {
            listeners.push(Box::new(Terminal::new(options, out)));
        }
        // After the terminal: annotations stand below what they are about.
        if let Some(GithubOptions { out, summary }) = self.github {
            if let Some(path) = &summary {
                github::check(path).map_err(at(path))?;
            }
            listeners.push(Box::new(github::Github::new(out, summary, failures.clone())));
        }
        Ok(Reports { listeners, failures })
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> ReportError {
    move |source| ReportError { path: path.to_owned(), source }
}

fn make_folder_of(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::create_dir_all(folder),
        None => Ok(()),
    }
}

/// Makes the folder, and tries whether a file can be made in it.
fn check_file(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "there is a folder of that name"));
    }
    if file::is_special(path) {
        return fs::OpenOptions::new().write(true).open(path).map(drop);
    }
    make_folder_of(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".drillyard-").suffix(".tmp").tempfile_in(folder).map(drop)
}

#[cfg(test)]
mod tests;
