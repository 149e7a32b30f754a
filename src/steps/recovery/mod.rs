//! Steps that recover.

pub(super) mod archive_end;
pub(super) mod dump;
pub(super) mod exec;
pub(super) mod find_in_wal;
pub(super) mod follow;
pub(super) mod position;
pub(super) mod promote;
pub(super) mod rebuild;
pub(super) mod reconcile;
pub(super) mod recover;
pub(super) mod recreated;
pub(super) mod reimport;
pub(super) mod restore;
pub(super) mod rewind;
pub(super) mod tablespaces;
pub(super) mod wait_for_target;
