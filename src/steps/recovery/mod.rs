//! Steps that recover.

pub(super) mod archive_end;
pub(super) mod dump;
pub(super) mod exec;
pub(super) mod find_in_wal;
pub(super) mod follow;
pub(super) mod goal;
pub(super) mod key;
pub(super) mod known_table;
pub(super) mod position;
pub(super) mod promote;
pub(super) mod rebuild;
pub(super) mod reconcile;
pub(super) mod recover;
pub(super) mod recreated;
pub(super) mod refusal;
pub(super) mod reimport;
pub(super) mod replay;
pub(super) mod restore;
pub(super) mod rewind;
pub(super) mod slots;
pub(super) mod start;
pub(super) mod tablespaces;
pub(super) mod target;
pub(super) mod until;
pub(super) mod upstream;
pub(super) mod wait_for_target;
