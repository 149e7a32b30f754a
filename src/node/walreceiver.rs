//! Why a standby does not stream, by its own log: the error that its walreceiver got instead of
//! WAL.

use crate::pg::Pattern;

/// Why a standby gets no WAL from its upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalReason {
    /// The upstream has removed this segment from its pg_wal.
    Removed(String),
    /// The upstream's timeline and the standby's, which the upstream has never been on.
    Timeline(u32, u32),
    /// The standby's WAL goes beyond the point where the upstream's history left it.
    Diverged,
    /// The standby asks for WAL that the upstream does not have, or not yet.
    Ahead,
    /// The upstream was made by another initdb.
    OtherSystem,
    /// There is no such replication slot, or it has lost its WAL.
    Slot,
    /// The upstream does not let the standby's role in, or not for replication.
    NotAllowed,
    /// Something else; it may pass.
    Other,
}

impl RefusalReason {
    /// Whether asking again can help: the upstream may start, let go of a slot, or get the WAL from
    /// its own upstream.
    pub fn may_pass(&self) -> bool {
        matches!(self, RefusalReason::Ahead | RefusalReason::Other)
    }
}

/// The last error that a standby's walreceiver got instead of WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalRefusal {
    /// As the log has it.
    pub message: String,
    /// What it means.
    pub reason: RefusalReason,
    /// How often the log that was read has it.
    pub times: usize,
}

static MESSAGE: Pattern = Pattern::new(
    r"(?m)(?:FATAL|ERROR|LOG):\s+((?:could not (?:receive data from WAL stream|start WAL streaming|connect to the primary server|receive database system identifier|identify system|send data to WAL stream)|streaming replication receiver .* could not connect|highest timeline \d+ of the primary|database system identifier differs|new timeline \d+ forked off|terminating walreceiver).*)$",
);
static REMOVED: Pattern = Pattern::new(r"requested WAL segment ([0-9A-F]{24}) has already been removed");
static TIMELINE: Pattern = Pattern::new(r"highest timeline (\d+) of the primary is behind recovery timeline (\d+)");
static DIVERGED: Pattern = Pattern::new(r"is not in this server's history|forked off current database system timeline");
static SLOT: Pattern = Pattern::new(
    r#"replication slot "[^"]*" does not exist|can no longer (?:access|get changes from) replication slot"#,
);
static NOT_ALLOWED: Pattern = Pattern::new(
    r#"must be superuser or replication role|permission denied to start WAL sender|no pg_hba.conf entry|pg_hba.conf rejects|authentication failed|no password supplied|role "[^"]*" (?:does not exist|is not permitted to log in)"#,
);

impl WalRefusal {
    /// Reads a standby's log.
    pub fn last(log: &str) -> Option<Self> {
        let last = MESSAGE.last(log)?;
        let times = MESSAGE.each(log).filter(|message| *message == last).count();
        Some(WalRefusal { message: last.to_owned(), reason: reason(last), times })
    }
}

fn reason(message: &str) -> RefusalReason {
    if let Some(segment) = REMOVED.first(message) {
        return RefusalReason::Removed(segment.to_owned());
    }
    if let Some(found) = TIMELINE.captures(message) {
        let number = |group| found.get(group).and_then(|group| group.as_str().parse().ok()).unwrap_or(0);
        return RefusalReason::Timeline(number(1), number(2));
    }
    match () {
        () if DIVERGED.is_match(message) => RefusalReason::Diverged,
        () if message.contains("is ahead of the WAL flush position") => RefusalReason::Ahead,
        () if message.contains("system identifier differs") => RefusalReason::OtherSystem,
        () if NOT_ALLOWED.is_match(message) => RefusalReason::NotAllowed,
        () if SLOT.is_match(message) => RefusalReason::Slot,
        () => RefusalReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: &str = "\
2026-11-22 12:00:00.000 UTC [9] LOG:  started streaming WAL from primary at 0/3000000 on timeline 1
2026-11-22 12:00:00.000 UTC [9] FATAL:  could not receive data from WAL stream: ERROR:  requested WAL segment 000000010000000000000003 has already been removed
cp: cannot stat '/x/000000010000000000000003': No such file or directory
";

    #[test]
    fn the_last_refusal_is_read_and_counted() {
        let last = WalRefusal::last(&GONE.repeat(3)).expect("a refusal");
        assert_eq!(last.reason, RefusalReason::Removed("000000010000000000000003".to_owned()));
        assert_eq!(last.times, 3);
        assert!(last.message.starts_with("could not receive data from WAL stream"), "{last:?}");
        let then =
            format!("{GONE}2026 UTC [9] FATAL:  highest timeline 1 of the primary is behind recovery timeline 2\n");
        let last = WalRefusal::last(&then).expect("a refusal");
        assert_eq!((last.reason, last.times), (RefusalReason::Timeline(1, 2), 1));
        assert_eq!(WalRefusal::last("2026 UTC [9] LOG:  entering standby mode\n"), None);
    }

    #[test]
    fn what_may_pass_is_told_from_what_does_not() {
        let reason =
            |said: &str| WalRefusal::last(&format!("2026 UTC [9] FATAL:  {said}\n")).expect("a refusal").reason;
        let behind = "could not start WAL streaming: ERROR:  requested starting point 0/5000000 on timeline 1 is not in this server's history";
        assert_eq!(reason(behind), RefusalReason::Diverged);
        assert_eq!(
            reason("could not start WAL streaming: ERROR:  replication slot \"tonight\" does not exist"),
            RefusalReason::Slot
        );
        assert_eq!(
            reason("database system identifier differs between the primary and standby"),
            RefusalReason::OtherSystem
        );
        let login = "could not connect to the primary server: connection to server on socket \"/x\" failed: FATAL:  ";
        for said in
            ["must be superuser or replication role to start walsender", "permission denied to start WAL sender"]
        {
            assert_eq!(reason(&format!("{login}{said}")), RefusalReason::NotAllowed);
        }
        let passing = [
            "could not connect to the primary server: connection to server on socket \"/x\" failed: No such file or directory",
            "streaming replication receiver \"tonight\" could not connect to the primary server: Connection refused",
            "could not start WAL streaming: ERROR:  replication slot \"tonight\" is active for PID 7",
            "terminating walreceiver due to timeout",
            "could not start WAL streaming: ERROR:  requested starting point 0/6000000 is ahead of the WAL flush position of this server 0/5FFFFD8",
        ];
        assert!(passing.iter().all(|said| reason(said).may_pass()));
        let forked = "2026 UTC [9] LOG:  new timeline 2 forked off current database system timeline 1 before current recovery point 0/4000098\n";
        assert_eq!(WalRefusal::last(forked).map(|last| last.reason), Some(RefusalReason::Diverged));
    }
}
