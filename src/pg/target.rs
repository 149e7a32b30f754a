//! Where a recovery stops, and how a server is stopped.

use std::fmt;

use jiff::Timestamp;

use super::{Lsn, TimelineId, Xid};

/// A recovery target as PostgreSQL's configuration expresses it (manual, 20.5.6 "Recovery Target").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveryTarget {
    /// No target: to the end of the WAL that can be had.
    Latest,
    /// `recovery_target = 'immediate'`: as soon as the backup is consistent.
    EndOfBackup,
    /// `recovery_target_time`; stops after the last commit before it or, inclusively, at it.
    Time {
        /// The moment, always written with its offset.
        at: Timestamp,
        /// `recovery_target_inclusive`.
        inclusive: bool,
    },
    /// `recovery_target_xid`: stops just before or just after that transaction's commit.
    Xid {
        /// The transaction.
        xid: Xid,
        /// `recovery_target_inclusive`.
        inclusive: bool,
    },
    /// `recovery_target_lsn`: stops before or after the first record that begins there or later.
    Lsn {
        /// The position.
        lsn: Lsn,
        /// `recovery_target_inclusive`.
        inclusive: bool,
    },
    /// `recovery_target_name`: a restore point.
    Name(String),
}

impl RecoveryTarget {
    /// The lines for postgresql.conf, without the action and the timeline.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let inclusive = |yes: &bool| ("recovery_target_inclusive", if *yes { "on" } else { "off" }.to_owned());
        match self {
            RecoveryTarget::Latest => vec![],
            RecoveryTarget::EndOfBackup => vec![("recovery_target", "immediate".to_owned())],
            RecoveryTarget::Time { at, inclusive: i } => {
                vec![("recovery_target_time", time_setting(*at)), inclusive(i)]
            }
            RecoveryTarget::Xid { xid, inclusive: i } => vec![("recovery_target_xid", xid.to_string()), inclusive(i)],
            RecoveryTarget::Lsn { lsn, inclusive: i } => vec![("recovery_target_lsn", lsn.to_string()), inclusive(i)],
            RecoveryTarget::Name(name) => vec![("recovery_target_name", name.clone())],
        }
    }
}

/// A timestamp as PostgreSQL reads it in any server's zone: to the microsecond, with its offset.
fn time_setting(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string()
}

impl fmt::Display for RecoveryTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |inclusive: &bool| if *inclusive { "up to and with" } else { "just before" };
        match self {
            RecoveryTarget::Latest => write!(f, "the end of the archived WAL"),
            RecoveryTarget::EndOfBackup => write!(f, "the end of the backup"),
            RecoveryTarget::Time { at, inclusive } => write!(f, "{} {}", side(inclusive), at),
            RecoveryTarget::Xid { xid, inclusive } => write!(f, "{} transaction {}", side(inclusive), xid),
            RecoveryTarget::Lsn { lsn, inclusive } => write!(f, "{} LSN {}", side(inclusive), lsn),
            RecoveryTarget::Name(name) => write!(f, "restore point `{name}`"),
        }
    }
}

/// Which timeline a recovery follows (`recovery_target_timeline`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetTimeline {
    /// The newest in the archive that comes from the backup's.
    #[default]
    Latest,
    /// The one that the backup was taken on.
    Current,
    /// This one.
    Id(TimelineId),
}

impl fmt::Display for TargetTimeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetTimeline::Latest => f.write_str("latest"),
            TargetTimeline::Current => f.write_str("current"),
            TargetTimeline::Id(timeline) => timeline.fmt(f),
        }
    }
}

/// How a server is stopped (manual, 19.5 "Shutting Down the Server").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ShutdownMode {
    /// Waits until every client has gone.
    Smart,
    /// Ends the sessions, writes a checkpoint.
    #[default]
    Fast,
    /// Ends at once; the next start recovers from the WAL.
    Immediate,
}

impl fmt::Display for ShutdownMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ShutdownMode::Smart => "smart",
            ShutdownMode::Fast => "fast",
            ShutdownMode::Immediate => "immediate",
        })
    }
}
