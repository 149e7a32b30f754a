//! The run as people follow it: plain lines everywhere, and live ones on a terminal.

use std::fmt::Write as _;
use std::io::Write;

use crate::journal::{Command, Entry, Event, Listener, Outcome};

use super::collect::{Counts, RunRecord, explain_counts};
use super::drill::{DrillRecord, StepRecord};
use super::facts::{explain_facts, explain_traffic};
use super::look::{Color, TerminalOptions, Verbosity, color_of, paint, word_of};
use super::plan;
use super::progress::Progress;
use super::proof_block;
use super::snippet;
use super::text::{count, cut, duration, one_line};

/// What is below a drill's line begins under its name.
const INDENT: &str = "               ";

/// Shows a run on a writer (stdout, for the program), with live lines on stderr where they are
/// wanted.
pub struct Terminal {
    options: TerminalOptions,
    out: Box<dyn Write + Send>,
    record: RunRecord,
    progress: Progress,
    /// The drills that were shown with their outcome.
    shown: Vec<usize>,
    /// Whether the last thing was a block that wants air around it.
    air: bool,
}

impl Terminal {
    /// Nothing is written before the first event.
    pub fn new(options: TerminalOptions, out: Box<dyn Write + Send>) -> Self {
        let progress = if options.progress { Progress::on_stderr(options.color) } else { Progress::hidden() };
        let air = options.verbosity == Verbosity::Quiet;
        Terminal { options, out, record: RunRecord::default(), progress, shown: vec![], air }
    }

    /// Writes above the live lines. A reader that went away (`| head`) is no reason to stop a
    /// drill.
    fn print(&mut self, text: &str) {
        self.air = text.ends_with("\n\n");
        let out = &mut self.out;
        self.progress.suspend(|| {
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        });
    }

    fn paint(&self, text: &str, color: Color) -> String {
        paint(text, color, self.options.color)
    }

    fn header(&mut self) {
        let run = &self.record;
        let reason = match one_line(&run.backend_reason) {
            reason if reason.is_empty() => String::new(),
            reason => format!(" ({reason})"),
        };
        let what = match run.command {
            Command::Run => "",
            Command::Prove => "proving ",
            Command::Firedrill => "playing ",
        };
        let header = format!(
            "{}: {what}{} on {}{reason}, seed {}\n",
            self.paint(&format!("run {}", one_line(&run.run)), Color::Bold),
            count(run.planned as u64, "drill"),
            one_line(&run.backend),
            run.seed,
        );
        // Where a scenario is invalid nothing is run.
        // Of a firedrill people are told what they need themselves.
        let tells = run.command != Command::Firedrill;
        if self.options.verbosity > Verbosity::Quiet && !run.run.is_empty() && tells {
            self.print(&header);
        }
    }

    fn verbose(&mut self, drill: usize, line: impl FnOnce(&Self, &DrillRecord) -> Option<String>) {
        let Some(record) = self.record.drills.get(&drill) else { return };
        if self.options.verbosity == Verbosity::Verbose
            && let Some(line) = line(self, record)
        {
            self.print(&line);
        }
    }

    /// `     ok [  0.240s] nightly (lsn 0/3000028)`.
    fn step_line(&self, drill: &DrillRecord, step: &StepRecord) -> Option<String> {
        let end = step.end.as_ref()?;
        let (word, color) = match end.outcome {
            Outcome::Passed => ("     ok", Color::Green),
            Outcome::Failed => ("   FAIL", Color::Red),
            Outcome::Errored => ("  ERROR", Color::Red),
            Outcome::Skipped => ("   skip", Color::Yellow),
        };
        let mut line =
            format!("[{:>7.3}s] {}{}", seconds(end.duration_ms), self.whose(drill), one_line(&step.head.name));
        if let Some(message) = drill.step_message(step).filter(|message| !message.is_empty()) {
            let _ = write!(line, ": {}", one_line(&message));
        }
        let facts = explain_facts(&end.facts);
        if !facts.is_empty() {
            let _ = write!(line, " ({facts})");
        }
        // A line on a terminal stays one line; in a log, and where something is wrong, nothing is
        // lost.
        let line = match self.options.progress && end.outcome == Outcome::Passed {
            true => cut(&line, self.options.width.saturating_sub(word.len() + 1)),
            false => line,
        };
        Some(format!("{} {line}\n", self.paint(word, color)))
    }

