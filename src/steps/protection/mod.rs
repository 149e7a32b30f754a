//! Steps that protect data: backups, marks, the archive.

pub(super) mod archiver;
pub(super) mod backup;
pub(super) mod backup_source;
pub(super) mod mark;
pub(super) mod sync;
pub(super) mod wait_archived;
mod way;
