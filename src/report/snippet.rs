//! A problem as text: its title, the line of the scenario with a caret, and what else there is to
//! know.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use crate::journal::{Note, Place, Problem};

use super::text::{one_line, visible};

/// How wide a line is drawn: of longer ones, annotate-snippets shows the surroundings of the span.
const WIDTH: usize = 200;

/// A problem as people read it, in several lines, the last with its line end. `color` adds escape
/// codes; no text of the problem itself can.
pub fn render(problem: &Problem, color: bool) -> String {
    draw(problem, Level::ERROR, color)
}

/// The same for what is no error, but worth a look.
pub fn render_warning(problem: &Problem, color: bool) -> String {
    draw(problem, Level::WARNING, color)
}

fn draw(problem: &Problem, level: Level<'static>, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.term_width(WIDTH);
    // Without its text and with nothing to say of it, all that a place has is its line's number.
    let is_bare = |place: &&Place| place.text.is_empty() && place.label.is_empty();
    let (bare, drawn): (Vec<&Place>, Vec<&Place>) = problem.places.iter().partition(is_bare);
    let mut group = Group::with_title(level.primary_title(one_line(&problem.title)));
    for line in in_lines(&drawn) {
        group = group.element(line.snippet().path(one_line(&line.places[0].file)));
    }
    let mut text = renderer.render(&[group]);
    text.push('\n');
    // As wide as the line numbers that annotate-snippets has put to the left.
    let numbered = if drawn.is_empty() { &bare } else { &drawn };
    let gutter = numbered.iter().map(|place| place.line.max(1).to_string().len()).max().unwrap_or(2);
    for place in bare {
        let Marks { blue, off, .. } = Marks::new(color);
        let (indent, file) = (" ".repeat(gutter), one_line(&place.file));
        text.push_str(&format!("{indent}{blue}-->{off} {file}:{}\n", place.line));
    }
    for note in &problem.notes {
        text.push_str(&render_note(note, gutter, color));
    }
    text
}

/// Places of one line of one file, drawn together.
struct Line<'a> {
    places: Vec<&'a Place>,
}

fn in_lines<'a>(places: &[&'a Place]) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = vec![];
    for place in places {
        let same = |line: &&mut Line<'_>| {
            let first = line.places[0];
            (first.file.as_str(), first.line, &first.text) == (&place.file, place.line, &place.text)
        };
        match lines.iter_mut().find(same) {
            Some(line) => line.places.push(place),
            None => lines.push(Line { places: vec![place] }),
        }
    }
    lines
}

impl Line<'_> {
    fn snippet(&self) -> Snippet<'static, Annotation<'static>> {
        let first = self.places[0];
        // One character for each, so that the columns stay those of the file.
        let text = if first.text.is_empty() { " " } else { &first.text };
        let shown: String = text.chars().map(stand_in).collect();
        let starts: Vec<usize> = shown.char_indices().map(|(at, _)| at).chain([shown.len()]).collect();
        let length = starts.len() - 1;
        let annotations = self.places.iter().enumerate().map(|(at, place)| {
            let kind = if at == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let start = place.column.saturating_sub(1).min(length);
            let end = start.saturating_add(place.width.max(1)).min(length);
            let label = one_line(&place.label);
            kind.span(starts[start]..starts[end]).label((!label.is_empty()).then_some(label))
        });
        let annotations: Vec<_> = annotations.collect();
        Snippet::source(shown).line_start(first.line.max(1)).annotations(annotations)
    }
}

/// What is drawn for a character of a scenario: annotate-snippets has signs for tabs and most
/// controls, the rest become the sign for an unknown character.
fn stand_in(c: char) -> char {
    match c {
        '\r' => '\u{240d}',
        '\n' => '\u{2424}',
        '\u{80}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
            char::REPLACEMENT_CHARACTER
        }
        _ => c,
    }
}

/// The escape codes that annotate-snippets uses, for the lines that it does not draw.
struct Marks {
    blue: &'static str,
    bold: &'static str,
    off: &'static str,
}

impl Marks {
    fn new(color: bool) -> Self {
        match color {
            true => Marks { blue: "\x1b[1m\x1b[94m", bold: "\x1b[1m", off: "\x1b[0m" },
            false => Marks { blue: "", bold: "", off: "" },
        }
    }
}

fn render_note(note: &Note, gutter: usize, color: bool) -> String {
    let Marks { blue, bold, off } = Marks::new(color);
    let kind = one_line(&note.kind);
    let label = if kind.is_empty() { String::new() } else { format!("{kind}: ") };
    let indent = " ".repeat(gutter + 3 + label.chars().count());
    let shown = visible(note.text.trim_end());
    let mut lines = shown.lines();
    let first = lines.next().unwrap_or_default();
    let mut text = format!("{} {blue}={off} {bold}{label}{off}{first}\n", " ".repeat(gutter));
    for line in lines {
        text.push_str(format!("{indent}{line}").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
