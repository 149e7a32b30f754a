//! Any other tool: a repo that is made of commands of the scenario's.
//!
//! The drill's own has the directory `repo` for what they keep. Beside it lie `env.sh`, which has
//! their environment, `backups`, the backups that were taken, and `archived`, the names of all that
//! was archived: nobody else can say that.

mod list;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use self::list::Line;
use super::archive::Archive;
use super::environment::Environment;
use super::error::{Ability, RepoError, Result, run};
use super::existing::{AtExisting, Existing, tool_is_here};
use super::kind::RepoKind;
use super::look::{empty_places, keep_inside};
use super::settings::{Adjustable, Commands};
use super::storage::{BackupOrder, Label, Listed, Place, Storage, Taken};
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
        (Ability::Verify, "no command of it does that"),
        (Ability::Copy, "nobody but its tool knows how it is copied"),
        (Ability::DamageBackup, "nobody but its tool knows what lies in it"),
        (Ability::DamageWal, "nobody but its tool knows what lies in it"),
        (Ability::BackUpIncrement, "its command takes one kind of backup"),
        (Ability::LoseBackup, "nobody but its tool knows what lies in it"),
        (Ability::WalFiles, "nobody but its tool knows what lies in it"),
        (Ability::LoseWal, "nobody but its tool knows what lies in it"),
    ];
    const EXISTING: Option<AtExisting> = Some(AtExisting {
        needs: &["list", "fetch", "restore_command"],
        takes: &["env"],
        at: |existing| Arc::new(Command::existing(existing)),
        mounts: tool_is_here,
    });
    const EXISTING_CANNOT: &'static [(Ability, &'static str)] =
        &[(Ability::List, "its commands fetch one file of WAL after another, and none says which there are")];
    const ADJUSTABLE: Adjustable = Adjustable {
        needs: &["fetch", "restore_command", "backup", "archive_command"],
        takes: &["list", "env"],
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
}

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

    fn is_existing(&self) -> bool {
        self.existing
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
        let bytes = lines.into_iter().find(|line| line.listed.label == *label).and_then(|line| line.bytes);
        bytes.ok_or_else(|| RepoError::Unknown(format!("the command `list` does not say how large {label} is")))
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
}
