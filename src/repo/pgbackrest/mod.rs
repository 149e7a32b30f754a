//! pgBackRest: `pgbackrest backup` and `restore`, WAL by `archive-push` and `archive-get`.
//!
//! All of it is below the repo's directory, and nothing that is installed on the host is read: its
//! configuration is `pgbackrest.conf`, `repo` is the repository, `lock` holds locks and stop files,
//! and `cluster` has the pg_control of the cluster that archives here. Backup and restore have
//! their locks on their own host, as on machines of their own.

mod config;
mod existing;
mod info;
mod manifest;
mod mounts;
mod reading;
mod repo_ls;
mod server_files;
mod verify;

use std::sync::Arc;

use async_trait::async_trait;

use self::config::{ADJUSTABLE, OPTIONS, STANZA};
use self::existing::ExistingPgbackrest;
use self::info::Info;
use self::manifest::Manifest;
use super::archive::Archive;
use super::backup_kind::BackupKind;
use super::begin::Needs;
use super::damage::{Damaged, Where, damage_file};
use super::error::{Ability, RepoError, Result, run, run_it};
use super::existing::AtExisting;
use super::kind::{Beside, Changes, RepoKind, Tool};
use super::listed::{Label, Listed};
use super::restored::Restored;
use super::server_files::ServerFiles;
use super::settings::{Adjustable, Settings};
use super::storage::{BackupOrder, Checkpoint, Place, Storage, Taken, Verified};
use crate::host::{Host, Program};
use crate::node::{Node, Purpose, is_in_recovery, own_tablespaces};
use crate::pg::Segment;

/// A repository of pgBackRest in a directory that every host of the drill sees.
#[derive(Debug)]
pub struct Pgbackrest {
    place: Place,
    /// The file's name of its configuration.
    config: &'static str,
}

/// The program's name, in messages too.
const PROGRAM: &str = "pgbackrest";

impl RepoKind for Pgbackrest {
    const NAME: &'static str = PROGRAM;
    const ABOUT: &'static str = "A repository of pgBackRest, with archive-push and archive-get.";
    const CANNOT: &'static [(Ability, &'static str)] = &[
        (Ability::BackUpStandby, "for that pgbackrest needs its primary's files, too, by ssh from another machine"),
        (Ability::BackUpAlone, "pgbackrest waits until the WAL of a backup is archived"),
        (Ability::LoseBackup, "pgbackrest knows its backups by a list of its own"),
        (Ability::WalFiles, "it keeps WAL in a format of its own"),
        (Ability::RestoreDamaged, "pgbackrest compares every file with its checksum, and restores none that differs"),
    ];
    const ADJUSTABLE: Adjustable = ADJUSTABLE;
    const CHANGES: Changes = Changes::Tool;
    const BESIDE: Beside = Beside { own: &["repo1-cipher-pass"], existing: &["config"] };
    const EXISTING: Option<AtExisting> = Some(AtExisting {
        needs: &["stanza"],
        takes: &["config", "repo", "options"],
        at: |existing| Arc::new(ExistingPgbackrest::at(existing)),
        mounts: mounts::mounts,
    });
    const EXISTING_ADJUSTABLE: Adjustable = reading::ADJUSTABLE;
    const PROGRAM: Option<Tool> =
        Some(Tool { program: PROGRAM, version: "version", install: "apt-get install pgbackrest" });

    fn at(place: Place) -> Self {
        Pgbackrest { place, config: "pgbackrest.conf" }
    }
}

impl Pgbackrest {
    fn config(&self) -> String {
        format!("{}/{}", self.place.path, self.config)
    }

    fn stanza(&self) -> &str {
        self.place.settings.stanza.as_deref().unwrap_or(STANZA)
    }

    fn repository(&self) -> String {
        format!("{}/repo", self.place.path)
    }

    /// A data directory with nothing but the pg_control of the cluster that archives here.
    fn cluster(&self) -> String {
        format!("{}/cluster", self.place.path)
    }

    /// The WAL.
    fn archived(&self) -> String {
        format!("{}/archive/{}", self.repository(), self.stanza())
    }

    fn backup(&self, label: &Label) -> String {
        format!("{}/backup/{}/{label}", self.repository(), self.stanza())
    }

    /// A command line for the server whose data directory is `data`.
    fn line(&self, data: &str, words: &str) -> String {
        format!("{PROGRAM} --config={} --stanza={} --pg1-path={data} {words}", self.config(), self.stanza())
    }

    /// The arguments that every script begins with.
    fn script(&self, script: &str, args: impl IntoIterator<Item = String>) -> Program {
        Program::script(script, [self.config(), self.stanza().to_owned()].into_iter().chain(args))
    }

    fn program<const N: usize>(&self, args: [&str; N]) -> Program {
        Program::new(PROGRAM, self.options().into_iter().chain(args.map(str::to_owned)))
    }

    /// What every command is told.
    fn options(&self) -> [String; 2] {
        [format!("--config={}", self.config()), format!("--stanza={}", self.stanza())]
    }

    async fn info<const N: usize>(&self, host: &dyn Host, args: [&str; N]) -> Result<Info> {
        let program = self.program(["--output=json", "info"]).with_args(args);
        Info::read(&run(host, PROGRAM, program).await?.text())
    }

