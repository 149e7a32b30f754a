//! Where in the file an event or an error of the YAML crate is, more exactly than the crate says.

use granit_parser::{ErrorKind, Marker};

use crate::source::{Source, Span};

/// Where a marker points to: a byte on a character's boundary.
pub(super) fn byte(source: &Source, marker: &Marker) -> usize {
    let text = source.text();
    let found = marker
        .byte_offset()
        .or_else(|| text.char_indices().nth(marker.index()).map(|(at, _)| at))
        .unwrap_or(text.len())
        .min(text.len());
    (0..=found).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// The tab that an error is about: in front of its line, or, where the crate speaks of tabs, the
/// next one.
pub(super) fn tab(text: &str, at: usize, kind: &ErrorKind) -> Option<Span> {
    use ErrorKind as E;
    let tabs = matches!(
        kind,
        E::TabInIndentation
            | E::TabInBlockIndentation
            | E::TabNotAllowed
            | E::TabAtBlockScalarStart
            | E::TabInPlainScalar
    );
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = &text[start..];
    let blank = |text: &str, blanks: &[char]| text.len() - text.trim_start_matches(blanks).len();
    let indent = start..start + blank(line, &[' ', '\t']);
    let found = text[indent.clone()].find('\t').map(|tab| indent.start + tab);
    // It may point at the value that goes on behind the tab.
    let found = found.or_else(|| text[at..].find('\t').filter(|_| tabs).map(|tab| at + tab))?;
    Some(Span { start: found, end: found + blank(&text[found..], &['\t']) })
}

/// A place that is more exact than the crate's.
pub(super) fn exactly(text: &str, at: usize, kind: &ErrorKind) -> usize {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    match kind {
        // The crate points at the opening quote.
        ErrorKind::UnknownQuotedScalarEscape => {
            let mut rest = text[at..].match_indices('\\').map(|(found, _)| at + found);
            while let Some(found) = rest.next() {
                match text[found + 1..].chars().next() {
                    Some('\\') => {
                        rest.next();
                    }
                    Some(known) if "0abtnvfre \"/N_LPxuU\r\n\t".contains(known) => {}
                    _ => return found,
                }
            }
            at
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry | ErrorKind::InvalidIndentation => {
            let indent = text[start..].len() - text[start..].trim_start_matches(' ').len();
            at.min(start + indent)
        }
        _ => at,
    }
}
