//! A second accident that shows only at the end: rows that people wrote on a server of the drill's
//! beside the one that users were on, and that are nowhere else.

use std::collections::BTreeSet;

use super::accidents::{Accident, Primary};
use super::statements::Statement;
use crate::pg::TableName;
use crate::pg::sql::{first_words, split_statements};

/// What people wrote on servers that users were not on.
#[derive(Debug, Default)]
pub(super) struct Strays {
    /// What was committed.
    committed: Vec<Stray>,
    /// What was written in transactions that are open still.
    pending: Vec<Stray>,
    /// In which sessions one is open: by their server, and as whom with which program.
    open: BTreeSet<(String, String)>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stray {
    /// The server.
    node: String,
    /// As whom, with which program.
    by: String,
    /// Where users were then.
    users_on: String,
    /// The statement.
    text: String,
}

impl Strays {
    /// Hears of a statement that was run on a server of the drill's. `users_on` says where users
    /// are, and is asked only of what writes rows of `tables`, which are the users'.
    pub(super) async fn hear(
        &mut self,
        node: &str,
        statement: &Statement,
        tables: &[TableName],
        users_on: impl AsyncFn() -> Vec<Primary>,
    ) {
        let session = (node.to_owned(), statement.by.clone());
        if statement.error.is_some() {
            // It undoes its transaction.
            self.pending.retain(|stray| !stray.is_of(&session));
            return;
        }
        for part in split_statements(&statement.text) {
            let words = first_words(part, 2);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["begin", ..] | ["start", "transaction"] => drop(self.open.insert(session.clone())),
                ["commit" | "end", ..] => self.close(&session, true),
                // What came before the savepoint may stay, and is not told either.
                ["rollback", "to"] => self.pending.retain(|stray| !stray.is_of(&session)),
                ["rollback" | "abort", ..] => self.close(&session, false),
                _ if takes_rows(part, &statement.by) => self.taken(node),
                _ if statement.of(part).writes_rows_of(tables) => {
                    let Some(users_on) = elsewhere(node, &users_on().await) else { continue };
                    let stray = Stray {
                        node: node.to_owned(),
                        by: statement.by.clone(),
                        users_on,
                        text: part.trim().to_owned(),
                    };
                    let is_open = self.open.contains(&session);
                    if is_open { &mut self.pending } else { &mut self.committed }.push(stray);
                }
                _ => {}
            }
        }
    }

    fn close(&mut self, session: &(String, String), commits: bool) {
        self.open.remove(session);
        let (closed, open) = self.pending.drain(..).partition(|stray| stray.is_of(session));
        self.pending = open;
        if commits {
            self.committed.extend::<Vec<Stray>>(closed);
        }
    }

    /// Somebody has read rows of that server to take them elsewhere: it was a place to work at.
    fn taken(&mut self, node: &str) {
        self.committed.retain(|stray| stray.node != node);
    }

    /// What of it is nowhere else at the end, when these servers accept writes and these are looked
    /// at by checks. A server that counts is no wrong one.
    pub(super) fn accident(&self, now: &[Primary], checked: &BTreeSet<String>) -> Option<Accident> {
        let counts = |node: &str| {
            let is_there = now.iter().find(|primary| primary.name == node);
            is_there.is_some_and(|primary| primary.has_users || checked.contains(node))
        };
        let stray = self.committed.iter().find(|stray| !counts(&stray.node))?;
        let text: String = stray.text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect();
        let seen = format!("`{text}` on `{}`, while users were on `{}`", stray.node, stray.users_on);
        Some(Accident { name: "write on the wrong server", seen })
    }
}

/// How much of a statement is shown.
const SHOWN: usize = 100;

impl Stray {
    fn is_of(&self, (node, by): &(String, String)) -> bool {
        self.node == *node && self.by == *by
    }
}

