//! Any other tool: a repo that is made of commands of the scenario's.
//!
//! The drill's own has the directory `repo` for what they keep. Beside it lie `env.sh`, which has
//! their environment, `backups`, the backups that were taken, and `archived`, the names of all that
//! was archived: nobody else can say that.

mod kept;
mod list;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use self::list::Line;
use super::archive::Archive;
use super::damage::Damaged;
use super::environment::Environment;
use super::error::{Ability, RepoError, Result, run};
use super::existing::{AtExisting, Existing, tool_is_here};
use super::kind::{ByKey, RepoKind};
use super::listed::{Label, Listed};
use super::look::{empty_places, keep_inside};
use super::settings::{Adjustable, Commands};
use super::storage::{BackupOrder, Place, Storage, Taken, Verified};
use crate::host::{Host, Output, Program, Reach};
use crate::node::{Node, Purpose, own_tablespaces};

/// A repo that is made of commands.
#[derive(Debug)]
pub struct Command {
    place: Place,
    commands: Commands,
    existing: bool,
}

impl RepoKind for Command {
    const NAME: &'static str = "command";
    const ABOUT: &'static str = "Any other tool, by commands that the scenario gives.";
    const CANNOT: &'static [(Ability, &'static str)] = &[
        (Ability::BackUpIncrement, "its command takes one kind of backup"),
        (Ability::WalFiles, "nobody but its tool knows what a file of WAL is in it"),
    ];
    const BY_KEY: &'static [ByKey] = &[ByKey {
        ability: Ability::Verify,
        key: "verify",
        help: "`verify: [PROGRAM, ARGUMENT]` ends with 0 if the backup $DRILLYARD_BACKUP is whole",
    }];
    const EXISTING: Option<AtExisting> = Some(AtExisting {
        needs: &["list", "fetch", "restore_command"],
        takes: &["verify", "env"],
        at: |existing| Arc::new(Command::existing(existing)),
        mounts: tool_is_here,
    });
    const EXISTING_CANNOT: &'static [(Ability, &'static str)] =
        &[(Ability::List, "its commands fetch one file of WAL after another, and none says which there are")];
    const ADJUSTABLE: Adjustable = Adjustable {
        needs: &["fetch", "restore_command", "backup", "archive_command"],
        takes: &["list", "verify", "env"],
        ..Adjustable::NOTHING
    };

    fn at(place: Place) -> Self {
        let commands = place.settings.commands.clone();
        Command { place, commands, existing: false }
    }
}

/// A list of the program and its arguments, with what it is in messages.
type Argv<'a> = (&'static str, &'a [String]);

impl Command {
    /// One that somebody else fills.
    fn existing(existing: &Existing) -> Self {
        let place = existing.place(&existing.own);
        Command { place, commands: existing.commands.clone(), existing: true }
    }

    /// Where the commands keep what they keep.
    fn repo(&self) -> String {
        format!("{}/repo", self.place.path)
    }

    /// What the commands find in their environment.
    fn environment(&self) -> Environment {
        let repo = (!self.existing).then(|| ("DRILLYARD_REPO".to_owned(), self.repo()));
        Environment::new(&self.place.path, self.commands.env.iter().cloned().chain(repo))
    }

    async fn write_env(&self, host: &dyn Host) -> Result<()> {
        let repo = self.repo();
        self.environment().write(host, (!self.existing).then_some(&repo)).await
    }

    /// Runs one of the commands, and returns the program that it was.
    async fn run(&self, host: &dyn Host, argv: Argv<'_>, env: &[(&str, &str)]) -> Result<(Output, Program)> {
        let (what, argv) = argv;
        let mut program = self.environment().program(argv.iter().cloned());
        program.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let output = host.run(program.clone()).await?;
        match output.success() {
            true => Ok((output, program)),
            false => Err(RepoError::Failed { what, status: output.status, said: said(&output) }),
        }
    }

    /// The backups by the command `list`, if there is one.
    async fn lines(&self, host: &dyn Host) -> Result<Option<Vec<Line>>> {
        let Some(list) = &self.commands.list else { return Ok(None) };
        self.write_env(host).await?;
        let what = "the command `list`";
        let (output, _) = self.run(host, (what, list), &[]).await?;
        let said = |said| RepoError::Failed { what, status: output.status, said };
        list::read(&output.text()).map(Some).map_err(said)
    }

