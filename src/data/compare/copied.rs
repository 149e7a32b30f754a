//! A table of a server that goes on, compared with its physical copy, which follows.
//!
//! Nobody can stop both at one place. But the copy has each version of a row at the same place on
//! disk, written by the same transaction, and a version never changes. So: the live server is read
//! as of one moment; then the copy, when it has replayed all that was committed by then. Rows that
//! differ were written in between, or are wrong. They are read again in the same way. Versions that
//! both times only one of the two had cannot have been written in between: between the two moments
//! of the live server, which saw the same both times, the copy was asked once.
//!
//! What is committed is on the live server's disk, and so is sent, before anybody sees it; with
//! `synchronous_commit = off` a little later. Who looks again has to wait for that long.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;

use crate::data::compare::compared::side_by_side;
use crate::data::error::{DataError, Result};
use crate::data::rows::{Comparison, Order, Rest, RowVersion, Table, View};
use crate::pg::{Lsn, TableName};

/// How many rows that differ are looked at again.
const SUSPECTS: usize = 1000;

/// A table of a live server, read as of a moment.
pub struct LiveTable<'a> {
    live: &'a Client,
    table: Table<'a>,
    /// How far its WAL was on its disk just after that moment.
    pub lsn: Lsn,
}

/// Rows that differ between a live server and its copy, and that may have been written meanwhile.
#[derive(Debug)]
pub struct Suspects {
    order: Order,
    keys: Vec<Vec<String>>,
    /// The versions that one of them lacked, when both were read last.
    seen: BTreeMap<String, Versions>,
    /// The rows as they were first seen.
    first: Comparison,
    /// The first transaction that the copy knew nothing of then.
    reached: String,
    /// Whether these are all that differ.
    pub all: bool,
    /// The transactions that the copy has as committed, and the live server does not show yet,
    /// since it waits for another standby: nothing follows from what differs.
    pub ahead: Vec<String>,
}

/// What the live server and the copy have at one place.
type Versions = (Option<RowVersion>, Option<RowVersion>);

/// What came of reading suspects again.
#[derive(Debug)]
pub enum Again {
    /// Nothing differs any more.
    Same,
    /// These rows have changed again, or may still be about to.
    Changing(Box<Suspects>),
    /// These rows are wrong, a line each.
    Wrong(Vec<String>),
}

impl Suspects {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.keys.len()
    }
}

const POSITION: &str = "select (case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
    else pg_catalog.pg_current_wal_flush_lsn() end)::text";

/// The transactions that a session's snapshot knows as not ended, and the first one that it knows
/// nothing of.
const RUNNING: &str =
    "select array(select x::text from pg_catalog.pg_snapshot_xip(pg_catalog.pg_current_snapshot()) as x),
    pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text";

/// Of these, and of those from the one before the other on, the transactions that have been
/// committed here. What has not come yet cannot be asked for.
const COMMITTED: &str = "select x from (
        select unnest($1::text[]) union select g::text from generate_series($2::text::numeric, $3::text::numeric - 1) g
    ) s (x) where case when x::xid8 < pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
        then pg_catalog.pg_xact_status(x::xid8) = 'committed' else false end";

/// The first transaction that a session's snapshot knows nothing of.
const REACHED: &str = "select pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text";

