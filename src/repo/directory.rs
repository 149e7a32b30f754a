//! A directory: base backups by pg_basebackup, WAL by cp.
//!
//! `backups/ID` is a backup, `tablespaces/ID/OID` a tablespace of it, `parents/ID` says what an
//! incremental one goes on from, `wal/SEGMENT` is archived WAL.

use std::sync::Arc;

use async_trait::async_trait;

use super::archive::Archive;
use super::backup_kind::BackupKind;
use super::begin::Needs;
use super::broken_wal::{BrokenWal, break_file};
use super::damage::{Damaged, Where, damage_file, damage_stored};
use super::error::{RepoError, Result, run, run_it};
use super::existing::{AtExisting, ExistingDirectory, named};
use super::kind::RepoKind;
use super::listed::{Label, Listed};
use super::look::{bytes_in, kind_in, needs_in};
use super::restored::{Restored, restored_from};
use super::server_files::{ServerFiles, server_files_in};
use super::storage::{BackupOrder, Checkpoint, Place, Storage, Taken, Verified};
use crate::host::{Host, Program};
use crate::node::{Node, Purpose, own_tablespaces};
use crate::pg::Segment;

/// A directory that every host of the drill sees.
#[derive(Debug)]
pub struct Directory(Place);

impl RepoKind for Directory {
    const NAME: &'static str = "directory";
    const ABOUT: &'static str = "A directory, with pg_basebackup and cp.";

    const EXISTING: Option<AtExisting> = Some(AtExisting {
        needs: &["backups"],
        takes: &["wal"],
        at: |existing| Arc::new(ExistingDirectory::at(existing)),
        mounts: named,
    });

    fn at(place: Place) -> Self {
        Directory(place)
    }
}

impl Directory {
    fn wal(&self) -> String {
        format!("{}/wal", self.0.path)
    }

    fn backup(&self, label: &Label) -> String {
        format!("{}/backups/{label}", self.0.path)
    }

    fn tablespaces(&self, label: &Label) -> String {
        format!("{}/tablespaces/{label}", self.0.path)
    }

    /// The backups that one is made of, the full one first and itself last; or which is missing.
    async fn chain(&self, host: &dyn Host, backup: &Label) -> Result<std::result::Result<Vec<Label>, String>> {
        let args = [self.0.path.clone(), backup.to_string()];
        let chain = host.run(Program::script(include_str!("scripts/backup_chain.sh"), args)).await?;
        Ok(match chain.success() {
            true => Ok(chain.text().lines().map(Label::new).collect()),
            false => Err(chain.stderr.trim().to_owned()),
        })
    }

    /// Compares one backup with its own manifest.
    async fn verify_one(&self, host: &dyn Host, backup: &Label) -> Result<Verified> {
        let script = include_str!("scripts/verify_backup.sh");
        let output = host.run(Program::script(script, [self.backup(backup), self.wal()])).await?;
        if output.success() {
            return Ok(Verified::Intact);
        }
        Ok(Verified::damaged(&output.stderr))
    }
}

#[async_trait]
impl Storage for Directory {
    fn place(&self) -> &Place {
        &self.0
    }