    /// A checksum of what restore_command brings under the name of a segment; none if it brings
    /// nothing.
    async fn fetched(&self, host: &dyn Host, segment: &str) -> Result<Option<String>> {
        self.write_env(host).await?;
        let to = format!("{}/looked-at", self.place.path);
        let fetch = self.restore_command().replace("%p", &to).replace("%f", segment);
        let script =
            r#"rm -f "$1"; if sh -c "$2" >/dev/null 2>&1 </dev/null && [ -f "$1" ]; then cksum <"$1"; fi; rm -f "$1""#;
        let text = run(host, "fetching WAL", Program::script(script, [to, fetch]).with_network()).await?.text();
        Ok((!text.is_empty()).then_some(text))
    }
}

/// The statuses from which on a shell says that a program could not be run.
const NOT_RUN: i64 = 126;

/// What a command wrote that failed.
fn said(output: &Output) -> String {
    let (errors, text) = (output.stderr.trim(), output.text());
    if errors.is_empty() { text.trim().to_owned() } else { errors.to_owned() }
}

#[async_trait]
impl Storage for Command {
    fn place(&self) -> &Place {
        &self.place
    }

    async fn set_up(&self, host: &dyn Host) -> Result<()> {
        self.write_env(host).await
    }

    fn backup_program(&self) -> &'static str {
        "the command `backup`"
    }

    async fn back_up(&self, node: &Node, order: &BackupOrder<'_>) -> Result<Taken> {
        let Some(backup) = &self.commands.backup else { return Err(RepoError::NotPossible(Ability::BackUp)) };
        let host = node.host()?.as_ref();
        // A repo that was lost begins anew.
        self.write_env(host).await?;
        let begun = Timestamp::now();
        let server = node.client_program("sh", Purpose::Own)?.env;
        let own = [("DRILLYARD_BACKUP", order.id), ("PGDATA", host.paths().data.as_str())];
        let env: Vec<(&str, &str)> =
            server.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(own).collect();
        let argv: Vec<String> = backup.iter().chain(order.options).cloned().collect();
        let (_, program) = self.run(host, (self.backup_program(), &argv), &env).await?;
        let args = [self.place.path.clone(), format!("{} {}", begun.as_second(), order.id)];
        run(host, "echo", Program::script(r#"echo "$2" >>"$1/backups""#, args)).await?;
        Ok(Taken { label: Label::new(order.id), program })
    }

    async fn backups(&self, host: &dyn Host) -> Result<Vec<Listed>> {
        if let Some(lines) = self.lines(host).await? {
            return Ok(lines.into_iter().map(|line| line.listed).collect());
        }
        let script = r#"[ ! -f "$1/backups" ] || cat "$1/backups""#;
        let text = run(host, "cat", Program::script(script, [&self.place.path])).await?.text();
        Ok(text.lines().filter_map(Listed::from_line).collect())
    }

    async fn size(&self, host: &dyn Host, label: &Label) -> Result<u64> {
        let lines = self.lines(host).await?.unwrap_or_default();
        match lines.into_iter().find(|line| line.listed.label == *label).and_then(|line| line.bytes) {
            Some(bytes) => Ok(bytes),
            None if self.existing => {
                Err(RepoError::Unknown(format!("the command `list` does not say how large {label} is")))
            }
            None => match kept::of_backup(host, &self.repo(), label).await {
                // Its commands may keep it elsewhere.
                Err(RepoError::Nothing(why)) => Err(RepoError::Unknown(why)),
                paths => kept::bytes_of(host, paths?).await,
            },
        }
    }

    async fn restore(&self, host: &dyn Host, backup: &Label, data: &str) -> Result<Program> {
        self.write_env(host).await?;
        let spaces = own_tablespaces(data);
        empty_places(host, data, []).await?;
        let made = r#"mkdir -m 700 "$1" "$2""#;
        run(host, "mkdir", Program::script(made, [data, &spaces])).await?;
        let env = [("DRILLYARD_BACKUP", backup.as_str()), ("DRILLYARD_DATA", data), ("DRILLYARD_TABLESPACES", &spaces)];
        let (_, program) = self.run(host, ("the command `fetch`", &self.commands.fetch), &env).await?;
        keep_inside(host, "what the command `fetch` restored", data).await?;
        Ok(program)
    }

    /// What is archived is noted: the tool need not be able to say it.
    fn archive_command(&self) -> String {
        let Some(command) = &self.commands.archive_command else { return "false".to_owned() };
        let noted = format!("echo %f >>{}/archived", self.place.path);
        format!("{} && {noted}", self.environment().line(&format!("{{ {command}; }}")))
    }

    fn restore_command(&self) -> String {
        self.environment().line(&self.commands.restore_command)
    }

    fn own_command(&self, command: &str) -> String {
        self.environment().line(command)
    }

    /// It may lie in object storage, or on another machine.
    fn fetches(&self) -> Reach {
        Reach::OfMachine
    }

    fn brings_wal(&self) -> bool {
        false
    }

    async fn archive(&self, host: &dyn Host) -> Result<Archive> {
        if self.existing {
            return Ok(Archive::default());
        }
        let args = [self.place.path.clone(), self.restore_command()];
        let script = Program::script(include_str!("../scripts/command_list_wal.sh"), args);
        Ok(Archive::read(&run(host, "listing the archive", script).await?.text()))
    }
    fn verify_program(&self) -> &'static str {
        "the command `verify`"
    }

    /// Whatever it ends with but 0 says that the backup is damaged, unless it could not be run.
    async fn verify(&self, host: &dyn Host, backup: &Label) -> Result<Verified> {
        let Some(verify) = &self.commands.verify else { return Err(RepoError::NotPossible(Ability::Verify)) };
        self.write_env(host).await?;
        let env = [("DRILLYARD_BACKUP", backup.as_str())];
        match self.run(host, (self.verify_program(), verify), &env).await {
            Ok(_) => Ok(Verified::Intact),
            Err(RepoError::Failed { status, said, .. }) if status < NOT_RUN => Ok(Verified::damaged(&said)),
            Err(RepoError::Failed { said, .. }) => {
                Err(RepoError::Unknown(format!("the command `verify` cannot be run: {said}")))
            }
            Err(error) => Err(error),
        }
    }

    async fn copy_from(&self, host: &dyn Host, original: &Place) -> Result<()> {
        self.write_env(host).await?;
        let args = [original.path.clone(), self.place.path.clone()];
        run(host, "the copy", Program::script(include_str!("../scripts/command_copy.sh"), args)).await.map(drop)
    }

    async fn lose_backup(&self, host: &dyn Host, backup: &Label) -> Result<()> {
        let paths = kept::of_backup(host, &self.repo(), backup).await?;
        run(host, "the loss", Program::script(r#"rm -rf "$@""#, paths)).await?;
        let args = [self.place.path.clone(), format!("[0-9]* {backup}")];
        run(host, "the loss", Program::script(r#"sed -i "/^$2\$/d" "$1/backups""#, args)).await?;
        match self.backups(host).await?.iter().any(|one| one.label == *backup) {
            true => {
                Err(RepoError::Nothing(format!("the command `list` still has {backup}: it is kept elsewhere, too")))
            }
            false => Ok(()),
        }
    }

    async fn lose_wal(&self, host: &dyn Host, segment: &str) -> Result<()> {
        kept::lose_wal(host, &self.place.path, segment).await?;
        match self.fetched(host, segment).await? {
            None => Ok(()),
            Some(_) => Err(brings(segment, "still")),
        }
    }

    async fn damage_wal(&self, host: &dyn Host, segment: &str) -> Result<Damaged> {
        let before = self.fetched(host, segment).await?;
        let damaged = kept::damage_wal(host, &self.repo(), segment).await?;
        match before == self.fetched(host, segment).await? {
            true => Err(brings(segment, "as before")),
            false => Ok(damaged),
        }
    }

    async fn damage_backup(&self, host: &dyn Host, backup: &Label, file: Option<&str>) -> Result<Damaged> {
        kept::damage_backup(host, &self.repo(), backup, file).await
    }
}

fn brings(segment: &str, how: &str) -> RepoError {
    RepoError::Nothing(format!("its restore_command brings {segment} {how}: it is kept elsewhere, too"))
}
