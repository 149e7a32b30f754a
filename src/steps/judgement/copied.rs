//! The tables of one database, on a server and on a copy that follows it.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Client;

use crate::data::{Again, DataError, LiveTable, Suspects, is_damage};
use crate::harness::{Context, Finding};
use crate::node::Node;
use crate::pg::{Lsn, TableName};
use crate::steps::judgement::caught_up::replayed;

/// What came of comparing tables.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// How many tables were compared.
    pub tables: usize,
    /// How many rows they have.
    pub rows: u64,
    /// How many rows were looked at again, since they were written meanwhile.
    pub looked_again: usize,
    /// How far the live server's WAL went when it was read last.
    pub lsn: Lsn,
    /// What is wrong, a line each.
    pub wrong: Vec<String>,
    /// What was not compared, and why.
    pub not_compared: Vec<String>,
}

/// A database that both have.
pub(crate) struct Database<'a> {
    /// The live server.
    pub live: (&'a Node, Arc<Client>),
    /// The copy.
    pub copy: (&'a Node, Arc<Client>),
    /// What its tables are called with: `` in database `billing` ``, or nothing.
    pub place: String,
}

/// How often a query that replay has ended is asked again.
const TRIES: usize = 3;

/// How often rows that go on changing are looked at.
const LOOKS: usize = 20;

/// After how long commits are on the live server's disk that nobody waited for: three rounds of the
/// process that writes WAL (manual, 28.4 "Asynchronous Commit"), and one more.
const ROUNDS: u32 = 4;
const DELAY: &str = "SELECT setting::int8 FROM pg_settings WHERE name = 'wal_writer_delay'";

impl Database<'_> {
    /// Compares these tables.
    pub async fn compare(
        &self,
        cx: &mut Context<'_>,
        tables: &[TableName],
        verdict: &mut Verdict,
    ) -> Result<(), Box<Finding>> {
        let mut suspects = vec![];
        for table in tables {
            let rows = verdict.rows;
            match self.first_look(cx, table, verdict).await? {
                Some(found) => suspects.push((table, found, rows)),
                None => verdict.tables += 1,
            }
        }
        let delay = self.live.1.query_one(DELAY, &[]).await?.get::<_, i64>(0).cast_unsigned();
        let pause = ROUNDS * Duration::from_millis(delay.max(50));
        for look in 1..=LOOKS {
            if suspects.is_empty() {
                break;
            }
            tokio::time::sleep(pause).await;
            let mut left = vec![];
            for (table, found, rows) in suspects {
                match self.look_again(cx, table, found, verdict).await? {
                    Some(found) if look == LOOKS || cx.left() < 3 * pause => verdict.give_up(self, table, &found),
                    Some(found) => left.push((table, found, rows)),
                    None => verdict.tables += 1,
                }
            }
            suspects = left;
        }
        Ok(())
    }

    /// Opens a table on the live server, and waits until the copy has come as far.
    async fn open<'t>(
        &'t self,
        cx: &mut Context<'_>,
        table: &'t TableName,
        verdict: &mut Verdict,
    ) -> Result<LiveTable<'t>, Box<Finding>> {
        // What the copy is behind it makes up for while no transaction is open.
        replayed(cx, self.copy.0, self.live.0.wal_end().await?).await?;
        cx.wait(format!("{table}{}", self.place));
        let opened = LiveTable::open(&self.live.1, table).await;
        let opened = opened.map_err(|error| self.refused(&error, self.live.0.name()))?;
        verdict.lsn = opened.lsn;
        replayed(cx, self.copy.0, opened.lsn).await?;
        Ok(opened)
    }

    /// Compares all of a table.
    async fn first_look(
        &self,
        cx: &mut Context<'_>,
        table: &TableName,
        verdict: &mut Verdict,
    ) -> Result<Option<Suspects>, Box<Finding>> {
        let mut tries = 0;
        let (comparison, suspects) = loop {
            tries += 1;
            let compared = self.open(cx, table, verdict).await?.compare(&self.copy.1, table).await;
            match compared {
                Err(error) if error.is_conflict() && tries < TRIES => {}
                Err(DataError::Missing { .. }) => {
                    verdict.wrong.push(format!("{table}{} is missing on `{}`", self.place, self.copy.0.name()));
                    return Ok(None);
                }
                compared => break compared.map_err(|error| self.refused(&error, self.copy.0.name()))?,
            }
        };
        verdict.rows += comparison.first;
        let columns = comparison.columns.iter().map(|line| format!("{table}{}: {line}", self.place));
        verdict.wrong.extend(columns);
        verdict.looked_again += suspects.as_ref().map_or(0, Suspects::rows);
        Ok(suspects)
    }

    /// Looks at the rows that differ again. What is left to be looked at.
    async fn look_again(
        &self,
        cx: &mut Context<'_>,
        table: &TableName,
        suspects: Suspects,
        verdict: &mut Verdict,
    ) -> Result<Option<Suspects>, Box<Finding>> {
        let all = suspects.all;
        let again = self.open(cx, table, verdict).await?.again(&self.copy.1, table, suspects).await;
        match again.map_err(|error| self.refused(&error, self.copy.0.name()))? {
            Again::Same if all => Ok(None),
            // More than could be looked at.
            Again::Same => {
                let rows = verdict.rows;
                let found = self.first_look(cx, table, verdict).await?;
                verdict.rows = rows;
                Ok(found)
            }
            Again::Changing(left) => Ok(Some(*left)),
            Again::Wrong(lines) => {
                verdict.wrong.extend(lines.into_iter().map(|line| format!("{table}{}: {line}", self.place)));
                Ok(None)
            }
        }
    }

    fn refused(&self, error: &DataError, node: &str) -> Box<Finding> {
        let title = format!("tables cannot be compared on `{node}`{}", self.place);
        let damaged = matches!(error, DataError::Server { source, .. } if is_damage(source));
        let absent = matches!(error, DataError::Missing { .. });
        let finding = if damaged || absent { Finding::failed(title) } else { Finding::errored(title) };
        let finding = finding.label(error.to_string());
        match error.is_conflict() {
            true => finding
                .help("`settings: { max_standby_streaming_delay: -1 }` of the copy lets replay wait for what is asked"),
            false => finding,
        }
    }
}

impl Verdict {
    fn give_up(&mut self, database: &Database<'_>, table: &TableName, left: &Suspects) {
        let (rows, place) = (left.rows(), &database.place);
        let (live, waiting) = (database.live.0.name(), left.ahead.join(", "));
        self.not_compared.push(match left.all {
            true if !left.ahead.is_empty() => format!(
                "{rows} rows of {table}{place}: transaction {waiting} is committed, and `{live}` does not show it: it waits for a standby"
            ),
            true => format!("{rows} rows of {table}{place}: written each time they were looked at"),
            false => format!("{table}{place}: more rows were written than can be looked at"),
        });
        self.tables += usize::from(left.all);
    }
}
