//! What a kind of repo does.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::archive::Archive;
use super::backup_kind::BackupKind;
use super::begin::Needs;
use super::broken_wal::BrokenWal;
use super::damage::Damaged;
use super::error::{Ability, RepoError, Result, run};
use super::listed::{Label, Listed};
use super::loaded::Loaded;
use super::look::bring_backup_wal;
use super::restored::Restored;
use super::server_files::ServerFiles;
use super::settings::Settings;
use crate::host::{Host, HostError, Program, Reach};
use crate::node::Node;
use crate::pg::Segment;

/// Where a repo is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Its name in the scenario.
    pub name: String,
    /// A directory of its own that every host of the drill sees; no spaces or quotes in it.
    pub path: String,
    /// What the scenario says of it beyond its kind.
    pub settings: Settings,
    /// Of one that somebody else fills: where it is read, as the scenario says.
    pub read_at: Option<String>,
}

/// The path of a place where nothing is.
pub const NOWHERE: &str = "/nonexistent";

/// How quickly a backup's checkpoint is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpoint {
    /// At once.
    Fast,
    /// Without hurry, as a server makes its own.
    Spread,
}

/// A backup to be taken.
#[derive(Debug, Clone, Copy)]
pub struct BackupOrder<'a> {
    /// The id of the step that takes it.
    pub id: &'a str,
    /// Its checkpoint.
    pub checkpoint: Checkpoint,
    /// The backup that it goes on from: it has what has changed since. None for a full one.
    pub incremental_to: Option<&'a Label>,
    /// More arguments for the program that takes it.
    pub options: &'a [String],
}

/// A backup that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// What the repo calls it.
    pub label: Label,
    /// The program that took it.
    pub program: Program,
}

/// Whether a backup is what was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// It is.
    Intact,
    /// It is not; what is wrong with it, as far as the repo's own tool says.
    Damaged(Vec<String>),
}

impl Verified {
    /// Damaged, as pg_verifybackup or whoever unpacks it says.
    pub(super) fn damaged(said: &str) -> Self {
        let plain = |line: &str| line.trim_start_matches("pg_verifybackup: ").trim_start_matches("error: ").to_owned();
        Verified::Damaged(said.lines().filter(|line| !line.trim().is_empty()).map(plain).collect())
    }
}

/// A repo of some kind: all that differs from kind to kind. Its programs run on the hosts of the
/// drill; whichever host a method is given will do.
///
/// What a kind cannot do is listed in [`RepoKind::CANNOT`](super::RepoKind::CANNOT), so that a
/// scenario that asks for it is an error before anything starts; its methods need not be written
/// then. What a tool needs of its own it makes in [`Storage::set_up`] and [`Storage::welcome`].
#[async_trait]
pub trait Storage: Send + Sync + fmt::Debug {
    /// Its name, and the directory that the drill has made for it.
    fn place(&self) -> &Place;

    /// Whether somebody else fills it: it is only read from, and what is restored from it is
    /// another server's.
    fn is_existing(&self) -> bool {
        self.place().read_at.is_some()
    }

    /// The same for a recovery that has these secrets and else what lies in the repo; none if that
    /// is all that this one uses. [`RepoKind::BESIDE`](super::RepoKind::BESIDE) says what it takes.
    fn cold(&self, _: &[(String, String)]) -> Option<Arc<dyn Storage>> {
        None
    }

    /// The directories that every host has to see, and in which a disk can run full.
    ///
    /// None of somebody else's: there a drill fills no disk, and wipes nothing.
    fn directories(&self) -> Vec<String> {
        if self.is_existing() { vec![] } else { vec![self.place().path.clone()] }
    }

    /// Makes what it is without any backup or WAL: its configuration. No server runs yet.
    async fn set_up(&self, _: &dyn Host) -> Result<()> {
        Ok(())
    }

    /// Makes what it needs of a new cluster before that archives into it for the first time. Its
    /// server does not run yet; its data directory is there.
    async fn welcome(&self, _: &dyn Host) -> Result<()> {
        Ok(())
    }

    /// The program that takes backups, by the name that people know.
    fn backup_program(&self) -> &'static str;

    /// Takes a backup of a server, from its own host. One that fails leaves nothing behind.
    async fn back_up(&self, _: &Node, _: &BackupOrder<'_>) -> Result<Taken> {
        Err(RepoError::NotPossible(Ability::BackUp))
    }

