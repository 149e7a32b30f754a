//! What is to be checked, and what is known of it already.

use jiff::Timestamp;

use super::verdict::Target;

/// What is to be checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckScope {
    /// Only what was acknowledged before this moment.
    pub before: Option<Timestamp>,
    /// Where the recovery stopped that the rows come from.
    pub target: Option<Target>,
}

/// What look-ups of just acknowledged transactions have shown of the ledger of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LookupSummary {
    /// Whether transactions were looked up right after their commit, and none was ever found.
    pub never_found: bool,
    /// The most rows that one of them has left with its mark; 0 if none was looked up.
    pub most_rows: u64,
}
