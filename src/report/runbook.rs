//! The recovery of a drill that passed as a runbook: the commands that its steps have run, in
//! order, with what each took and what to look at.

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::Value;

use crate::journal::{CommandRun, Form, Language, Outcome, Placeholder};

use super::drill::{DrillRecord, StepEnd, StepRecord};
use super::facts::{explain_budget, explain_facts};
use super::markdown::{code, escape};
use super::text::{duration, one_line};

/// What a runbook is made from.
#[derive(Debug, Clone, Copy)]
pub struct RunbookOf<'a> {
    /// The drill.
    pub drill: &'a DrillRecord,
    /// The id of its run.
    pub run: &'a str,
    /// The version of drillyard that ran it.
    pub version: &'a str,
}

/// Why no runbook can be made of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRunbook {
    /// It has not passed.
    NotPassed,
    /// It shows a mistake on purpose: this check of what is there after its recovery was expected
    /// to fail.
    Mistake(String),
    /// No step of its recovery says what it ran.
    NoCommands,
    /// One variable would stand for two things, which whoever follows it would take for one: its
    /// name, and what each is.
    Ambiguous(String, [String; 2]),
}

/// The facts of a step that show whether it came out as in the drill.
const TOLD: &[&str] =
    &["target", "time", "lsn", "timeline", "xid", "segment", "rows", "streams_from", "diverged_at", "dependents"];

/// The kind of the steps that are what a recovery begins with, and no part of it.
const BACKUP: &str = "backup";

/// The kind of the steps that are several checks.
const ALL: &str = "all";

impl RunbookOf<'_> {
    /// The runbook, as Markdown.
    ///
    /// # Errors
    /// If the drill has none, and why.
    pub fn markdown(&self) -> Result<String, NoRunbook> {
        let drill = self.drill;
        if drill.outcome() != Outcome::Passed {
            return Err(NoRunbook::NotPassed);
        }
        let (before, recovery) = parts(drill);
        let begins = recovery.first().map_or(usize::MAX, |step| step.head.index);
        let mistake = drill.steps.iter().find(|step| {
            step.head.index > begins && (step.is_check() || step.head.kind == ALL) && failed_as_expected(step)
        });
        if let Some(check) = mistake {
            return Err(NoRunbook::Mistake(check.head.name.clone()));
        }
        if recovery.iter().all(|step| step.commands.is_empty()) {
            return Err(NoRunbook::NoCommands);
        }
        let known = known(before.iter().chain(&recovery).flat_map(|step| &step.commands))?;
        let mut text = String::new();
        self.head(&mut text);
        placeholders(&mut text, &known);
        if !before.is_empty() {
            text.push_str("\n## What has to be there before\n\nA recovery begins with what was kept. In the drill:\n");
            before.iter().for_each(|step| commands(&mut text, step, " skip"));
        }
        text.push_str("\n## The recovery\n");
        for (number, step) in recovery.iter().enumerate() {
            let took = step.end.as_ref().map_or(0, |end| end.duration_ms);
            // A String takes every write.
            let _ = writeln!(text, "\n### {}. {}\n", number + 1, title(step));
            let _ = writeln!(text, "Took {} in the drill.", duration(took));
            commands(&mut text, step, "");
            let next = recovery.get(number + 1).map_or(usize::MAX, |next| next.head.index);
            go_on(&mut text, drill, step, next);
        }
        Ok(text)
    }

    fn head(&self, text: &mut String) {
        let RunbookOf { drill, run, version } = self;
        let _ = writeln!(text, "# Runbook: {}\n", escape(&drill.name));
        if !drill.about.is_empty() {
            let _ = writeln!(text, "{}\n", escape(&drill.about));
        }
        let on = drill.started.map(|at: Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
        let _ = writeln!(
            text,
            "Written by drillyard {} from run {} of {on}, on PostgreSQL {}: the drill {} passed. These are the commands \
             that it ran.",
            escape(version),
            code(run),
            escape(&drill.versions()),
            code(&drill.file),
        );
        let budgets: Vec<String> = drill.budgets.iter().map(|(budget, _)| explain_budget(budget)).collect();
        if !budgets.is_empty() {
            let _ = writeln!(text, "Measured: {}.", escape(&budgets.join("; ")));
        }
        let _ = writeln!(
            text,
            "\nDo not edit it: `drillyard runbook {}` writes it again, from a drill that passes today.\n",
            one_line(&drill.file).replace('`', "'"),
        );
        let incidents: Vec<&StepRecord> = drill.steps.iter().filter(|step| step.head.incident).collect();
        if !incidents.is_empty() {
            text.push_str("It is for when this has happened:\n\n");
            for step in incidents {
                let _ = writeln!(text, "- {} ({})", escape(&step.head.name), code(&step.head.kind));
            }
            text.push('\n');
        }
        text.push_str(
            "What is called equivalent was done by drillyard in a quicker way of its own; all else is what it ran, word for word. \
             A block is run on the host of the node that its first line names (`node=rescue`), as the user that owns the \
             server: `sh` by a shell that ends with the first error (`set -e`), `sql` by `psql -v ON_ERROR_STOP=1`. \
             `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE` and `PGPASSWORD` are set for that node's server. drillyard runs \
             this file in the same way, with the step `runbook`.\n",
        );
    }
}

