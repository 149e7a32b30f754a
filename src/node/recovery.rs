//! Reading where a recovery came out from the server's log: the log is the only witness of a target that was not reached.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::json;

use crate::journal::Facts;
use crate::pg::{RecoveryTarget, Xid};

/// Where a recovery came out, by its log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrival {
    /// `recovery stopping before commit of transaction 739, time 2026-11-22 12:04:31.9+00`, without its first two words.
    pub stopped: Option<String>,
    /// The transaction that recovery stopped at.
    pub stopped_at: Option<Xid>,
    /// `last completed transaction was at log time ...`.
    pub last_commit: Option<String>,
    /// `redo done at ...`.
    pub redo_end: Option<String>,
    /// `selected new timeline ID: 2`.
    pub new_timeline: Option<u32>,
    /// Whether a consistent state was reached.
    pub consistent: bool,
    /// The archive's segments that were read, the first and the last.
    pub segments: Option<(String, String)>,
    /// The last complaint about WAL that could not be read.
    pub wal_trouble: Option<String>,
}

pattern!(STOPPING, r"(?m)recovery stopping (.+)$");
pattern!(
    STOPPED_AT,
    r"recovery stopping (?:before|after) (?:commit|abort|commit prepared|abort prepared) of (?:prepared )?transaction (\d+)"
);
pattern!(LAST_COMMIT, r"(?m)last completed transaction was at log time (.+)$");
pattern!(REDO_END, r"redo done at ([0-9A-F]+/[0-9A-F]+)");
pattern!(TIMELINE, r"selected new timeline ID: (\d+)");
pattern!(SEGMENT, r#"restored log file "([0-9A-F]{24})" from archive"#);
pattern!(
    TROUBLE,
    r"(?m)(?:LOG|WARNING):\s+(invalid (?:resource manager|record length|magic|checkpoint|primary|page).*|incorrect (?:prev-link|resource manager).*|unexpected pageaddr.*|contrecord is.*|WAL file is from different.*|archive file .* has wrong size.*|requested timeline .*|unexpected timeline .*)$"
);

fn last(pattern: &LazyLock<Option<Regex>>, log: &str) -> Option<String> {
    let found = pattern.as_ref()?.captures_iter(log).last()?;
    Some(found.get(1)?.as_str().trim().to_owned())
}

impl Arrival {
    /// Reads the log of a server's start.
    pub fn read(log: &str) -> Self {
        let segments: Vec<String> = SEGMENT
            .as_ref()
            .map(|pattern| pattern.captures_iter(log).filter_map(|c| Some(c.get(1)?.as_str().to_owned())).collect())
            .unwrap_or_default();
        Arrival {
            stopped: last(&STOPPING, log),
            stopped_at: last(&STOPPED_AT, log).and_then(|xid| xid.parse().ok()).map(Xid),
            last_commit: last(&LAST_COMMIT, log),
            redo_end: last(&REDO_END, log),
            new_timeline: last(&TIMELINE, log).and_then(|id| id.parse().ok()),
            consistent: log.contains("consistent recovery state reached"),
            segments: segments.first().cloned().zip(segments.last().cloned()),
            wal_trouble: last(&TROUBLE, log),
        }
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
            (RecoveryTarget::Time { .. }, Some(at)) if at.contains("transaction") => Ok(()),
            (RecoveryTarget::Lsn { .. }, Some(at)) if at.contains("LSN") => Ok(()),
            (RecoveryTarget::Name(name), Some(at)) if at.contains(&format!("\"{name}\"")) => Ok(()),
            (_, None) => nowhere(),
            (_, Some(at)) => Err(format!("recovery was to stop at {target}, and stopped {at}")),
        }
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

/// The reason that a log gives for a server's end: its last FATAL or PANIC line, else its last ERROR, with what follows it.
pub fn log_reason(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().collect();
    // "the database system is starting up" is what clients were told; a terminated child is the consequence of the reason.
    let consequence = ["the database system is", "terminating connection", "aborting startup", "the standby was"];
    let at = ["PANIC:", "FATAL:", "ERROR:", "pg_ctl:", "postgres:"].iter().find_map(|level| {
        lines.iter().rposition(|line| line.contains(level) && !consequence.iter().any(|c| line.contains(c)))
    })?;
    let message = |line: &str| match line.find(": ").zip(line.find("] ")) {
        Some((_, prefix)) => line[prefix + 2..].trim().to_owned(),
        None => line.trim().to_owned(),
    };
    let extra = lines[at + 1..].iter().take_while(|line| line.contains("DETAIL:") || line.contains("HINT:"));
    let all: Vec<String> = std::iter::once(message(lines[at])).chain(extra.map(|line| message(line))).collect();
    Some(all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
2026-11-22 12:00:00.000 UTC [10] LOG:  starting point-in-time recovery to XID 739
2026-11-22 12:00:00.000 UTC [10] LOG:  restored log file \"000000010000000000000002\" from archive
2026-11-22 12:00:00.000 UTC [10] LOG:  consistent recovery state reached at 0/2000100
2026-11-22 12:00:00.000 UTC [10] LOG:  restored log file \"000000010000000000000003\" from archive
2026-11-22 12:00:00.000 UTC [10] LOG:  recovery stopping before commit of transaction 739, time 2026-11-22 11:59:59.123456+00
2026-11-22 12:00:00.000 UTC [10] LOG:  redo done at 0/3000028 system usage: CPU: user: 0.00 s
2026-11-22 12:00:00.000 UTC [10] LOG:  last completed transaction was at log time 2026-11-22 11:59:59.1+00
2026-11-22 12:00:00.000 UTC [10] LOG:  selected new timeline ID: 2
";

    #[test]
    fn an_arrival_is_read_and_judged() {
        let arrival = Arrival::read(LOG);
        assert_eq!(arrival.stopped_at, Some(Xid(739)));
        assert_eq!(arrival.new_timeline, Some(2));
        assert!(arrival.consistent);
        assert!(arrival.reached(&RecoveryTarget::Xid { xid: Xid(739), inclusive: false }).is_ok());
        assert!(arrival.reached(&RecoveryTarget::Xid { xid: Xid(740), inclusive: false }).is_err());
        assert!(arrival.reached(&RecoveryTarget::Latest).is_err());
        assert!(arrival.reached(&RecoveryTarget::Name("x".to_owned())).is_err());
        assert!(Arrival::read("").reached(&RecoveryTarget::EndOfBackup).is_err());
    }

    #[test]
    fn the_reason_is_the_last_fatal_line_that_is_not_a_consequence() {
        let log = "\
2026 UTC [10] FATAL:  recovery ended before configured recovery target was reached
2026 UTC [10] DETAIL:  more
2026 UTC [11] FATAL:  the database system is starting up
2026 UTC [9] LOG:  startup process (PID 10) exited with exit code 1
";
        let reason = log_reason(log);
        assert_eq!(
            reason.as_deref(),
            Some("FATAL:  recovery ended before configured recovery target was reached; DETAIL:  more")
        );
        assert_eq!(log_reason("LOG: fine"), None);
    }
}
