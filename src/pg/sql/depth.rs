//! Where a statement ends.

use super::tokens::{Kind, Token};

/// Tells whether a `;` ends the statement, which it does not within parentheses and
/// `BEGIN ATOMIC ... END`, as in psql.
#[derive(Debug, Default)]
pub(in crate::pg) struct Depth {
    parentheses: u32,
    blocks: u32,
    /// The words at the front of the statement that decide whether it makes a function.
    words: Vec<String>,
}

impl Depth {
    fn makes_routine(&self) -> bool {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        matches!(words[..], ["create", "function" | "procedure", ..])
            || matches!(words[..], ["create", "or", "replace", "function" | "procedure", ..])
    }

    /// How many parentheses are open.
    pub(in crate::pg) fn parentheses(&self) -> u32 {
        self.parentheses
    }

    /// How many blocks of a function's body are open.
    pub(in crate::pg) fn blocks(&self) -> u32 {
        self.blocks
    }

    /// A character that is neither of a word nor quoted.
    pub(in crate::pg) fn see_symbol(&mut self, symbol: u8) {
        match symbol {
            b'(' => self.parentheses += 1,
            b')' => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
    }

    /// A word in lower case.
    pub(in crate::pg) fn see_word(&mut self, word: &str) {
        if self.words.len() < 4 {
            self.words.push(word.to_owned());
        } else if self.parentheses == 0 && self.makes_routine() {
            match word {
                "begin" => self.blocks += 1,
                "case" if self.blocks > 0 => self.blocks += 1,
                "end" => self.blocks = self.blocks.saturating_sub(1),
                _ => {}
            }
        }
    }

    pub(super) fn see(&mut self, token: Token, text: &str) {
        match token.kind {
            Kind::Other(symbol) => self.see_symbol(symbol),
            Kind::Word => self.see_word(&text[token.start..token.end].to_ascii_lowercase()),
            _ => {}
        }
    }

    pub(super) fn ends(&self, token: Token) -> bool {
        token.kind == Kind::Other(b';') && self.parentheses == 0 && self.blocks == 0
    }
}
