//! An existing directory: base backups as pg_basebackup writes them, plain or tar, and WAL as
//! files. All that is done in it is reading.

use async_trait::async_trait;

use super::backup::{self, OneOfMany};
use super::{Existing, beginning};
use crate::host::{Host, Output, Program};
use crate::node::own_tablespaces;
use crate::repo::archive::Archive;
use crate::repo::backup_kind::BackupKind;
use crate::repo::begin::Needs;
use crate::repo::error::{RepoError, Result, run, run_it};
use crate::repo::listed::{Label, Listed};
use crate::repo::look::{BACKUPS, bytes_within, kind_in, needs_in};
use crate::repo::restored::{Restored, restored_within};
use crate::repo::server_files::{ServerFiles, server_files_in};
use crate::repo::storage::{NOWHERE, Place, Storage, Verified};

/// The endings of files that a restore_command can unpack, each with the program that does it.
const PACKED: &[(&str, &str)] = &[("gz", "gzip"), ("zst", "zstd"), ("lz4", "lz4"), ("xz", "xz"), ("bz2", "bzip2")];

/// What restores a backup, or several that go on from each other.
const RESTORE: &str =
    concat!(include_str!("../scripts/tablespaces.sh"), include_str!("../scripts/restore_existing.sh"));

/// How `scripts/verify_backup.sh` ends if a backup is tar files.
const TAR_FILES: i64 = 3;
/// And if it has no manifest.
const NO_MANIFEST: i64 = 5;
/// And if it brings no WAL along, and was not told where that is.
const NO_WAL: i64 = 4;

/// A directory that somebody else fills.
#[derive(Debug)]
pub struct ExistingDirectory {
    place: Place,
    existing: Existing,
}

impl ExistingDirectory {
    /// The repo that lies there.
    pub fn at(existing: &Existing) -> Self {
        // Without an archive, and for a scenario that says too little, nothing is there.
        let path = existing.wal.as_deref().unwrap_or(NOWHERE);
        ExistingDirectory { place: existing.place(path), existing: existing.clone() }
    }

    /// All that matches, the oldest backup first.
    async fn all(&self, host: &dyn Host) -> Result<Vec<OneOfMany>> {
        let script = include_str!("../scripts/list_existing.sh");
        let program = Program::script(
            script,
            [&self.existing.backups, &self.existing.wal].map(|path| path.clone().unwrap_or_default()),
        )
        .env("TZ", "UTC0")
        .env("LC_ALL", "C");
        Ok(backup::read(&run(host, "the list of backups", program).await?.text()))
    }

    /// The paths of the backups that one is made of, the full one first and itself last.
    async fn chain(&self, host: &dyn Host, label: &Label) -> Result<Vec<String>> {
        let all = self.all(host).await?;
        let Some(one) = all.iter().find(|one| one.listed.label == *label) else { return Ok(vec![label.to_string()]) };
        let chain = backup::chain(&all, one).map_err(|why| RepoError::not_whole(label, why))?;
        Ok(chain.into_iter().map(Label::to_string).collect())
    }

    /// The directory in which the backups lie, with their tablespaces: a link that leads elsewhere
    /// may lead to what production works with.
    fn within(&self) -> &str {
        self.existing.backups.as_deref().map(beginning).unwrap_or_default()
    }

    /// What restores a backup.
    fn restoring(&self, args: impl IntoIterator<Item = String>) -> Program {
        Program::script(RESTORE, args).env(BACKUPS, self.within())
    }

    /// Compares the backup in a directory, which is that of `path` or was unpacked from it, with
    /// its manifest; and reads the WAL that it needs. What it does not bring along is fetched: in
    /// the archive it may be packed. Where it lies itself, its tablespaces lie with the backups.
    async fn compare(&self, host: &dyn Host, dir: &str, path: &str, options: &[&str]) -> Result<Output> {
        let within = if dir == path { self.within() } else { "" };
        let script = concat!(include_str!("../scripts/tablespaces.sh"), include_str!("../scripts/verify_backup.sh"));
        let verifying = |wal: &str| {
            Program::script(script, [dir, wal].into_iter().chain(options.iter().copied())).env(BACKUPS, within)
        };
        let output = host.run(verifying("")).await?;
        if output.status != NO_WAL {
            return Ok(output);
        }
        let scratch = format!("{}-verified-wal", host.paths().data);
        let wal = self.needed_wal(host, path, &scratch).await?;
        let output = host.run(verifying(&wal)).await?;
        run(host, "rm", Program::new("rm", ["-rf", &scratch])).await?;
        Ok(output)
    }

    /// A directory with the WAL that a backup needs; the archive itself where nobody says which
    /// that is.
    async fn needed_wal(&self, host: &dyn Host, path: &str, scratch: &str) -> Result<String> {
        let (needs, archive) = (needs_in(host, path).await?, self.archive(host).await?);
        let begin = needs.begin.and_then(|begin| begin.place(&archive));
        let Some(((timeline, from), end)) = begin.zip(needs.end) else {
            return Ok(self.existing.wal.clone().unwrap_or_default());
        };
        let reach = archive.reach(from, timeline, timeline);
        let mut segments = archive.all_segments(&reach);
        segments.retain(|segment| segment.start() < end);
        self.wal_files(host, &segments, scratch).await
    }

    /// Compares one backup with its own manifest.
    async fn verify_one(&self, host: &dyn Host, path: &str) -> Result<Verified> {
        let output = self.compare(host, path, path, &[]).await?;
        match output.status {
            0 => Ok(Verified::Intact),
            TAR_FILES => self.verify_unpacked(host, path).await,
            // It may have been taken without one: then nobody knows.
            NO_MANIFEST => {
                Err(RepoError::Unknown(format!("backup `{path}` cannot be verified: {}", output.stderr.trim())))
            }
            _ => Ok(Verified::damaged(&output.stderr)),
        }
    }

