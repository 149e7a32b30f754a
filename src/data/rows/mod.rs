//! Rows compared. Whole tables as a sum, which the server computes; and where that differs, the rows or the part of the table in which they
//! do.

mod bisect;
mod difference;
mod generated;
mod layout;
mod record;
mod rewritten;
mod rows_snapshot;
mod table;

#[cfg(test)]
mod tests;

use std::fmt;

use tokio_postgres::Client;

use super::{Generator, Result, RowSum};
use crate::pg::TableName;
use bisect::{Side, bisect};
use generated::Generated;
use layout::Order;
use table::Table;

pub use difference::{RowChange, RowDifference};
pub(super) use layout::{ColumnLayout, Layout};
pub(super) use record::quote_into;
pub use rewritten::{Written, rewrote_the_same};
pub use rows_snapshot::{PartDifference, RowsSnapshot};
pub(super) use table::STABLE;

/// What a table is compared with.
pub enum Wanted<'a> {
    /// The table of the same name on another server, or in another database.
    Server(&'a Client),
    /// The rows that a generator makes, and their sum.
    Generated(&'a Generator, RowSum),
    /// What was there at another time.
    RowsSnapshot(&'a RowsSnapshot),
}

/// How many rows differ in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// So many.
    Exactly(u64),
    /// So many, and perhaps more.
    AtLeast(u64),
}

/// What came of comparing two tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Whether they hold the same rows.
    pub same: bool,
    /// How many rows there should be.
    pub first: u64,
    /// How many there are.
    pub second: u64,
    /// What is wrong with the columns, a line each; then no rows were looked at.
    pub columns: Vec<String>,
    /// The first rows that differ, in the order of the first table's key.
    pub differences: Vec<RowDifference>,
    /// The first parts of the table that differ, where rows cannot be named.
    pub parts: Vec<PartDifference>,
    /// How many rows differ.
    pub rest: Rest,
    /// How many rows the servers have sent for this, those with sums too.
    pub read: u64,
}

impl Default for Comparison {
    fn default() -> Self {
        Comparison {
            same: false,
            first: 0,
            second: 0,
            columns: vec![],
            differences: vec![],
            parts: vec![],
            rest: Rest::AtLeast(0),
            read: 0,
        }
    }
}

impl Comparison {
    fn of(first: RowSum, second: RowSum) -> Comparison {
        let (same, least) = (first == second, first.rows.abs_diff(second.rows));
        let rest = if same { Rest::Exactly(0) } else { Rest::AtLeast(least.max(1)) };
        Comparison { same, first: first.rows, second: second.rows, rest, ..Comparison::default() }
    }
}

/// What differs, a line each; after it how much more there is.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.columns.iter().cloned().chain(self.differences.iter().map(ToString::to_string));
        let lines: Vec<String> = lines.chain(self.parts.iter().map(ToString::to_string)).collect();
        f.write_str(&lines.join("\n"))?;
        let named = self.differences.iter().map(|difference| difference.rows).sum::<u64>();
        match self.rest {
            Rest::Exactly(rows) if rows > named && named > 0 => write!(f, "\n{rows} rows differ in all"),
            Rest::AtLeast(rows) if !lines.is_empty() && self.columns.is_empty() => {
                let word = if rows == 1 { "row differs" } else { "rows differ" };
                write!(f, "\nat least {rows} {word} in all")
            }
            _ => Ok(()),
        }
    }
}

/// Counts the rows of a table, its partitions' too, and sums their hashes, in the server.
///
/// The session must not be in a transaction.
pub async fn row_sum(client: &Client, table: &TableName) -> Result<RowSum> {
    let sum = match Table::open(client, table).await {
        Ok(mut table) => table.sum().await,
        Err(error) => Err(error),
    };
    Table::close(client).await;
    sum
}

/// Compares the rows of a table with what they should be, and names the first `limit` that differ.
///
/// All that is read of a server is read in one transaction. The session must not be in one already.
pub async fn compare(wanted: Wanted<'_>, client: &Client, table: &TableName, limit: usize) -> Result<Comparison> {
    let compared = compared(&wanted, client, table, limit).await;
    Table::close(client).await;
    if let Wanted::Server(other) = wanted {
        Table::close(other).await;
    }
    compared
}

async fn compared(wanted: &Wanted<'_>, client: &Client, name: &TableName, limit: usize) -> Result<Comparison> {
    match wanted {
        Wanted::Server(other) => {
            let (mut first, mut second) = tokio::try_join!(Table::open(other, name), Table::open(client, name))?;
            let misfits = first.relation.layout.misfits(&second.relation.layout);
            if !misfits.is_empty() {
                return Ok(Comparison { columns: misfits, ..Comparison::default() });
            }
            second.columns = first.columns.clone();
            let (sum, other_sum) = tokio::try_join!(first.sum(), second.sum())?;
            let layout = first.relation.layout.clone();
            let mut comparison = named(&mut first, &mut second, &layout, (sum, other_sum), limit).await?;
            comparison.read = first.read + second.read;
            Ok(comparison)
        }
        Wanted::Generated(generator, sum) => {
            let mut second = Table::open(client, name).await?;
            let layout = generator.layout();
            let misfits = layout.misfits(&second.relation.layout);
            if !misfits.is_empty() {
                return Ok(Comparison { columns: misfits, ..Comparison::default() });
            }
            second.columns = layout.names();
            let now = second.sum().await?;
            let mut first = Generated((*generator).clone());
            let mut comparison = named(&mut first, &mut second, &layout, (*sum, now), limit).await?;
            comparison.read = second.read;
            Ok(comparison)
        }
        Wanted::RowsSnapshot(rows_snapshot) => {
            let mut table = Table::open(client, name).await?;
            let comparison = rows_snapshot.compare(&mut table, limit).await?;
            Ok(Comparison { read: table.read, ..comparison })
        }
    }
}

/// Names the rows that differ where the sums do.
async fn named<A: Side>(
    first: &mut A,
    second: &mut Table<'_>,
    layout: &Layout,
    sums: (RowSum, RowSum),
    limit: usize,
) -> Result<Comparison> {
    let mut comparison = Comparison::of(sums.0, sums.1);
    if !comparison.same {
        let order = Order::of(layout, &second.relation.layout);
        let (columns, key) = (layout.names(), key_places(layout));
        let totals = (sums.0.rows, sums.1.rows);
        let found = bisect((first, second), &order, (&columns, &key), totals, limit).await?;
        comparison.differences = found.differences;
        comparison.rest = if found.all { Rest::Exactly(found.rows) } else { Rest::AtLeast(found.rows) };
    }
    Ok(comparison)
}

/// The places of the key's columns among all of them.
fn key_places(layout: &Layout) -> Vec<usize> {
    let names = layout.names();
    layout.key.iter().filter_map(|key| names.iter().position(|name| name == key)).collect()
}
