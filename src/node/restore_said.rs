//! What a restore_command has said, by the log of its server, which has its stderr among the
//! server's own lines.

use crate::pg::Pattern;

/// A line of the server's own, as every `log_line_prefix` has it.
static OWN: Pattern = Pattern::new(
    r"\b(?:DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION|BACKTRACE):  ",
);
/// The names of files that a server asks its archive for.
static FILES: Pattern = Pattern::new(r"\b([0-9A-F]{24}|[0-9A-F]{8}\.history)\b");

/// The messages that are not the server's own, with the lines that go on with them.
pub(super) fn messages(log: &str) -> Vec<String> {
    let mut found: Vec<String> = vec![];
    let mut goes_on = false;
    for line in log.lines().filter(|line| !line.trim().is_empty()) {
        // The server's own messages go on with a tab.
        if line.starts_with('\t') || OWN.is_match(line) {
            goes_on = false;
        } else if let (true, true, Some(last)) = (goes_on, line.starts_with(' '), found.last_mut()) {
            last.push(' ');
            last.push_str(line.trim());
        } else {
            found.push(line.trim().to_owned());
            goes_on = true;
        }
    }
    found
}

/// What was said last of a segment; if nothing was, the last that is about no other file.
pub(super) fn about<'a>(messages: &'a [String], segment: &str) -> Option<&'a str> {
    let of_it = messages.iter().rev().find(|said| said.contains(segment));
    of_it.or_else(|| messages.iter().rev().find(|said| FILES.first(said).is_none())).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tool_says_of_a_segment_is_told_from_what_the_server_and_it_say_else() {
        let log = "\
2026-12-01 02:55:26.573 UTC [7] LOG:  restored log file \"000000010000000000000006\" from archive
ERROR: [042]: unable to get 000000010000000000000007:
       repo1: 15-1/000000010000000000000007-f8.gz [FormatError] zlib threw error: [-3] data error
2026-12-01 02:55:26.574 UTC [7] FATAL:  could not receive data from WAL stream: ERROR:  requested WAL segment 000000010000000000000007 has already been removed
\tand more
cp: cannot stat '/wal/00000002.history': No such file or directory
";
        let said = messages(log);
        assert_eq!(said.len(), 2, "{said:?}");
        let seven = about(&said, "000000010000000000000007").expect("it was said");
        assert!(
            seven.starts_with("ERROR: [042]: unable") && seven.ends_with("zlib threw error: [-3] data error"),
            "{seven}"
        );
        assert_eq!(about(&said, "000000010000000000000008"), None);
    }
}
