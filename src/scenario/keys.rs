//! The keys of a file and of a step, and the versions of the language.

/// The versions of the scenario language that this program speaks.
pub const LANGUAGE_VERSIONS: &[u32] = &[1];

/// The keys of a file, in the order in which people write them.
pub const FILE_KEYS: &[&str] = &[
    "drillyard",
    "name",
    "about",
    "tags",
    "postgres",
    "params",
    "timeout",
    "network",
    "repos",
    "nodes",
    "budgets",
    "prove",
    "notify",
    "heartbeat",
    "steps",
    "finally",
];

/// The keys that any step can have beside its action.
pub const COMMON_KEYS: &[&str] = &["id", "name", "within", "expect", "when"];
