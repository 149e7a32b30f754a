//! Where a run's events go: the terminal, the reports that were asked for, and the run's own
//! record.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::args::{GithubChoice, OutArgs, color_of_stderr, color_of_stdout};
use super::out::complain;
use super::stop::{Result, Stop};
use crate::journal::{Event, ExitCode, Journal, Listener, Outcome, Problem, Written};
use crate::report::{
    Format, GithubOptions, ReportOptions, TerminalOptions, Verbosity, WriteFailures, is_pipe, open_pipe,
};

/// How often a pipe is tried that nobody reads yet.
const POLL: Duration = Duration::from_millis(20);

/// After which time it is said that a reader is waited for.
const SILENCE: Duration = Duration::from_millis(500);

/// What the terminal, or what stands in its place, is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToTerminal {
    /// The run, with live lines if it is a terminal.
    Live,
    /// The run, in lines that stay.
    Lines,
    /// Nothing: somebody else says what is wrong.
    Nothing,
}

/// The listeners of a run, and where they note what could not be written.
pub(super) struct Outputs {
    pub listeners: Vec<Box<dyn Listener>>,
    /// Of what was asked for.
    pub failures: WriteFailures,
    /// Of the run's own record.
    pub unrecorded: WriteFailures,
    /// What to say at the run's start: why there is no record.
    pub warning: Option<String>,
}

