//! Names of the language that are taken and not built yet: an error at `check`, never accepted and
//! skipped, with the way to do it today where there is one.

/// The steps that are not built yet.
pub const NOT_BUILT: &[&str] = &[
    "drop_database",
    "drop_schema",
    "drop_column",
    "drop_role",
    "set",
    "create_tablespace",
    "fill_disk",
    "free_disk",
    "use",
    "team",
    "assert_same",
    "assert_roles",
];

/// The kinds of repos that are not built yet.
pub const LATER_REPO_KINDS: &[&str] = &["dump"];

/// Keys that are not built yet, of files and of steps.
const KEYS: &[&str] = &[
    "at_least",
    "at_most",
    "autocommit",
    "capture",
    "cold",
    "during",
    "except",
    "fragment",
    "globals",
    "heartbeat",
    "matrix",
    "mistake",
    "notify",
    "retry",
    "role",
    "runbook",
    "standby_conninfo",
    "with",
];

/// How to do today what a step or a key is to do that is not built yet.
const TODAY: &[(&str, &str)] = &[
    (
        "drop_database",
        "`exec: { run: [dropdb, NAME] }`; with an `id` it is a mark, and `until: { before: ID }` goes back to before it",
    ),
    ("drop_schema", "`sql: { query: DROP SCHEMA NAME CASCADE }`; with an `id` it is a mark"),
    ("drop_column", "`sql: { query: ALTER TABLE NAME DROP COLUMN NAME }`; with an `id` it is a mark"),
    ("drop_role", "`sql: { query: DROP ROLE NAME }`; with an `id` it is a mark"),
    (
        "set",
        "`settings` of the node; or `exec: { run: [psql, -c, ALTER SYSTEM SET ..., -c, SELECT pg_reload_conf()] }`, and `restart` where it needs one",
    ),
    ("create_tablespace", "`exec: { run: [sh, -c, 'mkdir \"$PGDATA/../NAME\"; psql -c \"CREATE TABLESPACE ...\"'] }`"),
    ("use", "write its steps into this file"),
    ("fragment", "write its steps into the files that need them"),
    ("assert_same", "`assert_rows: { table: NAME, same_as: NODE }` for each table"),
    ("assert_roles", "`assert_rows` with a query of pg_roles"),
    ("autocommit", "`exec: { run: [psql, -c, ...] }`: psql runs each statement in a transaction of its own"),
    ("capture", "`wait_for` and `assert_rows` compare in the server; an `exec` can write a file in `../shared`"),
    ("matrix", "one file a combination, or `--set NAME=VALUE`"),
    (
        "except",
        "compare by a query: `assert_rows: { query: ..., equals: [...] }`, or undo the difference before the assertion",
    ),
    ("globals", "`exec: { run: [sh, -c, 'pg_dumpall --globals-only > ../shared/globals.sql'] }`"),
    ("at_least", "compare in SQL: `assert_rows: { query: \"SELECT count(*) >= 100 FROM ...\", equals: [[true]] }`"),
    ("at_most", "compare in SQL: `assert_rows: { query: \"SELECT count(*) <= 100 FROM ...\", equals: [[true]] }`"),
    ("retry", "`wait_for: { query: ..., equals: ... }`, which is tried again until `within` runs out"),
    ("role", "`SET LOCAL ROLE NAME` in the `sql` step itself"),
    ("notify", "`--report-junit` or `--report-json`, and what your CI does with them"),
    ("heartbeat", "call it after `drillyard run` where that ends with 0"),
];

/// Whether this is the name of a key that is not built yet.
pub fn is_later_key(name: &str) -> bool {
    KEYS.contains(&name)
}

/// How to do today what this step or key is to do.
pub fn today(name: &str) -> Option<String> {
    let (_, today) = TODAY.iter().find(|(later, _)| *later == name)?;
    Some(format!("today: {today}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_said_of_something_that_is_not_built() {
        let known = |name: &str| NOT_BUILT.contains(&name) || is_later_key(name);
        assert!(TODAY.iter().all(|(name, _)| known(name)));
        assert!(NOT_BUILT.iter().all(|name| crate::steps::find(name).is_none()));
        assert!(LATER_REPO_KINDS.iter().all(|name| crate::repo::find(name).is_none()));
    }
}
