//! A merge from its beginning to its end.

use std::collections::HashSet;
use std::time::Instant;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::constraints::{self, Constraint};
use super::error::{MergeError, refused};
use super::guards::Triggers;
use super::live::Live;
use super::merged::Merged;
use super::shape::Shape;
use super::side::{Compared, OnConflict, Side};
use super::sql::Statements;
use super::tables::{self, BAD, CHANGED, GOOD};
use super::touched::Touched;
use super::transaction::Transaction;
use super::{difference, guards, links};
use crate::data::error::DataError;
use crate::pg::{ColumnName, TableName, Xid};

/// A merge of one table, or of several in one transaction.
pub struct Merge<'a> {
    /// The tables, on all of the servers.
    pub tables: Vec<MergeTable<'a>>,
    /// Columns that every write touches: what users have in them is no conflict.
    pub ignore: &'a [ColumnName],
    /// What becomes of conflicts.
    pub on_conflict: OnConflict,
    /// As it was before the mistake.
    pub good: Side<'a>,
    /// As it was after it, or as it is now.
    pub compared: Compared<'a>,
    /// As it is now.
    pub into: Side<'a>,
    /// The rows that the mistake has written, if others wrote between `good` and `bad`, too.
    pub touched: Option<&'a Touched>,
    /// The transactions that are known to be the mistake's.
    pub known: &'a [Xid],
    /// When it has to be done.
    pub deadline: Instant,
}

/// A table of a merge.
pub struct MergeTable<'a> {
    /// Its name.
    pub table: &'a TableName,
    /// The columns that tell a row from all others; none: those of the primary key.
    pub key: &'a [ColumnName],
}

/// A table whose rows that differ are in the live server.
struct Loaded {
    shape: Shape,
    touched: Vec<usize>,
    references: Vec<String>,
    constraints: Vec<Constraint>,
    merged: Merged,
}

impl Loaded {
    fn differs(&self) -> bool {
        self.merged.changed + self.merged.deleted + self.merged.inserted > 0
    }
}

