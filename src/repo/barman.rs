//! Barman, on the machine of the server: `barman backup` with pg_basebackup, and `barman recover`.
//!
//! WAL comes by cp into barman's `incoming` directory, and goes by `barman get-wal`, which gives
//! what is catalogued and what is not yet. All of it is below the repo's directory: `barman.conf`,
//! the server `main` and the locks; nothing that is installed on the host is read.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;

use super::archive::Archive;
use super::backup_kind::BackupKind;
use super::begin::{Begin, Needs};
use super::damage::{Damaged, Where, damage_file, damage_stored};
use super::error::{Ability, RepoError, Result, run, run_it};
use super::existing::{AtExisting, ExistingBarman, of_barman};
use super::kind::{Beside, RepoKind, Tool};
use super::listed::{Label, Listed};
use super::look::kind_in;
use super::server_files::{ServerFiles, server_files_in};
use super::storage::{BackupOrder, Checkpoint, Place, Storage, Taken, Verified};
use crate::host::{Host, Program};
use crate::node::{Node, Purpose, SqlError, is_in_recovery, own_tablespaces};
use crate::pg::Segment;

/// A server of barman in a directory that every host of the drill sees.
#[derive(Debug)]
pub struct Barman(Place);

/// The program's name, in messages too.
const PROGRAM: &str = "barman";

/// The server that archives here, as barman calls it.
const SERVER: &str = "main";

impl RepoKind for Barman {
    const NAME: &'static str = PROGRAM;
    const ABOUT: &'static str = "A server of Barman, with pg_basebackup, and barman get-wal.";
    const CANNOT: &'static [(Ability, &'static str)] = &[
        (Ability::BackUpStandby, "for that barman needs a connection to its primary, too"),
        (Ability::BackUpAlone, "barman takes no backup of a server whose WAL does not come"),
        (Ability::BackUpIncrement, "drillyard takes full ones with barman"),
        (Ability::LoseBackup, "barman knows its backups by a list of its own"),
        (Ability::WalFiles, "barman catalogues its WAL"),
        (Ability::RestoreAlone, "a backup of barman has no WAL in it"),
    ];
    const BESIDE: Beside = Beside { own: &[], existing: &["config"] };
    const EXISTING: Option<AtExisting> = Some(AtExisting {
        needs: &["server"],
        takes: &["config"],
        at: |existing| Arc::new(ExistingBarman::at(existing)),
        mounts: of_barman,
    });
    const PROGRAM: Option<Tool> =
        Some(Tool { program: PROGRAM, version: "--version", install: "apt-get install barman" });

    fn at(place: Place) -> Self {
        Barman(place)
    }
}

/// What `barman -f json list-backup` and `show-backup` say.
#[derive(Debug, Deserialize)]
struct Answer<T> {
    main: T,
}

#[derive(Debug, Deserialize)]
struct Backup {
    backup_id: String,
    status: String,
    /// When it was done, in seconds since 1970.
    end_time_timestamp: Option<String>,
    size_bytes: Option<u64>,
    base_backup_information: Option<Base>,
    #[serde(default)]
    tablespaces: Vec<Tablespace>,
}

/// What `show-backup` says beyond `list-backup`.
#[derive(Debug, Deserialize)]
struct Base {
    begin_wal: Option<String>,
    end_lsn: Option<String>,
}

impl Base {
    fn needs(self) -> Needs {
        let end = self.end_lsn.and_then(|lsn| lsn.parse().ok());
        Needs { begin: self.begin_wal.map(Begin::Segment), end }
    }
}

#[derive(Debug, Deserialize)]
struct Tablespace {
    name: String,
    oid: Option<u32>,
}

fn read<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T> {
    let listed: serde_json::Result<Answer<T>> = serde_json::from_str(text.trim());
    listed.map(|listed| listed.main).map_err(|e| RepoError::Failed {
        what: PROGRAM,
        status: 0,
        said: format!("its answer is not what was expected: {e}"),
    })
}

/// All backups, the oldest first.
fn all(text: &str) -> Result<Vec<Backup>> {
    let mut backups: Vec<Backup> = read(text)?;
    backups.sort_by(|one, other| one.backup_id.cmp(&other.backup_id));
    Ok(backups)
}

impl Backup {
    fn is_done(&self) -> bool {
        self.status == "DONE"
    }

    /// As the repo lists it.
    fn listed(&self) -> Listed {
        let seconds = self.end_time_timestamp.as_ref().and_then(|seconds| seconds.parse().ok());
        let taken = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let wrong = (!self.is_done()).then(|| format!("its status is {}", self.status));
        let wrong = wrong.or_else(|| taken.is_none().then(|| "barman does not say when it was done".to_owned()));
        Listed { label: Label::new(&self.backup_id), taken: taken.unwrap_or(Timestamp::MIN), ended: taken, wrong }
    }
}

impl Barman {
    fn config(&self) -> String {
        format!("{}/barman.conf", self.0.path)
    }

