//! Why a server in recovery does not come up, or ends: what its log says last, and what can be
//! done.

use crate::harness::Finding;
use crate::host::HostError;
use crate::journal::Cause;
use crate::node::{LowSetting, Node, StartError};
use crate::source::Span;

/// A well-known FATAL error of a server in recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The target lies beyond what it could read.
    TargetNotReached,
    /// The target lies before it is consistent.
    TargetTooEarly,
    /// The checkpoint that it begins with is nowhere.
    NoCheckpoint,
    /// The archive holds a timeline that it is not on.
    OtherTimeline,
    /// It has no restore_command.
    NoRestoreCommand,
    /// The directory of a tablespace is not there.
    NoTablespaceDirectory,
    /// Its settings are lower than its primary's.
    Settings,
    /// A segment in the archive is not as long as a segment is.
    WrongSize,
    /// restore_command cannot be run, or was killed.
    RestoreCommand,
    /// WAL of an extension that only its own library can replay.
    ResourceManager,
}

/// What a server says that does not find the WAL that it begins with.
pub(crate) const NO_CHECKPOINT: &str = "could not locate required checkpoint record";

/// What PostgreSQL says, and what it means.
const SIGNS: &[(&str, Refusal)] = &[
    ("recovery ended before configured recovery target was reached", Refusal::TargetNotReached),
    ("requested recovery stop point is before consistent recovery point", Refusal::TargetTooEarly),
    (NO_CHECKPOINT, Refusal::NoCheckpoint),
    ("is not a child of this server's history", Refusal::OtherTimeline),
    ("must specify restore_command when standby mode is not enabled", Refusal::NoRestoreCommand),
    ("Create this directory for the tablespace before restarting the server", Refusal::NoTablespaceDirectory),
    ("insufficient parameter settings", Refusal::Settings),
    ("has wrong size", Refusal::WrongSize),
    ("resource manager with ID", Refusal::ResourceManager),
    ("from archive: command not found", Refusal::RestoreCommand),
    ("from archive: command not executable", Refusal::RestoreCommand),
    ("from archive: child process", Refusal::RestoreCommand),
];

impl Refusal {
    /// That of a server whose log ends with this.
    fn of(reason: &str) -> Option<Self> {
        SIGNS.iter().find(|(sign, _)| reason.contains(sign)).map(|(_, refusal)| *refusal)
    }

    fn cause(self) -> Cause {
        match self {
            Refusal::TargetNotReached | Refusal::WrongSize => Cause::TargetNotReached,
            _ => Cause::Expectation,
        }
    }

    /// What can be done about it.
    fn help(self) -> &'static str {
        match self {
            Refusal::TargetNotReached => {
                "the archive ends before the target, or has a gap: is everything archived (`wait_archived`)? A target \
                 time needs a commit after it"
            }
            Refusal::TargetTooEarly => {
                "the target lies before the backup's end: take an older backup, or a later target"
            }
            Refusal::NoCheckpoint => {
                "the WAL that it begins with is missing: it is not in its own pg_wal, and not in an archive that it reads"
            }
            Refusal::OtherTimeline => "the archive holds another timeline: something recovered has archived into it",
            Refusal::NoRestoreCommand => {
                "only the restore_command reads the archive: without one a recovery has the WAL of the backup alone"
            }
            Refusal::NoTablespaceDirectory => {
                "CREATE TABLESPACE is replayed with its path: make that directory on this node's host, too, by an `exec` \
                 before"
            }
            Refusal::Settings => {
                "what the scenario's `settings` say is kept as written: a server in recovery needs at least its \
                 primary's values"
            }
            Refusal::WrongSize => {
                "the segment was cut short: archived by a command that broke off, or damaged since. PostgreSQL goes no \
                 further: take another copy of it, or stop before it"
            }
            Refusal::RestoreCommand => {
                "an exit status from 1 to 125 means that the file is not there; any other ends the recovery: 126 and 127 \
                 are the shell's, for a program that it cannot run"
            }
            Refusal::ResourceManager => {
                "an extension writes WAL of its own (PostgreSQL 15 and newer), which only its library can replay: name it \
                 in `shared_preload_libraries` under the node's `settings`"
            }
        }
    }

    /// Adds to a finding what is known about this reason.
    fn explain(reason: &str, finding: Box<Finding>) -> Box<Finding> {
        match Refusal::of(reason) {
            Some(Refusal::Settings) if let Some(low) = LowSetting::last(reason) => finding.help(lacks(&low)),
            Some(refusal) => finding.because(refusal.cause()).help(refusal.help()),
            None => finding,
        }
    }
}

/// The failure of a server that does not come up; `at` is where the scenario asks for it.
pub(crate) fn not_started(error: StartError, at: impl Into<Option<Span>>) -> Box<Finding> {
    let reason = match &error {
        StartError::Host(_) => return error.into(),
        StartError::Failed { reason, .. } => reason.clone(),
        StartError::Deadline { last, .. } => last.clone(),
    };
    Refusal::explain(&reason, error.into()).at(at)
}

/// The failure of a server that came up and has ended since.
pub(crate) async fn ended(node: &Node) -> Box<Finding> {
    let log = node.log_tail().await;
    let reason = node.reason(&log).await;
    let finding = Finding::failed(format!("the server on `{}` ended during recovery", node.name()));
    Refusal::explain(&reason, finding).label(reason).note("log", log)
}

/// The failure of a server whose replay has paused since a setting is lower than its WAL demands,
/// if it has: only a restart with another value lets it go on.
pub(crate) async fn paused_for_good(node: &Node) -> Result<Option<Box<Finding>>, HostError> {
    Ok(paused_by(node, &node.log_from(node.log_start()).await?).await)
}

/// The same by the log of its start, for whoever has read that.
pub(crate) async fn paused_by(node: &Node, log: &str) -> Option<Box<Finding>> {
    let low = LowSetting::last(log).filter(|low| low.paused)?;
    let title = format!("replay on `{}` is paused at a parameter change: {low}", node.name());
    let label = "waiting is of no use: only a restart with a higher value lets it go on";
    Some(Finding::failed(title).label(label).help(lacks(&low)).note("log", node.log_tail().await))
}

/// What to do about a setting that is too low.
fn lacks(low: &LowSetting) -> String {
    format!(
        "give it at least that, with {} of the step or of the node. A value that the primary was given after the backup stands \
         in the WAL, and not in the backup",
        low.cure()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_known_by_what_the_server_says() {
        let known = |reason: &str| Refusal::of(reason);
        let target = "FATAL:  recovery ended before configured recovery target was reached";
        assert_eq!(known(target), Some(Refusal::TargetNotReached));
        let custom = "FATAL:  resource manager with ID 128 not registered";
        assert_eq!(known(custom), Some(Refusal::ResourceManager));
        assert_eq!(known("FATAL:  could not open file \"pg_wal\""), None);
        let finding = Refusal::explain(target, Finding::failed("the server ended"));
        assert_eq!(finding.cause, Cause::TargetNotReached);
        assert_eq!(finding.notes.len(), 1);
    }
}
