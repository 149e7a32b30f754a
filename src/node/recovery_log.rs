//! Reading where a recovery came out from the server's log: only the log shows a target that was
//! not reached.

use jiff::Timestamp;
use serde_json::json;

use super::restore_said::{about, messages};
use crate::journal::Facts;
use crate::pg::{Lsn, Pattern, RecoveryTarget, Segment, TimelineId, Xid};

/// Where a recovery came out, by its log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryLog {
    /// `recovery stopping before commit of transaction 739, time 2026-11-22 12:04:31.9+00`, without
    /// its first two words.
    pub stopped: Option<String>,
    /// The transaction that recovery stopped at.
    pub stopped_at: Option<Xid>,
    /// `last completed transaction was at log time ...`.
    pub last_commit: Option<String>,
    /// `redo starts at ...`.
    pub redo_start: Option<Lsn>,
    /// `redo done at ...`.
    pub redo_end: Option<String>,
    /// `selected new timeline ID: 2`.
    pub new_timeline: Option<u32>,
    /// Whether a consistent state was reached.
    pub consistent: bool,
    /// The archive's segments that were read, the first and the last.
    pub segments: Option<(String, String)>,
    /// The last complaint about WAL that could not be read.
    pub wal_trouble: Option<WalTrouble>,
    /// What its restore_command has said.
    restore_said: Vec<String>,
}

/// A complaint about WAL that could not be read. PostgreSQL takes what it cannot read for the end
/// of the WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalTrouble {
    /// The complaint.
    pub text: String,
    /// The position of the record or of the page.
    at: Option<Lsn>,
    /// The segment's name and the offset in it, if the log has them.
    segment: Option<(String, u64)>,
}

impl WalTrouble {
    fn read(text: String) -> Self {
        let captures = IN_SEGMENT.captures(&text);
        let segment = captures.and_then(|c| Some((c.get(1)?.as_str().to_owned(), c.get(2)?.as_str().parse().ok()?)));
        let at = AT.last(&text).and_then(|lsn| lsn.parse().ok());
        WalTrouble { text, at, segment }
    }

    /// The segment that the complaint is about, and the position in it. A record that goes on in
    /// the next segment is told by where it begins.
    pub fn place(&self, timeline: TimelineId, segment_size: u64) -> Option<(Segment, Lsn)> {
        match (&self.segment, self.at) {
            (Some((name, offset)), _) => {
                let segment = Segment::parse(name, segment_size)?;
                Some((segment, Lsn(segment.start().0.saturating_add(*offset))))
            }
            (None, Some(at)) => Some((Segment::at(at, timeline, segment_size), at)),
            (None, None) => None,
        }
    }
}

static STOPPING: Pattern = Pattern::new(r"(?m)recovery stopping (.+)$");
static STOPPED_AT: Pattern = Pattern::new(
    r"recovery stopping (?:before|after) (?:commit|abort|commit prepared|abort prepared) of (?:prepared )?transaction (\d+)",
);
static LAST_COMMIT: Pattern = Pattern::new(r"(?m)last completed transaction was at log time (.+)$");
static REDO_START: Pattern = Pattern::new(r"redo starts at ([0-9A-F]+/[0-9A-F]+)");
static REDO_END: Pattern = Pattern::new(r"redo done at ([0-9A-F]+/[0-9A-F]+)");
static TIMELINE: Pattern = Pattern::new(r"selected new timeline ID: (\d+)");
static SEGMENT: Pattern = Pattern::new(r#"restored log file "([0-9A-F]{24})" from archive"#);
// The messages of PostgreSQL's xlogreader.c and xlogrecovery.c.
static TROUBLE: Pattern = Pattern::new(
    r"(?m)(?:LOG|WARNING):\s+(?:[0-9A-Z]{5}: )?(invalid (?:resource manager|record|magic|info bits|checkpoint|primary|page|contrecord|block_id|block length).*|incorrect resource manager.*|record (?:with incorrect prev-link|with invalid length|length \d).*|unexpected (?:pageaddr|timeline).*|out-of-(?:sequence timeline|order block_id).*|contrecord is.*|there is no contrecord.*|missing contrecord.*|BKP\w+ .*|WAL file is from different.*|archive file .* has wrong size.*|requested timeline .*)$",
);
static IN_SEGMENT: Pattern = Pattern::new(r"in (?:log|WAL) segment ([0-9A-F]{24}),.* offset (\d+)");
static AT: Pattern = Pattern::new(r"\b(?:at|by) ([0-9A-F]+/[0-9A-F]+)");

static STOPPED_TIME: Pattern = Pattern::new(r"time (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S*)");

/// A time as servers write it into their logs, with its offset: `2026-11-22 11:59:59.123456+00`.
/// None without one.
fn server_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let at = text.rfind(['+', '-']).filter(|at| *at > "2026-11-22".len())?;
    let minutes = if text[at..].contains(':') { "" } else { ":00" };
    format!("{text}{minutes}").parse().ok()
}

