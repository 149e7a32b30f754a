//! Steps that check what came out.

pub(super) mod age;
pub(super) mod all;
pub(super) mod assert_backup;
pub(super) mod assert_catalog;
pub(super) mod assert_fresh;
pub(super) mod assert_in_recovery;
pub(super) mod assert_intact;
pub(super) mod assert_log;
pub(super) mod assert_primary;
pub(super) mod assert_recoverable;
pub(super) mod assert_roles;
pub(super) mod assert_rows;
pub(super) mod assert_same;
pub(super) mod assert_streaming;
pub(super) mod assert_traffic;
pub(super) mod bounds;
pub(super) mod caught_up;
pub(super) mod checksums;
pub(super) mod copied;
pub(super) mod loss_notes;
pub(super) mod measured;
pub(super) mod point;
pub(super) mod query_rows;
pub(super) mod same_rows;
pub(super) mod snapshot;
