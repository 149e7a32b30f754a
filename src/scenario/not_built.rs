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
];

/// Keys that are not built yet, of files and of steps.
const KEYS: &[&str] = &[
    "autocommit",
    "capture",
    "during",
    "except",
    "fragment",
    "globals",
    "matrix",
    "mistake",
    "retry",
    "runbook",
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
    ("autocommit", "`exec: { run: [psql, -c, ...] }`: psql runs each statement in a transaction of its own"),
    ("capture", "`wait_for` and `assert_rows` compare in the server; an `exec` can write a file in `../shared`"),
    ("matrix", "one file a combination, or `--set NAME=VALUE`"),
    (
        "except",
        "compare by a query: `assert_rows: { query: ..., equals: [...] }`, or undo the difference before the assertion",
    ),
    ("globals", "`exec: { run: [sh, -c, 'pg_dumpall --globals-only > ../shared/globals.sql'] }`"),
    ("retry", "`wait_for: { query: ..., equals: ... }`, which is tried again until `within` runs out"),
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
    }
}