impl RecoveryLog {
    /// Reads the log of a server's start.
    pub fn read(log: &str) -> Self {
        let last = |pattern: &Pattern| pattern.last(log).map(str::to_owned);
        RecoveryLog {
            stopped: last(&STOPPING),
            stopped_at: STOPPED_AT.last(log).and_then(|xid| xid.parse().ok()).map(Xid),
            last_commit: last(&LAST_COMMIT),
            redo_start: REDO_START.first(log).and_then(|lsn| lsn.parse().ok()),
            redo_end: last(&REDO_END),
            new_timeline: TIMELINE.last(log).and_then(|id| id.parse().ok()),
            consistent: log.contains("consistent recovery state reached"),
            segments: SEGMENT.first(log).map(str::to_owned).zip(last(&SEGMENT)),
            wal_trouble: last(&TROUBLE).map(WalTrouble::read),
            restore_said: messages(log),
        }
    }

    /// What restore_command has said last of a segment, or of no file at all.
    pub fn restore_said(&self, segment: &str) -> Option<&str> {
        about(&self.restore_said, segment)
    }

    /// What restore_command has said, in its order.
    pub fn all_that_restore_said(&self) -> &[String] {
        &self.restore_said
    }

    /// What the log said of where it ended, as something to look for.
    pub fn evidence(&self) -> Vec<String> {
        let stopped = self.stopped.as_ref().map(|stopped| format!("recovery stopping {stopped}"));
        let line = stopped.or_else(|| self.redo_end.as_ref().map(|end| format!("redo done at {end}")));
        let timeline = self.new_timeline.map(|id| format!("selected new timeline ID: {id}"));
        line.into_iter().chain(timeline).map(|line| format!("the server's log has a line such as `{line}`")).collect()
    }

    /// Whether the log proves that `target` was reached; otherwise what is wrong.
    pub fn reached(&self, target: &RecoveryTarget) -> Result<(), String> {
        let stopped = self.stopped.as_deref();
        let nowhere = || {
            Err(format!(
                "recovery ended without a word about its target ({target}); last commit: {}",
                self.last_commit.as_deref().unwrap_or("none")
            ))
        };
        match (target, stopped) {
            (RecoveryTarget::Latest, None) => Ok(()),
            (RecoveryTarget::Latest, Some(at)) => Err(format!("recovery was to go on to the end, and stopped {at}")),
            (RecoveryTarget::EndOfBackup, Some(at)) if at.contains("consistency") => Ok(()),
            (RecoveryTarget::Xid { xid, .. }, Some(_)) if self.stopped_at == Some(*xid) => Ok(()),
            (RecoveryTarget::Time { at: target, inclusive }, Some(at)) if at.contains("transaction") => {
                self.in_time(*target, *inclusive, at)
            }
            (RecoveryTarget::Lsn { .. }, Some(at)) if at.contains("LSN") => Ok(()),
            (RecoveryTarget::Name(name), Some(at)) if at.contains(&format!("\"{name}\"")) => Ok(()),
            (_, None) => nowhere(),
            (_, Some(at)) => Err(format!("recovery was to stop at {target}, and stopped {at}")),
        }
    }

    /// Whether recovery stopped between the last commit before a time and the first one after it. A
    /// server that has read the time in another zone stops elsewhere, and says so only by the times
    /// of those commits.
    fn in_time(&self, target: Timestamp, inclusive: bool, stopped: &str) -> Result<(), String> {
        let wrong = |what: &str, at: Timestamp| Err(format!("recovery was to stop at {target}, and {what} of {at}"));
        // Both are written to the microsecond.
        if let Some(at) = self.stopped_time()
            && (at < target || (at == target && inclusive))
            && stopped.starts_with("before")
        {
            return wrong("stopped too early, before a commit", at);
        }
        match self.last_commit.as_deref().and_then(server_time) {
            Some(at) if at > target || (at == target && !inclusive) => wrong("went past it, up to a commit", at),
            _ => Ok(()),
        }
    }

    /// When the last transaction that was replayed was committed, by the clock of the server that
    /// did it.
    pub fn time(&self) -> Option<Timestamp> {
        server_time(self.last_commit.as_deref()?)
    }

    /// The time of the commit, abort or restore point that recovery stopped at, by the clock of the
    /// server that wrote it.
    pub fn stopped_time(&self) -> Option<Timestamp> {
        server_time(STOPPED_TIME.first(self.stopped.as_deref()?)?)
    }

    /// How many bytes of WAL were replayed by a server that has come to `end`.
    pub fn replayed(&self, end: Lsn) -> Option<u64> {
        end.0.checked_sub(self.redo_start?.0)
    }

