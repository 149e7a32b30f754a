//! What a statement means for its transaction.

use crate::ledger::Kind;
use crate::pg::sql::{first_words, split_statements};

/// What a statement means for the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing to us.
    Plain,
    /// COMMIT, END, PREPARE TRANSACTION.
    Commit,
    /// ROLLBACK, ABORT; not ROLLBACK TO.
    Rollback,
    /// CALL, DO: they may commit inside.
    MayCommit,
}

impl Effect {
    pub(super) fn of(statement: &str) -> Self {
        let words = first_words(statement, 3);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["commit" | "end", ..] | ["prepare", "transaction", ..] => Effect::Commit,
            ["rollback", "to", ..] | ["rollback", "work" | "transaction", "to"] => Effect::Plain,
            ["rollback" | "abort", ..] => Effect::Rollback,
            ["call" | "do", ..] => Effect::MayCommit,
            _ => Effect::Plain,
        }
    }
}

impl Kind {
    /// Whether its SQL ends with a ROLLBACK of all of it, and commits nothing before.
    pub fn rolls_itself_back(&self) -> bool {
        let effects = split_statements(&self.sql).into_iter().map(Effect::of).filter(|effect| *effect != Effect::Plain);
        let effects: Vec<Effect> = effects.collect();
        !effects.is_empty() && effects.iter().all(|effect| *effect == Effect::Rollback)
    }
}

/// Whether any of the statements begins or ends a transaction.
pub(super) fn has_own_transaction(text: &str) -> bool {
    split_statements(text).iter().any(|statement| {
        let words = first_words(statement, 1);
        Effect::of(statement) != Effect::Plain || words.first().is_some_and(|word| word == "begin" || word == "start")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_that_end_the_transaction_count_as_such() {
        for (sql, effect) in [
            ("COMMIT", Effect::Commit),
            ("end transaction", Effect::Commit),
            ("ROLLBACK", Effect::Rollback),
            ("rollback to savepoint a", Effect::Plain),
            ("ROLLBACK WORK TO a", Effect::Plain),
            ("/* COMMIT */ SELECT 1", Effect::Plain),
            ("CALL p()", Effect::MayCommit),
        ] {
            assert_eq!(Effect::of(sql), effect, "{sql}");
        }
    }
}
