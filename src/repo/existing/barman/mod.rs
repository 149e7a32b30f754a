//! A server of Barman that somebody else fills. Barman's own commands write: `get-wal` unpacks next
//! to the WAL, `recover` catalogues what has come, and all of them lock and log. So backups, WAL
//! and what Barman wrote of them are read as files, and where barman itself is run (`recover`,
//! `verify-backup`), it has a home of its own with copies of its notes and links to the data.

mod config;
mod info;
mod mounts;

pub use mounts::mounts;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use self::config::Places;
use self::info::Info;
use super::Existing;
use crate::host::{Host, Program};
use crate::node::own_tablespaces;
use crate::repo::archive::Archive;
use crate::repo::backup_kind::BackupKind;
use crate::repo::begin::Needs;
use crate::repo::error::{RepoError, Result, run, run_tool};
use crate::repo::listed::{Label, Listed};
use crate::repo::look::{bytes_in, empty_places, keep_inside, kind_in};
use crate::repo::restored::{Restored, restored_from};
use crate::repo::server_files::{ServerFiles, server_files_in};
use crate::repo::storage::{Place, Storage, Verified};

/// A server of Barman that is there already.
#[derive(Debug)]
pub struct ExistingBarman {
    place: Place,
    existing: Existing,
    /// Where its backups are, once its configuration was read.
    places: OnceCell<Places>,
}

/// How long a segment is where no backup says (manual, initdb, `--wal-segsize`).
const USUAL_SEGMENT: u64 = 16 << 20;

impl ExistingBarman {
    /// The server that is meant.
    pub fn at(existing: &Existing) -> Self {
        ExistingBarman { place: existing.place(&existing.own), existing: existing.clone(), places: OnceCell::new() }
    }

    fn server(&self) -> &str {
        self.existing.server.as_deref().unwrap_or_default()
    }

    /// The script of restore_command.
    fn get_wal(&self) -> String {
        format!("{}/get_wal.sh", self.place.path)
    }

    async fn places(&self, host: &dyn Host) -> Result<&Places> {
        self.places.get_or_try_init(|| self.find_places(host)).await
    }

    /// Reads the configuration, and lays out what restore_command reads by.
    async fn find_places(&self, host: &dyn Host) -> Result<Places> {
        let what = "the configuration of barman";
        let script = include_str!("../../scripts/barman_existing_config.sh");
        let text = run(host, what, Program::script(script, [self.existing.config.as_deref().unwrap_or_default()]))
            .await?
            .text();
        let failed = |said: String| RepoError::Failed { what, status: 0, said };
        let places = Places::read(&text, self.server()).map_err(failed)?;
        let script = include_str!("../../scripts/barman_existing_places.sh");
        let args = [&self.place.path, &places.wals, &places.incoming, &places.streaming];
        run(host, "the WAL of barman", Program::script(script, args)).await?;
        host.write(&self.get_wal(), include_str!("../../scripts/barman_existing_get_wal.sh").as_bytes()).await?;
        Ok(places)
    }

    /// All backups, the oldest first.
    async fn all(&self, host: &dyn Host) -> Result<Vec<Info>> {
        let places = self.places(host).await?;
        let script = include_str!("../../scripts/barman_existing_list.sh");
        let program = Program::script(script, [&places.backups, &places.meta]);
        Ok(Info::read(&run(host, "the list of backups", program).await?.text()))
    }

    async fn one(&self, host: &dyn Host, label: &Label) -> Result<Info> {
        let mut all = self.all(host).await?.into_iter();
        all.find(|info| info.label() == *label)
            .ok_or_else(|| RepoError::Unknown(format!("barman has no backup {label} any more")))
    }

    /// barman in a home of its own.
    async fn barman(&self, host: &dyn Host, args: impl IntoIterator<Item = String>) -> Result<Program> {
        let places = self.places(host).await?;
        let home = format!("{}-barman", host.paths().data);
        let fixed = [home, self.server().to_owned(), places.backups.clone(), places.meta.clone()];
        Ok(Program::script(include_str!("../../scripts/barman_existing_run.sh"), fixed.into_iter().chain(args)))
    }
}

#[async_trait]
impl Storage for ExistingBarman {
    fn place(&self) -> &Place {
        &self.place
    }