    /// Several drills may run at once: then each line says whose it is.
    fn whose(&self, drill: &DrillRecord) -> String {
        if self.record.planned > 1 { format!("{}: ", one_line(&drill.name)) } else { String::new() }
    }

    fn drill_block(&self, drill: &DrillRecord) -> String {
        let outcome = drill.outcome();
        if let Some(proof) = &drill.proof {
            return proof_block::block(drill, proof, self.options);
        }
        let label = |word: &str| {
            let color = color_of(outcome);
            // So that the brackets stand under each other.
            let width = 10 - word.len();
            format!("{} [{:>width$.1}s]", self.paint(word, color), seconds(drill.duration_ms()))
        };
        let mut block = String::new();
        match outcome {
            Outcome::Passed => {
                let _ = writeln!(block, "{} {}", label("PASS"), one_line(&drill.title()));
            }
            Outcome::Skipped => {
                let reason = drill.message().unwrap_or_else(|| "no reason was given".to_owned());
                let _ = writeln!(block, "{} {}: {}", label("SKIP"), one_line(&drill.title()), one_line(&reason));
            }
            Outcome::Failed | Outcome::Errored => {
                for (at, trouble) in drill.troubles().iter().enumerate() {
                    let word = if trouble.outcome == Outcome::Failed { "FAIL" } else { "ERROR" };
                    let head = if at == 0 {
                        label(word_of(outcome))
                    } else {
                        format!(" and {}", self.paint(word, Color::Red))
                    };
                    let _ = writeln!(block, "{head} {}", one_line(&trouble.headline(drill)));
                    block.push_str(&snippet::render(&trouble.problem, self.options.color));
                }
            }
        }
        if self.options.verbosity > Verbosity::Quiet && outcome != Outcome::Skipped {
            let kept = drill.kept.iter().filter(|_| outcome == Outcome::Passed);
            let lines = drill
                .recovery_line()
                .into_iter()
                .chain(drill.traffic.iter().map(explain_traffic))
                .chain(kept.map(|(_, shell)| format!("kept: {}", one_line(shell))));
            for line in lines {
                let _ = writeln!(block, "{INDENT}{line}");
            }
        }
        block
    }

    fn show_drill(&mut self, drill: usize) {
        self.progress.end(drill);
        let Some(record) = self.record.drills.get(&drill) else { return };
        let bad = record.outcome().is_bad();
        if bad || self.options.verbosity > Verbosity::Quiet {
            let block = self.drill_block(record);
            let before = if bad && !self.air { "\n" } else { "" };
            let after = if bad { "\n" } else { "" };
            self.print(&format!("{before}{block}{after}"));
        }
        self.shown.push(drill);
    }

    /// Shows how far a proof has come.
    fn tried(&mut self, drill: usize, name: &str) {
        let proof = self.record.drills.get(&drill).and_then(|record| record.proof.as_ref());
        if let Some(proof) = proof {
            self.progress.step(drill, proof.verdicts().count(), proof.breaks.len(), one_line(name));
        }
    }

    fn warn(&mut self, drill: Option<usize>, message: &str) {
        let whose = drill.and_then(|drill| self.record.drills.get(&drill)).map(|drill| self.whose(drill));
        let warning = self.paint("warning", Color::Yellow);
        self.print(&format!("{warning}: {}{}\n", whose.unwrap_or_default(), one_line(message)));
    }

