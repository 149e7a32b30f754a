//! What goes wrong with a repo, and what a kind of repo cannot do at all.

use std::fmt;

use super::listed::Label;
use crate::host::{Host, HostError, Output, Program};
use crate::node::SqlError;

/// What comes of working with a repo.
pub type Result<T> = std::result::Result<T, RepoError>;

/// Why something could not be done with a repo.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// The lab failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A server said no, or did not answer.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// A program failed: pg_basebackup, cp.
    #[error("{what} failed (exit status {status})")]
    Failed {
        /// What was done: a program's name, or `the copy`.
        what: &'static str,
        /// The program's exit status.
        status: i64,
        /// What it wrote.
        said: String,
    },
    /// A backup was taken, and the program that took it says that something is wrong with it.
    #[error("{what} found damage in what it backed up")]
    Flawed {
        /// The program's name.
        what: &'static str,
        /// What it wrote.
        said: String,
    },
    /// There is nothing to be damaged or removed, and why.
    #[error("{0}")]
    Nothing(String),
    /// A backup that is to be read lacks something, or is not there any more.
    #[error("backup `{backup}` is {how}")]
    Lost {
        /// The backup's name in the repo.
        backup: String,
        /// What it is: `not whole`.
        how: &'static str,
        /// What it lacks.
        why: String,
    },
    /// It cannot be said whether something holds, and why not.
    #[error("{0}")]
    Unknown(String),
    /// This kind of repo never can.
    #[error("a repo of this kind cannot {0}")]
    NotPossible(Ability),
}

impl RepoError {
    /// A backup that lacks something without which it cannot be restored.
    pub fn not_whole(backup: &Label, why: String) -> Self {
        RepoError::Lost { backup: backup.to_string(), how: "not whole", why }
    }

    /// A backup that the repo's program does not know any more.
    pub fn gone(backup: &Label, program: &str) -> Self {
        let why = format!("{program} does not list it");
        RepoError::Lost { backup: backup.to_string(), how: "not there any more", why }
    }

    /// What the program said that failed, if that is what went wrong.
    pub fn said(&self) -> Option<&str> {
        match self {
            RepoError::Failed { said, .. } => Some(said),
            _ => None,
        }
    }
}

/// What steps ask of a repo, and not every kind can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// Takes a backup of a server.
    BackUp,
    /// Takes a backup of a standby.
    BackUpStandby,
    /// Takes a backup of what has changed since a backup that is named.
    BackUpIncrement,
    /// Takes a backup of a server that does not archive into it.
    BackUpAlone,
    /// Gives a backup back as a data directory.
    Restore,
    /// Gives a backup back that is damaged, damage and all.
    RestoreDamaged,
    /// Gives a backup back that gets to its end without the archive.
    RestoreAlone,
    /// Gives a backup back as a data directory, to which a server applies WAL. A kind that cannot
    /// gives it back as rows.
    Replay,
    /// Keeps the WAL that a server archives, and gives it back.
    Archive,
    /// Says which backups and which WAL it has: for looking for something in the WAL, and for
    /// waiting for it.
    List,
    /// Says which backups it has.
    ListBackups,
    /// Compares a backup with what was taken.
    Verify,
    /// Is brought up to date from another repo.
    Copy,
    /// Has a file of a backup damaged.
    DamageBackup,
    /// Has a backup removed.
    LoseBackup,
    /// Has a WAL segment damaged.
    DamageWal,
    /// Has a WAL segment removed.
    LoseWal,
    /// Keeps each file of WAL as a file of its name, so that any of them can be removed, cut short
    /// or replaced.
    WalFiles,
    /// Has archive_command broken on the way to it.
    BreakArchive,
}

impl Ability {
    /// Whether it changes what is in the repo.
    pub fn changes(self) -> bool {
        match self {
            Ability::Restore
            | Ability::RestoreDamaged
            | Ability::RestoreAlone
            | Ability::Replay
            | Ability::Archive
            | Ability::List
            | Ability::ListBackups
            | Ability::Verify => false,
            Ability::BackUp
            | Ability::BackUpStandby
            | Ability::BackUpAlone
            | Ability::BackUpIncrement
            | Ability::LoseBackup
            | Ability::Copy
            | Ability::DamageBackup
            | Ability::DamageWal => true,
            Ability::LoseWal | Ability::WalFiles | Ability::BreakArchive => true,
        }
    }
}

impl fmt::Display for Ability {
    /// As what follows `cannot`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ability::BackUp => "take a backup",
            Ability::BackUpStandby => "take a backup of a standby",
            Ability::BackUpAlone => "take a backup of a server that does not archive into it",
            Ability::BackUpIncrement => "take a backup that is incremental to another",
            Ability::LoseBackup => "lose a backup",
            Ability::Restore => "restore a backup",
            Ability::RestoreDamaged => "restore a damaged backup",
            Ability::RestoreAlone => "restore a backup without the WAL in the archive",
            Ability::Replay => "recover with WAL",
            Ability::Archive => "archive WAL",
            Ability::List => "list its WAL",
            Ability::ListBackups => "list its backups",
            Ability::Verify => "verify a backup",
            Ability::Copy => "be a copy of another repo",
            Ability::DamageBackup => "have a backup damaged",
            Ability::DamageWal => "have a WAL segment damaged",
            Ability::LoseWal => "lose a WAL segment",
            Ability::WalFiles => "have any file of WAL removed, cut short or replaced",
            Ability::BreakArchive => "have its archive_command broken",
        })
    }
}

/// What a kind of repo cannot do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a repo of kind `{kind}` cannot {ability}: {why}")]
pub struct NotPossible {
    /// The kind.
    pub kind: &'static str,
    /// What it cannot do.
    pub ability: Ability,
    /// Why not.
    pub why: &'static str,
}

/// The status of a shell that finds no program.
const NOT_FOUND: i64 = 127;

/// Runs a tool, by a shell: that it is not installed is no word on the repo.
pub async fn run_tool(host: &dyn Host, what: &'static str, program: Program, install: &str) -> Result<Output> {
    let tool = what.split(' ').next().unwrap_or(what);
    match run(host, what, program).await {
        Err(RepoError::Failed { status: NOT_FOUND, .. }) => {
            Err(RepoError::Unknown(format!("{tool} is not installed where the repo is read: {install}")))
        }
        other => other,
    }
}

/// Runs a program that has to end with 0; `what` it is in messages.
pub async fn run(host: &dyn Host, what: &'static str, program: Program) -> Result<Output> {
    let output = host.run(program).await?;
    match output.success() {
        true => Ok(output),
        false => Err(RepoError::Failed { what, status: output.status, said: output.stderr.trim().to_owned() }),
    }
}

/// The same; returns the program.
pub async fn run_it(host: &dyn Host, what: &'static str, program: Program) -> Result<Program> {
    run(host, what, program.clone()).await.map(|_| program)
}
