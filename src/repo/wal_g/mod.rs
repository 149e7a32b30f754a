//! WAL-G: `backup-push` and `backup-fetch`, WAL by `wal-push` and `wal-fetch`; a drill's own, in
//! files, and one that somebody else fills, wherever wal-g can read it. Of that one only commands
//! are run that read.
//!
//! The drill's own has the directory `repo` for all that it stores.

mod answers;

use std::sync::Arc;

use async_trait::async_trait;

use super::archive::Archive;
use super::backup_kind::BackupKind;
use super::begin::Needs;
use super::damage::{Damaged, Where, damage_file};
use super::environment::Environment;
use super::error::{Ability, RepoError, Result, run, run_it, run_tool};
use super::existing::{AtExisting, Existing, tool_is_here};
use super::kind::{Beside, RepoKind, Tool};
use super::listed::{Label, Listed};
use super::look::{empty_places, keep_inside};
use super::restored::Restored;
use super::settings::Adjustable;
use super::storage::{BackupOrder, Place, Storage, Taken};
use crate::host::{Host, Program, Reach};
use crate::node::{Node, Purpose, own_tablespaces};
use crate::pg::{History, TimelineId};

/// A storage of WAL-G.
#[derive(Debug)]
pub struct WalG {
    place: Place,
    environment: Environment,
    /// Where it lies, if somebody else fills it.
    existing: Option<Existing>,
}

/// The program's name, in messages too.
const PROGRAM: &str = "wal-g";

/// How it is installed.
const INSTALL: &str = "WAL-G's release for PostgreSQL (github.com/wal-g/wal-g), as a program `wal-g` in PATH";

/// Where it keeps backups, and where WAL.
const BACKUPS: &str = "basebackups_005";
const WAL: &str = "wal_005";

impl RepoKind for WalG {
    const NAME: &'static str = PROGRAM;
    const ABOUT: &'static str = "A storage of WAL-G, with wal-push and wal-fetch.";
    const CANNOT: &'static [(Ability, &'static str)] = &[
        (Ability::BackUpAlone, "a backup of wal-g has no WAL in it"),
        (Ability::RestoreAlone, "a backup of wal-g has no WAL in it"),
        (Ability::BackUpIncrement, "drillyard takes full ones with wal-g"),
        (Ability::LoseBackup, "wal-g knows its backups by files of its own"),
        (Ability::WalFiles, "it keeps WAL in a format of its own"),
        (Ability::RestoreDamaged, "wal-g unpacks nothing that is damaged"),
        (Ability::Verify, "wal-g verifies no backup where it lies: its wal-verify looks at WAL, and asks the server"),
    ];
    const BESIDE: Beside = Beside { own: &[], existing: &["config"] };
    const EXISTING: Option<AtExisting> = Some(AtExisting {
        needs: &[],
        takes: &["env", "config"],
        at: |existing| Arc::new(WalG::existing(existing)),
        mounts: tool_is_here,
    });
    const EXISTING_EITHER: &'static [&'static str] = &["env", "config"];
    const ADJUSTABLE: Adjustable = Adjustable { takes: &["env"], ..Adjustable::NOTHING };
    const PROGRAM: Option<Tool> = Some(Tool { program: PROGRAM, version: "--version", install: INSTALL });

    fn at(place: Place) -> Self {
        let set = [
            ("WALG_FILE_PREFIX", repo(&place)),
            // Only what it is asked for, and no other segment of the name of one that is there.
            ("WALG_UPLOAD_CONCURRENCY", "1".to_owned()),
            ("WALG_DOWNLOAD_CONCURRENCY", "1".to_owned()),
            ("WALG_PREVENT_WAL_OVERWRITE", "true".to_owned()),
        ];
        let set = set.map(|(name, value)| (name.to_owned(), value));
        let variables = place.settings.commands.env.iter().cloned().chain(set);
        let environment = Environment::new(&place.path, variables);
        WalG { place, environment, existing: None }
    }
}

/// Where a drill's own stores what it stores.
fn repo(place: &Place) -> String {
    format!("{}/repo", place.path)
}

impl WalG {
    /// One that somebody else fills.
    fn existing(existing: &Existing) -> Self {
        let place = existing.place(&existing.own);
        let environment = Environment::new(&place.path, existing.commands.env.iter().cloned());
        WalG { place, environment, existing: Some(existing.clone()) }
    }

    /// Its configuration file, if there is one.
    fn config(&self) -> Option<&String> {
        self.existing.as_ref()?.config.as_ref()
    }