    /// What is said of one backup alone, and more than in a list.
    async fn info_of(&self, host: &dyn Host, label: &Label) -> Result<Info> {
        self.info(host, [&format!("--set={label}")]).await
    }

    async fn manifest(&self, host: &dyn Host, backup: &Label) -> Result<Manifest> {
        let file = format!("backup/{}/{backup}/backup.manifest", self.stanza());
        let output = host.run(self.program(["repo-get", &file])).await?;
        match output.success() {
            true => Ok(Manifest::read(&output.text())),
            false => Err(RepoError::Nothing(format!("there is no backup {backup}: {}", output.stderr.trim()))),
        }
    }

    /// Removes a backup that pgbackrest itself believes to be damaged, and says what is wrong with
    /// it.
    async fn flawed(&self, host: &dyn Host, label: &Label, said: &str) -> RepoError {
        let set = format!("--set={label}");
        let locks = format!("--lock-path={}-locks", host.paths().data);
        match run(host, PROGRAM, self.program([&locks, &set, "expire"])).await {
            Ok(_) => RepoError::Flawed { what: PROGRAM, said: said.to_owned() },
            Err(error) => error,
        }
    }
}

#[async_trait]
impl Storage for Pgbackrest {
    fn place(&self) -> &Place {
        &self.place
    }

    /// With a configuration of its own: that of the repo says what the scenario has set.
    fn cold(&self, secrets: &[(String, String)]) -> Option<Arc<dyn Storage>> {
        let mut options = secrets.to_vec();
        if !options.is_empty() {
            // The only one that there is.
            options.push(("repo1-cipher-type".to_owned(), "aes-256-cbc".to_owned()));
        }
        let settings = Settings { options, ..self.place.settings.clone() };
        Some(Arc::new(Pgbackrest { place: Place { settings, ..self.place.clone() }, config: "cold.conf" }))
    }

    async fn set_up(&self, host: &dyn Host) -> Result<()> {
        let mut text = "# written by drillyard\n[global]\n".to_owned();
        let mut add = |name: &str, value: &str| text.push_str(&format!("{name}={value}\n"));
        add("repo1-path", &self.repository());
        add("lock-path", &format!("{}/lock", self.place.path));
        let own = &self.place.settings.options;
        for (name, value) in OPTIONS.iter().filter(|(name, _)| own.iter().all(|(set, _)| set != name)) {
            add(name, value);
        }
        own.iter().for_each(|(name, value)| add(name, value));
        Ok(host.write(&self.config(), text.as_bytes()).await?)
    }

    async fn welcome(&self, host: &dyn Host) -> Result<()> {
        let args = [host.paths().data.clone(), self.repository(), self.cluster()];
        let script = include_str!("../scripts/pgbackrest_stanza.sh");
        run(host, "pgbackrest stanza-create", self.script(script, args)).await.map(drop)
    }

