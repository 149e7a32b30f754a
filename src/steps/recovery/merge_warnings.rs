//! What a merge may have come to that nobody meant: others' writes that count as the mistake,
//! sequences that are behind, large objects that are not there.

use tokio_postgres::Client;

use crate::data::{Behind, Catalog, DataError, Merged};
use crate::harness::{Context, Finding, NodeRef, StepResult};
use crate::pg::{TableName, Xid};
use crate::steps::recovery::merge_tables::MergedTable;

/// The incidents of the drill that are transactions.
pub(crate) fn incidents(cx: &Context<'_>) -> Vec<Xid> {
    let outputs = cx.world.outputs();
    outputs.marks.values().filter(|mark| mark.incident).filter_map(|mark| mark.xid).collect()
}

/// The transactions beside the mistake that wrote rows which differ between `good` and `bad`;
/// `incidents` are those of the drill. Of a mistake that is none of them one transaction is its
/// own.
pub(crate) fn others(merged: &Merged, incidents: &[Xid]) -> Vec<u32> {
    let mut others: Vec<u32> = merged.writers.iter().filter(|xid| !incidents.contains(xid)).map(|xid| xid.0).collect();
    others.sort_unstable();
    // Rows that are gone do not tell who took them.
    let of_incident = others.len() < merged.writers.len() || (merged.deleted > 0 && !incidents.is_empty());
    if of_incident || others.len() > 1 { others } else { vec![] }
}

/// Warns if there are any.
pub(crate) fn of_others(cx: &Context<'_>, names: &str, others: &[u32]) {
    if others.is_empty() {
        return;
    }
    let shown: Vec<String> = others.iter().take(5).map(u32::to_string).collect();
    let more = if others.len() > 5 { format!(" and {} more", others.len() - 5) } else { String::new() };
    let transactions = if others.len() == 1 { "transaction" } else { "transactions" };
    cx.world.warn(format!(
        "{names}: rows that differ between `good` and `bad` were written by {transactions} {}{more}, and all of it counts as the mistake. If \
         some of it was users' own, recover `good` to just before the mistake and `bad` to just after it, or name the mistake's transactions \
         (`mistake`)",
        shown.join(", ")
    ));
}

/// Warns of sequences that would hand out numbers which rows have that came back: nobody sets them.
pub(crate) async fn of_sequences(cx: &Context<'_>, into: &str, client: &Client, tables: &[TableName]) {
    match Behind::find(client, tables).await {
        Ok(all) => all.iter().for_each(|behind| {
            cx.world.warn(format!(
                "on `{into}` {behind}: inserts will get numbers that are taken, until `{}`",
                behind.cure()
            ));
        }),
        Err(error) => cx.world.warn(format!("whether sequences on `{into}` are behind is not known: {error}")),
    }
}

/// Fails where rows of the merged tables refer to large objects that only `good` has.
pub(crate) async fn check_large_objects(
    (good, there): (&str, &Client),
    (into, here): (&NodeRef, &Client),
    tables: &[MergedTable],
) -> StepResult {
    let unreadable = |error: DataError| Finding::errored(error.to_string());
    let tables: Vec<TableName> = tables.iter().map(|one| one.table.value.clone()).collect();
    let there = Catalog::large_objects_of(there, &tables).await.map_err(unreadable)?;
    if there.count() == 0 {
        return Ok(());
    }
    let here = Catalog::large_objects_again(here, &tables, &there).await.map_err(unreadable)?;
    let lost = here.lost(&there);
    let Some(first) = lost.first() else { return Ok(()) };
    Err(Finding::failed(format!("the rows are merged, and large objects that they refer to are not on `{into}`"))
        .at(into.entry())
        .label(first.clone())
        .note("diff", lost.join("\n"))
        .help(format!(
            "`{good}` has them: make them with lo_from_bytea(NUMBER, CONTENTS), of what lo_get(NUMBER) says there"
        )))
}
