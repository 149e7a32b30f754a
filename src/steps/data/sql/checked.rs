//! What can be said of SQL without a server.

use super::SqlSpec;
use crate::harness::Scope;
use crate::pg::sql::{first_words, runs_alone, split_statements};
use crate::source::Spanned;
use crate::steps::data::format;
use crate::steps::data::placeholders::{Given, check as check_placeholders, check_args};

impl SqlSpec {
    /// Checks the SQL, and what is to be put into it.
    pub(super) fn check_text(&self, scope: &mut Scope<'_>) {
        match (&self.query, &self.file, &self.capture) {
            (None, None, Some(capture)) if !capture.value.is_of_columns() => {
                if let Some(args) = &self.args {
                    scope.error(args.entry, "`args` go with a `query`", "there is none");
                }
            }
            (None, None, _) => {
                scope.error_help(scope.action, "`query` or `file` is missing", "run what?", "write `query: ...`");
            }
            (Some(_), Some(file), _) => {
                scope.error(file.entry, "`query` and `file` exclude each other", "one of the two");
            }
            (Some(query), None, _) if self.args.is_some() && split_statements(query.as_str()).len() > 1 => {
                scope.error(query.span, "`args` are for one statement", "this is more than one");
            }
            (Some(query), None, _) => {
                let given = Given::args(self.args.as_ref()).formatted(self.format.is_some());
                check_placeholders(scope, query, given);
            }
            (None, Some(_), _) => {}
        }
        let autocommit = self.autocommit.as_ref().is_some_and(|autocommit| autocommit.value);
        if let (true, Some(capture)) = (autocommit, self.capture.as_ref().filter(|one| one.value.is_of_columns())) {
            let help = "name queries, which are asked afterwards: `capture: { rows: SELECT count(*) FROM orders }`";
            scope.error_help(
                capture.entry,
                "`capture` of columns does not go with `autocommit`",
                "of which row?",
                help,
            );
        }
        self.check_format(scope);
        if let Some(query) = &self.query
            && !autocommit
            && !scope.must_fail
            && let Some(name) = split_statements(query.as_str()).into_iter().find_map(runs_alone)
        {
            let label = format!("{name} cannot run in one");
            let help = "`autocommit: true` runs each statement on its own";
            scope.error_help(query.span, "`sql` runs in one transaction of its own", label, help);
        } else if let Some(query) = &self.query
            && !autocommit
            && let Some(word) = transaction_control(query.as_str())
        {
            let label = format!("`{word}` would end or begin another one");
            scope.error_help(
                query.span,
                "`sql` runs in one transaction of its own",
                label,
                "leave it out; use a step for each transaction, or `autocommit: true`",
            );
        }
    }
}

impl SqlSpec {
    /// Checks what is to be put into the SQL.
    fn check_format(&self, scope: &mut Scope<'_>) {
        let Some(format) = &self.format else { return };
        match &self.query {
            Some(_) if format.value.is_empty() => {
                scope.error(format.entry, "`format` is empty", "which values? Or leave it out");
            }
            Some(query) => format::check(scope, query, format.value.len(), format.entry),
            None => {
                scope.error(format.entry, "`format` goes with a `query`", "there is none");
            }
        }
    }

    /// Checks the file, which is there; with `args` it is one statement, which is bound.
    pub(super) fn check_file(&self, scope: &mut Scope<'_>, file: &Spanned<String>) {
        let Some(args) = &self.args else { return scope.file(file) };
        let Some(read) = scope.read_file(file) else { return };
        match split_statements(read.text()).len() {
            0 | 1 => check_args(scope, read.text(), Some(args)),
            many => {
                let label = format!("{} has {many}", file.value);
                scope.error(args.entry, "`args` are for one statement", label);
            }
        }
    }
}

/// The first statement that begins or ends a transaction, by its first word.
fn transaction_control(text: &str) -> Option<String> {
    let words = ["begin", "start", "commit", "end", "rollback", "abort"];
    let first = |statement: &&str| first_words(statement, 3);
    split_statements(text).iter().map(first).find_map(|found| {
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        match found[..] {
            ["prepare", "transaction", ..] => Some("PREPARE TRANSACTION".to_owned()),
            // Goes back to a savepoint, within the transaction.
            ["rollback", "to", ..] | ["rollback", "work" | "transaction", "to"] => None,
            [word, ..] if words.contains(&word) => Some(word.to_uppercase()),
            _ => None,
        }
    })
}