    fn backup_program(&self) -> &'static str {
        "pg_basebackup"
    }

    async fn back_up(&self, node: &Node, order: &BackupOrder<'_>) -> Result<Taken> {
        let label = Label::new(order.id);
        let spaces = self.tablespaces(&label);
        let mappings: Vec<String> = node.tablespaces().await?.iter().map(|space| space.mapping(&spaces)).collect();
        let checkpoint = match order.checkpoint {
            Checkpoint::Fast => "--checkpoint=fast",
            Checkpoint::Spread => "--checkpoint=spread",
        };
        let script = include_str!("scripts/take_backup.sh");
        let dir = format!("{}/backups", self.0.path);
        let parent = order.incremental_to.map(Label::as_str).unwrap_or_default();
        let args = ["-euc", script, "drillyard", &dir, &self.backup(&label), &spaces, parent, checkpoint];
        let program = node.client_program("sh", Purpose::Own)?.with_args(args);
        let program = program.with_args(mappings).with_args(order.options.iter().cloned());
        run(node.host()?.as_ref(), self.backup_program(), program.clone()).await?;
        Ok(Taken { label, program })
    }

    async fn backups(&self, host: &dyn Host) -> Result<Vec<Listed>> {
        let script =
            r#"cd "$1" 2>/dev/null || exit 0; for one in *; do [ ! -d "$one" ] || stat -c '%Y %n' "$one"; done"#;
        let output = run(host, "ls", Program::script(script, [format!("{}/backups", self.0.path)])).await?;
        let text = output.text();
        // The last thing that is written into it is its manifest.
        let written = |one: Listed| Listed { ended: Some(one.taken), ..one };
        let mut listed: Vec<Listed> = text.lines().filter_map(Listed::from_line).map(written).collect();
        listed.sort_by(|a, b| a.age().cmp(&b.age()));
        Ok(listed)
    }

    async fn needs(&self, host: &dyn Host, label: &Label) -> Result<Needs> {
        needs_in(host, &self.backup(label)).await
    }

    async fn restored(&self, host: &dyn Host, label: &Label) -> Result<Restored> {
        let chain = self.chain(host, label).await?.map_err(|why| RepoError::not_whole(label, why))?;
        let chain: Vec<String> = chain.iter().map(|one| self.backup(one)).collect();
        restored_from(host, &chain).await
    }

    async fn backup_kind(&self, host: &dyn Host, label: &Label) -> Result<Option<BackupKind>> {
        kind_in(host, &self.backup(label)).await
    }

    async fn size(&self, host: &dyn Host, label: &Label) -> Result<u64> {
        bytes_in(host, &self.backup(label)).await
    }

    async fn server_files(&self, host: &dyn Host, label: &Label, scratch: &str) -> Result<ServerFiles> {
        server_files_in(host, &self.backup(label), scratch).await
    }

    async fn restore(&self, host: &dyn Host, backup: &Label, data: &str) -> Result<Program> {
        let args = [self.0.path.clone(), backup.to_string(), data.to_owned(), own_tablespaces(data)];
        let script = include_str!("scripts/restore_backup.sh");
        run_it(host, "the restore", Program::script(script, args)).await
    }

    /// A segment appears under its name when it is whole, and one that is there already is kept.
    fn archive_command(&self) -> String {
        let wal = self.wal();
        self.unless_archived(&format!("cp %p {wal}/.%f.part && mv {wal}/.%f.part {wal}/%f"))
    }

    fn restore_command(&self) -> String {
        format!("cp {}/%f %p", self.wal())
    }

    fn archive_directory(&self) -> String {
        self.wal()
    }

    fn unless_archived(&self, otherwise: &str) -> String {
        let wal = self.wal();
        format!("if test -e {wal}/%f; then cmp -s %p {wal}/%f; else {otherwise}; fi")
    }

    /// Each time it appears whole, and is the same.
    fn deliver(&self, file: &str, _data: &str) -> String {
        let wal = self.wal();
        format!("cp {file} {wal}/.{file}.$$.part && mv {wal}/.{file}.$$.part {wal}/{file} && rm -f {file}")
    }

    async fn archive(&self, host: &dyn Host) -> Result<Archive> {
        let output = host.run(Program::script(include_str!("scripts/list_wal.sh"), [self.wal()])).await?;
        Ok(Archive::read(&output.text()))
    }

    async fn holds(&self, host: &dyn Host, file: &str) -> Result<bool> {
        let path = format!("{}/{file}", self.wal());
        Ok(host.run(Program::script(r#"test -s "$1""#, [path])).await?.success())
    }

    fn wal_directory(&self) -> Option<String> {
        Some(self.wal())
    }

    async fn wal_files(&self, _: &dyn Host, _: &[Segment], _: &str) -> Result<String> {
        Ok(self.wal())
    }

    /// Whether it is there shows when it is read. Of an incremental one the whole is made first.
    async fn backup_files(&self, host: &dyn Host, backup: &Label, scratch: &str) -> Result<Option<String>> {
        let parent = format!("{}/parents/{backup}", self.0.path);
        if !host.run(Program::script(r#"test -e "$1""#, [parent])).await?.success() {
            return Ok(Some(self.backup(backup)));
        }
        self.restore(host, backup, scratch).await?;
        Ok(Some(scratch.to_owned()))
    }

    fn backup_path(&self, label: &Label) -> Option<String> {
        Some(self.backup(label))
    }

    fn verify_program(&self) -> &'static str {
        "pg_verifybackup"
    }

    async fn verify(&self, host: &dyn Host, backup: &Label) -> Result<Verified> {
        let chain = match self.chain(host, backup).await? {
            Err(lacking) => return Ok(Verified::Damaged(vec![lacking])),
            Ok(chain) => chain,
        };
        for label in chain {
            let verified = self.verify_one(host, &label).await?;
            match verified {
                Verified::Damaged(what) if label != *backup => {
                    let of = |line: String| format!("in backup `{label}`, which `{backup}` goes on from: {line}");
                    return Ok(Verified::Damaged(what.into_iter().map(of).collect()));
                }
                Verified::Damaged(_) => return Ok(verified),
                Verified::Intact => {}
            }
        }
        Ok(Verified::Intact)
    }

    async fn copy_from(&self, host: &dyn Host, original: &Place) -> Result<()> {
        let args = [original.path.clone(), self.0.path.clone()];
        run(host, "the copy", Program::script(include_str!("scripts/copy_repo.sh"), args)).await.map(drop)
    }

    async fn lose_backup(&self, host: &dyn Host, backup: &Label) -> Result<()> {
        let args = [self.backup(backup), self.tablespaces(backup)];
        let script = r#"[ -d "$1" ] || { echo "there is no backup at $1" >&2; exit 3; }; rm -rf "$1" "$2""#;
        let output = host.run(Program::script(script, args)).await?;
        match output.success() {
            true => Ok(()),
            false => Err(RepoError::Nothing(output.stderr.trim().to_owned())),
        }
    }

    async fn lose_wal(&self, host: &dyn Host, segment: &str) -> Result<()> {
        let file = format!("{}/{segment}", self.wal());
        run(host, "the loss", Program::script(r#"[ -e "$1" ] && rm "$1""#, [file])).await.map(drop)
    }

    async fn damage_wal(&self, host: &dyn Host, segment: &str) -> Result<Damaged> {
        damage_file(host, &format!("{}/{segment}", self.wal()), segment, Where::Wal).await
    }

    async fn break_wal(&self, host: &dyn Host, file: &str, how: BrokenWal) -> Result<Damaged> {
        break_file(host, &format!("{}/{file}", self.wal()), file, how).await
    }

    async fn damage_backup(&self, host: &dyn Host, backup: &Label, file: Option<&str>) -> Result<Damaged> {
        damage_stored(host, &self.backup(backup), file).await
    }
}