    async fn write_env(&self, host: &dyn Host) -> Result<()> {
        let repo = repo(&self.place);
        self.environment.write(host, (!self.is_existing()).then_some(&repo)).await
    }

    /// wal-g with these arguments.
    fn program<const N: usize>(&self, args: [&str; N]) -> Program {
        let config = self.config().into_iter().flat_map(|config| ["--config".to_owned(), config.clone()]);
        let words = std::iter::once(PROGRAM.to_owned()).chain(args.map(str::to_owned)).chain(config);
        self.environment.program(words)
    }

    /// The same, by a server. With more than one download at a time wal-g leaves a process behind
    /// that fetches what may be asked for next.
    fn line(&self, words: &str) -> String {
        let config = self.config().map(|config| format!(" --config {config}")).unwrap_or_default();
        self.environment.line(&format!("WALG_DOWNLOAD_CONCURRENCY=1 {PROGRAM} {words}{config}"))
    }

    async fn all(&self, host: &dyn Host) -> Result<Vec<answers::Backup>> {
        self.write_env(host).await?;
        let list = self.program(["backup-list", "--detail", "--json"]);
        answers::backups(&run_tool(host, "wal-g backup-list", list, INSTALL).await?.text())
    }

    async fn one(&self, host: &dyn Host, label: &Label) -> Result<answers::Backup> {
        let mut all = self.all(host).await?.into_iter();
        all.find(|one| one.label() == *label)
            .ok_or_else(|| RepoError::Unknown(format!("wal-g has no backup {label} any more")))
    }

    /// What wal-g has noted of a backup at its end.
    async fn sentinel(&self, host: &dyn Host, backup: &Label) -> Result<String> {
        let cat = self.program(["st", "cat", &format!("{BACKUPS}/{backup}_backup_stop_sentinel.json")]);
        Ok(run(host, "wal-g st cat", cat).await?.text())
    }

    /// The history of a timeline; none if it is not there.
    async fn history(&self, host: &dyn Host, timeline: TimelineId) -> Result<Option<History>> {
        let script = include_str!("../scripts/walg_history.sh");
        let args = [History::file(timeline), self.restore_command()];
        let text = run(host, "wal-g wal-fetch", Program::script(script, args).with_network()).await?.text();
        Ok((!text.trim().is_empty()).then(|| History::read(timeline, &text)))
    }

    /// A stored file: the first whose name begins so, or the largest.
    async fn stored(&self, host: &dyn Host, pattern: &str) -> Result<String> {
        let find = r#"ls -S "$1"/$2"#;
        let output = host.run(Program::script(find, [repo(&self.place).as_str(), pattern])).await?;
        let text = output.text();
        let file = text.lines().next().map(str::to_owned);
        file.ok_or_else(|| RepoError::Nothing(output.stderr.trim().to_owned()))
    }
}

#[async_trait]
impl Storage for WalG {
    fn place(&self) -> &Place {
        &self.place
    }