    fn summary(&mut self) {
        let unfinished: Vec<usize> =
            self.record.drills.keys().copied().filter(|drill| !self.shown.contains(drill)).collect();
        for drill in unfinished {
            self.show_drill(drill);
        }
        let run = &self.record;
        let outcome = run.outcome();
        let counts = run.counts();
        let mut text = String::new();
        if !self.air && self.options.verbosity > Verbosity::Quiet {
            text.push('\n');
        }
        if run.command == Command::Prove && counts != Counts::default() {
            let not_proved = match run.not_proved() {
                0 => String::new(),
                some => format!(", {} did not pass unbroken", count(some as u64, "drill")),
            };
            let _ = writeln!(text, "score: {}{not_proved}", run.score().explained());
        }
        let line = format!("{} in {:.1} s", explain_counts(counts), seconds(run.duration_ms()));
        let _ = writeln!(text, "{}", self.paint(&line, color_of(outcome)));
        for drill in run.drills.values().filter(|drill| drill.outcome().is_bad()) {
            let outcome = drill.outcome();
            if let Some(trouble) = drill.first_cause() {
                let (headline, title) = (one_line(&trouble.headline(drill)), one_line(&trouble.problem.title));
                let _ = writeln!(text, "{:>7} {headline}: {title}", word_of(outcome));
            }
        }
        if run.not_begun() > 0 {
            let _ = writeln!(text, "{} did not start", count(run.not_begun() as u64, "drill"));
        }
        if !run.left.is_empty() {
            let left = one_line(&run.left.join(", "));
            let _ = writeln!(text, "clean-up is not complete (`drillyard clean` tries again); left: {left}");
        }
        if matches!(run.exit_code(), Some(130 | 143)) {
            let who = if run.exit_code() == Some(130) { "SIGINT or at a prompt" } else { "SIGTERM" };
            let _ = writeln!(text, "interrupted by {who}");
        } else if outcome.is_bad() && counts.failed + counts.errored == 0 {
            let _ = match run.exit_code() {
                Some(code) => writeln!(text, "the run {outcome}, with exit code {code}"),
                None => writeln!(text, "the run broke off"),
            };
        }
        self.print(&text);
    }
}

impl Listener for Terminal {
    fn hear(&mut self, entry: &Entry) {
        self.record.hear(entry);
        match &entry.event {
            Event::RunStarted { .. } => self.header(),
            Event::DrillStarted { drill, name, steps, .. } => {
                self.progress.begin(*drill, one_line(name), steps.len());
                self.verbose(*drill, |this, drill| {
                    let title = this.paint(&one_line(&drill.title()), Color::Bold);
                    let about = one_line(&drill.about);
                    Some(if about.is_empty() { format!("{title}\n") } else { format!("{title}: {about}\n") })
                });
            }
            Event::NodeReady { drill, node, duration_ms } => self.verbose(*drill, |this, record| {
                let (took, whose) = (seconds(*duration_ms), this.whose(record));
                Some(format!("     up [{took:>7.3}s] {whose}{}\n", one_line(node)))
            }),
            Event::StepStarted { drill, index, .. } => {
                let steps = self.record.drills.get(drill).map(|record| record.steps.as_slice()).unwrap_or_default();
                if let Some(at) = steps.iter().position(|step| step.head.index == *index) {
                    self.progress.step(*drill, at + 1, steps.len(), one_line(&steps[at].head.name));
                }
            }
            Event::StepWaiting { drill, waiting_for, .. } => self.progress.waiting(*drill, one_line(waiting_for)),
            Event::TrafficRate { drill, count, per_second } => {
                self.progress.rate(*drill, &one_line(&count.id), count.acknowledged, *per_second);
            }
            Event::TrafficFinished { drill, count } => self.progress.stopped(*drill, &one_line(&count.id)),
            Event::StepFinished { drill, index, .. } => self.verbose(*drill, |this, drill| {
                this.step_line(drill, drill.steps.iter().find(|step| step.head.index == *index)?)
            }),
            Event::DrillFinished { .. } | Event::ProofFinished { .. } => {
                if let Some((drill, _)) = self.record.ended(&entry.event) {
                    self.show_drill(drill);
                }
            }
            Event::BreakTried { drill, name, .. } => self.tried(*drill, name),
            Event::PlanMade { plan } => self.print(&plan::text(plan)),
            Event::Warned { drill, message } => self.warn(*drill, message),
            Event::CleanedUp { left, duration_ms } if self.options.verbosity == Verbosity::Verbose => {
                let how = if left.is_empty() { "cleaned up in" } else { "clean-up gave up after" };
                self.print(&format!("{how} {}\n", duration(*duration_ms)));
            }
            Event::RunFinished { .. } => self.summary(),
            Event::BudgetJudged { .. }
            | Event::NodeKept { .. }
            | Event::CommandRun { .. }
            | Event::ProofStarted { .. }
            | Event::DrillTrend { .. }
            // People are told as they go on, by a listener of their own.
            | Event::Firedrill { .. }
            | Event::ToolFound { .. }
            | Event::CleanedUp { .. } => {}
        }
    }
}

impl Drop for Terminal {
    /// For a run that broke off without its last event.
    fn drop(&mut self) {
        if self.record.started.is_some() && self.record.finished.is_none() {
            self.summary();
        }
    }
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests;
