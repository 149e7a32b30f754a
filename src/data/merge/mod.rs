//! What a mistake did to a table is taken back, column by column; what users wrote since stays: a three-way merge by key.
//!
//! The base is `good`, a server recovered to just before the mistake; `bad`, recovered to just after it, shows what the mistake did;
//! `into` is the live server. Only the rows in which `good` and `bad` differ are loaded into `into`, as a temporary table, and
//! everything else is SQL there: no rows are kept in drillyard's memory.

mod constraints;
mod difference;
mod guards;
mod obstacles;
mod plan;
mod report;
mod shape;
mod sql;

#[cfg(test)]
mod tests;

use std::time::Instant;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use super::DataError;
use super::rows::STABLE;
use crate::pg::{ColumnName, TableName};

pub use report::{Conflict, Merged, Misfit};

use constraints::{Action, Constraint, Demand};
use guards::Triggers;
use plan::Plan;
use shape::Shape;
use sql::{Case, Statements};

/// The temporary tables of the rows that differ, as they are on `good` and on `bad`.
const GOOD: &str = "drillyard_good";
const BAD: &str = "drillyard_bad";
/// The temporary table of the rows that the mistake changed, with the columns that it touched.
const CHANGED: &str = "drillyard_changed";
/// The temporary table of what is done to each row.
const PLAN: &str = "drillyard_plan";
/// That of the rows as they are to become.
const FINAL: &str = "drillyard_final";
/// That of what the server would refuse.
const OBSTACLES: &str = "drillyard_obstacles";
/// How many conflicts are told one by one.
const SHOWN: usize = 20;

/// What becomes of a value that both the mistake and users have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing at all is changed.
    Fail,
    /// The users' value stays.
    Keep,
    /// The good value is put back.
    Take,
}

/// One of the servers.
pub struct Side<'a> {
    /// The node's name.
    pub name: &'a str,
    /// A session that nobody else uses.
    pub client: &'a Client,
}

