//! The transaction that changes the live server: straight away if nothing stands in the way, else
//! by a plan.

use tokio_postgres::Client;

use super::case::Case;
use super::constraints::{Action, Constraint, Demand};
use super::error::{MergeError, is_violation, refused};
use super::guards::Triggers;
use super::live::Live;
use super::merged::{ByHand, Merged};
use super::plan::Plan;
use super::side::OnConflict;
use super::sql::Statements;
use super::tables::SHOWN;

/// A case's numbers, in the order of [`Statements::count`].
struct Counted {
    gone: u64,
    rows: u64,
    conflict_rows: u64,
    right: u64,
    conflicts: u64,
    nothing: u64,
}

/// What is known once the table is locked.
pub(super) struct Transaction<'a> {
    pub(super) live: &'a Live<'a>,
    /// The server as it was just after the mistake, if it is known.
    pub(super) bad: Option<&'a Client>,
    pub(super) statements: &'a Statements<'a>,
    pub(super) constraints: &'a [Constraint],
    pub(super) on_conflict: OnConflict,
    /// Whether other tables are merged with it: triggers are out of action, and foreign keys
    /// between them are checked when all are merged.
    pub(super) several: bool,
}

impl Transaction<'_> {
    /// Does what the survey found to be done, as far as conflicts let it.
    pub(super) async fn merge(&self, merged: &mut Merged) -> Result<(), MergeError> {
        let statements = self.statements;
        let cases =
            [(Case::Inserted, merged.inserted), (Case::Changed, merged.changed), (Case::Deleted, merged.deleted)];
        let mut counted = Vec::new();
        for case in cases.iter().filter(|(_, rows)| *rows > 0).map(|(case, _)| *case) {
            let count = self.count(case).await?;
            merged.conflicts += count.conflicts;
            merged.conflict_rows += count.conflict_rows;
            if count.conflicts > 0 && merged.shown.len() < SHOWN {
                self.list(case, merged).await?;
            }
            // Without `bad` it is only here that rows are compared by their key.
            if !statements.with_bad && count.gone == 0 && count.conflicts == 0 && !self.several {
                return Err(MergeError::Same(merged.good_rows));
            }
            counted.push((case, count));
        }
        let made = counted.iter().map(|(case, _)| *case).collect::<Vec<_>>();
        if merged.conflicts > 0 && self.on_conflict == OnConflict::Fail {
            // Those that the server would find are listed with the others.
            return self.plan(made).await?.resolve(merged).await.map(drop);
        }
        if self.several {
            return self.by_plan(made, &counted, merged).await.map(drop);
        }
        let client = self.live.client;
        let triggers = Triggers::find(client, statements.shape).await.map_err(refused("looking for triggers"))?;
        triggers.disable(client).await.map_err(refused("putting triggers out of action"))?;
        let straight = match self.has_consequences(merged) {
            true => None,
            false => self.straight(&counted, merged).await?,
        };
        if let Some(done) = straight {
            *merged = done;
            merged.by_hand = Some(ByHand::of(statements, &triggers, self.on_conflict));
        } else if !self.by_plan(made, &counted, merged).await? {
            return Ok(());
        }
        triggers.enable(client).await.map_err(refused("checking foreign keys"))
    }

    /// Does it by a plan; false if nothing is to be done at all.
    async fn by_plan(
        &self,
        made: Vec<Case>,
        counted: &[(Case, Counted)],
        merged: &mut Merged,
    ) -> Result<bool, MergeError> {
        let plan = self.plan(made).await?;
        if !plan.resolve(merged).await? {
            return Ok(false);
        }
        for (_, count) in counted {
            merged.already += count.nothing;
            merged.restored_cells += count.right;
        }
        plan.apply(merged).await?;
        Ok(true)
    }

    /// Whether what the merge does may do something to other rows, without any error.
    fn has_consequences(&self, merged: &Merged) -> bool {
        let statements = self.statements;
        let touched = |name: &String| statements.touched.iter().any(|at| statements.shape.columns[*at].name == *name);
        self.constraints.iter().any(|constraint| match &constraint.demand {
            Demand::Child { link, on_delete, on_update } => {
                let deletes = link.own && merged.inserted > 0 && !matches!(on_delete, Action::Refuse { .. });
                let updates = !matches!(on_update, Action::Refuse { .. })
                    && (constraint.columns.iter().any(touched) || statements.take && merged.deleted > 0);
                deletes || updates
            }
            _ => false,
        })
    }

    /// Does it all, as if the server would refuse nothing, which is the quickest; none if it does
    /// refuse something.
    async fn straight(&self, counted: &[(Case, Counted)], merged: &Merged) -> Result<Option<Merged>, MergeError> {
        let client = self.live.client;
        client.batch_execute("savepoint straight").await.map_err(refused("the merge"))?;
        let mut done = merged.clone();
        let attempt = async {
            // Rows go before others come: what they hold in other unique columns may be wanted
            // again.
            for (case, count) in counted {
                self.apply(*case, count, &mut done).await?;
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

    async fn count(&self, case: Case) -> Result<Counted, MergeError> {
        let row = self.live.row("looking for conflicts", &self.statements.count(case)).await?;
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

    async fn list(&self, case: Case, merged: &mut Merged) -> Result<(), MergeError> {
        let query = self.statements.conflicts(case, SHOWN - merged.shown.len());
        let rows = self.live.client.query(&query, &[]).await.map_err(refused("listing the conflicts"))?;
        for row in &rows {
            merged.shown.extend(self.statements.conflicts_in(case, row));
        }
        merged.shown.truncate(SHOWN);
        Ok(())
    }

    async fn apply(&self, case: Case, count: &Counted, merged: &mut Merged) -> Result<(), MergeError> {
        let statements = self.statements;
        merged.already += count.nothing;
        merged.restored_cells += count.right;
        if count.rows > 0 && case == Case::Inserted {
            merged.removed += self.live.exactly("removing rows", &statements.delete(), count.rows).await?;
        }
        if count.rows > 0 && case != Case::Inserted {
            let doing = "putting values back";
            merged.restored_rows += self.live.exactly(doing, &statements.update(case), count.rows).await?;
        }
        if count.gone > 0 && (case == Case::Deleted || case == Case::Changed && statements.take) {
            merged.put_back += self.live.exactly("putting rows back", &statements.insert(case), count.gone).await?;
        }
        Ok(())
    }

    async fn plan(&self, cases: Vec<Case>) -> Result<Plan<'_>, MergeError> {
        let Transaction { live, bad, statements, constraints, on_conflict, .. } = *self;
        Plan { live, bad, statements, constraints, on_conflict, cases }.create().await
    }
}
