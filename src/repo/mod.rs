//! Where base backups and WAL lie. There is one kind so far, a directory that every host of the drill sees.

mod archive;
mod broken;
pub mod history;
pub mod lookup;
pub mod wal_search;

pub use archive::{Archive, SegmentHeader};
pub use broken::Broken;

use crate::node::Archiving;

/// A directory with `backups/ID`, `tablespaces/ID/OID` and `wal/SEGMENT`.
#[derive(Debug, Clone)]
pub struct Repo {
    /// Its name in the scenario.
    pub name: String,
    /// Its directory, as every host sees it; no spaces or quotes in it.
    pub path: String,
}

impl Repo {
    /// No repo, for a server that has its WAL itself: nothing is found there.
    pub fn nowhere() -> Self {
        Repo { name: "none".to_owned(), path: "/nonexistent".to_owned() }
    }

    /// Where the WAL lies.
    pub fn wal(&self) -> String {
        format!("{}/wal", self.path)
    }

    /// Where a backup lies.
    pub fn backup(&self, id: &str) -> String {
        format!("{}/backups/{id}", self.path)
    }

    /// Where the tablespaces of a backup lie.
    pub fn tablespaces(&self, id: &str) -> String {
        format!("{}/tablespaces/{id}", self.path)
    }

    /// How a server archives into it.
    pub fn archiving(&self) -> Archiving {
        Archiving { command: self.archive_command(), directory: self.wal() }
    }

    /// `archive_command`. A segment appears under its name when it is whole, one that is there already is kept, and the
    /// same one may come twice, as it does after a crash (manual, 26.3.1 "Setting Up WAL Archiving").
    pub fn archive_command(&self) -> String {
        let wal = self.wal();
        format!(
            "if test -e {wal}/%f; then cmp -s %p {wal}/%f; else cp %p {wal}/.%f.part && mv {wal}/.%f.part {wal}/%f; fi"
        )
    }

    /// `restore_command`: 1, the end of the archive, where the file is not there.
    pub fn restore_command(&self) -> String {
        format!("cp {}/%f %p", self.wal())
    }
}
