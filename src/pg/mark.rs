//! Marks: moments of a drill that recoveries and assertions refer to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Lineage, Lsn, TimelineId, Xid};

/// One moment of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When it was asked for it, by the clock of the machine that drillyard runs on.
    pub asked: Timestamp,
    /// The WAL insert position just before the server read its clock: what has a later time lies
    /// behind it.
    pub floor: Lsn,
    /// The server's clock (`clock_timestamp()`).
    pub at: Timestamp,
    /// Its WAL insert position.
    pub lsn: Lsn,
    /// Its timeline.
    pub timeline: TimelineId,
    /// When it had answered, by the clock of the machine that drillyard runs on, which the users'
    /// ledger is kept by.
    pub seen: Timestamp,
}

impl Moment {
    /// The same position at another time of drillyard's clock; the server's clock goes along.
    pub fn moved_to(self, seen: Timestamp) -> Self {
        // The two are at most a drill's length apart: neither clock is at its end.
        let at = self.at.checked_add(seen.duration_since(self.seen)).unwrap_or(self.at);
        Moment { asked: seen, at, seen, ..self }
    }
}

/// A restore point in the WAL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePoint {
    /// Its name. Several may have the same.
    pub name: String,
    /// Where its record ends.
    pub lsn: Lsn,
}

/// What an incident, `sql`, `backup` or `mark` step with an id leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The step's id.
    pub id: String,
    /// The server's cluster, and the timelines that led to the one that it was on afterwards.
    pub lineage: Lineage,
    /// Just before the step.
    pub before: Moment,
    /// The transaction that the step was, if it was one and wrote anything.
    pub xid: Option<Xid>,
    /// Just after the step.
    pub after: Moment,
    /// Whether it is an incident: what losses are measured against.
    pub incident: bool,
    /// The restore point, for `mark` steps.
    pub restore_point: Option<RestorePoint>,
    /// The database that the step has dropped: its files go before the commit does, so that only
    /// the position before the step is before it.
    #[serde(default)]
    pub dropped: Option<Dropped>,
}

/// A database that was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Its name.
    pub name: String,
    /// Its number, by which its directories are called.
    pub oid: u32,
}