/// What `good` is compared with, to find the rows that are merged.
pub enum Compared<'a> {
    /// The server as it was just after the mistake.
    Bad(Side<'a>),
    /// Nobody has that: the live server, in a second session.
    Into(Side<'a>),
}

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

/// Why nothing was merged, and nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A server refused, or a connection broke.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A table cannot be merged as it is.
    #[error("on `{side}`: {misfit}")]
    Misfit {
        /// The node.
        side: String,
        /// What is wrong with it there.
        misfit: Misfit,
    },
    /// There is no difference to take back; so many rows were read of `good`.
    #[error("there is no difference between {0} rows")]
    Same(u64),
    /// There are conflicts.
    #[error("there are {} conflicts", .0.conflicts)]
    Conflicts(Box<Merged>),
    /// There are conflicts that cannot be decided for `good`.
    #[error("there are conflicts that cannot be decided")]
    Undecided(Box<Merged>),
    /// Rows refer to rows of another table that are missing, and not because users have deleted them.
    #[error("{rows} rows of {table} are missing that rows refer to ({constraint})")]
    Parents {
        /// The other table.
        table: String,
        /// The foreign key.
        constraint: String,
        /// How many of its rows are missing, at least.
        rows: usize,
    },
    /// Others hold locks on the table: who.
    #[error("the table is locked by others: {}", .0.join("; "))]
    Locked(Vec<String>),
    /// The time was over.
    #[error("there was no time left for {0}")]
    Late(&'static str),
}

/// What an SQL error means here.
fn refused(doing: &'static str) -> impl FnOnce(tokio_postgres::Error) -> MergeError {
    move |error| match error.code() {
        Some(code) if *code == SqlState::QUERY_CANCELED => MergeError::Late(doing),
        _ => DataError::while_doing(doing)(error).into(),
    }
}

/// Whether an error says that rows do not satisfy a constraint.
fn is_violation(error: &MergeError) -> bool {
    let MergeError::Data(DataError::Server { source, .. }) = error else { return false };
    source.code().is_some_and(|code| code.code().starts_with("23"))
}

/// A case's numbers, in the order of [`Statements::count`].
struct Counted {
    gone: u64,
    rows: u64,
    conflict_rows: u64,
    right: u64,
    conflicts: u64,
    nothing: u64,
}

impl Merge<'_> {
    /// Merges. `progress` is told what is being done.
    pub async fn run(&self, mut progress: impl FnMut(&str)) -> Result<Merged, MergeError> {
        progress("the columns of the tables");
        let (compared, with_bad) = match &self.compared {
            Compared::Bad(side) => (side, true),
            Compared::Into(side) => (side, false),
        };
        for side in [&self.good, compared, &self.into] {
            self.prepare(side.client).await?;
        }
        let shape = Shape::read(&self.into, self.table, self.key).await?;
        let good = self.shape_of(&self.good, &shape).await?;
        let other = self.shape_of(compared, &shape).await?;
        let take = self.on_conflict == OnConflict::Take;
        let mut statements = Statements { shape: &shape, touched: vec![], with_bad: false, take, references: vec![] };

        progress("the rows that differ");
        let doing = "making a table for the rows that differ";
        self.into.client.batch_execute(&statements.create_sides()).await.map_err(refused(doing))?;
        let (names, into) = (shape.names(), self.into.client);
        let loaded = difference::load((&self.good, &good), (compared, &other), into, &names, with_bad).await;
        let loaded = loaded.map_err(|error| match error {
            DataError::Server { source, .. } if source.code() == Some(&SqlState::QUERY_CANCELED) => {
                MergeError::Late("reading the rows")
            }
            other => other.into(),
        })?;
        let mut merged = Merged { good_rows: loaded.first, other_rows: loaded.second, ..Merged::default() };
        self.survey(&mut statements, with_bad, &mut merged).await?;
        statements.references = guards::references(into, &statements).await?;
        let constraints = constraints::read(into, &shape).await.map_err(refused("looking at the constraints"))?;

        progress("the lock on the table");
        self.lock(&shape).await?;
        progress("the merge");
        let locked = Instant::now();
        let done = self.merge(&statements, &constraints, &mut merged).await;
        let failed = merged.conflicts > 0 && self.on_conflict == OnConflict::Fail;
        let ended = match &done {
            Ok(()) if !failed => into.batch_execute("commit").await.map_err(refused("committing")),
            // The first error is the one to tell.
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

    /// Milliseconds until a little before the deadline, so that the server ends what takes too long and says so.
    fn left(&self) -> u128 {
        self.deadline.saturating_duration_since(Instant::now()).as_millis().saturating_sub(50).max(1)
    }

    /// Settings under which every server writes a value in the same way, reads a table in its order, and ends in time.
    async fn prepare(&self, client: &Client) -> Result<(), MergeError> {
        let stable = STABLE.replace("set local", "set");
        let left = self.left();
        let settings = format!(
            "{stable}; set jit = off; set synchronize_seqscans = off; set max_parallel_workers_per_gather = 0; set xmloption = content; \
             set work_mem = '128MB'; set temp_buffers = '64MB'; set lock_timeout = {left}; set statement_timeout = {left}"
        );
        client.batch_execute(&settings).await.map_err(refused("setting the sessions up"))
    }

    /// Runs a statement in `into` and gives the number of its rows.
    async fn execute(&self, doing: &'static str, statement: &str) -> Result<u64, MergeError> {
        self.limit(doing).await?;
        self.into.client.execute(statement, &[]).await.map_err(refused(doing))
    }

    /// Runs a query in `into` that has one row.
    async fn row(&self, doing: &'static str, query: &str) -> Result<Row, MergeError> {
        self.limit(doing).await?;
        self.into.client.query_one(query, &[]).await.map_err(refused(doing))
    }

    /// Has the server end the next statement in time: one that goes on when nobody waits for it would hold the lock.
    async fn limit(&self, doing: &'static str) -> Result<(), MergeError> {
        let limit = format!("set statement_timeout = {}", self.left());
        self.into.client.batch_execute(&limit).await.map_err(refused(doing))
    }

    /// Finds out what the mistake did: from `good` and `bad` alone, before any lock is taken.
    async fn survey(
        &self,
        statements: &mut Statements<'_>,
        with_bad: bool,
        merged: &mut Merged,
    ) -> Result<(), MergeError> {
        const DOING: &str = "finding out what the mistake did";
        self.into
            .client
            .batch_execute(&format!("analyze pg_temp.{GOOD}; analyze pg_temp.{BAD}"))
            .await
            .map_err(refused(DOING))?;
        let row = self.row(DOING, &statements.survey()).await?;
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
            self.into.client.batch_execute(&statements.pair_by_pair()).await.map_err(refused(DOING))?;
        } else if merged.changed > 0 {
            self.execute(DOING, &statements.create_changed()).await?;
            self.execute(DOING, &format!("analyze pg_temp.{CHANGED}")).await?;
        }
        Ok(())
    }

    /// Begins the transaction. From here on to its end users can read the table and not write to it, so that what is seen is what is
    /// changed.
    async fn lock(&self, shape: &Shape) -> Result<(), MergeError> {
        let client = self.into.client;
        let left = self.left();
        let lock = format!(
            "begin; set local lock_timeout = {left}; set local statement_timeout = 0; lock table {} in share row exclusive mode",
            shape.relation
        );
        let Err(error) = client.batch_execute(&lock).await else { return Ok(()) };
        let _ = client.batch_execute("rollback").await;
        match error.code() {
            Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => Err(MergeError::Locked(self.holders(shape).await)),
            _ => Err(refused("waiting for the lock")(error)),
        }
    }

    /// Who holds a lock on the table that keeps ours waiting.
    async fn holders(&self, shape: &Shape) -> Vec<String> {
        let query = "select distinct format('%s (pid %s, %s): %s', coalesce(nullif(a.application_name, ''), a.backend_type), l.pid, l.mode,
                coalesce(nullif(left(regexp_replace(a.query, '\\s+', ' ', 'g'), 100), ''), a.state))
            from pg_locks l left join pg_stat_activity a on a.pid = l.pid
            where l.relation = $1::text::regclass and l.granted and l.pid is distinct from pg_backend_pid()
                and l.mode in ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                    'AccessExclusiveLock') limit 5";
        let rows = self.into.client.query(query, &[&shape.relation]).await.unwrap_or_default();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn merge(
        &self,
        statements: &Statements<'_>,
        constraints: &[Constraint],
        merged: &mut Merged,
    ) -> Result<(), MergeError> {
        let cases =
            [(Case::Inserted, merged.inserted), (Case::Changed, merged.changed), (Case::Deleted, merged.deleted)];
        let mut counted = Vec::new();
        for case in cases.iter().filter(|(_, rows)| *rows > 0).map(|(case, _)| *case) {
            let count = self.count(statements, case).await?;
            merged.conflicts += count.conflicts;
            merged.conflict_rows += count.conflict_rows;
            if count.conflicts > 0 && merged.shown.len() < SHOWN {
                self.list(statements, case, merged).await?;
            }
            // Without `bad` it is only here that rows are compared by their key.
            if !statements.with_bad && count.gone == 0 && count.conflicts == 0 {
                return Err(MergeError::Same(merged.good_rows));
            }
            counted.push((case, count));
        }
        let made = counted.iter().map(|(case, _)| *case).collect::<Vec<_>>();
        if merged.conflicts > 0 && self.on_conflict == OnConflict::Fail {
            // Those that the server would find are told with the others.
            return Plan::make(self, statements, constraints, made).await?.resolve(merged).await.map(drop);
        }
        let client = self.into.client;
        let triggers = Triggers::find(client, statements.shape).await.map_err(refused("looking for triggers"))?;
        triggers.disable(client).await.map_err(refused("putting triggers out of action"))?;
        let straight = match Self::has_consequences(statements, constraints, merged) {
            true => None,
            false => self.straight(statements, &counted, merged).await?,
        };
        if let Some(done) = straight {
            *merged = done;
        } else {
            let plan = Plan::make(self, statements, constraints, made).await?;
            if !plan.resolve(merged).await? {
                return Ok(());
            }
            for (_, count) in &counted {
                merged.already += count.nothing;
                merged.restored_cells += count.right;
            }
            plan.apply(merged).await?;
        }
        triggers.enable(client).await.map_err(refused("checking foreign keys"))
    }

    /// Whether what the merge does may do something to other rows, without any error.
    fn has_consequences(statements: &Statements<'_>, constraints: &[Constraint], merged: &Merged) -> bool {
        let touched = |name: &String| statements.touched.iter().any(|at| statements.shape.columns[*at].name == *name);
        constraints.iter().any(|constraint| match &constraint.demand {
            Demand::Child { link, on_delete, on_update } => {
                let deletes = link.own && merged.inserted > 0 && !matches!(on_delete, Action::Refuse { .. });
                let updates = !matches!(on_update, Action::Refuse { .. })
                    && (constraint.columns.iter().any(touched) || statements.take && merged.deleted > 0);
                deletes || updates
            }
            _ => false,
        })
    }

    /// Does it all, as if the server would refuse nothing, which is the quickest; none where it does.
    async fn straight(
        &self,
        statements: &Statements<'_>,
        counted: &[(Case, Counted)],
        merged: &Merged,
    ) -> Result<Option<Merged>, MergeError> {
        let client = self.into.client;
        client.batch_execute("savepoint straight").await.map_err(refused("the merge"))?;
        let mut done = merged.clone();
        let attempt = async {
            // Rows go before others come: what they hold in other unique columns may be wanted again.
            for (case, count) in counted {
                self.apply(statements, *case, count, &mut done).await?;
            }
            client.batch_execute("set constraints all immediate").await.map_err(refused("checking constraints"))
        };
        match attempt.await {
            Ok(()) => Ok(Some(done)),
            Err(error) if is_violation(&error) => {
                let back = "rollback to savepoint straight; set constraints all deferred";
                client.batch_execute(back).await.map_err(refused("the merge"))?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn count(&self, statements: &Statements<'_>, case: Case) -> Result<Counted, MergeError> {
        let row = self.row("looking for conflicts", &statements.count(case)).await?;
        let number = |at: usize| row.get::<_, i64>(at).cast_unsigned();
        let mut count = Counted {
            gone: number(0),
            rows: number(1),
            conflict_rows: number(2),
            right: number(3),
            conflicts: number(4),
            nothing: number(5),
        };
        match case {
            // The mistake changed the row, and users have deleted it since.
            Case::Changed => {
                count.conflict_rows += count.gone;
                count.conflicts += count.gone;
            }
            Case::Inserted => count.nothing += count.gone,
            Case::Deleted => {}
        }
        Ok(count)
    }

    async fn list(&self, statements: &Statements<'_>, case: Case, merged: &mut Merged) -> Result<(), MergeError> {
        let query = statements.conflicts(case, SHOWN - merged.shown.len());
        let rows = self.into.client.query(&query, &[]).await.map_err(refused("listing the conflicts"))?;
        for row in &rows {
            merged.shown.extend(statements.told(case, row));
        }
        merged.shown.truncate(SHOWN);
        Ok(())
    }

    async fn apply(
        &self,
        statements: &Statements<'_>,
        case: Case,
        count: &Counted,
        merged: &mut Merged,
    ) -> Result<(), MergeError> {
        merged.already += count.nothing;
        merged.restored_cells += count.right;
        if count.rows > 0 && case == Case::Inserted {
            merged.removed += self.exactly("removing rows", &statements.delete(), count.rows).await?;
        }
        if count.rows > 0 && case != Case::Inserted {
            let doing = "putting values back";
            merged.restored_rows += self.exactly(doing, &statements.update(case), count.rows).await?;
        }
        if count.gone > 0 && (case == Case::Deleted || case == Case::Changed && statements.take) {
            merged.put_back += self.exactly("putting rows back", &statements.insert(case), count.gone).await?;
        }
        Ok(())
    }

    /// Runs a statement, and fails where it does not do as much as was counted, in the same transaction and under the same lock: a
    /// rule of the table may have made something else of it.
    async fn exactly(&self, doing: &'static str, statement: &str, rows: u64) -> Result<u64, MergeError> {
        let done = self.execute(doing, statement).await?;
        match done == rows {
            true => Ok(done),
            false => {
                let what = format!("{done} rows in the place of {rows}: is there a rule on the table?");
                Err(DataError::Answer { doing: doing.to_owned(), what }.into())
            }
        }
    }
}