    /// Adds what is known to a step's facts.
    pub fn tell(&self, facts: &mut Facts) {
        let mut add = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                facts.insert(name.to_owned(), json!(value));
            }
        };
        add("stopped", &self.stopped);
        add("last_commit", &self.last_commit);
        add("redo_end", &self.redo_end);
        if let Some((first, last)) = &self.segments {
            facts.insert("first_segment".to_owned(), json!(first));
            facts.insert("last_segment".to_owned(), json!(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
2026-11-22 12:00:00.000 UTC [10] LOG:  starting point-in-time recovery to XID 739
2026-11-22 12:00:00.000 UTC [10] LOG:  restored log file \"000000010000000000000002\" from archive
2026-11-22 12:00:00.000 UTC [10] LOG:  redo starts at 0/2000028
2026-11-22 12:00:00.000 UTC [10] LOG:  consistent recovery state reached at 0/2000100
2026-11-22 12:00:00.000 UTC [10] LOG:  restored log file \"000000010000000000000003\" from archive
2026-11-22 12:00:00.000 UTC [10] LOG:  recovery stopping before commit of transaction 739, time 2026-11-22 11:59:59.123456+00
2026-11-22 12:00:00.000 UTC [10] LOG:  redo done at 0/3000028 system usage: CPU: user: 0.00 s
2026-11-22 12:00:00.000 UTC [10] LOG:  last completed transaction was at log time 2026-11-22 11:59:59.1+00
2026-11-22 12:00:00.000 UTC [10] LOG:  selected new timeline ID: 2
";

    #[test]
    fn a_recovery_log_is_read() {
        let recovery_log = RecoveryLog::read(LOG);
        assert_eq!(recovery_log.stopped_at, Some(Xid(739)));
        assert_eq!(recovery_log.new_timeline, Some(2));
        assert!(recovery_log.consistent);
        assert_eq!(recovery_log.replayed(Lsn(0x300_0028)), Some(16 << 20));
        assert!(recovery_log.reached(&RecoveryTarget::Xid { xid: Xid(739), inclusive: false }).is_ok());
        assert!(recovery_log.reached(&RecoveryTarget::Xid { xid: Xid(740), inclusive: false }).is_err());
        assert!(recovery_log.reached(&RecoveryTarget::Latest).is_err());
        assert!(recovery_log.reached(&RecoveryTarget::Name("x".to_owned())).is_err());
        assert!(RecoveryLog::read("").reached(&RecoveryTarget::EndOfBackup).is_err());
        let time = |text: &str| RecoveryTarget::Time { at: text.parse().expect("a time"), inclusive: true };
        assert_eq!(recovery_log.reached(&time("2026-11-22T11:59:59.12Z")), Ok(()));
        // It was read as one of another zone, and there was something to tell it by.
        let early = recovery_log.reached(&time("2026-11-22T12:59:59.12Z")).expect_err("too early");
        assert!(early.contains("stopped too early, before a commit of 2026-11-22T11:59:59.123456Z"), "{early}");
        let late = recovery_log.reached(&time("2026-11-22T10:59:59.12Z")).expect_err("too late");
        assert!(late.contains("went past it, up to a commit of 2026-11-22T11:59:59.1Z"), "{late}");
        assert_eq!(server_time("2026-11-22 13:00:00.5+05:30"), "2026-11-22T07:30:00.5Z".parse().ok());
        assert_eq!(server_time("2026-11-22 13:00:00-03"), "2026-11-22T16:00:00Z".parse().ok());
        assert_eq!(server_time("2026-11-22 13:00:00.5 CET"), None);
    }

    #[test]
    fn complaints_about_wal_are_placed() {
        let place = |text: &str| {
            let log = format!("2026-11-22 12:00:00.000 UTC [10] LOG:  {text}\n");
            let trouble = RecoveryLog::read(&log).wal_trouble.unwrap_or_else(|| panic!("not seen: {text}"));
            trouble.place(TimelineId(1), 16 << 20).map(|(segment, _)| segment.to_string())
        };
        for text in [
            "invalid magic number DBDB in log segment 000000010000000000000005, offset 8192",
            "invalid magic number DBDB in WAL segment 000000010000000000000005, LSN 0/5002000, offset 8192",
            "unexpected pageaddr 0/2000000 in WAL segment 000000010000000000000005, LSN 0/5000000, offset 0",
            "invalid record length at 0/5000060: wanted 24, got 0",
            "invalid record length at 0/5000060: expected at least 24, got 0",
            "record with incorrect prev-link 1/4000028 at 0/5000060",
            "record length 123456 at 0/5000060 too long",
            "incorrect resource manager data checksum in record at 0/5000060",
            "invalid resource manager ID 170 at 0/5000060",
            "invalid contrecord length 12 (expected 5) at 0/5000060",
            "there is no contrecord flag at 0/5000060",
            "contrecord is requested by 0/5000060",
        ] {
            assert_eq!(place(text).as_deref(), Some("000000010000000000000005"), "{text}");
        }
        assert_eq!(place("requested timeline 2 is not a child of this server's history"), None);
    }
}
