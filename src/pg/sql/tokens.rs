//! SQL text in tokens.

/// What a piece of SQL text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space.
    Blank,
    /// A comment.
    Comment,
    /// A string constant or a quoted identifier.
    Quoted,
    /// A keyword, an identifier, or a number with what clings to it.
    Word,
    /// `$1` or `$name`.
    Parameter,
    /// Any other character.
    Other(u8),
}

/// A piece of SQL text: `start..end`, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Splits a text into tokens that, put together again, are the text.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn in_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// The length of the run at the front of `bytes` that fits.
fn run(bytes: &[u8], fits: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|b| !fits(*b)).unwrap_or(bytes.len())
}

/// The length of a quoted piece, its quotes included. One that is not closed goes on to the end.
fn quoted(bytes: &[u8], quote: u8, backslashes: bool) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if backslashes => at += 2,
            b if b == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The length of a comment `/* ... */`; they nest.
fn block_comment(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    bytes.len()
}

/// What begins with `$`: a parameter, a dollar-quoted string, or the character alone.
fn dollar(text: &str) -> (Kind, usize) {
    let bytes = text.as_bytes();
    let digits = run(&bytes[1..], |b| b.is_ascii_digit());
    if digits > 0 {
        return (Kind::Parameter, 1 + digits);
    }
    // A tag follows the rules of identifiers, but has no dollar sign in it.
    let name = run(&bytes[1..], |b| in_word(b) && b != b'$');
    if bytes.get(1 + name) == Some(&b'$') {
        let tag = &text[..name + 2];
        let body = &text[tag.len()..];
        return (Kind::Quoted, body.find(tag).map_or(text.len(), |at| at + 2 * tag.len()));
    }
    match name {
        0 => (Kind::Other(b'$'), 1),
        _ => (Kind::Parameter, 1 + name),
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let text = self.text.get(self.at..)?;
        let bytes = text.as_bytes();
        let second = bytes.get(1).copied();
        let (kind, len) = match *bytes.first()? {
            b if b.is_ascii_whitespace() => (Kind::Blank, run(bytes, |b| b.is_ascii_whitespace())),
            b'-' if second == Some(b'-') => (Kind::Comment, run(bytes, |b| b != b'\n' && b != b'\r')),
            b'/' if second == Some(b'*') => (Kind::Comment, block_comment(bytes)),
            b'\'' => (Kind::Quoted, quoted(bytes, b'\'', false)),
            b'"' => (Kind::Quoted, quoted(bytes, b'"', false)),
            b'e' | b'E' if second == Some(b'\'') => (Kind::Quoted, 1 + quoted(&bytes[1..], b'\'', true)),
            b'$' => dollar(text),
            b if begins_word(b) => (Kind::Word, run(bytes, in_word)),
            b if b.is_ascii_digit() => (Kind::Word, run(bytes, |b| in_word(b) && b != b'$')),
            b => (Kind::Other(b), 1),
        };
        let start = self.at;
        self.at = start + len.min(bytes.len());
        Some(Token { kind, start, end: self.at })
    }
}

pub(super) fn tokens(text: &str) -> Tokens<'_> {
    Tokens { text, at: 0 }
}

/// Whether this byte of the text is within quotes or a comment.
pub fn is_quoted(text: &str, at: usize) -> bool {
    let covers = |token: &Token| (token.start..token.end).contains(&at);
    tokens(text).find(covers).is_some_and(|token| matches!(token.kind, Kind::Quoted | Kind::Comment))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tokens_put_together_are_the_text(text in "[a-eE$ ;'\"/*\\-\\\\\n_1é&()]{0,60}") {
            let mut at = 0;
            for token in tokens(&text) {
                prop_assert_eq!(token.start, at);
                prop_assert!(token.end > at && text.is_char_boundary(token.end));
                at = token.end;
            }
            prop_assert_eq!(at, text.len());
        }
    }
}
