//! An archive_command that fails.

use tokio_postgres::Client;

use super::kind::{Holdup, HoldupKind};
use crate::node::server::Node;
use crate::node::sql_error::SqlError;
use crate::pg::Pattern;

/// An archive_command that fails, with its own words.
pub(super) async fn archive(node: &Node, client: &Client) -> Result<Option<Holdup>, SqlError> {
    let query = "SELECT failed_count, last_failed_wal, last_failed_time::text,
                        coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false),
                        to_char(last_archived_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS'),
                        (SELECT min(left(name, 24)) FROM pg_ls_archive_statusdir() WHERE name ~ '^[0-9A-F]{24}[.]ready$')
                 FROM pg_stat_archiver";
    let row = client.query_one(query, &[]).await?;
    let archived: Option<String> = row.get(4);
    let counted: Option<(i64, String, String)> = row.get::<_, bool>(3).then(|| (row.get(0), row.get(1), row.get(2)));
    let log = node.log_since_start().await;
    let ends = ends(&log, archived.as_deref().unwrap_or_default());
    let count = counted.as_ref().map_or(0, |(count, ..)| *count) + ends.len() as i64;
    let waits: Option<String> = row.get(5);
    let (wal, at) = match (ends.last(), counted) {
        (Some(end), counted) => (waits.or(counted.map(|(_, wal, _)| wal)), (*end).to_owned()),
        (None, Some((_, wal, at))) => (Some(wal), at),
        (None, None) => return Ok(None),
    };
    let wal = wal.map(|wal| format!(" for {wal}")).unwrap_or_default();
    let times = if count == 1 { "1 time".to_owned() } else { format!("{count} times") };
    Ok(Some(Holdup {
        kind: HoldupKind::Archive,
        what: format!("archive_command on `{}` has failed {times}, last{wal} at {at}", node.name()),
        more: messages(&log),
        help: None,
        endless: false,
    }))
}

/// When archive_command failed in such a way that it ended the archiver, by the server's log since
/// it archived something last: with an exit status above 125 (the shell's 127 for a program that it
/// does not find), or by a signal. The server does not count these.
fn ends<'a>(log: &'a str, archived: &str) -> Vec<&'a str> {
    static ENDED: Pattern = Pattern::new(r"\bFATAL:\s\sarchive command (?:failed|was terminated)");
    // `2026-11-22 12:00:00.000 UTC`, which is how the servers of a drill begin their lines.
    const MOMENT: usize = "2026-11-22 12:00:00.000".len();
    let moment = |line: &'a str| line.get(..MOMENT).filter(|at| *at > archived);
    let ended = log.lines().filter(|line| ENDED.is_match(line));
    ended.filter_map(|line| moment(line).and(line.split(" [").next())).collect()
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

    #[test]
    fn what_ends_the_archiver_is_counted_by_the_log() {
        let log = "\
2026-11-22 12:00:01.000 UTC [12] FATAL:  archive command failed with exit code 200
2026-11-22 12:00:01.000 UTC [12] DETAIL:  The failed archive command was: exit 200
2026-11-22 12:00:02.000 UTC [12] LOG:  archive command failed with exit code 1
2026-11-22 12:00:12.000 UTC [13] FATAL:  archive command failed with exit code 127
2026-11-22 12:00:22.000 UTC [14] FATAL:  archive command was terminated by signal 15: Terminated
";
        let last = ["2026-11-22 12:00:12.000 UTC", "2026-11-22 12:00:22.000 UTC"];
        assert_eq!(ends(log, "2026-11-22 12:00:05.123"), last);
        assert_eq!(ends(log, "").len(), 3);
        assert!(ends(log, "2026-11-22 12:00:22.000").is_empty());
    }
}
