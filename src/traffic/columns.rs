//! Whether the columns of ledgers are there, and can hold the numbers of transactions: asked when
//! users start.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::ledger::{LedgerColumns, column};
use crate::pg::error_message;

/// What is wrong with a ledger's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// What is wrong.
    pub title: String,
    /// In more words.
    pub label: String,
    /// What to do.
    pub help: String,
}

/// What is wrong with a ledger's columns on a server, if anything. A table that is not there may be
/// made later.
pub async fn unresolved(columns: &LedgerColumns, client: &Client) -> Option<Unresolved> {
    let (table, quoted) = (&columns.table, columns.table.quoted());
    let names = [(&columns.client, "$client"), (&columns.seq, "$seq")];
    client.query_one("SELECT $1::text::pg_catalog.regclass", &[&quoted]).await.ok()?;
    for (name, parameter) in names {
        let sql = format!("SELECT {} FROM {quoted}", column(name));
        let found = match client.prepare(&sql).await {
            Ok(statement) => statement.columns().first().map(|column| column.type_().clone()),
            Err(error) => {
                return Some(Unresolved {
                    title: format!("the ledger's column `{name}` of {table} cannot be read"),
                    label: error_message(&error),
                    help: format!("name the column of {table} in which {parameter} stands"),
                });
            }
        };
        if let Some(of) = found.filter(|of| !holds_numbers(of)) {
            return Some(Unresolved {
                title: format!("the ledger's column `{name}` of {table} is of the type {of}"),
                label: format!("no {of} is read as {parameter}"),
                help: "a ledger's columns are of an integer type, numeric or text".to_owned(),
            });
        }
    }
    None
}

/// Whether every `$client` and `$seq` is read back from it as it was written. A real has too few
/// digits.
fn holds_numbers(of: &Type) -> bool {
    [
        Type::INT2, Type::INT4, Type::INT8, Type::NUMERIC, Type::FLOAT8, Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME,
        Type::OID,
    ]
    .contains(of)
        // Of an extension, such as citext.
        || of.oid() >= FIRST_OF_USERS
}

/// Types with smaller numbers are PostgreSQL's own.
const FIRST_OF_USERS: u32 = 16_384;
