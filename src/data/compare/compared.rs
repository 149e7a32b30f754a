//! Comparing the rows of a table with what they should be.

use tokio_postgres::Client;

use crate::data::error::Result;
use crate::data::generate::{Generated, Generator};
use crate::data::hash::RowSum;
use crate::data::rows::{
    Comparison, Layout, Lone, Order, Rest, RowsSnapshot, Side, Table, View, bisect, note_excepted,
};
use crate::pg::TableName;

/// What a table is compared with.
pub enum Wanted<'a> {
    /// The table of the same name on another server, or in another database.
    Server(&'a Client),
    /// The rows that a generator makes, and their sum.
    Generated(&'a Generator, RowSum),
    /// What was there, seen in the same way, at another time.
    RowsSnapshot(&'a RowsSnapshot),
}

/// Compares what is seen of a table with what it should be, and names the first `limit` rows that
/// differ.
///
/// All that is read of a server is read in one transaction. The session must not be in one already.
pub async fn compare(
    wanted: Wanted<'_>,
    client: &Client,
    table: &TableName,
    view: &View,
    limit: usize,
) -> Result<Comparison> {
    let compared = compared(&wanted, client, table, view, limit).await;
    Table::close(client).await;
    if let Wanted::Server(other) = wanted {
        Table::close(other).await;
    }
    compared
}

async fn compared(
    wanted: &Wanted<'_>,
    client: &Client,
    name: &TableName,
    view: &View,
    limit: usize,
) -> Result<Comparison> {
    match wanted {
        Wanted::Server(other) => {
            let (mut first, mut second) =
                tokio::try_join!(Table::open(other, name, view), Table::open(client, name, view))?;
            let mut comparison = side_by_side(&mut first, &mut second, limit).await?;
            if comparison.columns.is_empty() && !view.excepted().is_empty() {
                let (seen, names) = (first.relation.layout.clone(), view.excepted());
                let lone = Lone::of(&comparison, Order::of(&seen, &second.relation.layout));
                let before = first.excepted(&seen, names, &lone);
                let (before, now) = tokio::try_join!(before, second.excepted(&seen, names, &lone))?;
                note_excepted(&mut comparison, names, &before, &now).map_err(|column| second.unknown(&column))?;
            }
            Ok(Comparison { read: first.read + second.read, ..comparison })
        }
        Wanted::Generated(generator, sum) => {
            let mut second = Table::open(client, name, view).await?;
            let mut comparison = with_generated((generator, *sum), &mut second, name, view, limit).await?;
            comparison.read = second.read;
            Ok(comparison)
        }
        Wanted::RowsSnapshot(rows_snapshot) => {
            let mut table = Table::open(client, name, view).await?;
            let comparison = rows_snapshot.compare(&mut table, limit).await?;
            Ok(Comparison { read: table.read, ..comparison })
        }
    }
}

/// Compares a table with the rows of a generator, whose sum is known.
async fn with_generated(
    (generator, sum): (&Generator, RowSum),
    second: &mut Table<'_>,
    name: &TableName,
    view: &View,
    limit: usize,
) -> Result<Comparison> {
    let layout = view.layout(&generator.layout(), name)?;
    let misfits = layout.misfits(&second.relation.layout);
    if !misfits.is_empty() {
        return Ok(Comparison { columns: misfits, ..Comparison::default() });
    }
    second.columns = layout.names();
    let mut first = Generated::whole(generator.clone());
    let mut wanted = sum;
    if *view != View::default() {
        first.restrict(&layout, view.filter.as_deref(), second).await?;
        wanted = first.sum(&layout.names()).await?;
    }
    let now = second.sum().await?;
    let mut comparison = named(&mut first, second, &layout, (wanted, now), limit).await?;
    let names = view.excepted();
    let lone = Lone::of(&comparison, Order::of(&layout, &second.relation.layout));
    let before = first.excepted(&layout, names, &lone).await?;
    let now = second.excepted(&layout, names, &lone).await?;
    note_excepted(&mut comparison, names, &before, &now).map_err(|column| second.unknown(&column))?;
    Ok(comparison)
}

/// Compares the tables of two servers, and names at most `limit` rows that differ.
pub(super) async fn side_by_side(first: &mut Table<'_>, second: &mut Table<'_>, limit: usize) -> Result<Comparison> {
    let misfits = first.relation.layout.misfits(&second.relation.layout);
    if !misfits.is_empty() {
        return Ok(Comparison { columns: misfits, ..Comparison::default() });
    }
    second.columns = first.columns.clone();
    let sums = tokio::try_join!(first.sum(), second.sum())?;
    let layout = first.relation.layout.clone();
    named(first, second, &layout, sums, limit).await
}

/// Names the rows that differ if the sums do.
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
        let (columns, key) = (layout.names(), layout.key_places());
        let totals = (sums.0.rows, sums.1.rows);
        let found = bisect((first, second), &order, (&columns, &key), totals, limit).await?;
        comparison.differences = found.differences;
        comparison.rest = if found.all { Rest::Exactly(found.rows) } else { Rest::AtLeast(found.rows) };
    }
    Ok(comparison)
}