    fn cold(&self, secrets: &[(String, String)]) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(ExistingBarman::at(&self.existing.cold(secrets))))
    }

    fn backup_program(&self) -> &'static str {
        "barman"
    }

    async fn backups(&self, host: &dyn Host) -> Result<Vec<Listed>> {
        Ok(self.all(host).await?.iter().map(Info::listed).collect())
    }

    async fn needs(&self, host: &dyn Host, label: &Label) -> Result<Needs> {
        Ok(self.one(host, label).await?.needs())
    }

    async fn size(&self, host: &dyn Host, label: &Label) -> Result<u64> {
        let places = self.places(host).await?;
        bytes_in(host, &format!("{}/{label}", places.backups)).await
    }

    async fn restored(&self, host: &dyn Host, label: &Label) -> Result<Restored> {
        let info = self.one(host, label).await?;
        let dir = format!("{}/{label}", self.places(host).await?.backups);
        let mut restored = restored_from(host, &[format!("{dir}/data")]).await?;
        // Those that Barman copied lie beside `data`, and no link leads to them.
        let Some(tablespaces) = info.tablespaces() else {
            let why = "tablespaces: those in its backup.info cannot be read".to_owned();
            restored.unknown.retain(|why| !why.starts_with("tablespaces: "));
            restored.unknown.push(why);
            return Ok(Restored { tablespaces: None, ..restored });
        };
        let script = include_str!("../../scripts/barman_existing_spaces.sh");
        let args = std::iter::once(dir).chain(tablespaces.iter().map(|(_, oid)| oid.to_string()));
        let found = Restored::read(&run(host, "reading the backup", Program::script(script, args)).await?.text());
        restored.unknown.retain(|why| !why.starts_with("tablespaces: "));
        let least = found.least.filter(|_| restored.least.is_some()).max(restored.least);
        Ok(Restored { least, tablespaces: found.tablespaces, lacking: found.lacking, ..restored })
    }

    async fn backup_kind(&self, host: &dyn Host, label: &Label) -> Result<Option<BackupKind>> {
        let places = self.places(host).await?;
        kind_in(host, &format!("{}/{label}/data", places.backups)).await
    }

    async fn server_files(&self, host: &dyn Host, label: &Label, scratch: &str) -> Result<ServerFiles> {
        let places = self.places(host).await?;
        server_files_in(host, &format!("{}/{label}/data", places.backups), scratch).await
    }

    async fn restore(&self, host: &dyn Host, backup: &Label, data: &str) -> Result<Program> {
        let unknown = || RepoError::Unknown(format!("the tablespaces in the backup.info of {backup} cannot be read"));
        let tablespaces = self.one(host, backup).await?.tablespaces().ok_or_else(unknown)?;
        let spaces = own_tablespaces(data);
        empty_places(host, data, tablespaces.iter().map(|(_, oid)| oid.to_string())).await?;
        let maps =
            tablespaces.iter().flat_map(|(name, oid)| ["--tablespace".to_owned(), format!("{name}:{spaces}/{oid}")]);
        let which = [self.server().to_owned(), backup.to_string(), data.to_owned()];
        let args = ["recover".to_owned(), "--get-wal".to_owned()].into_iter().chain(maps).chain(which);
        let program = self.barman(host, args).await?;
        run_tool(host, "barman recover", program.clone(), "apt-get install barman").await?;
        let tidy = Program::script(include_str!("../../scripts/barman_existing_tidy.sh"), [data]);
        run(host, "mv", tidy).await?;
        keep_inside(host, "the restore", data).await?;
        Ok(program)
    }

    /// Not by `barman get-wal`: that unpacks where the WAL lies.
    fn restore_command(&self) -> String {
        format!(r#"sh {} {} %f "%p""#, self.get_wal(), self.place.path)
    }

    async fn archive(&self, host: &dyn Host) -> Result<Archive> {
        let size = self.all(host).await?.iter().rev().find_map(Info::segment_size).unwrap_or(USUAL_SEGMENT);
        let script = include_str!("../../scripts/barman_existing_list_wal.sh");
        let args = [self.place.path.clone(), size.to_string(), self.get_wal()];
        Ok(Archive::read(&run(host, "the list of WAL", Program::script(script, args)).await?.text()))
    }

    fn verify_program(&self) -> &'static str {
        "barman verify-backup"
    }

    async fn verify(&self, host: &dyn Host, backup: &Label) -> Result<Verified> {
        let places = self.places(host).await?;
        let script = include_str!("../../scripts/barman_existing_unverifiable.sh");
        let data = format!("{}/{backup}/data", places.backups);
        let text = host.run(Program::script(script, [data])).await?.text();
        if let Some(why) = text.lines().next() {
            return Err(RepoError::Unknown(format!("backup {backup} cannot be verified: it {why}")));
        }
        let args = ["verify-backup", self.server(), backup.as_str()].map(str::to_owned);
        let output = host.run(self.barman(host, args).await?).await?;
        if output.success() {
            return Ok(Verified::Intact);
        }
        let is_news = |line: &&str| line.to_lowercase().contains("error");
        let lines: Vec<String> = output.stderr.lines().filter(is_news).map(|line| line.trim().to_owned()).collect();
        let cannot = |line: &String| line.contains("pg_verifybackup not found") || line.contains("Permission denied");
        if let Some(why) = lines.iter().find(|line| cannot(line)) {
            return Err(RepoError::Unknown(format!("backup {backup} cannot be verified: {why}")));
        }
        match lines.is_empty() {
            true => Err(RepoError::Failed { what: "barman verify-backup", status: output.status, said: output.stderr }),
            false => Ok(Verified::Damaged(lines)),
        }
    }
}
