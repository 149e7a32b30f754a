//! A file's text, and pieces of it.

use std::sync::Arc;

use crate::journal::Place;

/// A piece of a source, in bytes: `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// From the start of `self` to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end.max(self.end) }
    }
}

/// The text of one scenario file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Source(Arc<Text>);

#[derive(Debug)]
struct Text {
    file: String,
    text: String,
    lines: Vec<usize>,
}

impl Source {
    /// `file` is shown to people as it is.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Source(Arc::new(Text { file: file.into(), text, lines }))
    }

    /// The file as the user named it.
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The line of a byte, from 1.
    pub fn line(&self, byte: usize) -> usize {
        self.0.lines.partition_point(|start| *start <= byte)
    }

    /// What reports show of `span`: its first line, with a label.
    pub fn place(&self, span: Span, label: impl Into<String>) -> Place {
        let text = &self.0.text;
        let floor = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start);
        let line = self.line(start);
        let line_start = self.0.lines[line - 1];
        let line_end = text[line_start..].find(['\n', '\r']).map_or(text.len(), |at| line_start + at);
        let end = floor(span.end).clamp(start, line_end.max(start));
        Place {
            file: self.0.file.clone(),
            line,
            column: text[line_start..start].chars().count() + 1,
            width: text[start..end].trim_end().chars().count().max(1),
            text: text[line_start..line_end].to_owned(),
            label: label.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        let source = Source::new("a.yaml", "é: x\nbé: yes # c\n");
        let start = source.text().find("yes").unwrap_or(0);
        let place = source.place(Span { start, end: start + 3 }, "here");
        assert_eq!((place.line, place.column, place.width, place.text.as_str()), (2, 5, 3, "bé: yes # c"));
        let end = source.text().len();
        assert_eq!(source.place(Span { start: end, end: end + 9 }, "").line, 3);
        assert_eq!(source.place(Span { start: 1, end: 1 }, "").column, 1);
    }
}
