//! Runs that end before their first drill: their reports are there all the same, and agree with the
//! exit code.

use tokio_util::sync::CancellationToken;

use super::args::{DrillArgs, color_of_stderr};
use super::check;
use super::files::Loaded;
use super::outputs::{self, ToTerminal, Unwritten};
use super::stop::{Result, Stop};
use super::tell::Telling;
use crate::host::as_word;
use crate::journal::{Command, Event, ExitCode, Journal, Outcome, Problem, Redactor};

/// A run that does not come to its first drill.
pub struct Early<'a> {
    /// What it was to do.
    pub command: Command,
    /// What was asked for.
    pub args: &'a DrillArgs,
    /// Whether it is interrupted.
    pub cancel: &'a CancellationToken,
    /// Who is told of it.
    pub telling: &'a Telling,
}

impl Early<'_> {
    /// Writes the reports of a run that has ended before its first drill.
    pub async fn not_begun(&self, run: &str, drills: usize, stop: Stop) -> Stop {
        if stop.code == ExitCode::Usage {
            self.telling.need_not();
            return stop;
        }
        let mut out = self.args.out.clone();
        if self.cancel.is_cancelled() {
            outputs::drop_unread(&mut out);
        }
        // Its message goes to the terminal as every early end's does.
        let opened = outputs::open(&out, None, ToTerminal::Nothing, self.cancel).await;
        let why = stop.problems.iter().map(Problem::text).collect();
        let Ok(outputs) = opened else {
            self.telling.not_begun(run, drills, why, stop.code).await;
            return stop;
        };
        let mut unwritten = Unwritten::of(&outputs);
        let journal = Journal::new(outputs.listeners, Redactor::default());
        journal.write(self.started(run, drills, "nothing was started"));
        for problem in &stop.problems {
            journal.write(Event::Warned { drill: None, message: problem.text() });
        }
        let code = unwritten.before_telling(&journal, stop.code);
        let code = self.telling.not_begun(run, drills, why, code).await;
        Stop { code: unwritten.conclude(&journal, code), ..stop }
    }

    /// Invalid scenarios among those that were selected: all their errors are shown, and nothing is
    /// started.
    pub async fn refuse(&self, invalid: &[&Loaded], selected: usize) -> Result<ExitCode> {
        let outputs = match outputs::open(&self.args.out, None, ToTerminal::Lines, self.cancel).await {
            Ok(outputs) => outputs,
            Err(stop) => return Err(self.not_begun("", selected, stop).await),
        };
        let mut unwritten = Unwritten::of(&outputs);
        let journal = Journal::new(outputs.listeners, Redactor::default());
        journal.write(self.started("", selected, "nothing is started: a scenario is invalid"));
        for (drill, one) in invalid.iter().enumerate() {
            let Err(problems) = &one.plan else { continue };
            let file = one.path.display().to_string();
            let name = one.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            journal.write(Event::DrillStarted {
                drill,
                name,
                file: file.clone(),
                about: String::new(),
                postgres: String::new(),
                backend: "none".to_owned(),
                seed: self.args.seed(),
                settings: vec![],
                releases: Default::default(),
                steps: vec![],
            });
            check::print_problems(problems, color_of_stderr(Some(self.args.out.color)));
            journal.write(Event::DrillFinished {
                drill,
                outcome: Outcome::Errored,
                duration_ms: 0,
                message: Some(format!("the scenario has {}", check::count_of_errors(problems.len()))),
                problem: None,
                again: format!("drillyard check {}", as_word(&file)),
                kept: false,
            });
        }
        let why = invalid.iter().map(|one| format!("{} is invalid", one.path.display())).collect();
        let code = unwritten.before_telling(&journal, ExitCode::InvalidScenario);
        let code = self.telling.not_begun("", selected, why, code).await;
        Ok(unwritten.conclude(&journal, code))
    }

    fn started(&self, run: &str, drills: usize, backend_reason: &str) -> Event {
        Event::RunStarted {
            run: run.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: self.command,
            drills,
            backend: "none".to_owned(),
            backend_reason: backend_reason.to_owned(),
            seed: self.args.seed(),
        }
    }
}
