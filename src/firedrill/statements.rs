//! What people ran on the servers, read from the servers' logs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use regex::Regex;

use crate::node::{OWN, SOMEBODY};
use crate::pg::TableName;
use crate::pg::sql::{first_words, writes as sql_writes};

/// A statement of people's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// When the server logged it; none if its clock is in a zone that the log names by letters.
    pub at: Option<Timestamp>,
    /// As whom, with which program: `postgres (psql)`.
    pub by: String,
    /// The statement.
    pub text: String,
    /// What the server answered, if that was an error.
    pub error: Option<String>,
}

/// The sessions of a server, as far as its log was read.
#[derive(Debug, Default)]
pub(super) struct LogReader {
    /// How much of it was read, in bytes.
    pub offset: u64,
    sessions: BTreeMap<u32, String>,
    errors: BTreeMap<u32, String>,
}

/// The beginning of an entry, with `log_line_prefix = '%m [%p] '`.
const ENTRY: &str =
    r"(?m)^(?<day>\d{4}-\d\d-\d\d) (?<time>\d\d:\d\d:\d\d\.\d{3}) (?<zone>\S+) \[(?<pid>\d+)\] (?<level>[A-Z0-9]+):  ";

impl LogReader {
    /// Of a log, from this byte on.
    pub(super) fn from(offset: u64) -> Self {
        LogReader { offset, ..LogReader::default() }
    }

    /// The statements of people's in the next part of a log: of sessions whose beginning was seen.
    /// What is not complete at its end is left for the next time.
    pub(super) fn read(&mut self, log: &str) -> Vec<Statement> {
        let Ok(entry) = Regex::new(ENTRY) else { return vec![] };
        let complete = log.rfind('\n').map_or(0, |end| end + 1);
        let log = &log[..complete];
        let starts: Vec<_> = entry.captures_iter(log).filter_map(|found| Some((found.get(0)?, found))).collect();
        let mut statements: Vec<Statement> = vec![];
        for (at, (whole, found)) in starts.iter().enumerate() {
            let end = starts.get(at + 1).map_or(log.len(), |(next, _)| next.start());
            let text = log[whole.end()..end].trim_end().replace("\n\t", "\n");
            if let Ok(pid) = found["pid"].parse() {
                let at = Some(format!("{}T{}Z", &found["day"], &found["time"])).filter(|_| &found["zone"] == "UTC");
                let at = at.and_then(|at| at.parse().ok());
                let Some(statement) = self.entry(pid, &found["level"], &text) else { continue };
                let statement = Statement { at, ..statement };
                // One that fails is logged as it begins, and with its error.
                match statements.iter_mut().rev().find(|known: &&mut Statement| known.begins(&statement)) {
                    Some(known) => known.error = statement.error,
                    None => statements.push(statement),
                }
            }
        }
        self.offset += complete as u64;
        statements
    }

    fn entry(&mut self, pid: u32, level: &str, text: &str) -> Option<Statement> {
        if let Some(session) = text.strip_prefix("connection authorized: ").filter(|_| level == "LOG") {
            self.sessions.insert(pid, who(session));
            return None;
        }
        let by = self.sessions.get(&pid).filter(|by| !is_drillyards(by))?.clone();
        match level {
            "LOG" => {
                let statement = text.strip_prefix("statement: ").or_else(|| {
                    let (name, statement) = text.split_once(": ")?;
                    name.starts_with("execute ").then_some(statement)
                })?;
                Some(Statement { at: None, by, text: statement.to_owned(), error: None })
            }
            "ERROR" | "FATAL" => {
                self.errors.insert(pid, text.to_owned());
                None
            }
            "STATEMENT" => {
                let error = self.errors.remove(&pid)?;
                Some(Statement { at: None, by, text: text.to_owned(), error: Some(error) })
            }
            _ => None,
        }
    }
}

/// Whether a session is the drill's own, as drillyard or as the somebody who did what happened.
fn is_drillyards(by: &str) -> bool {
    by.contains(&format!("({OWN}")) || by.ends_with(&format!("({SOMEBODY})"))
}

