//! The temporary tables of a merge, in the live server.

use super::error::MergeError;
use super::live::Live;

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

/// The tables that are there before the lock is taken, one for each table of the merge.
const KEPT: [&str; 3] = [GOOD, BAD, CHANGED];

/// Gives the tables of rows that differ the name of a place, so that those of the next table can be
/// made.
pub(super) async fn set_aside(live: &Live<'_>, place: usize) -> Result<(), MergeError> {
    let rename = KEPT.map(|table| format!("alter table if exists pg_temp.{table} rename to {table}_{place}"));
    live.batch("setting the rows that differ aside", &rename.join(";")).await
}

/// Gives those of a place their names again.
pub(super) async fn bring_back(live: &Live<'_>, place: usize) -> Result<(), MergeError> {
    let rename = KEPT.map(|table| format!("alter table if exists pg_temp.{table}_{place} rename to {table}"));
    live.batch("taking up the rows that differ", &rename.join(";")).await
}

/// Drops all of them, when a table is merged.
pub(super) async fn drop_all(live: &Live<'_>) -> Result<(), MergeError> {
    let tables = [GOOD, BAD, CHANGED, PLAN, FINAL, OBSTACLES].map(|table| format!("pg_temp.{table}"));
    live.batch("dropping temporary tables", &format!("drop table if exists {}", tables.join(", "))).await
}
