//! A setting that is lower than the WAL demands which a server in recovery replays.

use std::fmt;

use crate::pg::Pattern;

/// A setting that is lower than its primary's value, by the log of a server in recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LowSetting {
    /// Its name.
    pub name: String,
    /// The server's own value.
    own: String,
    /// The value that its WAL demands.
    pub demanded: String,
    /// Whether replay has paused for it. A server that takes no sessions yet ends instead, and so
    /// does every one before PostgreSQL 14.
    pub paused: bool,
}

static LOWER: Pattern = Pattern::new(
    r"(\w+) = (\d+) is a lower setting than on the (?:primary|master) server(?:, where its value was | \(its value was )(\d+)",
);
const PAUSED: &str = "hot standby is not possible because of insufficient parameter settings";

impl LowSetting {
    /// Reads the log of a server's start: the last one that it names.
    pub fn last(log: &str) -> Option<Self> {
        let last = LOWER.captures_iter(log).last()?;
        let text = |group| last.get(group).map_or_else(String::new, |group| group.as_str().to_owned());
        Some(LowSetting { name: text(1), own: text(2), demanded: text(3), paused: log.contains(PAUSED) })
    }

    /// What to write into the scenario: `settings: { max_connections: 150 }`.
    pub fn cure(&self) -> String {
        format!("`settings: {{ {}: {} }}`", self.name, self.demanded)
    }
}

impl fmt::Display for LowSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LowSetting { name, own, demanded, .. } = self;
        write!(f, "{name} = {own} is a lower setting than on the primary server, where its value was {demanded}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_log_says_of_a_low_setting_is_read() {
        let log = "\
2026 UTC [7] WARNING:  hot standby is not possible because of insufficient parameter settings
2026 UTC [7] DETAIL:  max_connections = 50 is a lower setting than on the primary server, where its value was 150.
2026 UTC [7] CONTEXT:  WAL redo at 0/3B0000A0 for XLOG/PARAMETER_CHANGE: max_connections=150 max_worker_processes=8
2026 UTC [7] LOG:  recovery has paused
";
        let low = LowSetting::last(log).expect("it is there");
        assert!(low.paused);
        assert_eq!(low.cure(), "`settings: { max_connections: 150 }`");
        assert!(log.contains(&format!("DETAIL:  {low}.")), "{low}");
        let ended = "\
2026 UTC [7] FATAL:  hot standby is not possible because max_wal_senders = 5 is a lower setting than on the master server (its value was 10)
";
        let low = LowSetting::last(ended).expect("it is there");
        assert_eq!((low.cure().as_str(), low.paused), ("`settings: { max_wal_senders: 10 }`", false));
        assert_eq!(LowSetting::last("2026 UTC [7] LOG:  recovery has paused\n"), None);
    }
}
