//! A statement in lexemes, and the clauses in it.

use super::tokens::{Kind, tokens};

/// A piece of SQL: `client` is what `"client"`, `Client` and `client` come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lexeme {
    /// A keyword, a number, or a name that is not quoted; in lower case.
    Word(String),
    /// A quoted name, without its quotes.
    Name(String),
    /// `$client`.
    Parameter(String),
    /// A string constant.
    Text,
    /// Any other character.
    Symbol(u8),
}

impl Lexeme {
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Lexeme::Word(text) if text == word)
    }

    /// The name that it is, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Lexeme::Word(text) | Lexeme::Name(text) => Some(text),
            _ => None,
        }
    }
}

/// The lexemes of a statement.
pub(super) fn lexemes(statement: &str) -> Vec<Lexeme> {
    let piece = |kind: Kind, text: &str| match kind {
        Kind::Blank | Kind::Comment => None,
        Kind::Word => Some(Lexeme::Word(text.to_ascii_lowercase())),
        Kind::Parameter => Some(Lexeme::Parameter(text.to_owned())),
        Kind::Quoted => match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(name) => Some(Lexeme::Name(name.replace("\"\"", "\""))),
            None => Some(Lexeme::Text),
        },
        Kind::Other(byte) => Some(Lexeme::Symbol(byte)),
    };
    tokens(statement).filter_map(|token| piece(token.kind, &statement[token.start..token.end])).collect()
}

/// Where the scope that begins here ends.
pub(super) fn end_of_scope(lexemes: &[Lexeme]) -> usize {
    let mut depth = 0_usize;
    for (at, lexeme) in lexemes.iter().enumerate() {
        match lexeme {
            Lexeme::Symbol(b'(') => depth += 1,
            Lexeme::Symbol(b')') if depth == 0 => return at,
            Lexeme::Symbol(b')') => depth -= 1,
            _ => {}
        }
    }
    lexemes.len()
}

/// The places of those that are in no parentheses and fit.
pub(super) fn outside(lexemes: &[Lexeme], fits: impl Fn(&Lexeme) -> bool) -> Vec<usize> {
    let mut depth = 0_i32;
    let mut places = vec![];
    for (at, lexeme) in lexemes.iter().enumerate() {
        match lexeme {
            Lexeme::Symbol(b'(') => depth += 1,
            Lexeme::Symbol(b')') => depth -= 1,
            lexeme if depth == 0 && fits(lexeme) => places.push(at),
            _ => {}
        }
    }
    places
}

/// What follows these words, outside of parentheses.
pub(super) fn after<'a>(lexemes: &'a [Lexeme], words: &[&str]) -> Option<&'a [Lexeme]> {
    let first = words.first()?;
    outside(lexemes, |lexeme| lexeme.is(first)).into_iter().find_map(|at| {
        let found = lexemes.get(at..at + words.len())?;
        found.iter().zip(words).all(|(lexeme, word)| lexeme.is(word)).then(|| &lexemes[at + words.len()..])
    })
}

/// What comes before the first of these words outside of parentheses.
pub(super) fn until<'a>(lexemes: &'a [Lexeme], words: &[&str]) -> &'a [Lexeme] {
    let end = outside(lexemes, |lexeme| words.iter().any(|word| lexeme.is(word)));
    &lexemes[..end.first().copied().unwrap_or(lexemes.len())]
}

pub(super) fn split(lexemes: &[Lexeme], fits: impl Fn(&Lexeme) -> bool) -> Vec<&[Lexeme]> {
    let mut pieces = vec![];
    let mut start = 0;
    for at in outside(lexemes, fits) {
        pieces.push(&lexemes[start..at]);
        start = at + 1;
    }
    pieces.push(&lexemes[start..]);
    pieces
}

pub(super) fn comma(lexeme: &Lexeme) -> bool {
    *lexeme == Lexeme::Symbol(b',')
}

/// What is between the parentheses at the front, and what follows them.
pub(super) fn parenthesised(lexemes: &[Lexeme]) -> Option<(&[Lexeme], &[Lexeme])> {
    let inside = lexemes.strip_prefix(&[Lexeme::Symbol(b'(')])?;
    let end = end_of_scope(inside);
    Some((&inside[..end], inside.get(end + 1..)?))
}
