//! Whether transactions can be found again by their ledgers: tried on the first of each kind, right
//! after the commit, and now and then on later ones. What cannot be found although nothing has
//! happened to it yet would count as lost otherwise.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::protocol::{Connection, SessionError};
use crate::ledger::{Footprint, KindInfo, Layout, LedgerColumns, LookupSummary, column};

/// After so many in a row that are not found it is no coincidence: somebody may have deleted one of
/// them.
const COINCIDENCES: u64 = 3;

/// How long the server works on a query, which may wait for a lock or read a large table that has
/// no index.
const QUERY: Duration = Duration::from_secs(1);

/// How long a user waits for the answer. A server that was cut off or frozen does not end the query
/// itself.
const ANSWER: Duration = Duration::from_secs(2);

/// What is known of the ledger of one kind of transactions.
#[derive(Debug)]
pub(super) struct Lookup {
    /// Where the rows are to be found, and how many there are.
    rows: Vec<(usize, LedgerColumns, u8)>,
    acknowledged: AtomicU64,
    /// The next one that is looked for, counted from the first acknowledged.
    next: AtomicU64,
    found: AtomicU64,
    /// How many were not found since the last one that was.
    missed: AtomicU64,
    /// The most rows with the mark of one transaction.
    most_rows: AtomicU64,
}

/// What a look for a transaction that has just been acknowledged comes to.
#[derive(Debug)]
pub(super) enum LookedUp {
    /// It is there, or that cannot be found out.
    Fine,
    /// It is not there, as its last few were not: why, and what is there.
    Missing(String),
    /// The session is over.
    Disconnected(SessionError),
}

impl Lookup {
    pub(super) fn new(layout: &Layout, kind: &KindInfo) -> Self {
        let sites = kind.sites.iter().enumerate();
        let sites = sites.filter(|(_, site)| matches!(site.footprint, Footprint::Row | Footprint::Last));
        let rows = sites.filter_map(|(at, site)| Some((at, layout.places.get(site.place)?.columns.clone(), site.rows)));
        Lookup {
            rows: rows.collect(),
            acknowledged: AtomicU64::new(0),
            next: AtomicU64::new(1),
            found: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            most_rows: AtomicU64::new(0),
        }
    }

    pub(super) fn summary(&self) -> LookupSummary {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        LookupSummary { never_found: of(&self.missed) > 0 && of(&self.found) == 0, most_rows: of(&self.most_rows) }
    }

    /// Counts an acknowledged transaction, and says whether it is to be looked for: each of the
    /// first few, then ever fewer, and every one after one that was not found.
    pub(super) fn is_due(&self) -> bool {
        if self.rows.is_empty() {
            return false;
        }
        let number = self.acknowledged.fetch_add(1, Ordering::Relaxed) + 1;
        if number < self.next.load(Ordering::Relaxed) {
            return false;
        }
        self.next.store(number + 1 + number / 8, Ordering::Relaxed);
        true
    }

