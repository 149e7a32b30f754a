//! A summary in Markdown, made to be read in GitHub's job summary: the drills in a table, then each
//! that did not pass, with its problems and the timeline of its steps; of a proof, the breaks of
//! each drill.

use std::fmt::Write;
use std::io;

use crate::journal::{Command, Outcome};

use super::collect::{RunRecord, explain_counts};
use super::drill::DrillRecord;
use super::facts::{explain_facts, explain_traffic};
use super::format::{Format, Made};
use super::proof::{ProofRecord, explained};
use super::snippet;
use super::text::{duration, one_line, thousands, visible};

pub(super) const FORMAT: Format = Format {
    name: "md",
    option: "report-md",
    value: "PATH",
    help: "Write a report as Markdown",
    made: Made::Whole(render),
};

/// The report as text.
pub(super) fn render(record: &RunRecord) -> io::Result<String> {
    Ok(markdown(record))
}

pub(super) fn markdown(record: &RunRecord) -> String {
    let mut text = String::new();
    let outcome = record.outcome();
    // A String takes every write.
    let what = match record.command {
        Command::Run => "Recovery drills",
        Command::Prove => "Proofs of recovery drills",
        Command::Firedrill => "Firedrill",
    };
    let _ = writeln!(text, "# {} {what} {}\n", sign(outcome), verdict(outcome));
    let mut line = format!("**{}** in {}", explain_counts(record.counts()), duration(record.duration_ms()));
    if record.not_begun() > 0 {
        let _ = write!(line, ", {} did not start", record.not_begun());
    }
    let _ = writeln!(text, "{line}. Run {}, seed {}, {}.\n", code(&record.run), record.seed, backend(record));
    table(&mut text, record);
    for warning in record.warnings.iter().chain(record.drills.values().flat_map(|drill| &drill.warnings)) {
        let _ = writeln!(text, "\n> **Warning:** {}", escape(warning));
    }
    if !record.left.is_empty() {
        let left = escape(&record.left.join(", "));
        let _ = writeln!(text, "\n> **Clean-up is not complete.** `drillyard clean` tries again. Left: {left}");
    }
    for drill in record.drills.values() {
        if drill.outcome().is_bad() {
            section(&mut text, drill);
        }
        if let Some(proof) = &drill.proof {
            breaks(&mut text, drill, proof);
        }
    }
    text
}

/// The drills, one a row.
fn table(text: &mut String, record: &RunRecord) {
    text.push_str(match record.command {
        _ if record.drills.is_empty() => "",
        Command::Run | Command::Firedrill => {
            "| | Drill | PostgreSQL | Took | Budgets of time | Lost, of those checked |\n|---|---|---|--:|---|--:|\n"
        }
        Command::Prove => "| | Drill | PostgreSQL | Took | Breaks noticed |\n|---|---|---|--:|---|\n",
    });
    for drill in record.drills.values() {
        let outcome = drill.outcome();
        let numbers = match (record.command, &drill.proof) {
            (Command::Run | Command::Firedrill, _) => format!("{} | {}", times(drill), losses(drill)),
            (Command::Prove, Some(proof)) => proof.score().explained(),
            (Command::Prove, None) => String::new(),
        };
        let _ = writeln!(
            text,
            "| {} {outcome} | {} | {} | {} | {numbers} |",
            sign(outcome),
            escape(&drill.name),
            escape(&drill.place()),
            duration(drill.duration_ms()),
        );
    }
}

/// How a drill was broken, and whether it noticed.
fn breaks(text: &mut String, drill: &DrillRecord, proof: &ProofRecord) {
    if proof.verdicts().next().is_none() {
        return;
    }
    let _ = writeln!(text, "\n<details><summary>Breaks of {}</summary>\n", escape(&drill.title()));
    text.push_str("| | Break | |\n|---|---|---|\n");
    for (head, verdict) in proof.verdicts() {
        let (sign, name) = (sign(verdict.outcome()), escape(&head.name));
        let _ = writeln!(text, "| {sign} {} | {name} | {} |", verdict.as_str(), escape(&explained(head, verdict)));
    }
    text.push_str("\n</details>\n");
}

