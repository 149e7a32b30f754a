//! Terms of a transaction's SQL: which column or parameter they are, and what they compare.

use super::footprint::Deletes;
use crate::pg::sql::{Lexeme, Write};

/// What a write sets a column to.
pub(super) fn value<'a>(write: &'a Write, column: &str) -> Option<&'a [Lexeme]> {
    write.sets.iter().find(|(name, _)| name == column).map(|(_, value)| value.as_slice())
}

/// `$seq`, or what the row that was to be inserted has.
pub(super) fn is_new(value: &[Lexeme], column: &str) -> bool {
    let excluded = matches!(value, [excluded, Lexeme::Symbol(b'.'), name]
        if excluded.name() == Some("excluded") && name.name() == Some(column));
    excluded || is_parameter(value, "$seq")
}

/// Without casts: `$seq::bigint` is `$seq`.
pub(super) fn bare(lexemes: &[Lexeme]) -> Vec<&Lexeme> {
    let mut bare = vec![];
    let mut rest = lexemes;
    while let [first, more @ ..] = rest {
        rest = match rest {
            [Lexeme::Symbol(b':'), Lexeme::Symbol(b':'), Lexeme::Word(_), more @ ..] => more,
            _ => {
                bare.push(first);
                more
            }
        };
    }
    bare
}

/// Whether this is a parameter, with a cast or without.
pub(super) fn is_parameter(lexemes: &[Lexeme], parameter: &str) -> bool {
    matches!(bare(lexemes)[..], [Lexeme::Parameter(text)] if text == parameter)
}

/// `column`, `t.column`.
fn is_column(lexemes: &[Lexeme], column: &str) -> bool {
    match bare(lexemes)[..] {
        [name] | [.., Lexeme::Symbol(b'.'), name] => name.name() == Some(column),
        _ => false,
    }
}

/// `column = $client`, either way round.
pub(super) fn is_of_user(term: &[Lexeme], client: &str) -> bool {
    let mut sides = term.split(|lexeme| *lexeme == Lexeme::Symbol(b'='));
    let (Some(one), Some(other), None) = (sides.next(), sides.next(), sides.next()) else { return false };
    let fits = |a, b| is_column(a, client) && is_parameter(b, "$client");
    fits(one, other) || fits(other, one)
}

/// `seq < $seq`, `seq <= $seq - 10`, `seq = $seq - 1`, either way round. None for anything else,
/// and for what would be the transaction's own row.
pub(super) fn how_far_back(term: &[Lexeme], seq: &str) -> Option<Deletes> {
    let symbol = |lexeme: &Lexeme| match lexeme {
        Lexeme::Symbol(byte @ (b'<' | b'=' | b'>')) => Some(*byte),
        _ => None,
    };
    let start = term.iter().position(|lexeme| symbol(lexeme).is_some())?;
    let operator: Vec<u8> = term[start..].iter().map_while(symbol).collect();
    let (left, right) = (&term[..start], &term[start + operator.len()..]);
    let (operator, right) = match (is_column(left, seq), operator.as_slice()) {
        (true, operator) => (operator.to_vec(), right),
        (false, b">") if is_column(right, seq) => (b"<".to_vec(), left),
        (false, b">=") if is_column(right, seq) => (b"<=".to_vec(), left),
        (false, b"=") if is_column(right, seq) => (b"=".to_vec(), left),
        _ => return None,
    };
    let back = match bare(right)[..] {
        [Lexeme::Parameter(text)] if text == "$seq" => 0,
        [Lexeme::Parameter(text), Lexeme::Symbol(b'-'), Lexeme::Word(number)] if text == "$seq" => {
            number.parse().ok()?
        }
        _ => return None,
    };
    match operator.as_slice() {
        b"<" => Some(Deletes::UpTo(u64::checked_add(back, 1)?)),
        b"<=" if back > 0 => Some(Deletes::UpTo(back)),
        b"=" if back > 0 => Some(Deletes::Just(back)),
        _ => None,
    }
}
