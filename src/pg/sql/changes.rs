//! Whether a statement changes what is there already, as far as its text shows.

use super::lexemes::{Lexeme, lexemes};
use super::writes::{Source, Verb, Write, writes};

/// What a statement begins with that changes what is there, whatever else it says.
const BEGINNINGS: [&str; 11] =
    ["alter", "call", "comment", "create", "do", "drop", "grant", "reassign", "refresh", "revoke", "truncate"];

/// Whether a statement changes rows, tables or rights that are there, or makes rows of others. One
/// that only reads does not, nor one that adds rows of its own or a new table for them, nor
/// maintenance such as VACUUM or CHECKPOINT.
pub fn changes_what_is_there(statement: &str) -> bool {
    let lexemes = lexemes(statement);
    let has = |word: &str| lexemes.iter().any(|lexeme| lexeme.is(word));
    let begins = |words: &[&str]| lexemes.first().is_some_and(|first| words.iter().any(|word| first.is(word)));
    let makes_empty_table = begins(&["create"]) && has("table") && !has("as") && !has("like");
    let sets_sequence = lexemes.windows(2).any(|pair| pair[0].is("setval") && pair[1] == Lexeme::Symbol(b'('));
    (begins(&BEGINNINGS) && !makes_empty_table) || sets_sequence || writes(statement).iter().any(changes)
}

/// Whether it changes rows that are there, or makes some of others.
fn changes(write: &Write) -> bool {
    match write.verb {
        Verb::Update | Verb::Delete | Verb::Merge => true,
        Verb::Insert => !write.sets.is_empty() || !matches!(write.source, Source::Rows { exact: true, .. }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_told_from_what_reads_and_adds() {
        for changes in [
            "UPDATE orders o SET amount = old.amount FROM old WHERE old.id = o.id",
            "DELETE FROM t WHERE id = 7",
            "INSERT INTO orders SELECT * FROM orders_as_it_was ON CONFLICT DO NOTHING",
            "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 2",
            "WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone",
            "ALTER TABLE orders RENAME TO orders_as_it_was",
            "CREATE INDEX ON orders (client)",
            "CREATE TABLE back AS SELECT * FROM old",
            "TRUNCATE t",
            "GRANT SELECT ON t TO app",
            "SELECT setval('orders_id_seq', (SELECT max(id) FROM orders))",
            "DO $$ BEGIN PERFORM repair(); END $$",
        ] {
            assert!(changes_what_is_there(changes), "{changes}");
        }
        for other in [
            "SELECT count(*) FROM orders",
            "SELECT pg_switch_wal()",
            "INSERT INTO visits VALUES (0, 17, '2026-01-01 02:50Z')",
            "INSERT INTO visits (client, seq) VALUES (1, 1), (1, 2)",
            "CREATE TABLE written (n int)",
            "CHECKPOINT",
            "VACUUM ANALYZE orders",
            "SELECT 'UPDATE t SET a = 1'",
        ] {
            assert!(!changes_what_is_there(other), "{other}");
        }
    }
}
