//! An error of the YAML crate as a problem of the file.

use granit_parser::{ErrorKind, ScanError};

use super::place::{byte, exactly, tab};
use super::words::words;
use crate::journal::Problem;
use crate::source::{Source, Span};

/// How deep lists and maps may be nested, those that aliases bring included.
pub(super) const MAX_DEPTH: usize = 64;

/// What the YAML crate says, in plain words. `bracket` is the innermost one that is open there.
pub(super) fn problem(source: &Source, error: &ScanError, bracket: Option<Span>) -> Problem {
    let (text, at, kind) = (source.text(), byte(source, error.marker()), error.kind());
    let here = |span: Span, title: &str, label: &str| Problem::new(title).at(source.place(span, label));
    if matches!(kind, ErrorKind::RecursionLimitExceeded) {
        return too_deep(source, Span { start: at, end: at });
    }
    if let Some(tab) = tab(text, at, kind) {
        let problem = here(tab, "a tab is used for indentation", "this is a tab");
        return problem.help("YAML knows only spaces here: put two of them for each tab");
    }
    let at = exactly(text, at, kind);
    // `rows: ${params.rows}` inside brackets: to YAML, a text `$` and a map after it.
    if let Some(rest) = text[at..].strip_prefix('{').filter(|_| text[..at].ends_with('$')) {
        let end = rest.find(['}', '\n']).map_or(at, |length| at + length + 2).min(text.len());
        let problem = here(Span { start: at - 1, end }, "a reference inside brackets needs quotes", "this one");
        let reference = text.get(at - 1..end).unwrap_or_default();
        return problem.help(format!("write `\"{}\"`", reference.trim_end()));
    }
    let words = words(kind);
    let mut problem = here(Span { start: at, end: at }, &words.title, words.label);
    // A bracket that is not closed makes the lines after it look wrong.
    if let Some(open) = bracket.filter(|open| source.line(open.start) < source.line(at)) {
        let open = Span { start: open.start, end: open.start };
        problem = problem.at(source.place(open, "is this bracket closed?"));
    }
    words.help.into_iter().fold(problem, Problem::help)
}

pub(super) fn too_deep(source: &Source, span: Span) -> Problem {
    Problem::new(format!("lists and maps are nested deeper than {MAX_DEPTH} levels"))
        .at(source.place(Span { start: span.start, end: span.start }, "this is one level too deep"))
}
