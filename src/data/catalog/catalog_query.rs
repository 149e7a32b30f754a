//! Questions to the catalog about what belongs to tables: one batch, one round trip, names
//! qualified in every answer.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::options;
use crate::data::error::{DataError, Result};
use crate::pg::{TableName, quote_literal};

/// Finds what a CASCADE takes; other queries go on from it.
const CASCADE: &str = include_str!("cascade.sql");

/// `server_version_num` divided by 10,000.
pub(super) async fn major(client: &Client) -> Result<u32> {
    let doing = "asking for the server's version";
    let row = client
        .query_one("select current_setting('server_version_num')", &[])
        .await
        .map_err(DataError::while_doing(doing))?;
    let text: String = row.try_get(0).map_err(DataError::while_doing(doing))?;
    let number: u32 = text.parse().map_err(|_| DataError::Answer { doing: doing.to_owned(), what: text })?;
    Ok(number / 10_000)
}

/// Runs `query` behind the common table expressions of cascade.sql, for these tables; its rows as
/// texts, null as ''.
///
/// The session must not be in a transaction. Nothing is written, so it works on a standby too. The
/// query waits for a lock where someone holds one on the tables: the deadline is the caller's.
pub(super) async fn ask(client: &Client, tables: &[TableName], query: &str, doing: &str) -> Result<Vec<Vec<String>>> {
    ask_of(client, tables, &[], query, doing).await
}

/// As [`ask`], for all that is in these schemas, too.
pub(super) async fn ask_of(
    client: &Client,
    tables: &[TableName],
    schemas: &[String],
    query: &str,
    doing: &str,
) -> Result<Vec<Vec<String>>> {
    let query = question_of(tables, schemas, query, major(client).await?);
    let rows = alone(client, &query, doing).await?;
    // The first row is set_config's.
    Ok(rows.into_iter().skip(1).collect())
}

/// Runs a batch in a transaction of its own that writes nothing; all its rows as texts, null as ''.
/// One round trip: a caller that gives up leaves no transaction open in the session.
pub(super) async fn alone(client: &Client, batch: &str, doing: &str) -> Result<Vec<Vec<String>>> {
    let batch = format!("begin read only isolation level repeatable read; {batch}; commit");
    match client.simple_query(&batch).await {
        Ok(messages) => texts(messages, doing),
        Err(error) => {
            // The first error is the one to report; a broken connection can't be rolled back
            // either.
            let _ = client.batch_execute("rollback").await;
            Err(DataError::while_doing(doing)(error))
        }
    }
}

/// What [`ask`] asks, in a transaction.
#[cfg(test)]
pub(super) fn question(tables: &[TableName], query: &str, major: u32) -> String {
    question_of(tables, &[], query, major)
}

/// What [`ask_of`] asks, in a transaction.
fn question_of(tables: &[TableName], schemas: &[String], query: &str, major: u32) -> String {
    let ids: Vec<String> = tables
        .iter()
        .map(|table| format!("coalesce(to_regclass({})::oid, 0)", quote_literal(&table.quoted())))
        .collect();
    let named: Vec<String> = schemas.iter().map(|schema| quote_literal(schema)).collect();
    // Names are found by the session's search_path, and shown by an empty one: every name outside
    // pg_catalog is qualified then. JIT compilation would take longer than the whole query.
    format!(
        "select set_config('drillyard.tables', array_to_string(array[{}]::oid[], ' '), true), set_config('drillyard.options', {}, true),
            set_config('drillyard.schemas', coalesce((select string_agg(oid::text, ' ') from pg_catalog.pg_namespace where nspname::text = any (array[{}]::text[])), ''), true);
        set local search_path = pg_catalog;
        set local jit = off;
        {}{}",
        ids.join(", "),
        quote_literal(&options::settable()),
        named.join(", "),
        for_version(CASCADE, major),
        for_version(query, major),
    )
}

/// The rows of a batch as texts.
pub(super) fn texts(messages: Vec<SimpleQueryMessage>, doing: &str) -> Result<Vec<Vec<String>>> {
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let texts = |row: tokio_postgres::SimpleQueryRow| {
        (0..row.len()).map(|i| row.try_get(i).map(|text| text.unwrap_or_default().to_owned())).collect()
    };
    rows.map(texts).collect::<std::result::Result<_, _>>().map_err(DataError::while_doing(doing))
}

/// Keeps the lines meant for this version: those that end in `-- 15+` or `-- <15` are for some
/// versions only.
pub(super) fn for_version(sql: &str, major: u32) -> String {
    let meant = |line: &&str| match line.rsplit_once("-- ").map(|(_, condition)| condition) {
        Some(condition) => match (condition.strip_suffix('+'), condition.strip_prefix('<')) {
            (Some(from), _) => from.parse().map_or(true, |from: u32| major >= from),
            (_, Some(below)) => below.parse().map_or(true, |below: u32| major < below),
            _ => true,
        },
        None => true,
    };
    sql.lines().filter(meant).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_other_versions_are_left_out() {
        let sql = "a\nb -- 15+\nc -- <15\nd -- only a remark";
        assert_eq!(for_version(sql, 14), "a\nc -- <15\nd -- only a remark");
        assert_eq!(for_version(sql, 15), "a\nb -- 15+\nd -- only a remark");
    }
}
