//! A file's text, and pieces of it.

use std::sync::Arc;

use crate::journal::{FileLine, Fragment, Place};

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

/// The text of a scenario file, and behind it those of the fragments that it uses: a place in any
/// of them is a span of this one text. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Source(Arc<Text>);

#[derive(Debug, Clone)]
struct Text {
    text: String,
    lines: Vec<usize>,
    /// The files in the order of their texts; the first is the scenario's own.
    files: Vec<File>,
}

#[derive(Debug, Clone)]
struct File {
    name: String,
    /// Its first byte.
    start: usize,
    /// Whether a byte-order mark stands before that, which is no part of the text.
    marked: bool,
    /// The place that makes it a part of the drill; none for the scenario's own.
    used: Option<Span>,
}

impl Source {
    /// `file` is shown to people as it is.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let file = File { name: file.into(), start: 0, marked: false, used: None };
        Source(Arc::new(Text { text, lines, files: vec![file] }))
    }

    /// The same with the text of a fragment behind it, which is used at `used`. Also how many bytes
    /// are before that text.
    pub fn with(&self, fragment: &Source, used: Span) -> (Source, usize) {
        let mut all = Text::clone(&self.0);
        all.text.push('\n');
        let start = all.text.len();
        all.text.push_str(fragment.text());
        all.lines.extend(fragment.0.lines.iter().map(|line| start + line));
        let marked = fragment.0.files[0].marked;
        all.files.push(File { name: fragment.file().to_owned(), start, marked, used: Some(used) });
        (Source(Arc::new(all)), start)
    }

    /// The same of a file that begins with a byte-order mark.
    pub fn marked(self) -> Source {
        let mut text = Text::clone(&self.0);
        text.files[0].marked = true;
        Source(Arc::new(text))
    }

    /// The files, each once, with all that is in them: the scenario's first, then its fragments'.
    pub fn files(&self) -> Vec<(&str, Vec<u8>)> {
        let Text { text, files, .. } = self.0.as_ref();
        // A line's end is between two of them.
        let ends = files.iter().skip(1).map(|next| next.start - 1).chain([text.len()]);
        let mut found: Vec<(&str, Vec<u8>)> = vec![];
        for (file, end) in files.iter().zip(ends) {
            let mark = if file.marked { "\u{feff}" } else { "" };
            let one = (file.name.as_str(), [mark, &text[file.start..end]].concat().into_bytes());
            if !found.contains(&one) {
                found.push(one);
            }
        }
        found
    }

    /// The scenario's file as the user named it.
    pub fn file(&self) -> &str {
        &self.0.files[0].name
    }

    /// The whole text: the scenario's, then those of its fragments.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The file that a byte is in.
    fn file_at(&self, byte: usize) -> &File {
        let files = &self.0.files;
        &files[files.partition_point(|file| file.start <= byte).max(1) - 1]
    }

    /// The line of a byte in its file, from 1.
    pub fn line(&self, byte: usize) -> usize {
        let lines_to = |byte: usize| self.0.lines.partition_point(|start| *start <= byte);
        lines_to(byte) - lines_to(self.file_at(byte).start) + 1
    }

    /// The fragment that a byte is in; none in the scenario itself.
    pub fn fragment(&self, byte: usize) -> Option<Fragment> {
        let file = self.file_at(byte);
        file.used?;
        let uses = std::iter::successors(file.used, |used| self.file_at(used.start).used);
        let used =
            uses.map(|used| FileLine { file: self.file_at(used.start).name.clone(), line: self.line(used.start) });
        Some(Fragment { file: file.name.clone(), used: used.collect() })
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
        let line_start = self.0.lines[self.0.lines.partition_point(|line| *line <= start).max(1) - 1];
        let line_end = text[line_start..].find(['\n', '\r']).map_or(text.len(), |at| line_start + at);
        let end = floor(span.end).clamp(start, line_end.max(start));
        let file = self.file_at(start);
        let used = file.used.map(|used| self.place(used, "used here"));
        Place {
            file: file.name.clone(),
            line: self.line(start),
            column: text[line_start..start].chars().count() + 1,
            width: text[start..end].trim_end().chars().count().max(1),
            text: text[line_start..line_end].to_owned(),
            label: label.into(),
            used: used.map(Box::new),
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

    #[test]
    fn a_place_in_a_fragment_knows_what_uses_it() {
        let drill = Source::new("a.yaml", "one\ntwo");
        let (with_b, b) = drill.with(&Source::new("b.yaml", "x\ny\nz"), Span { start: 4, end: 7 });
        let (all, c) = with_b.with(&Source::new("c.yaml", "p"), Span { start: b + 2, end: b + 3 });
        let told = |at: usize| {
            let place = all.place(Span { start: at, end: at + 1 }, "");
            let places = std::iter::successors(Some(&place), |place| place.used.as_deref());
            places
                .map(|place| format!("{}:{}:{} {}", place.file, place.line, place.column, place.text))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(5), ["a.yaml:2:2 two"]);
        assert_eq!(told(b + 4), ["b.yaml:3:1 z", "a.yaml:2:1 two"]);
        assert_eq!(told(c), ["c.yaml:1:1 p", "b.yaml:2:1 y", "a.yaml:2:1 two"]);
        assert_eq!((all.line(c), all.fragment(3), all.file()), (1, None, "a.yaml"));
        let used = all.fragment(c).map(|fragment| fragment.used.iter().map(|line| line.line).collect::<Vec<_>>());
        assert_eq!(used, Some(vec![2, 2]));
        let (twice, _) = all.with(&Source::new("b.yaml", "x\ny\nz"), Span { start: 4, end: 7 });
        let (marked, _) = twice.marked().with(&Source::new("d.yaml", "").marked(), Span { start: 4, end: 7 });
        let files: Vec<_> = marked.files().into_iter().map(|(name, text)| (name, String::from_utf8(text))).collect();
        let expected = [("a.yaml", "\u{feff}one\ntwo"), ("b.yaml", "x\ny\nz"), ("c.yaml", "p"), ("d.yaml", "\u{feff}")];
        assert_eq!(files, expected.map(|(name, text)| (name, Ok(text.to_owned()))));
    }
}
