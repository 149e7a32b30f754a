//! What a psql script is made of.

use crate::pg::sql::runs_alone;

/// A script, taken apart.
#[derive(Debug, Default)]
pub struct Script {
    /// In order.
    pub statements: Vec<Statement>,
    /// In order.
    pub commands: Vec<Command>,
    /// Where it is cut off.
    pub cut: Option<Cut>,
    /// Whether the last statement has no `;`.
    pub open: bool,
    /// How many lines it has.
    pub lines: usize,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its first line, from 1.
    pub line: usize,
    /// The line of its `;`.
    pub last_line: usize,
    /// Its bytes in the text: from, before.
    pub bytes: (usize, usize),
    /// Its first words, in lower case.
    pub words: Vec<String>,
}

/// A command of psql's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its line, from 1.
    pub line: usize,
    /// Its name, without the backslash.
    pub name: String,
    /// What follows the name.
    pub args: String,
    /// Its bytes in the text, from the backslash on: from, before.
    pub bytes: (usize, usize),
    /// Whether it stands in an `\if`.
    pub conditional: bool,
    /// Whether nothing but blanks and comments follows it.
    pub last: bool,
}

/// What a script ends in the middle of, and the line in which that began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The rows of a COPY: there is no `\.`.
    Rows(usize),
    /// A string.
    Text(usize),
    /// A quoted name.
    Name(usize),
    /// A string in dollar quotes.
    DollarQuote(usize),
    /// A comment.
    Comment(usize),
    /// Parentheses.
    Parenthesis(usize),
    /// The body of a function, BEGIN ATOMIC.
    Body(usize),
    /// What a newer pg_dump writes between `\restrict` and `\unrestrict`.
    Restricted(usize),
    /// `\if` without `\endif`.
    If(usize),
}

impl Cut {
    /// What it is, and where it began.
    pub fn told(self) -> (&'static str, usize) {
        match self {
            Cut::Rows(line) => ("in the rows of this COPY: there is no `\\.` after them", line),
            Cut::Text(line) => ("in this string: it has no closing quote", line),
            Cut::Name(line) => ("in this quoted name: it has no closing quote", line),
            Cut::DollarQuote(line) => ("in this dollar-quoted string: it has no closing tag", line),
            Cut::Comment(line) => ("in this comment: there is no `*/`", line),
            Cut::Parenthesis(line) => ("in this statement: a parenthesis is not closed", line),
            Cut::Body(line) => ("in this function's body: it has no END", line),
            Cut::Restricted(line) => ("after this `\\restrict`: pg_dump ends with an `\\unrestrict`", line),
            Cut::If(line) => ("in this `\\if`: there is no `\\endif`", line),
        }
    }
}

impl Script {
    /// The first statement that is at work in this line, or the one that ends there.
    pub fn statement_at(&self, line: usize) -> Option<&Statement> {
        self.statements.iter().find(|statement| (statement.line..=statement.last_line).contains(&line))
    }
}

impl Statement {
    /// What it is called if it cannot run in a transaction block; `text` is the script's.
    pub fn runs_alone(&self, text: &[u8]) -> Option<&'static str> {
        runs_alone(&String::from_utf8_lossy(text.get(self.bytes.0..self.bytes.1)?))
    }

    /// What it does to the transaction that it is in.
    pub fn control(&self) -> Option<Control> {
        let word = |at: usize| self.words.get(at).map_or("", String::as_str);
        match (word(0), word(1)) {
            // Goes back to a savepoint, within the transaction.
            ("rollback" | "abort", "to") => None,
            ("rollback" | "abort", "transaction" | "work") if word(2) == "to" => None,
            ("commit" | "rollback", "prepared") | ("prepare", "transaction") => Some(Control::TwoPhase),
            ("begin" | "start", _) => Some(Control::Begins),
            ("commit" | "end", _) => Some(Control::Commits),
            ("rollback" | "abort", _) => Some(Control::Undoes),
            _ => None,
        }
    }
}

/// What a statement does to the transaction that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// BEGIN, START TRANSACTION.
    Begins,
    /// COMMIT, END.
    Commits,
    /// ROLLBACK, ABORT.
    Undoes,
    /// PREPARE TRANSACTION and what follows it.
    TwoPhase,
}
