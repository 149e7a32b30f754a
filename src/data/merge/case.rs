//! What the mistake did to a row.

/// What the mistake did to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// It changed these columns.
    Changed,
    /// It deleted the row. If only `good` is known, the row is missing or different now.
    Deleted,
    /// It inserted the row.
    Inserted,
}
