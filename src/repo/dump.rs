//! Logical backups: dumps of databases by pg_dump, and of roles and tablespaces by pg_dumpall.
//!
//! A drill's own are below the repo's directory: `backups/ID` has a dump of every database and
//! `globals.sql`. Somebody else's lie where the scenario says, one file or directory a backup; a
//! directory with several dumps in it is one backup of all of them. Nothing is written down about
//! them anywhere: what a file is, and whether it is whole, it says itself.
//!
//! A dump is rows and no WAL: it is loaded into a new server, and nothing more can be had of it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::damage::{Damaged, Where, damage_file};
use super::error::{Ability, RepoError, Result, run};
use super::existing::{AtExisting, Existing, named};
use super::kind::RepoKind;
use super::listed::{Label, Listed};
use super::loaded::Loaded;
use super::look::bytes_in;
use super::server_files::ServerFiles;
use super::storage::{BackupOrder, NOWHERE, Place, Storage, Taken, Verified};
use crate::host::{Host, Output, Program};
use crate::node::{Node, Purpose, own_tablespaces};

/// The shell functions that know a dump when they see one, and a script that uses them.
macro_rules! script {
    ($name:literal) => {
        concat!(include_str!("scripts/dump_forms.sh"), include_str!(concat!("scripts/", $name)))
    };
}

/// Dumps in files.
#[derive(Debug)]
pub struct Dump {
    place: Place,
    /// Where somebody else puts them; none if they are the drill's own.
    existing: Option<Existing>,
}

/// Why nothing can be asked of it that has to do with WAL.
const NO_WAL: &str = "a dump is rows and no WAL";

impl RepoKind for Dump {
    const NAME: &'static str = "dump";
    const ABOUT: &'static str = "Dumps of databases by pg_dump, and of roles by pg_dumpall.";
    const CANNOT: &'static [(Ability, &'static str)] = &[
        (Ability::Archive, NO_WAL),
        (
            Ability::Replay,
            "a dump is rows and no WAL: `recover` takes it with `until: end_of_backup` and `then: promote`",
        ),
        (Ability::RestoreDamaged, "pg_restore ends at what it cannot read"),
        (Ability::DamageWal, NO_WAL),
        (Ability::LoseWal, NO_WAL),
        (Ability::BackUpIncrement, "a dump has all rows in it"),
        (Ability::LoseBackup, "remove the file by an `exec`"),
        (Ability::WalFiles, NO_WAL),
        (Ability::BreakArchive, NO_WAL),
    ];
    const EXISTING: Option<AtExisting> = Some(AtExisting {
        needs: &["path"],
        takes: &["globals"],
        at: |existing| Arc::new(Dump::of_others(existing)),
        mounts: named,
    });

    fn at(place: Place) -> Self {
        Dump { place, existing: None }
    }
}

impl Dump {
    fn of_others(existing: &Existing) -> Self {
        Dump { place: existing.place(NOWHERE), existing: Some(existing.clone()) }
    }

    /// Where a drill's own lie.
    fn own(&self) -> String {
        format!("{}/backups", self.place.path)
    }

    /// What the backups match.
    fn pattern(&self) -> String {
        match &self.existing {
            // A scenario that says too little has an error already.
            Some(existing) => existing.path.clone().unwrap_or_default(),
            None => format!("{}/*", self.own()),
        }
    }

    fn path(&self, backup: &Label) -> String {
        match &self.existing {
            Some(_) => backup.to_string(),
            None => format!("{}/{backup}", self.own()),
        }
    }

    /// A backup from a line of `scripts/dump_list.sh`.
    fn listed(&self, line: &str) -> Option<Listed> {
        let mut fields = line.split('\t');
        let (path, wrong) = (fields.next()?, fields.next()?);
        let taken = Timestamp::from_second(fields.next()?.parse().ok()?).ok()?;
        let label = match &self.existing {
            Some(_) => path,
            None => path.rsplit('/').next()?,
        };
        let wrong = (!wrong.is_empty()).then(|| wrong.to_owned());
        Some(Listed { label: Label::new(label), taken, ended: None, wrong })
    }
}

/// The status of the scripts if a program is not here that a dump has to be unpacked with.
const NOT_HERE: i64 = 127;

/// Runs a script: that a program is not here is no word on the dumps.
async fn run_here(host: &dyn Host, what: &'static str, program: Program) -> Result<Output> {
    match run(host, what, program).await {
        Err(RepoError::Failed { status: NOT_HERE, said, .. }) => Err(RepoError::Unknown(said)),
        other => other,
    }
}

#[async_trait]
impl Storage for Dump {
    fn place(&self) -> &Place {
        &self.place
    }

    async fn set_up(&self, host: &dyn Host) -> Result<()> {
        match &self.existing {
            Some(_) => Ok(()),
            None => run(host, "mkdir", Program::new("mkdir", ["-p".to_owned(), self.own()])).await.map(drop),
        }
    }