    /// Compares a backup with its manifest that is tar files: where a new server would be made.
    async fn verify_unpacked(&self, host: &dyn Host, path: &str) -> Result<Verified> {
        let dir = format!("{}-verified", host.paths().data);
        let spaces = own_tablespaces(&dir);
        let restore = self.restoring([path.to_owned(), dir.clone(), spaces.clone()]);
        let mut output = host.run(restore).await?;
        if output.success() {
            // The manifest is a file of its own beside the tar files.
            output = host.run(Program::new("cp", [&format!("{path}/backup_manifest"), &dir])).await?;
        }
        if output.success() {
            output = self.compare(host, &dir, path, &["--ignore=tablespace_map"]).await?;
        }
        run(host, "rm", Program::new("rm", ["-rf", &dir, &spaces])).await?;
        Ok(if output.success() { Verified::Intact } else { Verified::damaged(&output.stderr) })
    }
}

#[async_trait]
impl Storage for ExistingDirectory {
    fn place(&self) -> &Place {
        &self.place
    }

    fn backup_program(&self) -> &'static str {
        "pg_basebackup"
    }

    async fn backups(&self, host: &dyn Host) -> Result<Vec<Listed>> {
        Ok(self.all(host).await?.into_iter().map(|one| one.listed).collect())
    }

    async fn needs(&self, host: &dyn Host, label: &Label) -> Result<Needs> {
        needs_in(host, label.as_str()).await
    }

    async fn restored(&self, host: &dyn Host, label: &Label) -> Result<Restored> {
        restored_within(host, &self.chain(host, label).await?, self.within()).await
    }

    async fn backup_kind(&self, host: &dyn Host, label: &Label) -> Result<Option<BackupKind>> {
        kind_in(host, label.as_str()).await
    }

    async fn size(&self, host: &dyn Host, label: &Label) -> Result<u64> {
        bytes_within(host, label.as_str(), self.within()).await
    }

    async fn server_files(&self, host: &dyn Host, label: &Label, scratch: &str) -> Result<ServerFiles> {
        server_files_in(host, label.as_str(), scratch).await
    }

    async fn restore(&self, host: &dyn Host, backup: &Label, data: &str) -> Result<Program> {
        let mut before = self.chain(host, backup).await?;
        before.pop();
        let args = [backup.to_string(), data.to_owned(), own_tablespaces(data)].into_iter().chain(before);
        run_it(host, "the restore", self.restoring(args)).await
    }

    fn backup_path(&self, label: &Label) -> Option<String> {
        Some(label.to_string())
    }

    fn restore_command(&self) -> String {
        let Some(wal) = &self.existing.wal else { return "false".to_owned() };
        // 200 ends the recovery with an error: 1 would be the end of the archive. What is being
        // packed just now cannot be unpacked, and will come.
        let packed = PACKED.iter().map(|(ending, program)| {
            let file = format!("{wal}/%f.{ending}");
            format!("elif test -e {file}; then test -r {file} || exit 200; {program} -dc {file} >%p; ")
        });
        format!("if test -e {wal}/%f; then cp {wal}/%f %p || exit 200; {}else exit 1; fi", packed.collect::<String>())
    }

    async fn archive(&self, host: &dyn Host) -> Result<Archive> {
        let Some(wal) = &self.existing.wal else { return Ok(Archive::default()) };
        let script = include_str!("../scripts/list_existing_wal.sh");
        let text = run(host, "the list of WAL", Program::script(script, [wal])).await?.text();
        let unreadable = text.lines().filter_map(|line| line.strip_prefix("unreadable ")?.split_once(' '));
        let faults = unreadable.map(|(segment, who)| (segment.to_owned(), format!("cannot be read: {who} may not")));
        Ok(Archive::read(&text).with_faults(faults.collect()))
    }

    fn wal_directory(&self) -> Option<String> {
        self.existing.wal.clone()
    }

    fn verify_program(&self) -> &'static str {
        "pg_verifybackup"
    }

    async fn verify(&self, host: &dyn Host, backup: &Label) -> Result<Verified> {
        let chain = match self.chain(host, backup).await {
            Err(RepoError::Lost { why, .. }) => return Ok(Verified::Damaged(vec![why])),
            chain => chain?,
        };
        for path in chain {
            let verified = self.verify_one(host, &path).await?;
            match verified {
                Verified::Damaged(what) if path != backup.as_str() => {
                    let of = |line: String| format!("in {path}, which it goes on from: {line}");
                    return Ok(Verified::Damaged(what.into_iter().map(of).collect()));
                }
                Verified::Damaged(_) => return Ok(verified),
                Verified::Intact => {}
            }
        }
        Ok(Verified::Intact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_there_and_cannot_be_had_is_not_the_end_of_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        let wal = dir.path().display().to_string();
        let repo = ExistingDirectory::at(&Existing { wal: Some(wal.clone()), ..Existing::default() });
        // cp cannot copy it, whoever runs it.
        std::fs::create_dir(dir.path().join("1")).unwrap();
        std::fs::write(dir.path().join("2"), "two").unwrap();
        std::fs::write(dir.path().join("3.gz"), "half").unwrap();
        for (file, status) in [("1", 200), ("2", 0), ("3", 1), ("4", 1)] {
            let command = repo.restore_command().replace("%f", file).replace("%p", &format!("{wal}/got"));
            let ended = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
            assert_eq!(ended.status.code(), Some(status), "{file}");
        }
        assert_eq!(std::fs::read_to_string(dir.path().join("2")).unwrap(), "two");
    }
}
