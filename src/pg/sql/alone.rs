//! Statements that the server runs in no transaction block.

use super::statements::first_words;
use super::tokens::{Kind, tokens};

/// What a statement is called that cannot run in a transaction block (manual, VI.I: "cannot be
/// executed inside a transaction block"); none if it can, as far as its words show.
pub fn runs_alone(statement: &str) -> Option<&'static str> {
    let first = first_words(statement, 5);
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    let has = |word: &str| {
        let is_it = |text: &str| text.eq_ignore_ascii_case(word);
        tokens(statement).any(|token| token.kind == Kind::Word && is_it(&statement[token.start..token.end]))
    };
    let name = match first.as_slice() {
        ["vacuum", ..] => "VACUUM",
        // With a table it can.
        ["cluster"] => "CLUSTER",
        ["create", "database", ..] => "CREATE DATABASE",
        ["drop", "database", ..] => "DROP DATABASE",
        ["create", "tablespace", ..] => "CREATE TABLESPACE",
        ["drop", "tablespace", ..] => "DROP TABLESPACE",
        ["alter", "system", ..] => "ALTER SYSTEM",
        ["alter", "database", _, "set", "tablespace"] => "ALTER DATABASE ... SET TABLESPACE",
        ["commit", "prepared", ..] => "COMMIT PREPARED",
        ["rollback", "prepared", ..] => "ROLLBACK PREPARED",
        ["reindex", "database" | "system" | "schema", ..] => "REINDEX of a whole schema or database",
        ["reindex", ..] if has("concurrently") => "REINDEX CONCURRENTLY",
        ["create", "index", "concurrently", ..] | ["create", "unique", "index", "concurrently", ..] => {
            "CREATE INDEX CONCURRENTLY"
        }
        ["drop", "index", "concurrently", ..] => "DROP INDEX CONCURRENTLY",
        ["alter", "table", ..] if has("detach") && has("concurrently") => "DETACH PARTITION ... CONCURRENTLY",
        _ => return None,
    };
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_alone_is_known_by_its_words() {
        let alone = [
            "VACUUM (FULL) t",
            "-- first\nREINDEX (VERBOSE) TABLE CONCURRENTLY t",
            "reindex schema public",
            "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)",
            "create index concurrently on t (a)",
            "DROP INDEX CONCURRENTLY i",
            "COMMIT PREPARED 'x'",
            "ALTER SYSTEM SET work_mem = '8MB'",
            "CREATE DATABASE shop STRATEGY FILE_COPY",
            "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
            "CLUSTER",
        ];
        assert!(alone.iter().all(|statement| runs_alone(statement).is_some()));
        let others = [
            "REINDEX TABLE t",
            "CREATE INDEX i ON t (a)",
            "CLUSTER t USING i",
            "COMMIT",
            "ALTER TABLE t DETACH PARTITION p",
            "SELECT 'VACUUM'",
            "CREATE TABLE vacuum (a int)",
            "REINDEX TABLE \"concurrently\"",
        ];
        assert!(others.iter().all(|statement| runs_alone(statement).is_none()));
    }
}
