//! What repos do: they take base backups and give them back, keep WAL, verify and copy what they
//! have, and can be damaged.
//!
//! A kind of repo is a file in this room that implements [`Storage`] and [`RepoKind`], and a line
//! in `registry.rs`. Nobody else knows what lies in a repo, and where.

mod archive;
mod backup_kind;
mod barman;
mod begin;
mod broken;
mod broken_wal;
mod command;
mod damage;
mod directory;
mod dump;
mod environment;
mod error;
mod existing;
mod headers;
mod kind;
mod last_end;
mod listed;
mod loaded;
mod look;
mod lookup;
mod pgbackrest;
mod reach;
mod registry;
mod restored;
mod server_files;
mod settings;
mod spoiled;
mod storage;
#[cfg(test)]
#[path = "../../tests/toys/repo.rs"]
mod toy;
mod wal_g;
mod wal_search;
mod wal_writes;

pub use archive::Archive;
pub use backup_kind::BackupKind;
pub use begin::{Begin, Needs};
pub use broken::{Broken, bring_late_wal};
pub use broken_wal::BrokenWal;
pub use damage::{Damaged, Where, damage_file};
pub use error::{Ability, NotPossible, RepoError, Result};
pub use existing::{AtExisting, Existing, unusable};
pub use headers::{Foreign, SegmentHeader};
pub use kind::{Beside, ByKey, Changes, Kind, Repo, RepoKind, Tool};
pub use last_end::Ends;
pub use listed::{Label, Listed};
pub use loaded::Loaded;
pub use look::{bytes_in, copy_sample};
pub use lookup::{Answer, Known, LookUp};
pub use reach::{Reach, Stretch};
pub use registry::{KINDS, default_kind, find, nowhere};
pub use restored::Restored;
pub use server_files::ServerFiles;
pub use settings::{Adjustable, Commands, Settings, Value};
pub use spoiled::Spoil;
pub use storage::{BackupOrder, Checkpoint, Place, Storage, Taken, Verified};
pub use wal_search::{Deed, Found, Search};
pub use wal_writes::{Commit, RowDeed, RowPlace, Writes, WritesSearch};
