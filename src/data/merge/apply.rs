//! A plan is carried out.

use super::error::MergeError;
use super::merged::Merged;
use super::plan::Plan;
use super::side::OnConflict;
use super::sql::number_of;
use super::tables::{FINAL, PLAN};
use crate::pg::quote_identifier;

impl Plan<'_> {
    /// Does what is planned. The triggers are out of action.
    pub(super) async fn apply(&self, merged: &mut Merged) -> Result<(), MergeError> {
        let s = self.statements;
        let relation = &s.shape.relation;
        let names = s.shape.names();
        let all = names.join(", ");
        let of_final = names.iter().map(|name| format!("f.{name}")).collect::<Vec<_>>().join(", ");
        let count = |act: &str| format!("select count(*) from pg_temp.{PLAN} where act = '{act}'");
        let (deletes, updates, inserts) =
            (self.number(&count("d")).await?, self.number(&count("u")).await?, self.number(&count("i")).await?);
        let moved = self.number(&format!("select count(*) from pg_temp.{PLAN} where act = 'u' and moved")).await?;
        let (same_key, planned) = (self.same_key(), self.planned());
        let in_table = s.keys().map(|(at, name)| format!("t.{name} = p.k{at}")).collect::<Vec<_>>().join(" and ");
        if self.on_conflict == OnConflict::Keep {
            // What was withdrawn is not put back.
            let differ = self.differences();
            merged.restored_cells = self
                .number(&format!(
                    "select coalesce(sum(s.cells), 0)::bigint from (
                        select {} as cells from pg_temp.{FINAL} f join {relation} t on {same_key} offset 0) s",
                    number_of(&differ)
                ))
                .await?;
        }
        if deletes > 0 {
            let delete = format!("delete from {relation} t using pg_temp.{PLAN} p where p.act = 'd' and {in_table}");
            merged.removed += self.live.exactly("removing rows", &delete, deletes).await?;
        }
        if moved > 0 {
            // Values that are exchanged: no row may hold what another one is to get, so all go
            // before the first comes back, in one statement, so that no foreign key sees them gone.
            // What foreign keys would do was looked at before.
            let exchange = format!(
                "with gone as (delete from {relation} t using pg_temp.{PLAN} p where p.act = 'u' and p.moved and {in_table} returning 1)
                insert into {relation} ({all}) overriding system value select {of_final} from pg_temp.{FINAL} f join pg_temp.{PLAN} p on {planned}
                where p.act = 'u' and p.moved and (select count(*) from gone) = {moved}"
            );
            self.execute("set local session_replication_role = replica").await?;
            merged.restored_rows += self.live.exactly("exchanging values", &exchange, moved).await?;
            self.execute("set local session_replication_role = origin").await?;
        }
        if updates > moved {
            let set: Vec<String> = s
                .columns()
                .filter(|(_, column)| !column.identity)
                .map(|(at, column)| format!("{} = {}", quote_identifier(&column.name), self.f(at)))
                .collect();
            let update = format!(
                "update {relation} t set {} from pg_temp.{FINAL} f join pg_temp.{PLAN} p on {planned} where p.act = 'u' and not p.moved and {same_key}",
                set.join(", ")
            );
            merged.restored_rows += self.live.exactly("putting values back", &update, updates - moved).await?;
        }
        if inserts > 0 {
            let insert = format!(
                "insert into {relation} ({all}) overriding system value select {of_final} from pg_temp.{FINAL} f join pg_temp.{PLAN} p on {planned} where p.act = 'i'"
            );
            merged.put_back += self.live.exactly("putting rows back", &insert, inserts).await?;
        }
        Ok(())
    }
}
