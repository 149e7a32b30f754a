//! Whether transactions can be found again by their ledgers: tried on the first of each kind, right after the commit, and now and then on
//! later ones. What cannot be found although nothing has happened to it yet would count as lost otherwise.

use std::sync::atomic::{AtomicU64, Ordering};

use super::protocol::{Connection, WireError};
use crate::ledger::footprint::Footprint;
use crate::ledger::history::{KindInfo, Layout};
use crate::ledger::{LedgerColumns, Proven, column};

/// After so many in a row that are not found it is no coincidence: somebody may have deleted one of them.
const COINCIDENCES: u64 = 3;

/// What is known of the ledger of one kind of transactions.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// Where the rows are to be found, and how many there are.
    rows: Vec<(usize, LedgerColumns, u8)>,
    acknowledged: AtomicU64,
    /// The next one that is looked for, counted from the first acknowledged.
    next: AtomicU64,
    found: AtomicU64,
    /// How many were not found, since the last that was.
    missed: AtomicU64,
    /// The most rows with the mark of one transaction.
    most_rows: AtomicU64,
}

/// What a look for a transaction that has just been acknowledged comes to.
#[derive(Debug)]
pub(crate) enum LookedUp {
    /// It is there, or nobody can say.
    Fine,
    /// It is not there, as its last few were not: why, and what is there.
    Missing(String),
    /// The session is over.
    Lost(WireError),
}

impl Lookup {
    pub(crate) fn new(layout: &Layout, kind: &KindInfo) -> Self {
        let parts = kind
            .parts
            .iter()
            .enumerate()
            .filter(|(_, (_, footprint))| matches!(footprint, Footprint::Row | Footprint::Last));
        let rows = parts
            .filter_map(|(at, (place, _))| Some((at, layout.places.get(*place)?.columns.clone(), *kind.rows.get(at)?)));
        Lookup {
            rows: rows.collect(),
            acknowledged: AtomicU64::new(0),
            next: AtomicU64::new(1),
            found: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            most_rows: AtomicU64::new(0),
        }
    }

    pub(crate) fn proven(&self) -> Proven {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Proven { never_found: of(&self.missed) > 0 && of(&self.found) == 0, most_rows: of(&self.most_rows) }
    }

    /// Counts an acknowledged transaction, and says whether it is to be looked for: each of the first few, then ever fewer, and every one
    /// after one that was not found.
    pub(crate) fn is_due(&self) -> bool {
        if self.rows.is_empty() {
            return false;
        }
        let number = self.acknowledged.fetch_add(1, Ordering::Relaxed) + 1;
        if number < self.next.load(Ordering::Relaxed) && self.missed.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.next.store(number + 1 + number / 8, Ordering::Relaxed);
        true
    }

    /// Looks for a transaction. `hollow` are its parts that wrote nothing.
    pub(crate) async fn look(&self, connection: &mut Connection, (client, seq): (u64, u64), hollow: u8) -> LookedUp {
        for (_, columns, rows) in self.rows.iter().filter(|(at, ..)| hollow >> at & 1 == 0) {
            let found = match count(connection, columns, (client, seq)).await {
                Ok(Some(found)) => found,
                // The table may be gone, or the role may not read it: that is for others to say.
                Ok(None) => return LookedUp::Fine,
                Err(lost) => return LookedUp::Lost(lost),
            };
            self.most_rows.fetch_max(found, Ordering::Relaxed);
            if found > 0 || *rows == 0 {
                self.found.fetch_add(1, Ordering::Relaxed);
                self.missed.store(0, Ordering::Relaxed);
            } else if self.missed.fetch_add(1, Ordering::Relaxed) + 1 >= COINCIDENCES {
                return match newest(connection, columns).await {
                    Ok(newest) => LookedUp::Missing(missing(columns, (client, seq), newest)),
                    Err(lost) => LookedUp::Lost(lost),
                };
            }
        }
        LookedUp::Fine
    }
}

fn missing(columns: &LedgerColumns, (client, seq): (u64, u64), newest: Option<String>) -> String {
    let (table, of_client, of_seq) = (&columns.table, &columns.client, &columns.seq);
    let newest = newest.map(|newest| format!("; the newest row has {newest}")).unwrap_or_default();
    format!("no row of {table} has {of_client} = {client} and {of_seq} = {seq} right after its commit{newest}")
}

/// The answer to a query; None where it is an error that the session survives.
async fn ask(connection: &mut Connection, sql: &str) -> Result<Option<String>, WireError> {
    match connection.query(sql).await {
        Ok(value) => Ok(value),
        Err(WireError::Server(error)) if !error.fatal => Ok(None),
        Err(lost) => Err(lost),
    }
}

/// How many rows have the mark of a transaction; None where they cannot be read.
async fn count(
    connection: &mut Connection,
    columns: &LedgerColumns,
    (client, seq): (u64, u64),
) -> Result<Option<u64>, WireError> {
    let (of_client, of_seq, table) = (column(&columns.client), column(&columns.seq), columns.table.quoted());
    let count = format!("SELECT pg_catalog.count(*) FROM {table} WHERE");
    // By an index where there is one.
    let equal = ask(connection, &format!("{count} {of_client} = '{client}' AND {of_seq} = '{seq}'")).await?;
    if let Some(found) = equal.and_then(|found| found.parse().ok()).filter(|found| *found > 0) {
        return Ok(Some(found));
    }
    // As the judge reads numbers: in a text, with zeros before them or behind their point.
    let reads = |column: &str, number: u64| format!("({column})::text ~ '^ *[+]?0*{number}([.]0*)? *$'");
    let sql = format!("{count} {} AND {}", reads(&of_client, client), reads(&of_seq, seq));
    Ok(ask(connection, &sql).await?.and_then(|found| found.parse().ok()))
}

/// What the newest row of a table has in the ledger's columns.
async fn newest(connection: &mut Connection, columns: &LedgerColumns) -> Result<Option<String>, WireError> {
    let (of_client, of_seq) = (column(&columns.client), column(&columns.seq));
    let told =
        |name: &str, column: &str| format!("'{} = ' || coalesce(({column})::text, 'NULL')", name.replace('\'', "''"));
    let sql = format!(
        "SELECT {} || ' and ' || {} FROM {} ORDER BY pg_catalog.age(xmin) LIMIT 1",
        told(&columns.client, &of_client),
        told(&columns.seq, &of_seq),
        columns.table.quoted()
    );
    ask(connection, &sql).await
}