    fn cold(&self, secrets: &[(String, String)]) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(WalG::existing(&self.existing.as_ref()?.cold(secrets))))
    }

    async fn set_up(&self, host: &dyn Host) -> Result<()> {
        self.write_env(host).await
    }

    fn backup_program(&self) -> &'static str {
        "wal-g backup-push"
    }

    async fn back_up(&self, node: &Node, order: &BackupOrder<'_>) -> Result<Taken> {
        let host = node.host()?.as_ref();
        let before: Vec<Label> = self.all(host).await?.iter().map(answers::Backup::label).collect();
        let data = host.paths().data.as_str();
        let mut push = self.program(["backup-push", data]).env("PGDATA", data).with_args(order.options.iter().cloned());
        push.env.extend(node.client_program("sh", Purpose::Own)?.env);
        let output = run(host, self.backup_program(), push.clone()).await?;
        let new = self.all(host).await?.iter().map(answers::Backup::label).rfind(|label| !before.contains(label));
        let failed = || RepoError::Failed {
            what: "wal-g backup-push",
            status: output.status,
            said: format!("it has stored no new backup\n{}", output.stderr.trim()),
        };
        Ok(Taken { label: new.ok_or_else(failed)?, program: push })
    }

    async fn backups(&self, host: &dyn Host) -> Result<Vec<Listed>> {
        Ok(self.all(host).await?.iter().map(answers::Backup::listed).collect())
    }

    async fn needs(&self, host: &dyn Host, label: &Label) -> Result<Needs> {
        Ok(self.one(host, label).await?.needs())
    }

    async fn size(&self, host: &dyn Host, label: &Label) -> Result<u64> {
        let bytes = self.one(host, label).await?.bytes();
        bytes.ok_or_else(|| RepoError::Unknown(format!("wal-g does not say how large {label} is")))
    }

    async fn restored(&self, host: &dyn Host, label: &Label) -> Result<Restored> {
        let backup = self.one(host, label).await?;
        let sentinel = self.sentinel(host, label).await?;
        Ok(backup.restored(answers::tablespaces(&sentinel)))
    }

    /// One that goes on from another says so in its name.
    async fn backup_kind(&self, _: &dyn Host, label: &Label) -> Result<Option<BackupKind>> {
        let goes_on = label.as_str().contains("_D_");
        Ok(Some(if goes_on { BackupKind::Incremental } else { BackupKind::Full }))
    }

    async fn restore(&self, host: &dyn Host, backup: &Label, data: &str) -> Result<Program> {
        self.write_env(host).await?;
        let sentinel = self.sentinel(host, backup).await?;
        let spaces = own_tablespaces(data);
        let Some((spec, numbers)) = answers::restore_spec(&sentinel, data, &spaces) else {
            let why = format!("the tablespaces in the sentinel of {backup} cannot be read");
            return Err(RepoError::Unknown(why));
        };
        empty_places(host, data, numbers).await?;
        let file = format!("{data}-restore-spec.json");
        let mut fetch = self.program(["backup-fetch", data, backup.as_str()]);
        if let Some(spec) = &spec {
            host.write(&file, spec.as_bytes()).await?;
            fetch = fetch.with_args(["--restore-spec", &file]);
        }
        let fetched = run_it(host, "wal-g backup-fetch", fetch).await;
        run(host, "rm", Program::new("rm", ["-f", &file])).await?;
        let fetched = fetched?;
        keep_inside(host, "what wal-g backup-fetch restored", data).await?;
        Ok(fetched)
    }

    fn archive_command(&self) -> String {
        self.line("wal-push %p")
    }

    /// 74 says that the file is not there; whatever else goes wrong is not the archive's end.
    fn restore_command(&self) -> String {
        let fetch = self.line(r#"wal-fetch %f "%p""#);
        format!("({fetch}; rc=$?; if [ $rc = 74 ]; then exit 1; elif [ $rc != 0 ]; then exit 200; fi)")
    }

    /// It may lie in object storage, or on another machine.
    fn fetches(&self) -> Reach {
        Reach::OfMachine
    }

    fn archive_directory(&self) -> String {
        repo(&self.place)
    }

    fn brings_wal(&self) -> bool {
        false
    }

    async fn archive(&self, host: &dyn Host) -> Result<Archive> {
        self.write_env(host).await?;
        let show = self.program(["wal-show", "--detailed-json", "--without-backups"]);
        let stored = answers::stored(&run(host, "wal-g wal-show", show).await?.text())?;
        let mut histories = Vec::new();
        for timeline in stored.timelines.into_iter().filter(|timeline| timeline.0 > 1) {
            histories.extend(self.history(host, timeline).await?);
        }
        Ok(Archive::new(stored.segments, histories))
    }

    async fn copy_from(&self, host: &dyn Host, original: &Place) -> Result<()> {
        self.write_env(host).await?;
        let copy = Program::new("cp", ["-au", &format!("{}/.", repo(original)), &repo(&self.place)]);
        run(host, "the copy", copy).await.map(drop)
    }

    async fn lose_wal(&self, host: &dyn Host, segment: &str) -> Result<()> {
        let file = self.stored(host, &format!("{WAL}/{segment}.*")).await?;
        run(host, "the loss", Program::new("rm", [file])).await.map(drop)
    }

    async fn damage_wal(&self, host: &dyn Host, segment: &str) -> Result<Damaged> {
        let file = self.stored(host, &format!("{WAL}/{segment}.*")).await?;
        damage_file(host, &file, segment, Where::At(4096)).await
    }

    async fn damage_backup(&self, host: &dyn Host, backup: &Label, file: Option<&str>) -> Result<Damaged> {
        if let Some(file) = file {
            return Err(RepoError::Nothing(format!("{file} lies in an archive of wal-g's, packed with others")));
        }
        let file = self.stored(host, &format!("{BACKUPS}/{backup}/tar_partitions/*")).await?;
        let name = file.rsplit('/').next().unwrap_or(&file).to_owned();
        damage_file(host, &file, &name, Where::At(8192)).await
    }
}
