//! The same SQL in psql.

use super::Sql;
use crate::pg::{quote_identifier, quote_literal};
use crate::source::Scalar;

impl Sql {
    /// What psql is told first: the database, what begins the transaction that it runs in, if it
    /// runs in one, and the role.
    pub(super) fn session_by_hand(&self, begin: &str) -> String {
        let mut script = String::new();
        if let Some(database) = &self.database {
            script.push_str(&format!("\\connect {}\n", quote_identifier(&database.value)));
        }
        script.push_str(begin);
        if let Some(role) = &self.role {
            let until = if begin.is_empty() { "" } else { "LOCAL " };
            script.push_str(&format!("SET {until}ROLE {};\n", quote_identifier(role.value.as_str())));
        }
        script
    }

    /// The same in psql, where it runs in one transaction.
    pub(super) fn by_hand(&self, text: &str, args: &[Scalar]) -> String {
        let text = text.trim().trim_end_matches(';');
        let mut script = self.session_by_hand(if self.autocommit { "" } else { "BEGIN;\n" });
        let literal = |arg: &Scalar| arg.nullable_text().map_or_else(|| "NULL".to_owned(), |text| quote_literal(&text));
        let args: Vec<String> = args.iter().map(literal).collect();
        script.push_str(&match args.is_empty() {
            true => format!("{text};\n"),
            false => format!("PREPARE of_the_runbook AS {text};\nEXECUTE of_the_runbook({});\n", args.join(", ")),
        });
        script.push_str(if self.autocommit { "" } else { "COMMIT" });
        script
    }
}