fn section(text: &mut String, drill: &DrillRecord) {
    let _ = writeln!(text, "\n## {} {}\n", sign(drill.outcome()), escape(&drill.title()));
    if !drill.about.is_empty() {
        let _ = writeln!(text, "{}\n", escape(&drill.about));
    }
    let problems: String = drill
        .troubles()
        .iter()
        .map(|trouble| {
            let word = if trouble.outcome == Outcome::Failed { "FAIL" } else { "ERROR" };
            format!("{word} {}\n{}\n", one_line(&trouble.headline(drill)), snippet::render(&trouble.problem, false))
        })
        .collect();
    fenced(text, problems.trim_end());
    for count in &drill.traffic {
        let _ = writeln!(text, "- {}", escape(&explain_traffic(count)));
    }
    text.push_str("\n<details><summary>Timeline</summary>\n\n");
    text.push_str("| Start | Took | Step | | |\n|--:|--:|---|---|---|\n");
    for step in &drill.steps {
        let end = step.end.as_ref();
        let message =
            drill.step_message(step).unwrap_or_else(|| end.map(|end| explain_facts(&end.facts)).unwrap_or_default());
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            step.started_ms.map(duration).unwrap_or_default(),
            end.map(|end| duration(end.duration_ms)).unwrap_or_default(),
            escape(&step.head.name),
            drill.step_outcome(step),
            escape(&message),
        );
    }
    text.push_str("\n</details>\n");
}

/// A code block whose fence is longer than any run of backticks in the text.
fn fenced(text: &mut String, inside: &str) {
    let inside = visible(inside);
    let longest = inside.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = writeln!(text, "{fence}text\n{inside}\n{fence}\n");
}

fn times(drill: &DrillRecord) -> String {
    let budgets = drill.budgets.iter().filter(|(budget, _)| budget.max_ms.is_some());
    let told = budgets.map(|(budget, _)| {
        let measured = budget.measured_ms.map_or_else(|| "not measured".to_owned(), duration);
        let max = duration(budget.max_ms.unwrap_or(0));
        format!("{} {measured} (limit {max})", budget.name)
    });
    told.collect::<Vec<_>>().join("<br>")
}

/// `3 of 18,204`, with what is not known: `0 of 28 (173 not checked)`.
fn losses(drill: &DrillRecord) -> String {
    let (checked, not_checked) = drill.checked();
    let unknown = if not_checked > 0 { format!(" ({} not checked)", thousands(not_checked)) } else { String::new() };
    match drill.lost() {
        Some(lost) if checked > 0 => format!("{} of {}{unknown}", thousands(lost), thousands(checked)),
        Some(lost) => format!("{}{unknown}", thousands(lost)),
        None if not_checked > 0 => format!("{} not checked", thousands(not_checked)),
        None => String::new(),
    }
}

fn backend(record: &RunRecord) -> String {
    match (escape(&record.backend), escape(&record.backend_reason)) {
        (backend, _) if backend.is_empty() => "backend not chosen".to_owned(),
        (backend, reason) if reason.is_empty() => backend,
        (backend, reason) => format!("{backend} ({reason})"),
    }
}

fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Errored => "could not be checked",
        Outcome::Skipped => "were skipped",
    }
}

fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "✅",
        Outcome::Failed => "❌",
        Outcome::Errored => "💥",
        Outcome::Skipped => "⏭️",
    }
}

/// Text on one line in which nothing is Markdown or HTML, or ends a table's cell.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in one_line(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // An address or a mention of someone who has nothing to do with it.
            '@' => escaped.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}

pub(super) fn code(text: &str) -> String {
    format!("`{}`", one_line(text).replace('`', "'"))
}
