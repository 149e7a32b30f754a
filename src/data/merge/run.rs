//! A merge from its beginning to its end.

use std::time::Instant;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::error::{MergeError, refused};
use super::live::Live;
use super::merged::Merged;
use super::shape::Shape;
use super::side::{Compared, OnConflict, Side};
use super::sql::Statements;
use super::tables::{BAD, CHANGED, GOOD};
use super::transaction::Transaction;
use super::{constraints, difference, guards};
use crate::data::error::DataError;
use crate::pg::{ColumnName, TableName};

/// A merge.
pub struct Merge<'a> {
    /// The table, on all of them.
    pub table: &'a TableName,
    /// The columns that tell a row from all others.
    pub key: &'a [ColumnName],
    /// What becomes of conflicts.
    pub on_conflict: OnConflict,
    /// As it was before the mistake.
    pub good: Side<'a>,
    /// As it was after it, or as it is now.
    pub compared: Compared<'a>,
    /// As it is now.
    pub into: Side<'a>,
    /// When it has to be done.
    pub deadline: Instant,
}

impl Merge<'_> {
    /// Merges. `progress` hears what is being done.
    pub async fn run(&self, mut progress: impl FnMut(&str)) -> Result<Merged, MergeError> {
        progress("the columns of the tables");
        let (compared, with_bad) = match &self.compared {
            Compared::Bad(side) => (side, true),
            Compared::Into(side) => (side, false),
        };
        let live = Live { client: self.into.client, deadline: self.deadline };
        for side in [&self.good, compared, &self.into] {
            live.prepare(side.client).await?;
        }
        let shape = Shape::read(&self.into, self.table, self.key).await?;
        let good = self.shape_of(&self.good, &shape).await?;
        let other = self.shape_of(compared, &shape).await?;
        let take = self.on_conflict == OnConflict::Take;
        let mut statements = Statements { shape: &shape, touched: vec![], with_bad: false, take, references: vec![] };

        progress("the rows that differ");
        let doing = "making a table for the rows that differ";
        live.batch(doing, &statements.create_sides()).await?;
        let (names, into) = (shape.names(), self.into.client);
        let loaded = difference::load((&self.good, &good), (compared, &other), into, &names, with_bad).await;
        let loaded = loaded.map_err(not_loaded)?;
        let mut merged = Merged { good_rows: loaded.first, other_rows: loaded.second, ..Merged::default() };
        survey(&live, &mut statements, with_bad, &mut merged).await?;
        statements.references = guards::references(into, &statements).await?;
        let constraints = constraints::read(into, &shape).await.map_err(refused("looking at the constraints"))?;

        progress("the lock on the table");
        live.lock(&shape.relation).await?;
        progress("the merge");
        let locked = Instant::now();
        let transaction = Transaction {
            live: &live,
            bad: self.bad(),
            statements: &statements,
            constraints: &constraints,
            on_conflict: self.on_conflict,
        };
        let done = transaction.merge(&mut merged).await;
        let failed = merged.conflicts > 0 && self.on_conflict == OnConflict::Fail;
        let ended = match &done {
            Ok(()) if !failed => into.batch_execute("commit").await.map_err(refused("committing")),
            // The first error is the one to report.
            _ => {
                let _ = into.batch_execute("rollback").await;
                Ok(())
            }
        };
        merged.locked = locked.elapsed();
        match done.and(ended) {
            Err(MergeError::Undecided(_)) => Err(MergeError::Undecided(Box::new(merged))),
            Err(error) => Err(error),
            Ok(()) if failed => Err(MergeError::Conflicts(Box::new(merged))),
            Ok(()) => Ok(merged),
        }
    }

    /// The server as it was just after the mistake, if it is known.
    fn bad(&self) -> Option<&Client> {
        match &self.compared {
            Compared::Bad(side) => Some(side.client),
            Compared::Into(_) => None,
        }
    }

    async fn shape_of(&self, side: &Side<'_>, into: &Shape) -> Result<Shape, MergeError> {
        let shape = Shape::read(side, self.table, self.key).await?;
        into.same_as(self.into.name, &shape, side.name)?;
        Ok(shape)
    }
}

/// What an error means while the rows are read.
fn not_loaded(error: DataError) -> MergeError {
    match error {
        DataError::Server { source, .. } if source.code() == Some(&SqlState::QUERY_CANCELED) => {
            MergeError::Late("reading the rows")
        }
        other => other.into(),
    }
}

/// Finds out what the mistake did: from `good` and `bad` alone, before any lock is taken.
async fn survey(
    live: &Live<'_>,
    statements: &mut Statements<'_>,
    with_bad: bool,
    merged: &mut Merged,
) -> Result<(), MergeError> {
    const DOING: &str = "finding out what the mistake did";
    live.batch(DOING, &format!("analyze pg_temp.{GOOD}; analyze pg_temp.{BAD}")).await?;
    let row = live.row(DOING, &statements.survey()).await?;
    merged.changed = row.get::<_, i64>(0).cast_unsigned();
    merged.deleted = row.get::<_, i64>(1).cast_unsigned();
    merged.inserted = row.get::<_, i64>(2).cast_unsigned();
    if merged.changed + merged.deleted + merged.inserted == 0 {
        return Err(MergeError::Same(merged.good_rows));
    }
    let touched: Vec<bool> = row.get(3);
    statements.touched = touched.iter().enumerate().filter(|(_, touched)| **touched).map(|(at, _)| at).collect();
    statements.with_bad = with_bad;
    if !statements.is_narrow() {
        live.batch(DOING, &statements.pair_by_pair()).await?;
    } else if merged.changed > 0 {
        live.execute(DOING, &statements.create_changed()).await?;
        live.execute(DOING, &format!("analyze pg_temp.{CHANGED}")).await?;
    }
    Ok(())
}
