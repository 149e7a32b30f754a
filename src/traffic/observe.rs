//! Looks for a ledger's transactions on a server.

use bytes::Buf;
use futures_util::TryStreamExt;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::ledger::checker::{Asked, compare};
use crate::ledger::history::Ledger;
use crate::ledger::observed::Observed;
use crate::ledger::verdict::Verdict;
use crate::ledger::{LedgerColumns, Proven, column};
use crate::pg::TableName;

/// Rows that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// What the server or the connection said.
    #[error("the rows of {table} cannot be read: {}", said(.source))]
    Server {
        /// The table.
        table: TableName,
        /// The reason.
        source: tokio_postgres::Error,
    },
    /// The session as a whole.
    #[error("the rows cannot be read: {}", said(.0))]
    Session(#[source] tokio_postgres::Error),
    /// What came is not what COPY sends.
    #[error("the rows of {table} cannot be read: the answer to COPY is garbled")]
    Garbled {
        /// The table.
        table: TableName,
    },
}

/// What an error says, the server's own words first.
fn said(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |db| db.to_string())
}

/// Looks for every acknowledged transaction of `ledger` in its tables and judges what is there.
///
/// Right while the users still run, as long as the ledger was taken before the call: all tables are read at one moment. A
/// table that does not exist holds no rows; a note says so.
pub async fn check(ledger: &Ledger, proven: &[Proven], client: &Client, asked: Asked) -> Result<Verdict, CheckError> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(CheckError::Session)?;
    let seen = read_all(ledger, client).await;
    // Nothing was written. A session that is lost has ended its transaction, too, and the error is in `seen`.
    let ended = client.batch_execute("ROLLBACK").await;
    let seen = seen?;
    ended.map_err(CheckError::Session)?;
    Ok(compare(ledger, &ledger.by_now(), &seen, proven, asked))
}

/// The rows of each place; None where there is no such table.
async fn read_all<'a>(ledger: &'a Ledger, client: &Client) -> Result<Vec<Option<Observed<'a>>>, CheckError> {
    let mut seen = Vec::new();
    for place in &ledger.layout().places {
        let table = &place.columns.table;
        let there = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
        let row = client.query_one(there, &[&table.quoted()]).await;
        let row = row.map_err(|source| CheckError::Server { table: table.clone(), source })?;
        let mut rows = None;
        if row.get(0) {
            read(&place.columns, client, rows.insert(Observed::new(ledger, place))).await?;
        }
        seen.push(rows);
    }
    Ok(seen)
}

/// How a column's values come.
#[derive(Clone, Copy)]
pub(crate) enum Values {
    Integer,
    Text,
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

/// What follows the header of COPY's binary format: eleven bytes of signature, flags, the length of an extension.
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

/// A field's bytes; None within for NULL.
pub(crate) fn field<'a>(data: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(len) = usize::try_from(data.try_get_i32().ok()?) else { return Some(None) };
    let (field, rest) = data.split_at_checked(len)?;
    *data = rest;
    Some(Some(field))
}

/// The whole number in a field; None where it is something else and thus not ours.
pub(crate) fn number(field: Option<&[u8]>, values: Values) -> Option<i64> {
    let bytes = field?;
    match values {
        Values::Integer => match bytes.len() {
            2 => Some(i16::from_be_bytes(bytes.try_into().ok()?).into()),
            4 => Some(i32::from_be_bytes(bytes.try_into().ok()?).into()),
            8 => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
            _ => None,
        },
        Values::Text => {
            // char(n) is padded with spaces, numeric(10, 2) has a fraction of zeros.
            let text = std::str::from_utf8(bytes).ok()?.trim();
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            whole.parse().ok().filter(|_| fraction.bytes().all(|b| b == b'0'))
        }
    }
}
