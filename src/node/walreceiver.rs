//! Why a standby does not stream, by its own log: what its walreceiver was told instead of WAL.

use std::sync::LazyLock;

use regex::Regex;

/// Why a standby gets no WAL from its upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalRefusal {
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
    /// Something else; it may pass.
    Other,
}

impl WalRefusal {
    /// Whether asking again can help: the upstream may start, let go of a slot, or get the WAL from its own upstream.
    pub fn may_pass(&self) -> bool {
        matches!(self, WalRefusal::Ahead | WalRefusal::Other)
    }
}

/// The last thing that a standby's walreceiver was told instead of WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// In the log's words.
    pub said: String,
    /// What it means.
    pub why: WalRefusal,
    /// How often it was said, in the log that was read.
    pub times: usize,
}

pattern!(
    SAID,
    r"(?m)(?:FATAL|ERROR|LOG):\s+((?:could not (?:receive data from WAL stream|start WAL streaming|connect to the primary server|receive database system identifier|identify system|send data to WAL stream)|streaming replication receiver .* could not connect|highest timeline \d+ of the primary|database system identifier differs|new timeline \d+ forked off|terminating walreceiver).*)$"
);
pattern!(REMOVED, r"requested WAL segment ([0-9A-F]{24}) has already been removed");
pattern!(TIMELINE, r"highest timeline (\d+) of the primary is behind recovery timeline (\d+)");
pattern!(DIVERGED, r"is not in this server's history|forked off current database system timeline");
pattern!(SLOT, r#"replication slot "[^"]*" does not exist|can no longer (?:access|get changes from) replication slot"#);

impl Refusal {
    /// Reads a standby's log.
    pub fn last(log: &str) -> Option<Self> {
        let said: Vec<&str> =
            SAID.as_ref()?.captures_iter(log).filter_map(|found| Some(found.get(1)?.as_str())).collect();
        let last = (*said.last()?).trim();
        let times = said.iter().filter(|said| said.trim() == last).count();
        Some(Refusal { said: last.to_owned(), why: why(last), times })
    }
}

fn why(said: &str) -> WalRefusal {
    let found = |pattern: &'static LazyLock<Option<Regex>>| pattern.as_ref()?.captures(said);
    let text = |found: &regex::Captures<'_>, group| found.get(group).map_or("", |group| group.as_str()).to_owned();
    if let Some(found) = found(&REMOVED) {
        return WalRefusal::Removed(text(&found, 1));
    }
    if let Some(found) = found(&TIMELINE) {
        let number = |group| text(&found, group).parse().unwrap_or(0);
        return WalRefusal::Timeline(number(1), number(2));
    }
    match () {
        () if found(&DIVERGED).is_some() => WalRefusal::Diverged,
        () if said.contains("is ahead of the WAL flush position") => WalRefusal::Ahead,
        () if said.contains("system identifier differs") => WalRefusal::OtherSystem,
        () if found(&SLOT).is_some() => WalRefusal::Slot,
        () => WalRefusal::Other,
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
        let last = Refusal::last(&GONE.repeat(3)).expect("a refusal");
        assert_eq!(last.why, WalRefusal::Removed("000000010000000000000003".to_owned()));
        assert_eq!(last.times, 3);
        assert!(last.said.starts_with("could not receive data from WAL stream"), "{last:?}");
        let then =
            format!("{GONE}2026 UTC [9] FATAL:  highest timeline 1 of the primary is behind recovery timeline 2\n");
        let last = Refusal::last(&then).expect("a refusal");
        assert_eq!((last.why, last.times), (WalRefusal::Timeline(1, 2), 1));
        assert_eq!(Refusal::last("2026 UTC [9] LOG:  entering standby mode\n"), None);
    }

    #[test]
    fn what_may_pass_is_told_from_what_does_not() {
        let why = |said: &str| Refusal::last(&format!("2026 UTC [9] FATAL:  {said}\n")).expect("a refusal").why;
        let behind = "could not start WAL streaming: ERROR:  requested starting point 0/5000000 on timeline 1 is not in this server's history";
        assert_eq!(why(behind), WalRefusal::Diverged);
        assert_eq!(
            why("could not start WAL streaming: ERROR:  replication slot \"tonight\" does not exist"),
            WalRefusal::Slot
        );
        assert_eq!(why("database system identifier differs between the primary and standby"), WalRefusal::OtherSystem);
        let passing = [
            "could not connect to the primary server: connection to server on socket \"/x\" failed: No such file or directory",
            "streaming replication receiver \"tonight\" could not connect to the primary server: Connection refused",
            "could not start WAL streaming: ERROR:  replication slot \"tonight\" is active for PID 7",
            "terminating walreceiver due to timeout",
            "could not start WAL streaming: ERROR:  requested starting point 0/6000000 is ahead of the WAL flush position of this server 0/5FFFFD8",
        ];
        assert!(passing.iter().all(|said| why(said).may_pass()));
        let forked = "2026 UTC [9] LOG:  new timeline 2 forked off current database system timeline 1 before current recovery point 0/4000098\n";
        assert_eq!(Refusal::last(forked).map(|last| last.why), Some(WalRefusal::Diverged));
    }
}
