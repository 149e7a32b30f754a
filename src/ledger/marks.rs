//! Whether an INSERT writes a transaction's mark, its `$client` and `$seq`, and on how many rows.

use super::columns::plain_column;
use super::kind::{LedgerColumns, MOST_ROWS};
use super::terms::{bare, is_parameter};
use crate::pg::quote_identifier;
use crate::pg::sql::{Lexeme, Source, Write};

/// What is wrong, and what to do.
pub(super) type Why = (String, String);

/// What an INSERT writes to a ledger's column, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    /// The parameter itself.
    Plain,
    /// What a query finds, or a function returns.
    Unknown,
    /// Something else for certain, or made of a parameter.
    Other,
}

/// How many rows INSERTs of so many leave, by their own text and by what the ledger says.
pub(super) fn rows_left(columns: &LedgerColumns, inserted: usize) -> Result<u8, Why> {
    let written = u8::try_from(inserted).ok().filter(|rows| *rows <= MOST_ROWS);
    match (written, columns.rows) {
        (Some(written), None) => Ok(written),
        (Some(written), Some(said)) if written == said => Ok(said),
        (_, Some(said)) => Err((
            format!("the ledger says `rows: {said}`, and the transaction writes {inserted} to {}", columns.table),
            "leave `rows` out, or make both the same".to_owned(),
        )),
        (None, None) => Err((
            format!("{inserted} rows of one transaction in {} are too many to be counted", columns.table),
            format!("at most {MOST_ROWS} can be: put the mark on fewer rows"),
        )),
    }
}

/// How many rows with the transaction's mark an INSERT writes; None if its text does not say.
/// Anything written in place of the mark is refused: the transaction could not be found again.
pub(super) fn marked_rows(columns: &LedgerColumns, write: &Write) -> Result<Option<usize>, Why> {
    let Source::Rows { columns: listed, rows, exact } = &write.source else { return Ok(None) };
    let mut known = *exact;
    let mut marked = vec![true; rows.len()];
    for (column, parameter) in [(&columns.client, "$client"), (&columns.seq, "$seq")] {
        // Whether an expression comes to the mark is seen when the first row is there.
        let Some(name) = plain_column(column) else {
            known = false;
            continue;
        };
        let at = match listed.as_ref().map(|listed| listed.iter().position(|one| *one == name)) {
            Some(None) => return Err(unlisted(columns, column, parameter)),
            at => at.flatten(),
        };
        let found: Vec<Mark> = rows.iter().map(|row| mark_in(row, at, parameter)).collect();
        known &= !found.contains(&Mark::Unknown);
        for (marked, found) in marked.iter_mut().zip(&found) {
            *marked &= *found == Mark::Plain;
        }
        if found.iter().all(|found| *found == Mark::Other) {
            let value = rows.first().and_then(|row| row.get(at?));
            return Err(unmarked(columns, column, parameter, value.map(Vec::as_slice)));
        }
    }
    Ok(Some(marked.into_iter().filter(|marked| *marked).count()).filter(|_| known))
}

fn unlisted(columns: &LedgerColumns, column: &str, parameter: &str) -> Why {
    (
        format!("this INSERT does not write the ledger's column `{column}` of {}", columns.table),
        format!("add it to the INSERT's columns, with the value {parameter}, or name another column in the ledger"),
    )
}

/// An INSERT writes this value, if that is known, where its mark should be.
fn unmarked(columns: &LedgerColumns, column: &str, parameter: &str, value: Option<&[Lexeme]>) -> Why {
    let table = &columns.table;
    let title = match value.map(shown) {
        Some(value) => {
            format!("this INSERT writes `{value}` to `{column}` of {table}, where the ledger looks for {parameter}")
        }
        None => {
            format!("this INSERT writes {parameter} to no column of {table}: it could not be found again in `{column}`")
        }
    };
    let help =
        format!("write {parameter} itself there, with a cast at most; what is made of it can stand in another column");
    (title, help)
}

/// What a row has in a column; if its place is not known, in any.
fn mark_in(row: &[Vec<Lexeme>], at: Option<usize>, parameter: &str) -> Mark {
    match at {
        Some(at) => row.get(at).map_or(Mark::Unknown, |value| mark(value, parameter)),
        None => row.iter().map(|value| mark(value, parameter)).min().unwrap_or(Mark::Unknown),
    }
}

fn mark(value: &[Lexeme], parameter: &str) -> Mark {
    if is_parameter(unwrapped(value), parameter) {
        return Mark::Plain;
    }
    let constant = match bare(value)[..] {
        [Lexeme::Text] => true,
        [Lexeme::Word(word)] => {
            word == "default" || word == "null" || word.starts_with(|first: char| first.is_ascii_digit())
        }
        _ => false,
    };
    match constant || value.iter().any(|lexeme| matches!(lexeme, Lexeme::Parameter(_))) {
        true => Mark::Other,
        false => Mark::Unknown,
    }
}

/// Without parentheses around all of it, and without CAST(... AS type).
fn unwrapped(value: &[Lexeme]) -> &[Lexeme] {
    match value {
        [Lexeme::Symbol(b'('), inside @ .., Lexeme::Symbol(b')')] if !inside.contains(&Lexeme::Symbol(b'(')) => {
            unwrapped(inside)
        }
        [cast, Lexeme::Symbol(b'('), value, as_, Lexeme::Word(_), Lexeme::Symbol(b')')]
            if cast.name() == Some("cast") && as_.name() == Some("as") =>
        {
            std::slice::from_ref(value)
        }
        value => value,
    }
}

/// An expression as people read it.
fn shown(value: &[Lexeme]) -> String {
    let mut text = String::new();
    for lexeme in value {
        let piece = match lexeme {
            Lexeme::Word(word) | Lexeme::Parameter(word) => word.clone(),
            Lexeme::Name(name) => quote_identifier(name),
            Lexeme::Text => "'...'".to_owned(),
            Lexeme::Symbol(byte) => char::from(*byte).to_string(),
        };
        let symbol = matches!(lexeme, Lexeme::Symbol(b'(' | b')' | b'.' | b':' | b','));
        let one_operator = matches!(lexeme, Lexeme::Symbol(_)) && text.ends_with(['|', '<', '>', '-', '=', '!', '~']);
        if !text.is_empty() && !symbol && !one_operator && !text.ends_with(['(', '.', ':']) {
            text.push(' ');
        }
        text.push_str(&piece);
    }
    text
}