/// The backups that were taken before the recovery, and the steps of the recovery. Records of older
/// versions do not say which steps a runbook is made of.
fn parts(drill: &DrillRecord) -> (Vec<&StepRecord>, Vec<&StepRecord>) {
    let is_marked = drill.steps.iter().any(|step| step.head.in_runbook);
    let is_meant = |step: &StepRecord| if is_marked { step.head.in_runbook } else { step.head.recovers };
    let has_part = |step: &StepRecord| !step.commands.is_empty() || step.head.recovers;
    let worked = |step: &&StepRecord| passed(step) && !failed_as_expected(step) && !step.head.incident;
    let told = || drill.steps.iter().filter(worked);
    let recovery: Vec<&StepRecord> = told().filter(|step| is_meant(step) && has_part(step)).collect();
    let begins = recovery.first().map_or(usize::MAX, |step| step.head.index);
    let is_kept =
        |step: &&StepRecord| step.head.kind == BACKUP && step.head.index < begins && !step.commands.is_empty();
    (told().filter(is_kept).collect(), recovery)
}

fn passed(step: &StepRecord) -> bool {
    step.end.as_ref().is_some_and(|end| end.outcome == Outcome::Passed)
}

fn failed_as_expected(step: &StepRecord) -> bool {
    step.end.as_ref().is_some_and(|end| end.facts.contains_key("failed_as_expected"))
}

/// Whether a check held, and was meant to. Of an `all` that was expected to fail nobody knows which
/// lines were.
fn held(drill: &DrillRecord, check: &StepRecord) -> bool {
    let of_a_failure = check
        .head
        .group
        .is_some_and(|all| drill.steps.iter().any(|step| step.head.index == all && failed_as_expected(step)));
    passed(check) && !failed_as_expected(check) && !of_a_failure
}

fn title(step: &StepRecord) -> String {
    let name = escape(&step.head.name);
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The placeholders of these commands, each once.
///
/// # Errors
/// If one name stands for two things, as of the nodes `a-b` and `a_b`: a `rm -rf` of the one would
/// be one of the other.
fn known<'a>(commands: impl Iterator<Item = &'a CommandRun>) -> Result<Vec<&'a Placeholder>, NoRunbook> {
    let mut seen: Vec<&Placeholder> = vec![];
    for placeholder in commands.flat_map(|command| &command.placeholders) {
        match seen.iter().find(|known| known.name == placeholder.name) {
            Some(known) if known.about != placeholder.about => {
                let both = [known.about.clone(), placeholder.about.clone()];
                return Err(NoRunbook::Ambiguous(placeholder.name.clone(), both));
            }
            Some(_) => {}
            None => seen.push(placeholder),
        }
    }
    Ok(seen)
}

/// The table of the placeholders.
fn placeholders(text: &mut String, seen: &[&Placeholder]) {
    if seen.is_empty() {
        return;
    }
    text.push_str(
        "\n## Placeholders\n\nSet these variables to your own before you begin.\n\n| Variable | What it is | In the drill |\n\
         |---|---|---|\n",
    );
    for Placeholder { name, value, about } in seen {
        let value = if value.is_empty() { "(not shown)".to_owned() } else { code(value) };
        let _ = writeln!(text, "| {} | {} | {value} |", code(name), with_code(about));
    }
}

