//! The temporary tables of a merge, in the live server.

/// The temporary tables of the rows that differ, as they are on `good` and on `bad`.
pub(super) const GOOD: &str = "drillyard_good";
pub(super) const BAD: &str = "drillyard_bad";
/// The temporary table of the rows that the mistake changed, with the columns that it touched.
pub(super) const CHANGED: &str = "drillyard_changed";
/// The temporary table of what is done to each row.
pub(super) const PLAN: &str = "drillyard_plan";
/// That of the rows as they are to become.
pub(super) const FINAL: &str = "drillyard_final";
/// That of what the server would refuse.
pub(super) const OBSTACLES: &str = "drillyard_obstacles";
/// How many conflicts are listed one by one.
pub(super) const SHOWN: usize = 20;