    /// The backups that are there, the oldest first.
    async fn backups(&self, _: &dyn Host) -> Result<Vec<Listed>> {
        Err(RepoError::NotPossible(Ability::List))
    }

    /// The WAL that a backup needs.
    async fn needs(&self, _: &dyn Host, _: &Label) -> Result<Needs> {
        Ok(Needs::default())
    }

    /// How many bytes a backup takes up in the repo.
    async fn size(&self, _: &dyn Host, _: &Label) -> Result<u64> {
        Err(RepoError::Unknown("nobody knows how large a backup in a repo of this kind is".to_owned()))
    }

    /// What a restore of a backup makes, as far as that shows where it lies.
    async fn restored(&self, _: &dyn Host, _: &Label) -> Result<Restored> {
        Ok(Restored::unknown("a repo of this kind does not say what a restore makes"))
    }

    /// What a backup holds; none where nobody says.
    async fn backup_kind(&self, _: &dyn Host, _: &Label) -> Result<Option<BackupKind>> {
        Ok(None)
    }

    /// The files of a backup that say what server it is of, as far as they can be had without
    /// restoring it. `scratch` is where they may be put: then the caller removes it.
    async fn server_files(&self, _: &dyn Host, _: &Label, _: &str) -> Result<ServerFiles> {
        Ok(ServerFiles::None("a repo of this kind gives no file without a restore".to_owned()))
    }

    /// The extensions in the databases of a backup, by name; none where only a server knows them.
    async fn extensions(&self, _: &dyn Host, _: &Label) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    /// Restores a backup to the data directory `data`; what lies there is removed. Its tablespaces
    /// go to places of the new server's own ([`own_tablespaces`](crate::node::own_tablespaces)),
    /// never to those of the server that was backed up. Returns the program that has done it.
    async fn restore(&self, _: &dyn Host, _: &Label, _: &str) -> Result<Program> {
        Err(RepoError::NotPossible(Ability::Restore))
    }

    /// Fills a new server, which runs and has nothing in it yet, with the rows of a backup, which
    /// was begun then: for a kind that gives back no data directory ([`Ability::Replay`]). All that
    /// goes wrong fails it. Returns the program that has done it, too.
    async fn load(&self, _: &Node, _: &Label, _: Timestamp) -> Result<(Loaded, Program)> {
        Err(RepoError::NotPossible(Ability::Restore))
    }

    /// A copy of a backup at `to`, damaged, by the name that [`Storage::load`] takes it by: the
    /// backup itself is left as it is.
    async fn damaged_copy(&self, _: &dyn Host, _: &Label, _: &str) -> Result<Label> {
        Err(RepoError::NotPossible(Ability::DamageBackup))
    }

    /// `archive_command`. The same segment may come twice, as it does after a crash; another one of
    /// the same name is refused (manual, 26.3.1 "Setting Up WAL Archiving"). A repo without WAL
    /// takes none.
    fn archive_command(&self) -> String {
        "false".to_owned()
    }

    /// `restore_command`: another status than 0 if the file is not there. A repo without WAL has
    /// none.
    fn restore_command(&self) -> String {
        "false".to_owned()
    }

    /// A command of the scenario's own in the place of archive_command or restore_command. It finds
    /// the repo's directory in `DRILLYARD_REPO`, and that of its WAL in `DRILLYARD_WAL`.
    fn own_command(&self, command: &str) -> String {
        let (repo, wal) = (&self.place().path, self.archive_directory());
        format!("export DRILLYARD_REPO={repo} DRILLYARD_WAL={wal}; {command}")
    }

    /// Which network its restore_command has to have.
    fn fetches(&self) -> Reach {
        Reach::OfServer
    }

    /// What a server on this host has as restore_command.
    async fn restore_command_on(&self, host: &dyn Host) -> std::result::Result<String, HostError> {
        match self.fetches() {
            Reach::OfServer => Ok(self.restore_command()),
            Reach::OfMachine => host.fetching(&self.restore_command()).await,
        }
    }

    /// A directory that has to be there before a server archives.
    fn archive_directory(&self) -> String {
        self.place().path.clone()
    }

    /// An archive_command that runs `otherwise` for a segment that is not archived yet. Tools whose
    /// archive_command may run twice for the same segment need no more than that.
    fn unless_archived(&self, otherwise: &str) -> String {
        otherwise.to_owned()
    }

