//! Compares a ledger with the rows of a server.

use bytes::Buf;
use futures_util::TryStreamExt;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::values::{Values, field, number};
use crate::ledger::{CheckScope, Ledger, LedgerColumns, LookupSummary, Observed, Verdict, column, compare};
use crate::pg::{TableName, error_message};

/// Rows that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// What the server or the connection said.
    #[error("the rows of {table} cannot be read: {}", error_message(.source))]
    Server {
        /// The table.
        table: TableName,
        /// The reason.
        source: tokio_postgres::Error,
    },
    /// The session as a whole.
    #[error("the rows cannot be read: {}", error_message(.0))]
    Session(#[source] tokio_postgres::Error),
    /// What came is not what COPY sends.
    #[error("the rows of {table} cannot be read: the answer to COPY is garbled")]
    Garbled {
        /// The table.
        table: TableName,
    },
}

/// Looks for every acknowledged transaction of `ledger` in its tables, and compares.
///
/// Right while the users still run, as long as the ledger was taken before the call: all tables are
/// read at one moment. A table that does not exist holds no rows; a note says so.
pub async fn check(
    ledger: &Ledger,
    lookups: &[LookupSummary],
    client: &Client,
    scope: CheckScope,
) -> Result<Verdict, CheckError> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(CheckError::Session)?;
    let observed = read_all(ledger, client).await;
    // Nothing was written. A session that is lost has ended its transaction, too, and the error is
    // in `observed`.
    let ended = client.batch_execute("ROLLBACK").await;
    let observed = observed?;
    ended.map_err(CheckError::Session)?;
    Ok(compare(ledger, &ledger.by_now(), &observed, lookups, scope))
}

/// The rows of each place; None if there is no such table.
async fn read_all<'a>(ledger: &'a Ledger, client: &Client) -> Result<Vec<Option<Observed<'a>>>, CheckError> {
    let mut observed = Vec::new();
    for place in &ledger.layout().places {
        let table = &place.columns.table;
        let there = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
        let row = client.query_one(there, &[&table.quoted()]).await;
        let row = row.map_err(|source| CheckError::Server { table: table.clone(), source })?;
        let mut rows = None;
        if row.get(0) {
            read(&place.columns, client, rows.insert(Observed::new(ledger, place))).await?;
        }
        observed.push(rows);
    }
    Ok(observed)
}

async fn read(columns: &LedgerColumns, client: &Client, rows: &mut Observed<'_>) -> Result<(), CheckError> {
    let table = &columns.table;
    let server = |source| CheckError::Server { table: table.clone(), source };
    let names = [column(&columns.client), column(&columns.seq)];
    let query = format!("SELECT {}, {} FROM {}", names[0], names[1], table.quoted());
    let types = client.prepare(&query).await.map_err(server)?;
    // Casts to a number would fail on somebody else's rows; texts are read here instead.
    let mut columns = names.iter().zip(types.columns()).map(|(name, column)| match *column.type_() {
        Type::INT2 | Type::INT4 | Type::INT8 => (name.clone(), Values::Integer),
        Type::TEXT | Type::VARCHAR => (name.clone(), Values::Text),
        _ => (format!("{name}::text"), Values::Text),
    });
    let (Some(of_client), Some(of_seq)) = (columns.next(), columns.next()) else {
        return Err(CheckError::Garbled { table: table.clone() });
    };
    let copy = format!("COPY (SELECT {}, {} FROM {}) TO STDOUT (FORMAT binary)", of_client.0, of_seq.0, table.quoted());
    let stream = client.copy_out(&copy).await.map_err(server)?;
    let mut stream = std::pin::pin!(stream);
    let mut header = true;
    while let Some(chunk) = stream.try_next().await.map_err(server)? {
        let data = if header { after_header(&chunk) } else { Some(&chunk[..]) };
        header = false;
        data.and_then(|data| take_rows(data, [of_client.1, of_seq.1], rows))
            .ok_or_else(|| CheckError::Garbled { table: table.clone() })?;
    }
    Ok(())
}

/// What follows the header of COPY's binary format: eleven bytes of signature, flags, the length of
/// an extension.
fn after_header(data: &[u8]) -> Option<&[u8]> {
    let mut rest = data.strip_prefix(b"PGCOPY\n\xff\r\n\0")?;
    rest.try_get_i32().ok()?;
    let extension = usize::try_from(rest.try_get_i32().ok()?).ok()?;
    rest.get(extension..)
}

/// Reads whole rows of two columns each; -1 in place of the number of columns is the end.
fn take_rows(mut data: &[u8], values: [Values; 2], rows: &mut Observed<'_>) -> Option<()> {
    while !data.is_empty() {
        match data.try_get_i16().ok()? {
            -1 => return Some(()),
            2 => {}
            _ => return None,
        }
        let client = number(field(&mut data)?, values[0]);
        let seq = number(field(&mut data)?, values[1]);
        rows.row(client, seq);
    }
    Some(())
}