/// `postgres (psql)`, from `user=postgres database=shop application_name=psql`.
fn who(session: &str) -> String {
    let value = |name: &str| {
        let from = session.split_once(&format!("{name}="))?.1;
        Some(from.split([' ', '\n']).next().unwrap_or_default().to_owned())
    };
    // A name may have spaces in it.
    let program = session.split_once("application_name=").map(|(_, name)| name.trim());
    let program = program.map(|name| name.split(" SSL enabled").next().unwrap_or_default());
    let user = value("user").unwrap_or_default();
    match program {
        Some(program) if !program.is_empty() => format!("{user} ({program})"),
        _ => user,
    }
}

impl Statement {
    /// Whether it is the beginning of one that failed.
    fn begins(&self, failed: &Statement) -> bool {
        failed.error.is_some() && self.error.is_none() && self.by == failed.by && self.text == failed.text
    }

    /// How long ago it was, by this machine's clock, which is the servers', too.
    pub(super) fn ago(&self) -> Duration {
        let ago = self.at.and_then(|at| Duration::try_from(Timestamp::now() - at).ok());
        ago.unwrap_or_default()
    }

    /// Whether the server could not do what was asked; a slip of the hand, or a change of mind,
    /// says nothing of the server.
    pub(super) fn is_refused(&self) -> bool {
        let slips = ["syntax error", "canceling statement", "terminating connection"];
        self.error.as_ref().is_some_and(|error| !slips.iter().any(|slip| error.contains(slip)))
    }

    /// Whether it asks for one of these tables, by a name in its text.
    pub(super) fn is_about(&self, tables: &[TableName]) -> bool {
        let text = self.text.to_lowercase();
        tables.iter().any(|table| {
            let name = table.name.to_lowercase();
            text.match_indices(&name).any(|(at, _)| {
                let is_word = |c: char| c.is_alphanumeric() || c == '_';
                let before = text[..at].chars().next_back().is_some_and(is_word);
                let after = text[at + name.len()..].chars().next().is_some_and(is_word);
                !before && !after
            })
        })
    }

    /// A part of it, as a statement of its own.
    pub(super) fn of(&self, part: &str) -> Statement {
        Statement { text: part.to_owned(), ..self.clone() }
    }

    /// Whether it writes or removes rows of one of these tables.
    pub(super) fn writes_rows_of(&self, tables: &[TableName]) -> bool {
        let words = first_words(&self.text, 1);
        let whole = match words.first().map(String::as_str) {
            Some("truncate") => true,
            Some("copy") => self.text.to_lowercase().contains(" from "),
            _ => false,
        };
        let is_one = |table: &TableName| tables.iter().any(|one| one.name.eq_ignore_ascii_case(&table.name));
        (whole && self.is_about(tables)) || sql_writes(&self.text).iter().any(|write| is_one(&write.table))
    }

    /// Whether it is a part of a recovery: it changes one of these tables, or how servers are run.
    /// Without tables that are known, whatever it changes for others to see.
    pub(super) fn recovers(&self, tables: &[TableName]) -> bool {
        const SERVERS: &[&str] = &["pg_promote(", "pg_wal_replay_resume(", "pg_drop_replication_slot("];
        let text = self.text.to_lowercase();
        let words = first_words(&text, 2);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words == ["alter", "system"] || SERVERS.iter().any(|call| text.contains(call)) {
            return true;
        }
        let is_own = matches!(words.as_slice(), ["create", "temp" | "temporary"]);
        self.writes() && !is_own && (tables.is_empty() || self.is_about(tables))
    }

