//! A repo of somebody else's as it would look if something were wrong with it: for `prove`, which
//! never touches what is there.

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use jiff::Timestamp;

use super::archive::Archive;
use super::backup_kind::BackupKind;
use super::begin::Needs;
use super::damage::damage_table;
use super::error::{RepoError, Result, run};
use super::listed::{Label, Listed};
use super::loaded::Loaded;
use super::restored::Restored;
use super::server_files::ServerFiles;
use super::storage::{Place, Storage, Verified};
use crate::host::{Host, Program, Reach};
use crate::node::Node;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    /// What is restored from it is damaged: a page of the largest table; of dumps the largest file.
    BackupDamaged,
    /// Its newest backup is not there.
    NewestMissing,
    /// A segment of its WAL is not there: one in the middle of what comes after the newest backup.
    WalMissing,
}

impl Spoil {
    /// As breaks are called.
    pub fn word(self) -> &'static str {
        match self {
            Spoil::BackupDamaged => "backup-damaged",
            Spoil::NewestMissing => "newest-backup-missing",
            Spoil::WalMissing => "wal-missing",
        }
    }
}

/// A repo that is read through this.
pub(super) struct Spoiled {
    storage: Arc<dyn Storage>,
    spoil: Spoil,
    /// The segment that is not there, once it is known.
    missing: OnceLock<String>,
}

impl Spoiled {
    /// A repo with something wrong with it.
    pub(super) fn new(storage: Arc<dyn Storage>, spoil: Spoil) -> Self {
        Spoiled { storage, spoil, missing: OnceLock::new() }
    }

    /// Chooses the segment that is not there, once.
    async fn choose(&self, host: &dyn Host, archive: &Archive) -> Result<()> {
        if self.spoil != Spoil::WalMissing || self.missing.get().is_some() {
            return Ok(());
        }
        let backups = self.storage.backups(host).await?;
        let Some(newest) = backups.iter().rfind(|one| one.wrong.is_none()) else { return Ok(()) };
        let needs = self.storage.needs(host, &newest.label).await?;
        let Some((timeline, from)) = needs.begin.and_then(|begin| begin.place(archive)) else {
            return Err(RepoError::Unknown("nobody says which WAL the newest backup needs".to_owned()));
        };
        let ends = needs.end.unwrap_or(from);
        let reach = archive.reach(from, timeline, archive.newest_from(timeline, from));
        let all = archive.all_segments(&reach);
        let later: Vec<String> = all.iter().filter(|one| one.start() >= ends).map(ToString::to_string).collect();
        let chosen = later.get(later.len().saturating_sub(1) / 2).cloned();
        if let Some(chosen) = chosen.or_else(|| all.last().map(ToString::to_string)) {
            // Whoever was quicker has chosen the same one.
            let _ = self.missing.set(chosen);
        }
        Ok(())
    }
}

impl fmt::Debug for Spoiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spoiled").field("spoil", &self.spoil).field("of", &self.storage).finish_non_exhaustive()
    }
}

#[async_trait]
impl Storage for Spoiled {
    fn place(&self) -> &Place {
        self.storage.place()
    }

    fn cold(&self, secrets: &[(String, String)]) -> Option<Arc<dyn Storage>> {
        let cold = self.storage.cold(secrets)?;
        Some(Arc::new(Spoiled::new(cold, self.spoil)))
    }

    async fn set_up(&self, host: &dyn Host) -> Result<()> {
        self.storage.set_up(host).await
    }

    fn backup_program(&self) -> &'static str {
        self.storage.backup_program()
    }

    async fn backups(&self, host: &dyn Host) -> Result<Vec<Listed>> {
        let mut backups = self.storage.backups(host).await?;
        if self.spoil == Spoil::NewestMissing
            && let Some(newest) = backups.iter().rposition(|one| one.wrong.is_none())
        {
            backups.remove(newest);
        }
        Ok(backups)
    }

    async fn needs(&self, host: &dyn Host, label: &Label) -> Result<Needs> {
        self.storage.needs(host, label).await
    }

    async fn size(&self, host: &dyn Host, label: &Label) -> Result<u64> {
        self.storage.size(host, label).await
    }

    async fn restored(&self, host: &dyn Host, label: &Label) -> Result<Restored> {
        self.storage.restored(host, label).await
    }

    async fn backup_kind(&self, host: &dyn Host, label: &Label) -> Result<Option<BackupKind>> {
        self.storage.backup_kind(host, label).await
    }

    async fn server_files(&self, host: &dyn Host, label: &Label, scratch: &str) -> Result<ServerFiles> {
        self.storage.server_files(host, label, scratch).await
    }

    async fn extensions(&self, host: &dyn Host, label: &Label) -> Result<Option<Vec<String>>> {
        self.storage.extensions(host, label).await
    }

    async fn restore(&self, host: &dyn Host, backup: &Label, data: &str) -> Result<Program> {
        if self.spoil == Spoil::WalMissing {
            self.choose(host, &self.storage.archive(host).await?).await?;
        }
        let program = self.storage.restore(host, backup, data).await?;
        match self.spoil {
            Spoil::BackupDamaged => damage_table(host, data).await.map(|()| program),
            Spoil::NewestMissing | Spoil::WalMissing => Ok(program),
        }
    }

    async fn load(&self, node: &Node, backup: &Label, taken: Timestamp) -> Result<(Loaded, Program)> {
        if self.spoil != Spoil::BackupDamaged {
            return self.storage.load(node, backup, taken).await;
        }
        let host = node.host()?.as_ref();
        let to = format!("{}-damaged-copy", host.paths().data);
        let copy = self.storage.damaged_copy(host, backup, &to).await?;
        let loaded = self.storage.load(node, &copy, taken).await;
        run(host, "rm", Program::new("rm", ["-rf", &to])).await?;
        loaded
    }

    fn restore_command(&self) -> String {
        let command = self.storage.restore_command();
        match self.missing.get() {
            Some(segment) => format!("if test %f = {segment}; then exit 1; fi; {command}"),
            None => command,
        }
    }

    fn fetches(&self) -> Reach {
        self.storage.fetches()
    }

    async fn archive(&self, host: &dyn Host) -> Result<Archive> {
        let archive = self.storage.archive(host).await?;
        self.choose(host, &archive).await?;
        Ok(match self.missing.get() {
            Some(segment) => archive.without(segment),
            None => archive,
        })
    }

    async fn backup_files(&self, host: &dyn Host, backup: &Label, scratch: &str) -> Result<Option<String>> {
        self.storage.backup_files(host, backup, scratch).await
    }

    fn verify_program(&self) -> &'static str {
        self.storage.verify_program()
    }

    async fn verify(&self, host: &dyn Host, backup: &Label) -> Result<Verified> {
        self.storage.verify(host, backup).await
    }
}
