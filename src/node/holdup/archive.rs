//! An archive_command that fails.

use tokio_postgres::Client;

use super::kind::{Holdup, HoldupKind};
use crate::node::server::Node;
use crate::node::sql_error::SqlError;
use crate::pg::Pattern;

/// An archive_command that fails, with its own words.
pub(super) async fn archive(node: &Node, client: &Client) -> Result<Option<Holdup>, SqlError> {
    let query = "SELECT failed_count, last_failed_wal, last_failed_time::text FROM pg_stat_archiver
                 WHERE last_failed_time > coalesce(last_archived_time, '-infinity')";
    let Some(row) = client.query_opt(query, &[]).await? else { return Ok(None) };
    let (count, wal, at): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
    let log = node.log_since_start().await;
    Ok(Some(Holdup {
        kind: HoldupKind::Archive,
        what: format!("archive_command on `{}` has failed {count} times, last for {wal} at {at}", node.name()),
        more: messages(&log),
        help: None,
        endless: false,
    }))
}

/// What archive_command wrote before the server said that it failed, and what the server said: the
/// last of each.
fn messages(log: &str) -> Vec<String> {
    static FAILED: Pattern = Pattern::new(r"archive command (?:failed|was terminated)");
    static OWN: Pattern =
        Pattern::new(r"\b(?:LOG|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|STATEMENT|CONTEXT|DEBUG\d?|NOTICE|INFO):\s\s");
    const LINES: usize = 3;
    let lines: Vec<&str> = log.lines().collect();
    let Some(at) = lines.iter().rposition(|line| FAILED.is_match(line)) else { return vec![] };
    let said = lines[..at].iter().rev().take_while(|line| !OWN.is_match(line)).take(LINES);
    let mut words: Vec<String> = said.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    words.reverse();
    words.push(lines[at].trim().to_owned());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_command_speaks_for_itself() {
        let log = "\
2026-11-22 12:00:00.000 UTC [9] LOG:  database system is ready to accept connections
cp: cannot create regular file '/x/000000010000000000000001': Not a directory
2026-11-22 12:00:01.000 UTC [12] LOG:  archive command failed with exit code 1
2026-11-22 12:00:01.000 UTC [12] DETAIL:  The failed archive command was: cp ...
2026-11-22 12:00:02.000 UTC [13] LOG:  checkpoint starting: time
";
        assert_eq!(
            messages(log),
            [
                "cp: cannot create regular file '/x/000000010000000000000001': Not a directory",
                "2026-11-22 12:00:01.000 UTC [12] LOG:  archive command failed with exit code 1",
            ]
        );
        assert_eq!(messages("2026 UTC [9] LOG:  fine\n"), Vec::<String>::new());
    }
}
