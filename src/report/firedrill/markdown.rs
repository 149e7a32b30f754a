//! The debrief as Markdown.

use std::fmt::Write;
use std::io;

use super::debrief::{Debrief, clock, debriefs, known_time};
use crate::report::collect::RunRecord;
use crate::report::format::{Format, Made};
use crate::report::markdown::escape;
use crate::report::text::one_line;

pub(in crate::report) const FORMAT: Format = Format {
    name: "debrief-md",
    option: "report-debrief-md",
    value: "PATH",
    help: "Write the debrief of a firedrill as Markdown",
    made: Made::Whole(render),
};

fn render(record: &RunRecord) -> io::Result<String> {
    let debriefs = debriefs(record);
    if debriefs.is_empty() {
        return Ok(format!("# Debrief\n\nRun {} had no people in it: there is nothing to debrief.\n", record.run));
    }
    let mut text = String::new();
    for debrief in &debriefs {
        one(&mut text, record, debrief);
    }
    Ok(text)
}

fn one(text: &mut String, record: &RunRecord, debrief: &Debrief<'_>) {
    let drill = debrief.drill;
    let started = drill.started.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
    let _ = writeln!(text, "# Debrief: {} {}\n", escape(&drill.name), drill.outcome());
    let _ =
        writeln!(text, "Run {}, {started}, PostgreSQL {}, seed {}.", record.run, escape(&drill.versions()), drill.seed);
    if !drill.about.is_empty() {
        let _ = writeln!(text, "{}", escape(&drill.about));
    }
    if let Some((parts, points)) = debrief.score {
        let _ = writeln!(text, "\n## Score: {points} of 100\n\n| | Measured | Points |\n|---|---|--:|");
        for part in parts {
            let _ = writeln!(text, "| {} | {} | {} |", escape(&part.name), escape(&part.measured), part.points_told());
        }
    }
    text.push_str("\n## What the last check found\n\n");
    for (outcome, name, said) in &debrief.checks {
        let _ = writeln!(text, "- {outcome}: {}", escape(name));
        if !said.is_empty() {
            let _ = writeln!(text, "\n  ```\n{}  ```", indented(said));
        }
    }
    for users in &debrief.users {
        let _ = writeln!(text, "- {}", escape(users));
    }
    text.push_str("\n## Timeline\n\n| Time | Clock | | |\n|---|--:|---|---|\n");
    for moment in &debrief.timeline {
        let at = moment.at.strftime("%H:%M:%SZ");
        let what = escape(&one_line(&moment.text));
        let _ = writeln!(text, "| {at} | {} | {} | {what} |", clock(moment.clock_ms), moment.kind);
    }
    if !debrief.known_way.is_empty() {
        text.push_str("\n## The way that the drill knows\n\n");
        for step in &debrief.known_way {
            let _ = writeln!(text, "1. {}", escape(step));
        }
        let _ = writeln!(text, "\n{}", escape(&known_time(debrief)));
    }
    text.push('\n');
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |text, line| text + "  " + line + "\n")
}
