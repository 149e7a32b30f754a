//! By what a server has ended: by itself, or by somebody.

use std::time::{Duration, Instant};

use super::log::LOG_PATIENCE;
use super::server::Node;
use crate::host::{HostError, Program};
use crate::pg::Pattern;

/// Succeeds if neither of the two files that every cluster has is in the directory `$1`.
const LOST_DATA: &str = r#"[ ! -e "$1/PG_VERSION" ] && [ ! -e "$1/global/pg_control" ]"#;

/// How long a server that restarts itself is waited for, and how often it is asked.
const RESTART: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// By what a server has ended, as far as its log knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// By itself, and why.
    Itself(String),
    /// Somebody asked it to, in the log's words.
    Asked(String),
    /// Without a word: killed, as a rule.
    Silent,
}

impl Node {
    /// Whether its data directory is gone, or was emptied, under it.
    pub async fn lost_data(&self) -> Result<bool, HostError> {
        let host = self.host()?;
        let output = host.run(Program::script(LOST_DATA, [&host.paths().data])).await?;
        Ok(output.success())
    }

    /// By what it has ended, since it was started last.
    pub async fn ending(&self) -> Ending {
        Ending::read(&self.log_since_start().await)
    }

    /// That it has restarted itself after the crash of one of its processes, in its log's words;
    /// since `from` in its log.
    pub async fn crashed_process(&self, from: u64) -> Option<String> {
        static CRASHED: Pattern =
            Pattern::new(r"(?m)LOG:\s+(.* \(PID \d+\) (?:was terminated by signal|exited with exit code [2-9]).*)$");
        let log = tokio::time::timeout(LOG_PATIENCE, self.log_from(from)).await.ok()?.ok()?;
        let restarted = log.contains("reinitializing");
        let found = CRASHED.first(&log)?.to_owned();
        restarted.then_some(found)
    }

    /// Whether it restarts itself after the crash of one of its processes, and takes sessions again
    /// within this time, which is waited for.
    pub async fn restarts_itself(&self, within: Duration) -> bool {
        if self.crashed_process(self.log_start()).await.is_none() {
            return false;
        }
        let end = Instant::now() + within.min(RESTART);
        while Instant::now() < end {
            match self.connect().await {
                Ok(_) => return true,
                Err(error) if error.is_passing() => tokio::time::sleep(POLL).await,
                Err(_) => return false,
            }
        }
        false
    }
}

impl Ending {
    /// Reads a server's log since its start.
    fn read(log: &str) -> Self {
        static ITSELF: Pattern = Pattern::new(
            r"(?m)(?:LOG|FATAL|PANIC):\s+((?:shutting down|aborting startup) due to .*|shutdown at recovery target|shutting down because .*|performing immediate shutdown because .*)$",
        );
        static PANIC: Pattern = Pattern::new(r"(?m)PANIC:\s+(.*)$");
        static ASKED: Pattern = Pattern::new(r"(?m)LOG:\s+(received (?:smart|fast|immediate) shutdown request)");
        // What happened before it was last at work has not ended it.
        let log = log.rfind("database system is ready to accept").map_or(log, |at| &log[at..]);
        match (ITSELF.last(log).or_else(|| PANIC.last(log)), ASKED.last(log)) {
            (Some(why), _) => Ending::Itself(why.to_owned()),
            (None, Some(asked)) => Ending::Asked(asked.to_owned()),
            (None, None) => Ending::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ended_a_server_is_read_from_its_log() {
        let ready = "2026 UTC [9] LOG:  database system is ready to accept connections\n";
        let read = |rest: &str| Ending::read(&format!("2026 UTC [9] PANIC:  an old one\n{ready}{rest}"));
        assert_eq!(read(""), Ending::Silent);
        assert_eq!(
            read(
                "2026 UTC [9] LOG:  received fast shutdown request\n2026 UTC [9] LOG:  database system is shut down\n"
            ),
            Ending::Asked("received fast shutdown request".to_owned())
        );
        let own = "performing immediate shutdown because data directory lock file is invalid";
        let both = format!("2026 UTC [9] LOG:  {own}\n2026 UTC [9] LOG:  received immediate shutdown request\n");
        assert_eq!(read(&both), Ending::Itself(own.to_owned()));
        assert_eq!(
            read("2026 UTC [9] PANIC:  could not write to file\n"),
            Ending::Itself("could not write to file".to_owned())
        );
    }
}