    fn backup_program(&self) -> &'static str {
        PROGRAM
    }

    async fn back_up(&self, node: &Node, order: &BackupOrder<'_>) -> Result<Taken> {
        if is_in_recovery(&*node.client().await?).await.map_err(crate::node::SqlError::from)? {
            return Err(RepoError::NotPossible(Ability::BackUpStandby));
        }
        let host = node.host()?.as_ref();
        // A repo that was lost begins anew.
        self.set_up(host).await?;
        self.welcome(host).await?;
        let kind = match order.incremental_to {
            Some(base) => self.info(host, []).await?.increment_to(base).map_err(RepoError::Unknown)?,
            None => "full",
        };
        let start = match order.checkpoint {
            Checkpoint::Fast => "--start-fast",
            Checkpoint::Spread => "--no-start-fast",
        };
        let script = include_str!("../scripts/pgbackrest_backup.sh");
        let (data, sockets) = (&host.paths().data, &host.paths().sockets);
        let args = ["-euc", script, "drillyard", &self.config(), self.stanza(), data, sockets, kind, start];
        let program = node.client_program("sh", Purpose::Own)?.with_args(args).with_args(order.options.iter().cloned());
        let output = run(host, PROGRAM, program.clone()).await?;
        let info = Info::read(&output.text())?;
        match info.backups().last() {
            Some(backup) if backup.error == Some(true) => {
                Err(self.flawed(host, &backup.label(), output.stderr.trim()).await)
            }
            Some(backup) if backup.goes_on_from().as_ref() != order.incremental_to => {
                let from = backup.goes_on_from().map_or_else(|| "none".to_owned(), |from| from.to_string());
                let said = format!("the backup that it has taken, {}, goes on from {from}", backup.label());
                Err(RepoError::Failed { what: PROGRAM, status: output.status, said })
            }
            Some(backup) => Ok(Taken { label: backup.label(), program }),
            None => Err(RepoError::Failed { what: PROGRAM, status: output.status, said: output.text() }),
        }
    }

    async fn backups(&self, host: &dyn Host) -> Result<Vec<Listed>> {
        Ok(self.info(host, []).await?.backups().map(info::Backup::listed).collect())
    }

    async fn needs(&self, host: &dyn Host, label: &Label) -> Result<Needs> {
        Ok(self.info_of(host, label).await?.backup(label).map(info::Backup::needs).unwrap_or_default())
    }

    async fn restored(&self, host: &dyn Host, label: &Label) -> Result<Restored> {
        let info = self.info_of(host, label).await?;
        let restored = info.backup(label).map(info::Backup::restored);
        restored.ok_or_else(|| RepoError::gone(label, PROGRAM))
    }

    async fn backup_kind(&self, _: &dyn Host, label: &Label) -> Result<Option<BackupKind>> {
        Ok(info::kind_of(label))
    }

    async fn size(&self, host: &dyn Host, label: &Label) -> Result<u64> {
        let bytes = self.info_of(host, label).await?.backup(label).and_then(info::Backup::bytes);
        bytes.ok_or_else(|| RepoError::Unknown(format!("pgbackrest does not say how large {label} is")))
    }

    async fn server_files(&self, host: &dyn Host, label: &Label, scratch: &str) -> Result<ServerFiles> {
        server_files::fetch(host, self.options().to_vec(), |program| program, self.stanza(), label, scratch).await
    }

    async fn restore(&self, host: &dyn Host, backup: &Label, data: &str) -> Result<Program> {
        let info = self.info_of(host, backup).await?;
        let spaces = info.backups().flat_map(info::Backup::tablespaces);
        let args = [backup.to_string(), data.to_owned(), own_tablespaces(data)].into_iter().chain(spaces);
        let script = include_str!("../scripts/pgbackrest_restore.sh");
        run_it(host, "pgbackrest restore", self.script(script, args)).await
    }

    fn archive_command(&self) -> String {
        self.line(r#""$PWD""#, "archive-push %p")
    }

    fn restore_command(&self) -> String {
        self.line(r#""$PWD""#, r#"archive-get %f "%p""#)
    }

    /// Two that push the same file take each other's temporary file away: whoever fails for that
    /// finds the segment there when he tries again.
    fn deliver(&self, file: &str, data: &str) -> String {
        let push = self.line(data, &format!(r#"archive-push "$PWD"/{file}"#));
        let unless_gone = format!("[ ! -e {file} ] || {push}");
        format!("{{ {{ {unless_gone} 2>/dev/null; }} || {{ sleep 0.3; {unless_gone}; }}; }} && rm -f {file}")
    }

    async fn archive(&self, host: &dyn Host) -> Result<Archive> {
        let script =
            self.script(include_str!("../scripts/pgbackrest_list_wal.sh"), [self.repository(), self.cluster()]);
        Ok(Archive::read(&run(host, "listing the archive", script).await?.text()))
    }

    async fn wal_files(&self, host: &dyn Host, segments: &[Segment], scratch: &str) -> Result<String> {
        let names = segments.iter().map(ToString::to_string);
        let args = [self.cluster(), scratch.to_owned()].into_iter().chain(names);
        let script = self.script(include_str!("../scripts/pgbackrest_fetch_wal.sh"), args);
        run(host, "fetching WAL", script).await?;
        Ok(scratch.to_owned())
    }

    fn verify_program(&self) -> &'static str {
        "pgbackrest verify"
    }

    async fn verify(&self, host: &dyn Host, backup: &Label) -> Result<Verified> {
        let program = self.program(["--log-level-console=info", "--output=text", "--verbose", "verify"]);
        let output = run(host, self.verify_program(), program).await?;
        Ok(verify::judge(&output.text(), backup, self.needs(host, backup).await?.begin.as_ref()))
    }

    async fn copy_from(&self, host: &dyn Host, original: &Place) -> Result<()> {
        let original = Pgbackrest::at(original.clone());
        let args = [original.repository(), self.repository(), original.cluster(), self.cluster()];
        run(host, "the copy", Program::script(include_str!("../scripts/pgbackrest_copy.sh"), args)).await?;
        self.set_up(host).await
    }

    async fn lose_wal(&self, host: &dyn Host, segment: &str) -> Result<()> {
        let args = [self.archived(), segment.to_owned()];
        run(host, "the loss", Program::script(include_str!("../scripts/pgbackrest_lose_wal.sh"), args)).await.map(drop)
    }

    async fn damage_wal(&self, host: &dyn Host, segment: &str) -> Result<Damaged> {
        let glob = format!(r#"ls "$1"/*/*/{segment}-*"#);
        let output = host.run(Program::script(&glob, [self.archived()])).await?;
        let text = output.text();
        match text.lines().find(|line| !line.ends_with(".tmp")) {
            Some(file) => damage_file(host, file, segment, Where::At(8192)).await,
            None => Err(RepoError::Nothing(output.stderr.trim().to_owned())),
        }
    }

    async fn damage_backup(&self, host: &dyn Host, backup: &Label, file: Option<&str>) -> Result<Damaged> {
        let stored = self.manifest(host, backup).await?.find(file).map_err(RepoError::Nothing)?;
        let path = format!("{}/{}", self.backup(backup), stored.path);
        damage_file(host, &path, &stored.file, Where::At(stored.middle())).await
    }
}