/// Opens all that the arguments ask for, and the record in `records`.
///
/// # Errors
/// Where one of them cannot be written, or where the run is interrupted while nobody reads a pipe.
pub(super) async fn open(
    out: &OutArgs,
    records: Option<(&Path, &[(&'static Format, &str)])>,
    to_terminal: ToTerminal,
    cancel: &CancellationToken,
) -> Result<Outputs> {
    let pipes = pipes(out, cancel).await?;
    let reports = options(out, to_terminal, pipes).open().map_err(|e| Stop::usage(e.to_string()))?;
    let mut outputs = Outputs {
        listeners: reports.listeners,
        failures: reports.failures,
        unrecorded: WriteFailures::default(),
        warning: None,
    };
    if let Some((records, recorded)) = records {
        let files = recorded.iter().map(|(format, name)| (*format, records.join(name))).collect();
        match (ReportOptions { files, ..ReportOptions::default() }).open() {
            Ok(own) => {
                outputs.listeners.extend(own.listeners);
                outputs.unrecorded = own.failures;
            }
            // A home that cannot be written to is no reason not to run.
            Err(error) => {
                let why = error.reason();
                let help = "set DRILLYARD_STATE_DIR to a directory that can be written";
                outputs.warning = Some(format!(
                    "this run leaves no record and no servers' logs in {}: {why}; {help}",
                    records.display()
                ));
            }
        }
    }
    Ok(outputs)
}

/// The pipes among the outputs, each opened as soon as somebody reads it.
async fn pipes(out: &OutArgs, cancel: &CancellationToken) -> Result<Vec<(PathBuf, std::fs::File)>> {
    let paths = out.reports.0.iter().map(|(format, named)| format.file(named));
    let mut opened = vec![];
    for path in paths.filter(|path| is_pipe(path)) {
        let began = Instant::now();
        let mut told = false;
        let pipe = loop {
            if let Some(pipe) =
                open_pipe(&path).map_err(|e| Stop::usage(format!("cannot write {}: {e}", path.display())))?
            {
                break pipe;
            }
            if !told && began.elapsed() >= SILENCE {
                told = true;
                complain(&format!("waiting for a reader of {}", path.display()));
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    let title = format!("interrupted before the first drill, while nobody read {}", path.display());
                    return Err(Stop { problems: vec![Problem::new(title)], code: ExitCode::Interrupted });
                }
                () = tokio::time::sleep(POLL) => {}
            }
        };
        opened.push((path, pipe));
    }
    Ok(opened)
}

/// Drops the pipes that nobody reads: for a run that has no time to wait.
pub(super) fn drop_unread(out: &mut OutArgs) {
    let is_unread = |path: &Path| is_pipe(path) && !matches!(open_pipe(path), Ok(Some(_)));
    out.reports.0.retain(|(format, named)| !is_unread(&format.file(named)));
}

/// What the journal's listeners could not write, as it is told.
pub(super) struct Unwritten {
    failures: WriteFailures,
    unrecorded: WriteFailures,
    told: usize,
}

impl Unwritten {
    /// What these outputs will fail to write.
    pub(super) fn of(outputs: &Outputs) -> Self {
        Unwritten { failures: outputs.failures.clone(), unrecorded: outputs.unrecorded.clone(), told: 0 }
    }

    /// Writes the files before people are told of the run: they are what is told of, and what
    /// cannot be written is a part of how it came out.
    pub(super) fn before_telling(&mut self, journal: &Journal, code: ExitCode) -> ExitCode {
        journal.settle(finished(journal, code), Written::File);
        self.tell(journal, code)
    }

    /// Ends the run for all listeners. A report that cannot be written is the lab's failure; since
    /// files are written first, whatever can be written says so.
    pub(super) fn conclude(mut self, journal: &Journal, mut code: ExitCode) -> ExitCode {
        for failure in self.unrecorded.list() {
            journal.write(Event::Warned {
                drill: None,
                message: format!("this run's own record is not complete: {failure}"),
            });
        }
        for which in [Written::File, Written::Stream] {
            code = self.tell(journal, code);
            journal.settle(finished(journal, code), which);
        }
        code = self.tell(journal, code);
        journal.write(finished(journal, code));
        // Its last line may be what an output had no room for.
        let last = self.tell(journal, code);
        if last != code {
            journal.settle(finished(journal, last), Written::File);
        }
        last
    }

    /// Tells what is new, and what the exit code is with it.
    fn tell(&mut self, journal: &Journal, code: ExitCode) -> ExitCode {
        let failures = self.failures.list();
        for failure in failures.iter().skip(self.told) {
            journal.write(Event::Warned { drill: None, message: failure.clone() });
            complain(&format!("error: {failure}"));
        }
        self.told = failures.len();
        match code {
            ExitCode::Passed | ExitCode::Failed | ExitCode::Unclean if !failures.is_empty() => ExitCode::Lab,
            code => code,
        }
    }
}

/// How a run came out that ends with this.
pub(super) fn outcome_of(code: ExitCode) -> Outcome {
    match code {
        ExitCode::Passed | ExitCode::Unclean => Outcome::Passed,
        ExitCode::Failed => Outcome::Failed,
        _ => Outcome::Errored,
    }
}

fn finished(journal: &Journal, code: ExitCode) -> Event {
    let outcome = outcome_of(code);
    Event::RunFinished { outcome, exit_code: code.code(), duration_ms: journal.elapsed_ms() }
}

/// What the arguments ask for.
fn options(out: &OutArgs, to_terminal: ToTerminal, pipes: Vec<(PathBuf, std::fs::File)>) -> ReportOptions {
    let to_stdout = out.reports.0.iter().any(|(format, named)| format.is_stdout(named));
    let verbosity = match (out.quiet, out.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    let progress = std::io::stderr().is_terminal() && !in_ci && !out.quiet && to_terminal == ToTerminal::Live;
    let (writer, color): (Box<dyn Write + Send>, bool) = match to_stdout {
        true => (Box::new(std::io::stderr()), color_of_stderr(Some(out.color))),
        false => (Box::new(std::io::stdout()), color_of_stdout(Some(out.color))),
    };
    let github = out.github == GithubChoice::Auto && std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true");
    ReportOptions {
        terminal: (to_terminal != ToTerminal::Nothing)
            .then(|| (TerminalOptions { color, progress, verbosity, width: width() }, writer)),
        files: out.reports.0.clone(),
        github: github.then(|| GithubOptions {
            out: Box::new(std::io::stdout()),
            summary: std::env::var_os("GITHUB_STEP_SUMMARY").map(Into::into),
        }),
        pipes,
    }
}

/// How wide lines may be: COLUMNS, else the terminal's own width, else what most windows have.
fn width() -> usize {
    const USUAL: u16 = 100;
    let own = || console::Term::stderr().size_checked().map_or(USUAL, |(_, columns)| columns);
    std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| usize::from(own()))
}
