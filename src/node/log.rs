//! A server's log, and the reason that it gives for the server's end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::server::Node;
use crate::host::HostError;

/// How long a log may take to be read that is only shown beside something else.
pub(super) const LOG_PATIENCE: Duration = Duration::from_secs(3);

impl Node {
    /// How long its log is, in bytes.
    pub async fn log_size(&self) -> Result<u64, HostError> {
        Ok(self.host()?.read(self.log_file()?, 0).await?.len() as u64)
    }

    /// How long its log was when it was started last.
    pub fn log_start(&self) -> u64 {
        self.log_start.load(Ordering::SeqCst)
    }

    /// Its log from `offset` on.
    pub async fn log_from(&self, offset: u64) -> Result<String, HostError> {
        let host = self.host()?;
        Ok(String::from_utf8_lossy(&host.read(self.log_file()?, offset).await?).into_owned())
    }

    /// Its log since it was started last; empty if it cannot be read.
    pub(super) async fn log_since_start(&self) -> String {
        self.log_from(self.log_start()).await.unwrap_or_default()
    }

    /// The last lines of its log, for messages; empty if there is none.
    pub async fn log_tail(&self) -> String {
        // A container that was frozen from outside never answers.
        match tokio::time::timeout(LOG_PATIENCE, self.log_from(0)).await {
            Ok(Ok(log)) => log_tail(&log),
            Ok(Err(_)) | Err(_) => String::new(),
        }
    }
}

/// The last lines of a log that say something.
pub(super) fn log_tail(log: &str) -> String {
    const LINES: usize = 8;
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// The reason that a log gives for a server's end: its last FATAL or PANIC line, else its last
/// ERROR, with what follows it.
pub fn log_reason(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().collect();
    // "the database system is starting up" is what clients heard; a terminated child is the
    // consequence of the reason.
    let consequence = ["the database system is", "terminating connection", "aborting startup", "the standby was"];
    let at = ["PANIC:", "FATAL:", "ERROR:", "pg_ctl:", "postgres:"].iter().find_map(|level| {
        lines.iter().rposition(|line| line.contains(level) && !consequence.iter().any(|c| line.contains(c)))
    })?;
    let message = |line: &str| match line.find(": ").zip(line.find("] ")) {
        Some((_, prefix)) => line[prefix + 2..].trim().to_owned(),
        None => line.trim().to_owned(),
    };
    // What is wrong with it stands before that there is something wrong.
    if lines[at].contains("configuration file") && lines[at].contains("contains errors") {
        let before = lines[..at].iter().rev().take_while(|line| line.contains(" LOG:  ") || line.contains("HINT:  "));
        let mut wrong: Vec<String> = before.map(|line| message(line).replace("LOG:  ", "")).collect();
        wrong.reverse();
        if !wrong.is_empty() {
            return Some(wrong.join("; "));
        }
    }
    let extra = lines[at + 1..].iter().take_while(|line| line.contains("DETAIL:") || line.contains("HINT:"));
    let all: Vec<String> = std::iter::once(message(lines[at])).chain(extra.map(|line| message(line))).collect();
    Some(all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

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