/// Where users are, if that is another server than this one; nothing if they are nowhere.
fn elsewhere(node: &str, primaries: &[Primary]) -> Option<String> {
    let with_users: Vec<&Primary> = primaries.iter().filter(|primary| primary.has_users).collect();
    let first = with_users.first()?;
    (!with_users.iter().any(|primary| primary.name == node)).then(|| first.name.clone())
}

/// Whether a statement reads rows to take them elsewhere: a dump, COPY TO, a foreign table.
fn takes_rows(part: &str, by: &str) -> bool {
    let copies = first_words(part, 1).first().is_some_and(|word| word == "copy");
    let text = part.to_lowercase();
    (copies && text.contains(" to ")) || ["pg_dump", "postgres_fdw"].iter().any(|program| by.contains(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(name: &str, has_users: bool) -> Primary {
        Primary { name: name.to_owned(), has_users, ..Primary::default() }
    }

    /// What the statements of one session on `standby` come to while users are on `master`: each
    /// with whether it failed.
    fn strays(statements: &[(&str, bool)]) -> Strays {
        let table = TableName { schema: Some("shop".to_owned()), name: "visits".to_owned() };
        let mut strays = Strays::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for (text, fails) in statements {
            let statement = Statement {
                at: None,
                by: "postgres (psql)".to_owned(),
                text: (*text).to_owned(),
                error: fails.then(|| "it failed".to_owned()),
            };
            let users_on = async || vec![primary("master", true), primary("standby", false)];
            runtime.block_on(strays.hear("standby", &statement, std::slice::from_ref(&table), users_on));
        }
        strays
    }

    fn seen(statements: &[&str]) -> Option<String> {
        let statements: Vec<(&str, bool)> = statements.iter().map(|text| (*text, false)).collect();
        let now = [primary("master", true), primary("standby", false)];
        strays(&statements).accident(&now, &BTreeSet::new()).map(|found| found.seen)
    }

    const WRITE: &str = "INSERT INTO shop.visits VALUES (1)";

    #[test]
    fn rows_that_are_on_a_server_without_users_alone_are_a_second_accident() {
        let expected = "`INSERT INTO shop.visits VALUES (1)` on `standby`, while users were on `master`";
        assert_eq!(seen(&[WRITE]).as_deref(), Some(expected));
        assert_eq!(seen(&["BEGIN", WRITE, "COMMIT"]).as_deref(), Some(expected));
        assert_eq!(seen(&["BEGIN; INSERT INTO shop.visits VALUES (1); COMMIT"]).as_deref(), Some(expected));
        assert!(seen(&["TRUNCATE shop.visits"]).is_some() && seen(&["COPY shop.visits FROM STDIN"]).is_some());
    }

    #[test]
    fn what_was_undone_taken_along_or_is_no_row_of_users_is_none() {
        for statements in [
            &["BEGIN", WRITE, "ROLLBACK"][..],
            &["BEGIN", WRITE],
            &[WRITE, "COPY shop.visits TO STDOUT"],
            &["INSERT INTO notes SELECT 'visits'"],
            &["CREATE TEMP TABLE copy AS SELECT * FROM shop.visits"],
            &["SELECT * FROM shop.visits"],
        ] {
            assert_eq!(seen(statements), None, "{statements:?}");
        }
        let failed = strays(&[("BEGIN", false), (WRITE, false), ("SELECT 1/0", true), ("COMMIT", false)]);
        assert_eq!(failed.accident(&[], &BTreeSet::new()), None);
    }

    #[test]
    fn the_server_that_counts_at_the_end_is_no_wrong_one() {
        let one = strays(&[(WRITE, false)]);
        assert_eq!(one.accident(&[primary("standby", true)], &BTreeSet::new()), None, "users are on it");
        let checked = BTreeSet::from(["standby".to_owned()]);
        assert_eq!(one.accident(&[primary("standby", false)], &checked), None, "checks look at it");
        assert!(one.accident(&[primary("master", true)], &checked).is_some(), "it follows another one now");
    }
}
