//! A proof as people follow it on a terminal: a line for each break.

use std::fmt::Write;

use crate::journal::{BreakVerdict, Outcome};

use super::drill::DrillRecord;
use super::look::{Color, TerminalOptions, Verbosity, color_of, paint};
use super::proof::{ProofRecord, explained};
use super::snippet;
use super::text::{count, cut, one_line};

/// The most that is said of a break, unless everything is to be said.
const MOST: usize = 140;

/// All of a proof; in a quiet run what went wrong.
pub(super) fn block(drill: &DrillRecord, proof: &ProofRecord, options: TerminalOptions) -> String {
    if drill.unbroken().is_bad() {
        return not_proved(drill, options);
    }
    let quiet = options.verbosity == Verbosity::Quiet;
    let verdicts = || proof.verdicts().filter(|(_, verdict)| !quiet || verdict.outcome().is_bad());
    let mut block = String::new();
    if quiet && verdicts().next().is_none() {
        return block;
    }
    let width = proof.verdicts().map(|(head, _)| one_line(&head.name).chars().count()).max().unwrap_or_default();
    let breaks = count(proof.verdicts().count() as u64, "break");
    let left_out: Vec<String> = proof.left_out().map(|head| one_line(&head.name)).collect();
    let others = if left_out.is_empty() { String::new() } else { format!(", {} left out", left_out.len()) };
    // A String takes every write.
    let _ = writeln!(block, "{}: {breaks}{others}", one_line(&drill.title()));
    for (head, verdict) in verdicts() {
        let said = one_line(&explained(head, verdict));
        // What to add stands at the end.
        let whole = options.verbosity == Verbosity::Verbose || matches!(verdict, BreakVerdict::Missed { .. });
        let said = if whole { said } else { cut(&said, MOST) };
        let (name, word) = (one_line(&head.name), format!("{:7}", word(verdict)));
        let word = paint(&word, color_of(verdict.outcome()), options.color);
        let _ = writeln!(block, "  {word}  {name:width$}  {said}");
    }
    if !left_out.is_empty() && !quiet {
        let _ = writeln!(block, "  left out, with nothing there to break: {}", left_out.join(", "));
    }
    block
}

/// A drill that does not pass as it is: nothing can be said of its breaks.
fn not_proved(drill: &DrillRecord, options: TerminalOptions) -> String {
    let why =
        if drill.unbroken() == Outcome::Failed { "it fails unbroken" } else { "it could not be checked unbroken" };
    let why = paint(&format!("nothing is proved: {why}"), Color::Red, options.color);
    let mut block = format!("{}: {why}\n", one_line(&drill.title()));
    for trouble in drill.troubles() {
        block.push_str(&snippet::render(&trouble.problem, options.color));
    }
    block
}

fn word(verdict: &BreakVerdict) -> &'static str {
    match verdict {
        BreakVerdict::Noticed(_) => "noticed",
        BreakVerdict::Missed { .. } => "MISSED",
        BreakVerdict::Ignored { .. } => "ignored",
        BreakVerdict::Errored { .. } => "ERRORED",
    }
}