/// What a step has run. `mark` is what the first line of each block ends with.
fn commands(text: &mut String, step: &StepRecord, mark: &str) {
    if step.commands.is_empty() {
        let kind = code(&step.head.kind);
        let _ = writeln!(
            text,
            "\n**There are no commands for this step.** drillyard has done it by {kind} in statements of its own \
             (`drillyard explain {}`): this runbook is not complete without it.",
            one_line(&step.head.kind)
        );
        let by_hand = step.end.as_ref().and_then(|end| end.facts.get("by_hand")?.as_str());
        if let Some(by_hand) = by_hand {
            let _ = writeln!(text, "\n{}.", with_code(by_hand));
        }
    }
    for command in &step.commands {
        let took = command.duration_ms.map(|ms| format!("took {} in the drill", duration(ms)));
        let form = (command.form == Form::Equivalent).then(|| "equivalent".to_owned());
        let remarks: Vec<String> = form.into_iter().chain(took).collect();
        let remarks = if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join("; ")) };
        let place = match command.language {
            Language::Shell => "On the host of",
            Language::Sql => "In the database of",
        };
        let _ = writeln!(text, "\n{place} {}: {}{remarks}.\n", code(&command.node), with_code(&command.about));
        let fence = fence(&command.text);
        let tag = command.language.tag();
        let _ = writeln!(
            text,
            "{fence}{tag} node={}{mark}\n{}{}\n{fence}",
            one_line(&command.node),
            guard(command),
            command.text.trim_end()
        );
    }
}

/// The line by which a shell ends before it does anything if a placeholder is not set: without its
/// variable, `rm -rf "$RESCUE_DATA/x"` is about another directory.
fn guard(command: &CommandRun) -> String {
    if command.language != Language::Shell || command.placeholders.is_empty() {
        return String::new();
    }
    let names: Vec<String> = command.placeholders.iter().map(|place| format!("\"${{{}:?}}\"", place.name)).collect();
    format!(": {}\n", names.join(" "))
}

/// A fence that ends no sooner than the text.
fn fence(text: &str) -> String {
    let longest = text.lines().map(|line| line.trim_start().bytes().take_while(|byte| *byte == b'`').count()).max();
    "`".repeat(longest.unwrap_or_default().max(2) + 1)
}

/// What to look at before the next step: what its commands say, what it found in the drill, and
/// what the drill checked before that step.
fn go_on(text: &mut String, drill: &DrillRecord, step: &StepRecord, next: usize) {
    let mut lines: Vec<String> =
        step.commands.iter().flat_map(|command| &command.checks).map(|check| with_code(check)).collect();
    let is_told = |(name, _): &(&String, &Value)| TOLD.contains(&name.as_str());
    let of =
        |end: &StepEnd| end.facts.iter().filter(is_told).map(|(name, value)| (name.clone(), value.clone())).collect();
    let found = step.end.as_ref().map(|end| explain_facts(&of(end))).unwrap_or_default();
    if !found.is_empty() {
        lines.push(format!("in the drill: {}", escape(&found)));
    }
    let between = |other: &&StepRecord| other.head.index > step.head.index && other.head.index < next;
    let checks = drill.steps.iter().filter(between).filter(|step| step.is_check() && held(drill, step));
    lines.extend(checks.map(|check| format!("the drill checked: {}", escape(&check.head.name))));
    if lines.is_empty() {
        return;
    }
    text.push_str("\nBefore you go on:\n\n");
    for line in lines {
        let _ = writeln!(text, "- {line}");
    }
}

/// A line that has code of its own in it.
fn with_code(line: &str) -> String {
    let parts = line.split('`').enumerate();
    let shown = parts.map(|(at, part)| match at % 2 {
        1 => code(part),
        // Spaces at the ends of a part stand beside code.
        _ => {
            let end = &part[part.trim_end().len()..];
            let start = &part[..part.len() - part.trim_start().len()];
            if part.trim().is_empty() { part.to_owned() } else { format!("{start}{}{end}", escape(part.trim())) }
        }
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(node: &str, about: &str) -> CommandRun {
        let placeholder =
            Placeholder { name: "A_B_DATA".to_owned(), value: "/data".to_owned(), about: about.to_owned() };
        CommandRun {
            about: "remove it".to_owned(),
            node: node.to_owned(),
            language: Language::Shell,
            text: "rm -rf \"$A_B_DATA\"".to_owned(),
            form: Form::Exact,
            duration_ms: None,
            checks: vec![],
            placeholders: vec![placeholder],
        }
    }

    #[test]
    fn a_variable_stands_for_one_thing() {
        let (one, other) = ("the data directory of `a-b`", "the data directory of `a_b`");
        let commands = [command("a-b", one), command("a-b", one), command("a_b", other)];
        assert_eq!(known(commands[..2].iter()).map(|known| known.len()), Ok(1));
        let both = [one.to_owned(), other.to_owned()];
        assert_eq!(known(commands.iter()), Err(NoRunbook::Ambiguous("A_B_DATA".to_owned(), both)));
    }
}