    fn server(&self) -> String {
        format!("{}/{SERVER}", self.0.path)
    }

    fn backup(&self, label: &Label) -> String {
        format!("{}/base/{label}/data", self.server())
    }

    fn program<const N: usize>(&self, args: [&str; N]) -> Program {
        Program::new(PROGRAM, ["-c".to_owned(), self.config()].into_iter().chain(args.map(str::to_owned)))
    }

    fn script(&self, script: &str, args: impl IntoIterator<Item = String>) -> Program {
        Program::script(script, std::iter::once(self.server()).chain(args))
    }

    /// The file of a segment.
    async fn segment(&self, host: &dyn Host, segment: &str) -> Result<String> {
        let find = r#"ls "$1"/wals/*/"$2" "$1/incoming/$2" 2>/dev/null || :"#;
        let text = host.run(Program::script(find, [self.server(), segment.to_owned()])).await?.text();
        let file = text.lines().next().map(str::to_owned);
        file.ok_or_else(|| RepoError::Nothing(format!("there is no segment {segment}")))
    }
}

#[async_trait]
impl Storage for Barman {
    fn place(&self) -> &Place {
        &self.0
    }

    async fn set_up(&self, host: &dyn Host) -> Result<()> {
        let args = [self.0.path.clone(), SERVER.to_owned()];
        run(host, PROGRAM, Program::script(include_str!("scripts/barman_set_up.sh"), args)).await.map(drop)
    }

