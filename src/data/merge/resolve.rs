//! What the server would refuse of a plan, and what is done about it.

use std::collections::BTreeSet;

use super::constraints::Demand;
use super::error::{MergeError, refused};
use super::merged::{Conflict, Merged};
use super::obstacles::Search;
use super::plan::{PLANNING, Plan};
use super::side::OnConflict;
use super::sql::{any, differs};
use super::tables::{FINAL, OBSTACLES, PLAN, SHOWN};
use super::words::describe_obstacle;
use crate::data::error::DataError;
use crate::pg::quote_identifier;

/// More rounds than any plan takes: in each, something is taken out of it.
const ROUNDS: usize = 100;

impl Plan<'_> {
    /// Finds all that the server would refuse, and takes it out of the plan or, if conflicts are
    /// decided for `good`, out of the way. False if nothing is to be done at all.
    pub(super) async fn resolve(&self, merged: &mut Merged) -> Result<bool, MergeError> {
        let mut listed = BTreeSet::new();
        // If nothing is done anyway, all conflicts are told.
        let ordinary = if self.on_conflict == OnConflict::Fail { merged.conflicts } else { 0 };
        for _ in 0..ROUNDS {
            if self.search().await? == 0 {
                self.drop_what_is_the_same().await?;
                return Ok(true);
            }
            let stuck = self.list(merged, &mut listed).await?;
            if ordinary == 0 {
                self.without_parents().await?;
            }
            match self.on_conflict {
                OnConflict::Fail => return Ok(false),
                OnConflict::Take if stuck => return Err(MergeError::Undecided(Box::default())),
                OnConflict::Take => self.clear_the_way().await?,
                OnConflict::Keep => self.withdraw().await?,
            }
        }
        let what = "conflicts that come back when they are resolved".to_owned();
        Err(DataError::Answer { doing: PLANNING.to_owned(), what }.into())
    }

    /// Looks for the obstacles that there are now; returns their number.
    async fn search(&self) -> Result<u64, MergeError> {
        let take = self.on_conflict == OnConflict::Take;
        self.execute(&format!("truncate pg_temp.{OBSTACLES}")).await?;
        self.execute(&format!("update pg_temp.{PLAN} set moved = false where moved")).await?;
        let search = |(place, constraint)| Search { statements: self.statements, place, constraint, take };
        let searches: Vec<Search<'_>> = self.constraints.iter().enumerate().map(search).collect();
        for statement in searches.iter().filter_map(Search::mark_moved) {
            self.execute(&statement).await?;
        }
        let mut found = 0;
        for statement in searches.iter().flat_map(Search::inserts) {
            found += self.execute(&statement).await?;
        }
        Ok(found)
    }

    /// Counts the obstacles as conflicts, and shows the first. Whether there are some that not even
    /// `take` can decide.
    async fn list(&self, merged: &mut Merged, listed: &mut BTreeSet<(usize, Vec<String>)>) -> Result<bool, MergeError> {
        let query = format!(
            "select distinct on (place, key) place, {} as key, act::text, shown, other, planned from pg_temp.{OBSTACLES} o
            order by place, key, planned desc",
            self.statements.key_texts("o")
        );
        let rows = self.live.client.query(&query, &[]).await.map_err(refused(PLANNING))?;
        let mut stuck = false;
        let mut conflict_rows = BTreeSet::new();
        for row in &rows {
            let place = usize::try_from(row.get::<_, i32>(0)).unwrap_or_default();
            let key: Vec<String> = row.get(1);
            let Some(constraint) = self.constraints.get(place) else { continue };
            stuck |= row.get::<_, bool>(5) || !matches!(constraint.demand, Demand::Alone { .. });
            if !listed.insert((place, key.clone())) {
                continue;
            }
            merged.conflicts += 1;
            merged.refused += 1;
            conflict_rows.insert(key.clone());
            if merged.shown.len() < 2 * SHOWN {
                let texts: Vec<Option<&str>> = key.iter().map(|text| Some(text.as_str())).collect();
                let other = row.get::<_, Option<Vec<Option<&str>>>>(4).map(|other| self.statements.shown_key(&other));
                let what =
                    describe_obstacle(constraint, row.get(2), &row.get::<_, Vec<Option<&str>>>(3), other.as_deref());
                merged.shown.push(Conflict { key: self.statements.shown_key(&texts), what });
            }
        }
        merged.conflict_rows += conflict_rows.len() as u64;
        Ok(stuck)
    }

    /// Fails if rows refer to others that the mistake itself has taken away: those come first,
    /// whatever becomes of conflicts.
    async fn without_parents(&self) -> Result<(), MergeError> {
        for (place, constraint) in self.constraints.iter().enumerate() {
            let Demand::Parent(link) = &constraint.demand else { continue };
            if link.own {
                continue;
            }
            let missing = format!("select distinct shown from pg_temp.{OBSTACLES} where place = {place} limit 1000");
            let missing = format!("select array(select q.shown::text from ({missing}) q)");
            let row = self.live.row(PLANNING, &missing).await?;
            let missing: Vec<String> = row.get(0);
            if missing.is_empty() {
                continue;
            }
            let there = match self.bad {
                Some(bad) => {
                    let columns: Vec<String> =
                        link.columns.iter().map(|name| format!("p.{}::text", quote_identifier(name))).collect();
                    let query = format!(
                        "select count(*) from unnest($1::text[]) v where exists (select from {} p where array[{}]::text = v)",
                        link.table,
                        columns.join(", ")
                    );
                    // A table that is not there at all has no rows.
                    bad.query_one(&query, &[&missing]).await.map_or(0, |row| row.get::<_, i64>(0).cast_unsigned())
                }
                None => 0,
            };
            if there < missing.len() as u64 {
                let rows = missing.len();
                return Err(MergeError::Parents {
                    table: link.table.clone(),
                    constraint: constraint.name.clone(),
                    rows,
                });
            }
        }
        Ok(())
    }

    /// Leaves live rows as they are: rows are not put back or removed, and of rows that are there
    /// the columns in question stay.
    async fn withdraw(&self) -> Result<(), MergeError> {
        let s = self.statements;
        let own: Vec<String> = s.keys().map(|(_, name)| format!("f.{name}")).collect();
        let (own, keys) = (own.join(", "), s.keys().map(|(at, _)| format!("o.k{at}")).collect::<Vec<_>>().join(", "));
        let in_plan: Vec<String> = s.keys().map(|(at, _)| format!("p.k{at}")).collect();
        let in_plan = in_plan.join(", ");
        let mut whole = vec!["o.act <> 'u'".to_owned()];
        for (place, constraint) in self.constraints.iter().enumerate() {
            let set: Vec<String> = constraint
                .columns
                .iter()
                .filter(|name| s.columns().any(|(_, column)| column.name == **name))
                .map(|name| quote_identifier(name))
                .map(|name| format!("{name} = t.{name}"))
                .collect();
            // What a check says of a row may be untrue of it as it is; and what is computed is
            // restored by nothing else.
            if matches!(constraint.demand, Demand::Check(_)) || set.len() < constraint.columns.len() {
                whole.push(format!("o.place = {place}"));
                continue;
            }
            self.execute(&format!(
                "update pg_temp.{FINAL} f set {} from {} t where ({own}) in (select {keys} from pg_temp.{OBSTACLES} o where o.act = 'u' and o.place = {place}) and {}",
                set.join(", "),
                s.shape.relation,
                s.keys().map(|(_, name)| format!("t.{name} = f.{name}")).collect::<Vec<_>>().join(" and "),
            ))
            .await?;
        }
        let whole = format!("select {keys} from pg_temp.{OBSTACLES} o where {}", any(&whole));
        self.execute(&format!("delete from pg_temp.{FINAL} f where ({own}) in ({whole})")).await?;
        self.execute(&format!("delete from pg_temp.{PLAN} p where ({in_plan}) in ({whole})")).await?;
        Ok(())
    }

    /// Takes rows out of the way that hold what a good row has to get.
    async fn clear_the_way(&self) -> Result<(), MergeError> {
        let s = self.statements;
        let keys: Vec<String> =
            s.keys().map(|(at, _)| format!("t.{} as k{at}", quote_identifier(&s.shape.key[at].name))).collect();
        let texts: Vec<String> =
            s.shape.key.iter().map(|column| column.text(&format!("t.{}", quote_identifier(&column.name)))).collect();
        let others =
            format!("select o.other::text from pg_temp.{OBSTACLES} o where o.other is not null and not o.planned");
        self.execute(&format!(
            "insert into pg_temp.{PLAN} select {}, 'd', false from {} t where array[{}]::text[]::text in ({others})",
            keys.join(", "),
            s.shape.relation,
            texts.join(", "),
        ))
        .await?;
        Ok(())
    }

    /// Takes rows out of the plan that are as they are to become.
    async fn drop_what_is_the_same(&self) -> Result<(), MergeError> {
        let s = self.statements;
        let differ = self.differences();
        let keys = |alias: &str| s.keys().map(|(_, name)| format!("{alias}.{name}")).collect::<Vec<_>>().join(", ");
        let in_plan: Vec<String> = s.keys().map(|(at, _)| format!("p.k{at}")).collect();
        let same_key = self.same_key();
        let relation = &s.shape.relation;
        self.execute(&format!(
            "delete from pg_temp.{PLAN} p where p.act = 'u' and ({}) in (select {} from pg_temp.{FINAL} f join {relation} t on {same_key} where not {})",
            in_plan.join(", "),
            keys("t"),
            any(&differ)
        ))
        .await?;
        // An identity that is always generated cannot be set in a row that is there.
        let identities: Vec<String> = s
            .columns()
            .filter(|(_, column)| column.identity)
            .map(|(at, column)| differs(column, &self.f(at), &s.t(at)))
            .collect();
        if !identities.is_empty() {
            self.execute(&format!(
                "update pg_temp.{PLAN} p set moved = true where p.act = 'u' and ({}) in (select {} from pg_temp.{FINAL} f join {relation} t on {same_key} where {})",
                in_plan.join(", "),
                keys("t"),
                any(&identities)
            ))
            .await?;
        }
        Ok(())
    }
}
