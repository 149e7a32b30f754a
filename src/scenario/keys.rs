//! The keys of a file and of a step, and the versions of the language.

/// The versions of the scenario language that this program speaks.
pub const LANGUAGE_VERSIONS: &[u32] = &[1];

/// The keys of a file, in the order in which people write them.
pub const FILE_KEYS: &[&str] = &[
    "drillyard",
    "fragment",
    "name",
    "about",
    "tags",
    "postgres",
    "params",
    "matrix",
    "exclude",
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

/// The keys of a fragment.
pub const FRAGMENT_KEYS: &[&str] = &["drillyard", "fragment", "about", "params", "repos", "nodes", "steps"];

/// The action of a step that uses a fragment.
pub(super) const USE: &str = "use";
/// The key beside it with the fragment's params.
pub(super) const WITH: &str = "with";
/// The common keys that it can have.
pub(super) const GO_WITH_USE: &[&str] = &["id", "name", "when"];

/// The keys that any step can have beside its action.
pub const COMMON_KEYS: &[&str] = &["id", "name", "within", "expect", "when", "retry", "during"];
