//! A renderer for this room's tests: the problems as a terminal would show them, without colours.

use crate::journal::{Place, Problem};

/// All the problems, one after the other.
pub(super) fn render(problems: &[Problem]) -> String {
    problems.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn one(problem: &Problem) -> String {
    let places = problem.places.iter().map(place);
    let notes = problem.notes.iter().map(|note| format!("  = {}: {}\n", note.kind, note.text));
    format!("error: {}\n", problem.title) + &places.chain(notes).collect::<String>()
}

fn place(place: &Place) -> String {
    let Place { file, line, column, width, text, label, used: _ } = place;
    let (indent, carets) = (" ".repeat(column - 1), "^".repeat(*width));
    let under = format!("{indent}{carets} {label}");
    format!(" --> {file}:{line}:{column}\n  | {text}\n  | {}\n", under.trim_end())
}
