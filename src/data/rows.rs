//! Rows compared: as a sum over a whole table, and one by one where the sums differ.

use std::cmp::Ordering;
use std::fmt;

use futures_util::{Stream, TryStreamExt};
use serde::Serialize;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, SimpleQueryMessage};

use super::{DataError, Result, RowSum};
use crate::pg::{TableName, quote_identifier};

/// Settings under which every server writes the same value as the same text.
pub(super) const STABLE: &str = "set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres';
    set local extra_float_digits = 1; set local bytea_output = 'hex'; set local lc_monetary = 'C'; set local xmlbinary = 'base64'";

/// Counts the rows of a table, its partitions' too, and sums their hashes, in the server.
///
/// The session must not be in a transaction.
pub async fn row_sum(client: &Client, table: &TableName) -> Result<RowSum> {
    let doing = format!("adding up the rows of {table}");
    let batch = format!(
        "begin read only; {STABLE}; set local jit = off;
        select count(*), coalesce(sum(hashtextextended((drillyard_row.*)::text, 0)::numeric), 0) from {} as drillyard_row;
        commit",
        table.quoted()
    );
    let messages = match client.simple_query(&batch).await {
        Ok(messages) => messages,
        Err(error) => return Err(undone(client, table, &doing, error).await),
    };
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((row.try_get(0).ok()??.parse().ok()?, row.try_get(1).ok()??.parse().ok()?))
        }
        _ => None,
    });
    let (rows, sum) = row.ok_or_else(|| DataError::Answer { doing, what: format!("{messages:?}") })?;
    Ok(RowSum { rows, sum })
}

/// How one row differs between two tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowDifference {
    /// The values of the primary key, or the whole row where there is none.
    pub key: String,
    /// What is different.
    pub change: RowChange,
}

/// What is different about a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowChange {
    /// It is in the first table only.
    Missing,
    /// It is in the second table only.
    Extra,
    /// These columns differ: name, first value, second value; nothing for null. Without a primary key it is the number
    /// of such rows that differs, and the column is called `count`.
    Changed(Vec<(String, Option<String>, Option<String>)>),
}

impl fmt::Display for RowDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.change {
            RowChange::Missing => write!(f, "- {} is missing", self.key),
            RowChange::Extra => write!(f, "+ {} should not be there", self.key),
            RowChange::Changed(columns) => {
                write!(f, "~ {}", self.key)?;
                for (name, first, second) in columns {
                    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
                    write!(f, ", {name}: {} became {}", shown(first), shown(second))?;
                }
                Ok(())
            }
        }
    }
}

/// The first `limit` rows in which a table of one server (`first`, how it should be) and of another differ. Both are read as
/// streams, in the order of the primary key's text.
///
/// The sessions must not be in a transaction, and must not be the same.
pub async fn first_differences(
    first: &Client,
    second: &Client,
    table: &TableName,
    limit: usize,
) -> Result<Vec<RowDifference>> {
    let doing = format!("comparing the rows of {table}");
    let (columns, keys) = columns(first, table).await?;
    let text = |name: &String| format!("drillyard_row.{}::text", quote_identifier(name));
    let collated = |name: &String| format!("{} collate \"C\"", text(name));
    let (query, keys, values) = if keys.is_empty() {
        let query = format!(
            "select (drillyard_row.*)::text, count(*)::text from {} as drillyard_row group by 1 order by (drillyard_row.*)::text collate \"C\"",
            table.quoted()
        );
        (query, 1, vec!["count".to_owned()])
    } else {
        let values: Vec<String> = columns.into_iter().filter(|column| !keys.contains(column)).collect();
        let query = format!(
            "select {} from {} as drillyard_row order by {}",
            keys.iter().chain(&values).map(text).collect::<Vec<_>>().join(", "),
            table.quoted(),
            keys.iter().map(collated).collect::<Vec<_>>().join(", "),
        );
        (query, keys.len(), values)
    };
    let found = match tokio::try_join!(open(first, &query), open(second, &query)) {
        Ok((a, b)) => merge(a, b, keys, &values, limit).await,
        Err(error) => Err(error),
    };
    let closed = tokio::join!(first.batch_execute("rollback"), second.batch_execute("rollback"));
    match found {
        Ok(found) => closed.0.and(closed.1).map(|()| found).map_err(DataError::while_doing(doing)),
        Err(error) => Err(told(table, &doing, error)),
    }
}

async fn open(
    client: &Client,
    query: &str,
) -> std::result::Result<impl Stream<Item = std::result::Result<Row, tokio_postgres::Error>>, tokio_postgres::Error> {
    client.batch_execute(&format!("begin read only; {STABLE}")).await?;
    client.query_raw(query, std::iter::empty::<&(dyn ToSql + Sync)>()).await
}