impl Merge<'_> {
    /// Merges. `progress` hears what is being done.
    pub async fn run(&self, mut progress: impl FnMut(&str)) -> Result<Merged, MergeError> {
        let live = Live { client: self.into.client, deadline: self.deadline };
        for side in [&self.good, self.other(), &self.into] {
            live.prepare(side.client).await?;
        }
        let mut loaded = Vec::new();
        for (place, table) in self.tables.iter().enumerate() {
            let name = if self.is_one() { String::new() } else { format!(" of {}", table.table) };
            progress(&format!("the rows{name} that differ"));
            loaded.push(self.load(&live, place, table).await?);
            if !self.is_one() {
                tables::set_aside(&live, place).await?;
            }
        }
        self.unknown_columns(&loaded)?;
        if !loaded.iter().any(Loaded::differs) {
            return Err(MergeError::Same(loaded.iter().map(|table| table.merged.good_rows).sum()));
        }
        let relations: Vec<String> = loaded.iter().map(|table| table.shape.relation.clone()).collect();
        self.look_at_constraints(&mut loaded, &relations).await?;

        progress("the lock on the table");
        live.lock(&relations).await?;
        progress("the merge");
        let locked = Instant::now();
        let mut merged = Merged::default();
        let done = self.merge(&live, loaded, &relations, &mut merged).await;
        let failed = merged.conflicts > 0 && self.on_conflict == OnConflict::Fail;
        let ended = match &done {
            Ok(()) if !failed => self.into.client.batch_execute("commit").await.map_err(refused("committing")),
            // The first error is the one to report.
            _ => {
                let _ = self.into.client.batch_execute("rollback").await;
                Ok(())
            }
        };
        merged.locked = locked.elapsed();
        match done.and(ended) {
            Err(MergeError::Dangling(_)) => Err(MergeError::Dangling(Box::new(merged))),
            Err(MergeError::Undecided(_)) => Err(MergeError::Undecided(Box::new(merged))),
            Err(error) => Err(error),
            Ok(()) if failed => Err(MergeError::Conflicts(Box::new(merged))),
            Ok(()) => Ok(merged),
        }
    }

    fn is_one(&self) -> bool {
        self.tables.len() == 1
    }

    /// What `good` is compared with.
    fn other(&self) -> &Side<'_> {
        let (Compared::Bad(side) | Compared::Into(side)) = &self.compared;
        side
    }

    /// The server as it was just after the mistake, if it is known.
    fn bad(&self) -> Option<&Client> {
        match &self.compared {
            Compared::Bad(side) => Some(side.client),
            Compared::Into(_) => None,
        }
    }

    /// Loads the rows of a table that differ, and finds out what the mistake did.
    async fn load(&self, live: &Live<'_>, place: usize, table: &MergeTable<'_>) -> Result<Loaded, MergeError> {
        let misfit = |error| match error {
            MergeError::Misfit { side, misfit, .. } => MergeError::Misfit { table: place, side, misfit },
            other => other,
        };
        let (compared, into, with_bad) = (self.other(), self.into.client, self.bad().is_some());
        let mut shape = Shape::read(&self.into, table.table, table.key).await.map_err(misfit)?;
        shape.ignore(self.ignore);
        let key = shape.key_names();
        let good = Shape::read(&self.good, table.table, &key).await.map_err(misfit)?;
        let other = Shape::read(compared, table.table, &key).await.map_err(misfit)?;
        for (side, seen) in [(&self.good, &good), (compared, &other)] {
            shape.same_as(self.into.name, seen, side.name).map_err(misfit)?;
        }
        let take = self.on_conflict == OnConflict::Take;
        let mut statements = Statements { shape: &shape, touched: vec![], with_bad: false, take, references: vec![] };
        live.batch("making a table for the rows that differ", &statements.create_sides()).await?;
        let names = shape.names();
        let loaded =
            difference::load((&self.good, &good), (compared, &other), (into, &names), with_bad, self.touched).await;
        let loaded = loaded.map_err(not_loaded)?;
        loaded.seen.all_told(place)?;
        let writers = match &self.compared {
            Compared::Bad(bad) => loaded.places.writers(&self.good, bad, self.known).await.map_err(not_loaded)?,
            Compared::Into(_) => HashSet::new(),
        };
        let mut merged = Merged { good_rows: loaded.first, other_rows: loaded.second, writers, ..Merged::default() };
        survey(live, &mut statements, with_bad, &mut merged).await?;
        let touched = statements.touched;
        Ok(Loaded { shape, touched, references: vec![], constraints: vec![], merged })
    }

    /// Fails if a column that is to be ignored is in none of the tables, or in keys alone: a row
    /// that has another key is another row.
    fn unknown_columns(&self, loaded: &[Loaded]) -> Result<(), MergeError> {
        let known = |name: &&ColumnName| loaded.iter().any(|table| table.shape.can_ignore(name.as_str()));
        match self.ignore.iter().find(|name| !known(name)) {
            Some(name) => Err(MergeError::NothingToIgnore(name.clone())),
            None => Ok(()),
        }
    }

    /// Reads what the server demands of the tables. What they demand of each other is looked at
    /// when all of them are merged.
    async fn look_at_constraints(&self, loaded: &mut [Loaded], relations: &[String]) -> Result<(), MergeError> {
        let into = self.into.client;
        for table in loaded {
            let others: Vec<String> = relations.iter().filter(|name| **name != table.shape.relation).cloned().collect();
            let statements = self.statements(&table.shape, &table.touched, vec![]);
            let references = guards::references(into, &statements, &others).await?;
            let found = constraints::read(into, &table.shape).await;
            let mut found = found.map_err(refused("looking at the constraints"))?;
            found.retain(|constraint| !constraint.is_about(&others));
            (table.references, table.constraints) = (references, found);
        }
        Ok(())
    }

    fn statements<'a>(&self, shape: &'a Shape, touched: &[usize], references: Vec<String>) -> Statements<'a> {
        let (with_bad, take) = (self.bad().is_some(), self.on_conflict == OnConflict::Take);
        Statements { shape, touched: touched.to_vec(), with_bad, take, references }
    }

    /// Merges the tables that are locked.
    async fn merge(
        &self,
        live: &Live<'_>,
        loaded: Vec<Loaded>,
        relations: &[String],
        merged: &mut Merged,
    ) -> Result<(), MergeError> {
        let several = !self.is_one();
        let into = self.into.client;
        let (mut triggers, mut links) = (Vec::new(), Vec::new());
        if several {
            links = links::read(live, relations).await?;
            // What foreign keys do is looked at when all rows are what they were.
            for table in &loaded {
                let found =
                    Triggers::of_everything(into, &table.shape).await.map_err(refused("looking for triggers"))?;
                found.disable(into).await.map_err(refused("putting triggers out of action"))?;
                triggers.push(found);
            }
        }
        let with_bad = self.bad().is_some();
        for (place, table) in loaded.into_iter().enumerate() {
            let mut own = table.merged.clone();
            let mut done = Ok(());
            if table.differs() {
                if several {
                    tables::bring_back(live, place).await?;
                }
                let statements = self.statements(&table.shape, &table.touched, table.references);
                let (bad, constraints, on_conflict) = (self.bad(), table.constraints.as_slice(), self.on_conflict);
                let transaction = Transaction { live, bad, statements: &statements, constraints, on_conflict, several };
                done = transaction.merge(&mut own).await;
                if several {
                    tables::drop_all(live).await?;
                }
            }
            let name = several.then_some(table.shape.relation.as_str());
            merged.add(own, name);
            done?;
        }
        if several {
            if !with_bad && merged.conflicts + merged.put_back == 0 {
                return Err(MergeError::Same(merged.good_rows));
            }
            if merged.conflicts == 0 || self.on_conflict != OnConflict::Fail {
                links::check(live, &links, merged).await?;
            }
            for found in &triggers {
                found.enable(into).await.map_err(refused("checking constraints"))?;
            }
        }
        Ok(())
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