    /// Whether it changes something, by its first words.
    fn writes(&self) -> bool {
        const WRITE: &[&str] = &[
            "insert",
            "update",
            "delete",
            "merge",
            "create",
            "alter",
            "drop",
            "truncate",
            "grant",
            "revoke",
            "reindex",
            "vacuum full",
        ];
        let text = self.text.trim_start().to_lowercase();
        WRITE.iter().any(|word| text.starts_with(word))
            || (text.starts_with("copy ") && text.contains(" from "))
            || text.contains("pg_promote(")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
2026-11-29 12:00:00.000 UTC [10] LOG:  connection received: host=[local]
2026-11-29 12:00:00.001 UTC [10] LOG:  connection authorized: user=postgres database=shop application_name=psql
2026-11-29 12:00:00.002 UTC [11] LOG:  connection authorized: user=postgres database=postgres application_name=drillyard pg_dump
2026-11-29 12:00:00.003 UTC [12] LOG:  connection authorized: user=postgres database=shop application_name=pgAdmin 4 - CONN:7340218
2026-11-29 12:00:00.004 UTC [12] LOG:  statement: DROP TABLE shop.orders
2026-11-29 12:00:00.100 UTC [10] LOG:  statement: SELECT *
\tFROM shop.orders
2026-11-29 12:00:00.101 UTC [11] LOG:  statement: COPY shop.orders TO stdout
2026-11-29 12:00:00.199 UTC [10] LOG:  statement: SELECT * FROM shop.orders
2026-11-29 12:00:00.200 UTC [10] ERROR:  relation \"shop.orders\" does not exist at character 15
2026-11-29 12:00:00.200 UTC [10] STATEMENT:  SELECT * FROM shop.orders
2026-11-29 12:00:00.300 UTC [10] LOG:  statement: DRO";

    #[test]
    fn statements_of_people_are_told_from_drillyards() {
        let mut reader = LogReader::default();
        let read = reader.read(LOG);
        let by = || "postgres (psql)".to_owned();
        let error = Some("relation \"shop.orders\" does not exist at character 15".to_owned());
        let at = |text: &str| text.parse().ok();
        let first = Statement {
            at: at("2026-11-29T12:00:00.1Z"),
            by: by(),
            text: "SELECT *\nFROM shop.orders".to_owned(),
            error: None,
        };
        let second = Statement {
            at: at("2026-11-29T12:00:00.199Z"),
            by: by(),
            text: "SELECT * FROM shop.orders".to_owned(),
            error,
        };
        assert_eq!(read, [first, second]);
        let rest = format!("{}P TABLE t\n", &LOG[LOG.rfind('\n').map_or(0, |end| end + 1)..]);
        assert_eq!(reader.offset as usize + rest.len(), LOG.len() + "P TABLE t\n".len());
        let read = reader.read(&rest);
        assert_eq!(
            read.first().map(|statement| (statement.text.as_str(), statement.recovers(&[]))),
            Some(("DROP TABLE t", true))
        );
    }

    #[test]
    fn a_recovery_is_told_from_whatever_else_is_written() {
        let orders = [TableName { schema: Some("shop".to_owned()), name: "orders".to_owned() }];
        let recovers = |text: &str, tables: &[TableName]| {
            let statement = Statement { at: None, by: String::new(), text: text.to_owned(), error: None };
            statement.recovers(tables)
        };
        for text in [
            "CREATE TABLE shop.orders (id int)",
            "insert into shop.orders select * from copy.orders",
            "ALTER SYSTEM SET archive_command = 'cp %p /a/%f'",
            "SELECT pg_promote()",
        ] {
            assert!(recovers(text, &orders), "{text}");
        }
        for text in [
            "INSERT INTO notes VALUES ('looked around')",
            "CREATE TEMP TABLE seen AS SELECT 1",
            "SELECT * FROM shop.orders",
            "VACUUM FULL shop.customers",
        ] {
            assert!(!recovers(text, &orders), "{text}");
        }
        assert!(recovers("UPDATE items SET amount = 1", &[]) && !recovers("CREATE TEMP TABLE a AS SELECT 1", &[]));
    }

    #[test]
    fn a_table_is_known_by_its_name() {
        let about = |text: &str| {
            let statement = Statement { at: None, by: String::new(), text: text.to_owned(), error: None };
            statement.is_about(&[TableName { schema: Some("shop".to_owned()), name: "orders".to_owned() }])
        };
        assert!(about("SELECT count(*) FROM shop.orders") && about("table Orders") && about("select '^(orders)$'"));
        assert!(!about("SELECT * FROM shop.reorders") && !about("SELECT * FROM orders_old") && !about("SELECT 1"));
    }
}
