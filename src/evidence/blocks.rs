//! What a page consists of, whatever its format.

use crate::journal::Outcome;

/// A part of a page.
#[derive(Debug)]
pub(super) enum Block {
    /// A paragraph.
    Text(String),
    /// A paragraph that must not be overlooked.
    Warning(String),
    /// A list.
    List(Vec<String>),
    /// A heading within a card.
    Heading(String),
    /// A table.
    Table {
        /// The titles of its columns.
        head: &'static [&'static str],
        /// Its rows.
        rows: Vec<Vec<Cell>>,
    },
    /// Words, and what they mean.
    Words(&'static [(&'static str, &'static str)]),
    /// A part with a title.
    Card {
        /// How what it is about came out, if that can be said.
        outcome: Option<Outcome>,
        /// Its title.
        title: String,
        /// What stands small beside the title.
        note: String,
        /// What is in it.
        blocks: Vec<Block>,
    },
}

impl Block {
    /// A part that nothing more is said of than its title.
    pub(super) fn card(title: &str, blocks: Vec<Block>) -> Self {
        Block::Card { outcome: None, title: title.to_owned(), note: String::new(), blocks }
    }
}

/// A cell of a table.
#[derive(Debug)]
pub(super) struct Cell {
    /// What it says.
    pub text: String,
    /// The outcome by which it is coloured.
    pub tone: Option<Outcome>,
}

impl Cell {
    pub(super) fn of(text: String, tone: Option<Outcome>) -> Self {
        Cell { text, tone }
    }

    pub(super) fn plain(text: String) -> Self {
        Cell { text, tone: None }
    }
}