    /// A shell command that archives `file` in the working directory and removes it; `data` is the
    /// data directory of its server. It may run twice at a time for the same file.
    fn deliver(&self, file: &str, _data: &str) -> String {
        let command = self.archive_command().replace("%p", file).replace("%f", file);
        format!("{{ {command}; }} && rm -f {file}")
    }

    /// The WAL that is there.
    async fn archive(&self, _: &dyn Host) -> Result<Archive> {
        Err(RepoError::NotPossible(Ability::List))
    }

    /// Whether a segment or a history file is there, and not empty.
    async fn holds(&self, host: &dyn Host, file: &str) -> Result<bool> {
        Ok(self.archive(host).await?.has_file(file))
    }

    /// The directory in which segments lie, as files of their names unless they are packed.
    fn wal_directory(&self) -> Option<String> {
        None
    }

    /// A directory in which these segments lie as files, for whoever only reads them; those that
    /// are not there are missing. `scratch` is where it may be made: then the caller removes it.
    async fn wal_files(&self, host: &dyn Host, segments: &[Segment], scratch: &str) -> Result<String> {
        let restore = self.restore_command();
        let fetch = |segment: &Segment| {
            let name = segment.to_string();
            restore.replace("%p", &name).replace("%f", &name)
        };
        let args = [scratch.to_owned()].into_iter().chain(segments.iter().map(fetch));
        run(host, "fetching WAL", Program::script(include_str!("scripts/fetch_wal.sh"), args).with_network()).await?;
        Ok(scratch.to_owned())
    }

    /// Whether what is restored comes with the WAL that its backup needs.
    fn brings_wal(&self) -> bool {
        true
    }

    /// A directory in which a backup lies as pg_basebackup writes it, for whoever only reads it;
    /// none if there is no such backup. `scratch` is where it may be made: then the caller removes
    /// it.
    async fn backup_files(&self, host: &dyn Host, backup: &Label, scratch: &str) -> Result<Option<String>> {
        if !self.backups(host).await?.iter().any(|one| one.label == *backup) {
            return Ok(None);
        }
        self.restore(host, backup, scratch).await?;
        if !self.brings_wal() {
            bring_backup_wal(host, scratch, &self.restore_command()).await?;
        }
        Ok(Some(scratch.to_owned()))
    }

    /// Where a backup lies as a data directory, for a kind in which people copy it from there.
    fn backup_path(&self, _: &Label) -> Option<String> {
        None
    }

    /// The program that verifies backups, by the name that people know.
    fn verify_program(&self) -> &'static str {
        self.backup_program()
    }

    /// Compares a backup with what was taken.
    async fn verify(&self, _: &dyn Host, _: &Label) -> Result<Verified> {
        Err(RepoError::NotPossible(Ability::Verify))
    }

    /// Brings it up to date from the original that it is a copy of, which is of the same kind. What
    /// is there stays as it is.
    async fn copy_from(&self, _: &dyn Host, _: &Place) -> Result<()> {
        Err(RepoError::NotPossible(Ability::Copy))
    }

    /// Removes all that is in it.
    async fn wipe(&self, host: &dyn Host) -> Result<()> {
        let script = r#"for dir; do rm -rf "$dir"/* "$dir"/.[!.]*; done"#;
        run(host, "the loss of the repos", Program::script(script, self.directories())).await.map(drop)
    }

    /// Removes a backup that is there, and nothing that goes on from it.
    async fn lose_backup(&self, _: &dyn Host, _: &Label) -> Result<()> {
        Err(RepoError::NotPossible(Ability::LoseBackup))
    }

    /// Removes a segment that is there; with [`Ability::WalFiles`], or any other file of WAL.
    async fn lose_wal(&self, _: &dyn Host, _: &str) -> Result<()> {
        Err(RepoError::NotPossible(Ability::LoseWal))
    }

    /// Damages a segment that is there.
    async fn damage_wal(&self, _: &dyn Host, _: &str) -> Result<Damaged> {
        Err(RepoError::NotPossible(Ability::DamageWal))
    }

    /// Makes a file of WAL that is there one that cannot be used at all.
    async fn break_wal(&self, _: &dyn Host, _: &str, _: BrokenWal) -> Result<Damaged> {
        Err(RepoError::NotPossible(Ability::WalFiles))
    }

    /// Damages a backup: the largest table in it, or a file as the backup's own directory has it.
    async fn damage_backup(&self, _: &dyn Host, _: &Label, _: Option<&str>) -> Result<Damaged> {
        Err(RepoError::NotPossible(Ability::DamageBackup))
    }
}
