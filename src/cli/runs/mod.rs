//! `drillyard runs`: the records of this machine's runs, and what the history says of the drills.

mod compare;
mod find;
mod forget;
mod last_failed;
mod record;
mod stale;
mod trend;
mod words;

use record::directories;

pub use last_failed::last_failed;
pub use record::{EVENTS_FILE, LOGS, entries, heard, record_of};

use super::args::{RunsCommand, color_of_stdout};
use super::dirs;
use super::out::print_all;
use super::stop::{Result, Stop};
use crate::journal::{Command, Event, ExitCode, Listener};
use crate::report::{Format, Terminal, TerminalOptions, Verbosity, explain_counts};
use crate::run::{RunState, run_directories};

/// Lists past runs, or shows one again.
pub fn runs(command: Option<RunsCommand>) -> Result<ExitCode> {
    match command {
        None => list(),
        Some(RunsCommand::Show { run, format }) => show(&run, format),
        Some(RunsCommand::Trend { drills, since, history }) => trend::trend(&drills, since, &history),
        Some(RunsCommand::Compare { a, b, history }) => compare::compare(&a, &b, &history),
        Some(RunsCommand::Stale { drills, max_age, history }) => stale::stale(&drills, max_age, &history),
        Some(RunsCommand::LastFailed { history }) => last_failed::list(&history),
        Some(RunsCommand::Forget { drill, measure, history }) => forget::forget(&drill, measure, &history),
    }
}

fn list() -> Result<ExitCode> {
    let alive: Vec<String> = dirs::all_work()
        .iter()
        .flat_map(|dir| run_directories(dir))
        .filter(|(_, _, state)| *state == RunState::Alive)
        .map(|(run, _, _)| run)
        .collect();
    let mut text = String::new();
    for dir in directories() {
        let record = heard(&dir);
        let Some(started) = record.started else { continue };
        let drills: Vec<&str> = record.drills.values().map(|drill| drill.name.as_str()).take(3).collect();
        let what = match record.command {
            Command::Run => "",
            Command::Prove => "proof of ",
            Command::Firedrill => "firedrill: ",
        };
        let more = if record.drills.len() > 3 { ", ..." } else { "" };
        text.push_str(&format!(
            "{}  {}  {:7}  {}  {what}{}{more}\n",
            record.run,
            started.strftime("%Y-%m-%d %H:%M:%SZ"),
            match record.finished {
                None if alive.contains(&record.run) => "running",
                None => "died",
                Some(_) => record.outcome().as_str(),
            },
            explain_counts(record.counts()),
            drills.join(", ")
        ));
    }
    if text.is_empty() {
        text = format!("no runs are recorded in {}\n", dirs::records().display());
    }
    print_all(&text);
    Ok(ExitCode::Passed)
}

fn show(run: &str, format: Option<&Format>) -> Result<ExitCode> {
    let dir = record_of(run)?;
    if let Some(format) = format {
        let written = format.write(&entries(&dir), Box::new(std::io::stdout()));
        // A reader that has seen enough (`| head`) is no failure.
        let failed = written.err().filter(|error| error.kind() != std::io::ErrorKind::BrokenPipe);
        return failed
            .map_or(Ok(ExitCode::Passed), |error| Err(Stop::lab(format!("cannot write the report: {error}"))));
    }
    let options =
        TerminalOptions { color: color_of_stdout(None), progress: false, verbosity: Verbosity::Verbose, width: 120 };
    let mut terminal = Terminal::new(options, Box::new(std::io::stdout()));
    let mut finished = false;
    for entry in entries(&dir) {
        finished |= matches!(entry.event, Event::RunFinished { .. });
        terminal.hear(&entry);
    }
    let mut text = if finished { String::new() } else { "the run broke off here\n".to_owned() };
    let logs = dir.join(LOGS);
    if logs.is_dir() {
        text.push_str(&format!("servers' logs: {}\n", logs.display()));
    }
    print_all(&text);
    Ok(ExitCode::Passed)
}