    fn backup_program(&self) -> &'static str {
        "pg_dump"
    }

    async fn back_up(&self, node: &Node, order: &BackupOrder<'_>) -> Result<Taken> {
        let args = ["-euc", include_str!("scripts/dump_backup.sh"), "drillyard", &self.own(), order.id];
        let program = node.client_program("sh", Purpose::Own)?.with_args(args);
        let program = program.with_args(order.options.iter().cloned());
        run(node.host()?.as_ref(), self.backup_program(), program.clone()).await?;
        Ok(Taken { label: Label::new(order.id), program })
    }

    async fn backups(&self, host: &dyn Host) -> Result<Vec<Listed>> {
        let program = Program::script(script!("dump_list.sh"), [self.pattern()]).env("LC_ALL", "C");
        let text = run_here(host, "the list of dumps", program).await?.text();
        let mut listed: Vec<Listed> = text.lines().filter_map(|line| self.listed(line)).collect();
        listed.sort_by(|a, b| a.age().cmp(&b.age()));
        Ok(listed)
    }

    async fn size(&self, host: &dyn Host, label: &Label) -> Result<u64> {
        bytes_in(host, &self.path(label)).await
    }

    async fn load(&self, node: &Node, backup: &Label, taken: Timestamp) -> Result<(Loaded, Program)> {
        let (globals, whose) = match &self.existing {
            Some(existing) => (existing.globals.clone().unwrap_or_default(), "theirs"),
            None => (String::new(), "own"),
        };
        let host = node.host()?.as_ref();
        let (path, taken) = (self.path(backup), taken.as_second().to_string());
        let spaces = own_tablespaces(&host.paths().data);
        let args = ["-euc", script!("dump_restore.sh"), "drillyard", &path, &globals, &taken, &spaces, whose];
        let program = node.client_program("sh", Purpose::Load)?.with_args(args);
        let output = run_here(host, "the restore", program.clone()).await?;
        Ok((Loaded::read(&output.text()), program))
    }

    /// The largest file of it, in its middle. A text is named by its file: that stays.
    async fn damaged_copy(&self, host: &dyn Host, backup: &Label, to: &str) -> Result<Label> {
        let script = include_str!("scripts/dump_copy.sh");
        let output = run(host, "the copy", Program::script(script, [self.path(backup).as_str(), to])).await?;
        let text = output.text();
        let mut lines = text.lines();
        let copy = lines.next().map(Label::new);
        let largest = lines
            .next()
            .and_then(|line| line.split_once(' '))
            .and_then(|(size, file)| Some((size.parse::<u64>().ok()?, file)));
        let Some((copy, (size, file))) = copy.zip(largest) else {
            return Err(RepoError::Nothing(format!("there is no file in {backup}")));
        };
        damage_file(host, file, file, Where::At(size / 2)).await?;
        Ok(copy)
    }

    /// There is none: its files are no server's.
    async fn backup_files(&self, _: &dyn Host, _: &Label, _: &str) -> Result<Option<String>> {
        Err(RepoError::NotPossible(Ability::Replay))
    }

    async fn server_files(&self, _: &dyn Host, _: &Label, _: &str) -> Result<ServerFiles> {
        Ok(ServerFiles::None("a dump has rows, and no server's files".to_owned()))
    }

    async fn extensions(&self, host: &dyn Host, backup: &Label) -> Result<Option<Vec<String>>> {
        let program = Program::script(script!("dump_extensions.sh"), [self.path(backup)]).env("LC_ALL", "C");
        let text = run_here(host, "reading the dump", program).await?.text();
        Ok(Some(text.lines().map(str::to_owned).collect()))
    }

    fn verify_program(&self) -> &'static str {
        "pg_restore"
    }

    async fn verify(&self, host: &dyn Host, backup: &Label) -> Result<Verified> {
        let program = Program::script(script!("dump_verify.sh"), [self.path(backup)]).env("LC_ALL", "C");
        let output = host.run(program).await?;
        match output.status {
            0 => Ok(Verified::Intact),
            NOT_HERE => Err(RepoError::Unknown(output.stderr.trim().to_owned())),
            _ => Ok(Verified::damaged(&output.stderr)),
        }
    }

    async fn copy_from(&self, host: &dyn Host, original: &Place) -> Result<()> {
        let args = [original.path.clone(), self.place.path.clone()];
        run(host, "the copy", Program::script(include_str!("scripts/copy_repo.sh"), args)).await.map(drop)
    }

    /// The largest dump, in its middle.
    async fn damage_backup(&self, host: &dyn Host, backup: &Label, file: Option<&str>) -> Result<Damaged> {
        let dir = self.path(backup);
        let largest = r#"cd "$1" && stat -c '%s %n' "${2:-.}" $3 | sort -n | tail -n 1"#;
        let args = match file {
            Some(file) => [dir.clone(), file.to_owned(), String::new()],
            None => [dir.clone(), String::new(), "*".to_owned()],
        };
        let output = run(host, "looking for the largest dump", Program::script(largest, args)).await?;
        let text = output.text();
        let found = text.trim().split_once(' ').and_then(|(size, file)| Some((size.parse::<u64>().ok()?, file)));
        match found {
            Some((size, file)) => damage_file(host, &format!("{dir}/{file}"), file, Where::At(size / 2)).await,
            None => Err(RepoError::Nothing(format!("there is no dump in {dir}"))),
        }
    }
}