impl<'a> LiveTable<'a> {
    /// Reads a table of the live server as of now. The session must not be in a transaction.
    pub async fn open(live: &'a Client, name: &'a TableName) -> Result<LiveTable<'a>> {
        let opened = async {
            let table = Table::open(live, name, &View::default()).await?;
            let row = live.query_one(POSITION, &[]).await.map_err(DataError::while_doing(POSITION_OF))?;
            let text: Option<String> = row.try_get(0).map_err(DataError::while_doing(POSITION_OF))?;
            let text = text.unwrap_or_default();
            let lsn = text.parse().map_err(|_| DataError::Answer { doing: POSITION_OF.to_owned(), what: text })?;
            Ok(LiveTable { live, table, lsn })
        };
        let opened = opened.await;
        if opened.is_err() {
            Table::close(live).await;
        }
        opened
    }

    /// Compares all of it with the copy, which has replayed the WAL up to [`LiveTable::lsn`]; if
    /// rows differ, they are suspects.
    pub async fn compare(mut self, copy: &Client, name: &TableName) -> Result<(Comparison, Option<Suspects>)> {
        let compared = self.compared(copy, name).await;
        Table::close(copy).await;
        Table::close(self.live).await;
        compared
    }

    async fn compared(&mut self, copy: &Client, name: &TableName) -> Result<(Comparison, Option<Suspects>)> {
        let first = &mut self.table;
        let mut second = Table::open(copy, name, &View::default()).await?;
        let comparison = side_by_side(first, &mut second, SUSPECTS).await?;
        if comparison.same || !comparison.columns.is_empty() {
            return Ok((comparison, None));
        }
        let order = Order::of(&first.relation.layout, &second.relation.layout);
        let keys: BTreeSet<Vec<String>> = comparison.differences.iter().map(|row| row.at.clone()).collect();
        let keys: Vec<Vec<String>> = keys.into_iter().collect();
        let seen = lacking(first, &mut second, &order, &keys).await?;
        let all = matches!(comparison.rest, Rest::Exactly(rows) if rows <= SUSPECTS as u64);
        Ok((
            comparison.clone(),
            Some(Suspects { order, keys, seen, first: comparison, reached: reached(copy).await?, all, ahead: vec![] }),
        ))
    }

    /// Reads the rows of suspects again, in both.
    pub async fn again(mut self, copy: &Client, name: &TableName, suspects: Suspects) -> Result<Again> {
        let again = self.look_again(copy, name, suspects).await;
        Table::close(copy).await;
        Table::close(self.live).await;
        again
    }

    async fn look_again(&mut self, copy: &Client, name: &TableName, mut before: Suspects) -> Result<Again> {
        let mut second = Table::open(copy, name, &View::default()).await?;
        second.columns = self.table.columns.clone();
        let now = lacking(&mut self.table, &mut second, &before.order, &before.keys).await?;
        if now.is_empty() {
            return Ok(Again::Same);
        }
        let lasting: BTreeSet<Vec<String>> =
            now.iter().filter(|(place, versions)| before.seen.get(*place) == Some(*versions)).flat_map(keys).collect();
        let keys: BTreeSet<Vec<String>> = now.iter().flat_map(keys).collect();
        let known = std::mem::replace(&mut before.reached, reached(copy).await?);
        let mut left = Suspects { keys: keys.into_iter().collect(), seen: now, ahead: vec![], ..before };
        if lasting.is_empty() {
            return Ok(Again::Changing(Box::new(left)));
        }
        let doing = format!("asking for transactions that {name} waits for");
        let running = self.live.query_one(RUNNING, &[]).await.map_err(DataError::while_doing(&doing))?;
        let (running, next): (Vec<String>, String) = (running.get(0), running.get(1));
        // What the copy knew before, and the live server does not show in this later moment.
        let asked = copy.query(COMMITTED, &[&running, &next, &known]).await;
        let ahead = asked.map_err(DataError::while_doing(&doing))?;
        if !ahead.is_empty() {
            left.ahead = ahead.iter().map(|row| row.get(0)).collect();
            return Ok(Again::Changing(Box::new(left)));
        }
        let named = left.first.differences.iter().filter(|row| lasting.contains(&row.at));
        let mut lines: Vec<String> = named.map(ToString::to_string).collect();
        if lines.is_empty() {
            lines.push(format!("{} rows differ", lasting.len()));
        }
        Ok(Again::Wrong(lines))
    }
}

/// What is being done when that goes wrong.
const POSITION_OF: &str = "asking how far the WAL goes";

/// The first transaction that a session knows nothing of.
async fn reached(client: &Client) -> Result<String> {
    const DOING: &str = "asking for the newest transaction";
    let row = client.query_one(REACHED, &[]).await.map_err(DataError::while_doing(DOING))?;
    row.try_get(0).map_err(DataError::while_doing(DOING))
}

/// What the versions at one place are called.
fn keys((_, versions): (&String, &Versions)) -> Vec<Vec<String>> {
    [&versions.0, &versions.1].into_iter().flatten().map(|version| version.at.clone()).collect()
}

/// The versions of these rows that one of the two tables lacks, or has otherwise.
async fn lacking(
    first: &mut Table<'_>,
    second: &mut Table<'_>,
    order: &Order,
    keys: &[Vec<String>],
) -> Result<BTreeMap<String, Versions>> {
    let (mut live, copied) = tokio::try_join!(first.versions(order, keys), second.versions(order, keys))?;
    let mut found = BTreeMap::new();
    for (place, version) in copied {
        let other = live.remove(&place);
        if other.as_ref() != Some(&version) {
            found.insert(place, (other, Some(version)));
        }
    }
    found.extend(live.into_iter().map(|(place, version)| (place, (Some(version), None))));
    Ok(found)
}