async fn merge(
    first: impl Stream<Item = std::result::Result<Row, tokio_postgres::Error>>,
    second: impl Stream<Item = std::result::Result<Row, tokio_postgres::Error>>,
    keys: usize,
    values: &[String],
    limit: usize,
) -> std::result::Result<Vec<RowDifference>, tokio_postgres::Error> {
    let (mut first, mut second) = (std::pin::pin!(first), std::pin::pin!(second));
    let read =
        |row: Row| (0..row.len()).map(|i| row.try_get(i)).collect::<std::result::Result<Vec<Option<String>>, _>>();
    let mut a = first.try_next().await?.map(read).transpose()?;
    let mut b = second.try_next().await?.map(read).transpose()?;
    let mut found = Vec::new();
    while found.len() < limit {
        let order = match (&a, &b) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a[..keys].cmp(&b[..keys]),
        };
        let one = if order == Ordering::Greater { b.as_deref() } else { a.as_deref() }.unwrap_or_default();
        let key = one[..keys].iter().map(|value| value.clone().unwrap_or_default()).collect::<Vec<_>>().join(", ");
        match order {
            Ordering::Less => found.push(RowDifference { key, change: RowChange::Missing }),
            Ordering::Greater => found.push(RowDifference { key, change: RowChange::Extra }),
            Ordering::Equal => {
                let pairs = one[keys..].iter().zip(b.iter().flat_map(|row| &row[keys..]));
                let changed: Vec<_> = values
                    .iter()
                    .zip(pairs)
                    .filter(|(_, (a, b))| a != b)
                    .map(|(name, (a, b))| (name.clone(), a.clone(), b.clone()))
                    .collect();
                if !changed.is_empty() {
                    found.push(RowDifference { key, change: RowChange::Changed(changed) });
                }
            }
        }
        if order != Ordering::Greater {
            a = first.try_next().await?.map(read).transpose()?;
        }
        if order != Ordering::Less {
            b = second.try_next().await?.map(read).transpose()?;
        }
    }
    Ok(found)
}

/// The names of the table's columns, and of those that its primary key is made of.
async fn columns(client: &Client, table: &TableName) -> Result<(Vec<String>, Vec<String>)> {
    let doing = format!("looking for the primary key of {table}");
    let query = "select a.attname::text, array_position(i.indkey::int2[], a.attnum)::int
        from pg_catalog.pg_attribute a
            left join pg_catalog.pg_index i on i.indrelid = a.attrelid and i.indisprimary
        where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped order by a.attnum";
    let rows = client.query(query, &[&table.quoted()]).await.map_err(DataError::while_doing(&doing))?;
    if rows.is_empty() {
        return Err(DataError::Missing { table: table.clone() });
    }
    let mut columns = Vec::new();
    let mut keys = Vec::new();
    for row in rows {
        let name: String = row.try_get(0).map_err(DataError::while_doing(&doing))?;
        if let Some(place) = row.try_get::<_, Option<i32>>(1).map_err(DataError::while_doing(&doing))? {
            keys.push((place, name.clone()));
        }
        columns.push(name);
    }
    keys.sort();
    Ok((columns, keys.into_iter().map(|(_, name)| name).collect()))
}

/// Ends the transaction that `error` has broken.
async fn undone(client: &Client, table: &TableName, doing: &str, error: tokio_postgres::Error) -> DataError {
    // The first error is the one to tell.
    let _ = client.batch_execute("rollback").await;
    told(table, doing, error)
}

fn told(table: &TableName, doing: &str, error: tokio_postgres::Error) -> DataError {
    match error.code() {
        Some(code) if *code == SqlState::UNDEFINED_TABLE => DataError::Missing { table: table.clone() },
        _ => DataError::while_doing(doing)(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::Server;

    #[tokio::test]
    async fn rows_that_differ_are_named() {
        let server = Server::start().await;
        let (a, b) = (server.connect("postgres").await, server.connect("template1").await);
        let table: TableName = "t".parse().expect("a name");
        assert!(matches!(row_sum(&a, &table).await, Err(DataError::Missing { .. })));
        assert!(matches!(first_differences(&a, &b, &table, 9).await, Err(DataError::Missing { .. })));
        let rows = "create table t(x int, b text, a int, primary key (b, a)); insert into t select i, 'Ä', i from generate_series(1, 2000) i;
            create table u(x int); insert into u values (1), (1), (2), (null)";
        a.batch_execute(rows).await.expect("rows");
        b.batch_execute(rows).await.expect("rows");
        assert_eq!(row_sum(&a, &table).await.expect("a sum"), row_sum(&b, &table).await.expect("a sum"));
        assert_eq!(first_differences(&a, &b, &table, 9).await.expect("differences"), []);
        b.batch_execute("delete from t where a = 7; update t set x = null where a = 9; insert into t values (1, 'B', 1); delete from u where x = 1;
            insert into u values (1), (3)").await.expect("changes");
        assert_ne!(row_sum(&a, &table).await.expect("a sum"), row_sum(&b, &table).await.expect("a sum"));
        let told = |found: Vec<RowDifference>| found.iter().map(ToString::to_string).collect::<Vec<_>>();
        let found = first_differences(&a, &b, &table, 9).await.expect("differences");
        assert_eq!(told(found), ["+ B, 1 should not be there", "- Ä, 7 is missing", "~ Ä, 9, x: 9 became null"]);
        assert_eq!(first_differences(&a, &b, &table, 1).await.expect("differences").len(), 1);
        let table: TableName = "u".parse().expect("a name");
        let found = first_differences(&a, &b, &table, 9).await.expect("differences");
        assert_eq!(told(found), ["~ (1), count: 2 became 1", "+ (3) should not be there"]);
    }
}