    /// Looks for a transaction, but not at the sites where it wrote no row.
    pub(super) async fn look(&self, connection: &mut Connection, id: (u64, u64), empty_sites: u8) -> LookedUp {
        let answer = self.look_in_each(connection, id, empty_sites).await;
        match &answer {
            // Users are here to work: what takes so long is tried again when twice as much is done.
            Err(Unanswered::Late | Unanswered::Disconnected(_)) => {
                self.next.store(2 * self.acknowledged.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            _ if self.missed.load(Ordering::Relaxed) > 0 => self.next.store(0, Ordering::Relaxed),
            _ => {}
        }
        match answer {
            Ok(looked_up) => looked_up,
            // The table may be gone, or the role may not read it: that is for others to report.
            Err(Unanswered::Refused | Unanswered::Late) => LookedUp::Fine,
            Err(Unanswered::Disconnected(error)) => LookedUp::Disconnected(error),
        }
    }

    async fn look_in_each(
        &self,
        connection: &mut Connection,
        id: (u64, u64),
        empty_sites: u8,
    ) -> Result<LookedUp, Unanswered> {
        for (_, columns, rows) in self.rows.iter().filter(|(at, ..)| empty_sites >> at & 1 == 0) {
            let found = count(connection, columns, id).await?;
            self.most_rows.fetch_max(found, Ordering::Relaxed);
            if found > 0 || *rows == 0 {
                self.found.fetch_add(1, Ordering::Relaxed);
                self.missed.store(0, Ordering::Relaxed);
                continue;
            }
            if self.missed.fetch_add(1, Ordering::Relaxed) + 1 >= COINCIDENCES {
                return Ok(LookedUp::Missing(missing(columns, id, newest(connection, columns).await?)));
            }
        }
        Ok(LookedUp::Fine)
    }
}

fn missing(columns: &LedgerColumns, (client, seq): (u64, u64), newest: Option<String>) -> String {
    let (table, of_client, of_seq) = (&columns.table, &columns.client, &columns.seq);
    let newest = newest.map(|newest| format!("; the newest row has {newest}")).unwrap_or_default();
    format!("no row of {table} has {of_client} = {client} and {of_seq} = {seq} right after its commit{newest}")
}

/// Why a query has no answer.
enum Unanswered {
    /// An error that the session survives.
    Refused,
    /// The server has ended it, since it took too long. The session goes on.
    Late,
    /// The session is over.
    Disconnected(SessionError),
}

/// The answer to a query. None if it has no row, or NULL.
async fn ask(connection: &mut Connection, sql: &str) -> Result<Option<String>, Unanswered> {
    // Both in one message are one transaction, in which the setting ends.
    let sql = format!("SET LOCAL statement_timeout = {}; {sql}", QUERY.as_millis());
    match tokio::time::timeout(ANSWER, connection.query(&sql)).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(SessionError::Server(error))) if !error.fatal => Err(match error.state {
            Some(state) if state.code() == "57014" => Unanswered::Late,
            _ => Unanswered::Refused,
        }),
        Ok(Err(lost)) => Err(Unanswered::Disconnected(lost)),
        Err(_) => {
            Err(Unanswered::Disconnected(SessionError::Protocol(format!("no answer within {} s", ANSWER.as_secs()))))
        }
    }
}

/// How many rows have the mark of a transaction.
async fn count(
    connection: &mut Connection,
    columns: &LedgerColumns,
    (client, seq): (u64, u64),
) -> Result<u64, Unanswered> {
    let (of_client, of_seq, table) = (column(&columns.client), column(&columns.seq), columns.table.quoted());
    let count = format!("SELECT pg_catalog.count(*) FROM {table} WHERE");
    // By an index if there is one.
    match ask(connection, &format!("{count} {of_client} = '{client}' AND {of_seq} = '{seq}'")).await {
        Ok(equal) => {
            if let Some(found) = equal.and_then(|found| found.parse().ok()).filter(|found| *found > 0) {
                return Ok(found);
            }
        }
        // A type that cannot be compared with a number.
        Err(Unanswered::Refused) => {}
        Err(other) => return Err(other),
    }
    // As the checker reads numbers: in a text, with zeros before them or behind their point.
    let reads = |column: &str, number: u64| format!("({column})::text ~ '^ *[+]?0*{number}([.]0*)? *$'");
    let sql = format!("{count} {} AND {}", reads(&of_client, client), reads(&of_seq, seq));
    ask(connection, &sql).await?.and_then(|found| found.parse().ok()).ok_or(Unanswered::Refused)
}

/// What the newest row of a table has in the ledger's columns; None if that cannot be read, or
/// there is none.
async fn newest(connection: &mut Connection, columns: &LedgerColumns) -> Result<Option<String>, Unanswered> {
    let (of_client, of_seq) = (column(&columns.client), column(&columns.seq));
    let shown =
        |name: &str, column: &str| format!("'{} = ' || coalesce(({column})::text, 'NULL')", name.replace('\'', "''"));
    let sql = format!(
        "SELECT {} || ' and ' || {} FROM {} ORDER BY pg_catalog.age(xmin) LIMIT 1",
        shown(&columns.client, &of_client),
        shown(&columns.seq, &of_seq),
        columns.table.quoted()
    );
    match ask(connection, &sql).await {
        Ok(newest) => Ok(newest),
        Err(Unanswered::Refused | Unanswered::Late) => Ok(None),
        Err(lost) => Err(lost),
    }
}
