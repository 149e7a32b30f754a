//! Whether a statement writes nothing, as far as its text shows.
//!
//! What is not known to write nothing may write: a function of somebody's own does what it likes.

use super::lexemes::{Lexeme, lexemes};
use super::writes::writes;

/// What a statement that reads begins with. BEGIN and its like write nothing by themselves.
const BEGINNINGS: [&str; 14] = [
    "select",
    "values",
    "table",
    "show",
    "with",
    "begin",
    "start",
    "commit",
    "end",
    "savepoint",
    "release",
    "rollback",
    "abort",
    "set",
];

/// Words that may stand before a parenthesis and call nothing.
const KEYWORDS: [&str; 42] = [
    "all",
    "and",
    "any",
    "array",
    "as",
    "between",
    "by",
    "case",
    "cast",
    "distinct",
    "else",
    "except",
    "exists",
    "filter",
    "from",
    "group",
    "having",
    "in",
    "intersect",
    "is",
    "join",
    "lateral",
    "like",
    "limit",
    "materialized",
    "not",
    "numeric",
    "offset",
    "on",
    "or",
    "over",
    "row",
    "select",
    "some",
    "then",
    "union",
    "using",
    "values",
    "varchar",
    "when",
    "where",
    "within",
];

/// PostgreSQL's own functions that write nothing, of those that users' queries are made of.
const FUNCTIONS: [&str; 66] = [
    "abs",
    "array_agg",
    "avg",
    "ceil",
    "clock_timestamp",
    "coalesce",
    "concat",
    "count",
    "current_setting",
    "date_part",
    "date_trunc",
    "dense_rank",
    "extract",
    "first_value",
    "floor",
    "format",
    "generate_series",
    "greatest",
    "json_agg",
    "json_build_object",
    "jsonb_agg",
    "jsonb_build_object",
    "lag",
    "last_value",
    "lead",
    "least",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "make_interval",
    "max",
    "md5",
    "min",
    "mod",
    "now",
    "ntile",
    "nullif",
    "pg_is_in_recovery",
    "pg_sleep",
    "position",
    "random",
    "rank",
    "regexp_replace",
    "replace",
    "right",
    "round",
    "row_number",
    "row_to_json",
    "rpad",
    "rtrim",
    "split_part",
    "statement_timestamp",
    "string_agg",
    "strpos",
    "substr",
    "substring",
    "sum",
    "to_char",
    "to_date",
    "to_json",
    "to_timestamp",
    "trim",
    "unnest",
    "upper",
];

/// Whether a statement writes nothing, as far as its text shows.
pub fn only_reads(statement: &str) -> bool {
    let lexemes = lexemes(statement);
    let begins = lexemes.first().is_none_or(|first| match first {
        Lexeme::Symbol(byte) => *byte == b'(',
        first => BEGINNINGS.iter().any(|word| first.is(word)),
    });
    // SELECT INTO makes a table.
    begins && !lexemes.iter().any(|lexeme| lexeme.is("into")) && writes(statement).is_empty() && !calls(&lexemes)
}

/// Whether anything is called that is not known.
fn calls(lexemes: &[Lexeme]) -> bool {
    let known = |word: &str| KEYWORDS.contains(&word) || FUNCTIONS.contains(&word);
    lexemes.windows(2).enumerate().any(|(at, pair)| {
        let [callee, Lexeme::Symbol(b'(')] = pair else { return false };
        let qualified = at.checked_sub(1).and_then(|before| lexemes.get(before)) == Some(&Lexeme::Symbol(b'.'));
        match callee {
            Lexeme::Word(word) if !qualified => !known(word),
            // Of a schema of somebody's own, or of PostgreSQL's, which few people write.
            Lexeme::Word(_) | Lexeme::Name(_) => true,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_is_told_from_what_may_write() {
        for reads in [
            "SELECT * FROM prices",
            "SELECT count(*), max(seq) FROM shop.orders WHERE client = $client AND id IN (1, 2) AND note LIKE '%f(x)%'",
            "WITH recent AS (SELECT * FROM orders) SELECT sum(amount) OVER (PARTITION BY client) FROM recent",
            "(SELECT 1) UNION (SELECT 2)",
            "TABLE orders",
            "VALUES (1)",
            "BEGIN",
            "SET LOCAL statement_timeout = '1s'",
            "SELECT 1 FROM orders WHERE client = $client FOR UPDATE",
        ] {
            assert!(only_reads(reads), "{reads}");
        }
        for writes in [
            "INSERT INTO t VALUES (1)",
            "UPDATE t SET a = 1",
            "SELECT place_order($client, $seq)",
            "SELECT shop.count(1)",
            "SELECT \"count\"(1)",
            "SELECT nextval('s')",
            "SELECT 1 INTO t",
            "WITH x AS (DELETE FROM t RETURNING 1) SELECT count(*) FROM x",
            "CALL p()",
            "DO $$ BEGIN NULL; END $$",
            "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
            "CREATE TABLE t (a int)",
            "NOTIFY x",
        ] {
            assert!(!only_reads(writes), "{writes}");
        }
    }
}