    fn backup_program(&self) -> &'static str {
        PROGRAM
    }

    async fn back_up(&self, node: &Node, order: &BackupOrder<'_>) -> Result<Taken> {
        if is_in_recovery(&*node.client().await?).await.map_err(SqlError::from)? {
            return Err(RepoError::NotPossible(Ability::BackUpStandby));
        }
        let host = node.host()?.as_ref();
        // A repo that was lost begins anew.
        self.set_up(host).await?;
        let checkpoint = match order.checkpoint {
            Checkpoint::Fast => "--immediate-checkpoint",
            Checkpoint::Spread => "--no-immediate-checkpoint",
        };
        let script = include_str!("scripts/barman_backup.sh");
        let args = ["-euc", script, "drillyard", &self.config(), SERVER, checkpoint, &self.server()];
        let program = node.client_program("sh", Purpose::Own)?.with_args(args).with_args(order.options.iter().cloned());
        let output = run(host, PROGRAM, program.clone()).await?;
        match all(&output.text())?.pop() {
            Some(backup) if backup.is_done() => Ok(Taken { label: Label::new(backup.backup_id), program }),
            _ => Err(RepoError::Failed { what: PROGRAM, status: output.status, said: output.text() }),
        }
    }

    async fn backups(&self, host: &dyn Host) -> Result<Vec<Listed>> {
        let text = run(host, PROGRAM, self.program(["-f", "json", "list-backup", SERVER])).await?.text();
        Ok(all(&text)?.iter().map(Backup::listed).collect())
    }

    async fn needs(&self, host: &dyn Host, label: &Label) -> Result<Needs> {
        let shown = self.program(["-f", "json", "show-backup", SERVER, label.as_str()]);
        let shown: Backup = read(&run(host, "barman show-backup", shown).await?.text())?;
        Ok(shown.base_backup_information.map(Base::needs).unwrap_or_default())
    }

    async fn size(&self, host: &dyn Host, label: &Label) -> Result<u64> {
        let text = run(host, PROGRAM, self.program(["-f", "json", "list-backup", SERVER])).await?.text();
        let backup = all(&text)?.into_iter().find(|backup| backup.backup_id == label.as_str());
        let bytes = backup.and_then(|backup| backup.size_bytes);
        bytes.ok_or_else(|| RepoError::Unknown(format!("barman does not say how large {label} is")))
    }

    async fn backup_kind(&self, host: &dyn Host, label: &Label) -> Result<Option<BackupKind>> {
        kind_in(host, &self.backup(label)).await
    }

    async fn server_files(&self, host: &dyn Host, label: &Label, scratch: &str) -> Result<ServerFiles> {
        server_files_in(host, &self.backup(label), scratch).await
    }

    async fn restore(&self, host: &dyn Host, backup: &Label, data: &str) -> Result<Program> {
        let shown = self.program(["-f", "json", "show-backup", SERVER, backup.as_str()]);
        let shown: Backup = read(&run(host, "barman show-backup", shown).await?.text())?;
        let spaces = own_tablespaces(data);
        let named = |space: &Tablespace| Some(format!("{}:{spaces}/{}", space.name, space.oid?));
        let tablespaces: Vec<String> = shown.tablespaces.iter().filter_map(named).collect();
        let fixed = [self.config(), SERVER.to_owned(), backup.to_string(), data.to_owned(), spaces];
        let script = Program::script(include_str!("scripts/barman_restore.sh"), fixed).with_args(tablespaces);
        run_it(host, "barman recover", script).await
    }

    fn archive_command(&self) -> String {
        let incoming = self.archive_directory();
        format!("cp %p {incoming}/.%f.part && mv {incoming}/.%f.part {incoming}/%f")
    }

    /// barman is asked for what is there: it takes half a second to say that something is not, and
    /// a standby asks ten times a second.
    fn restore_command(&self) -> String {
        let (server, config) = (self.server(), self.config());
        format!(
            "for file in {server}/wals/*/%f {server}/wals/%f {server}/incoming/%f; do \
             if test -f $file; then exec {PROGRAM} -q -c {config} get-wal {SERVER} %f > %p; fi; done; false"
        )
    }

    fn archive_directory(&self) -> String {
        format!("{}/incoming", self.server())
    }

    /// Each time it appears whole, and is the same: barman discards the second one.
    fn deliver(&self, file: &str, _data: &str) -> String {
        let incoming = self.archive_directory();
        format!(
            "cp {file} {incoming}/.{file}.$$.part && mv {incoming}/.{file}.$$.part {incoming}/{file} && rm -f {file}"
        )
    }

    async fn archive(&self, host: &dyn Host) -> Result<Archive> {
        let script = self.script(include_str!("scripts/barman_list_wal.sh"), []);
        Ok(Archive::read(&run(host, "listing the archive", script).await?.text()))
    }

    async fn wal_files(&self, host: &dyn Host, segments: &[Segment], scratch: &str) -> Result<String> {
        let names = segments.iter().map(ToString::to_string);
        let args = std::iter::once(scratch.to_owned()).chain(names);
        run(host, "fetching WAL", self.script(include_str!("scripts/barman_link_wal.sh"), args)).await?;
        Ok(scratch.to_owned())
    }

    async fn backup_files(&self, host: &dyn Host, backup: &Label, scratch: &str) -> Result<Option<String>> {
        /// The status of the script if there is no such backup.
        const NO_BACKUP: i64 = 3;
        let args = [backup.to_string(), scratch.to_owned()];
        let output = host.run(self.script(include_str!("scripts/barman_files.sh"), args)).await?;
        match output.status {
            0 => Ok(Some(scratch.to_owned())),
            NO_BACKUP => Ok(None),
            status => Err(RepoError::Failed { what: "the copy", status, said: output.stderr.trim().to_owned() }),
        }
    }

    fn verify_program(&self) -> &'static str {
        "barman verify-backup"
    }

    async fn verify(&self, host: &dyn Host, backup: &Label) -> Result<Verified> {
        let output = host.run(self.program(["verify-backup", SERVER, backup.as_str()])).await?;
        if output.success() {
            return Ok(Verified::Intact);
        }
        let said = [output.text(), output.stderr].join("\n");
        let is_news = |line: &&str| line.contains("error") || line.contains("ERROR");
        Ok(Verified::Damaged(said.lines().filter(is_news).map(|line| line.trim().to_owned()).collect()))
    }

    async fn copy_from(&self, host: &dyn Host, original: &Place) -> Result<()> {
        self.set_up(host).await?;
        let args = [Barman(original.clone()).server(), self.server()];
        run(host, "the copy", Program::script(include_str!("scripts/barman_copy.sh"), args)).await.map(drop)
    }

    async fn lose_wal(&self, host: &dyn Host, segment: &str) -> Result<()> {
        let script = self.script(include_str!("scripts/barman_lose_wal.sh"), [segment.to_owned()]);
        run(host, "the loss", script).await.map(drop)
    }

    async fn damage_wal(&self, host: &dyn Host, segment: &str) -> Result<Damaged> {
        damage_file(host, &self.segment(host, segment).await?, segment, Where::Wal).await
    }

    async fn damage_backup(&self, host: &dyn Host, backup: &Label, file: Option<&str>) -> Result<Damaged> {
        damage_stored(host, &self.backup(backup), file).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_are_listed_and_what_is_wrong_with_those_that_failed() {
        let text = r#"{"main": [{"backup_id": "20261129T101040", "status": "FAILED"}, {"backup_id": "20261129T101030", "status":
            "DONE", "end_time_timestamp": "1780000000", "size_bytes": 7, "tablespaces": [{"location": "/ts", "name": "s p"}]}, {"backup_id": "20261129T100726", "status": "DONE"}]}"#;
        let listed: Vec<Listed> = all(text).expect("read").iter().map(Backup::listed).collect();
        let told: Vec<(&str, Option<&str>)> =
            listed.iter().map(|one| (one.label.as_str(), one.wrong.as_deref())).collect();
        let unknown = Some("barman does not say when it was done");
        let failed = Some("its status is FAILED");
        assert_eq!(told, [("20261129T100726", unknown), ("20261129T101030", None), ("20261129T101040", failed)]);
        assert_eq!(listed[1].ended.map(Timestamp::as_second), Some(1_780_000_000));
        assert!(all("ERROR: no").is_err());
    }
}
