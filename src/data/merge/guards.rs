//! What else would happen when rows of the table are written: triggers, and foreign keys that act
//! on other tables.

use tokio_postgres::Client;

use super::case::Case;
use super::constraints::names;
use super::shape::Shape;
use super::sql::Statements;
use crate::data::error::{DataError, Result};
use crate::pg::quote_identifier;

/// Conditions on a row `t`: whether rows refer to it that would be deleted or changed with it, or
/// would refer to nothing. Those of `others` are merged as well, and looked at then.
pub(super) async fn references(client: &Client, statements: &Statements<'_>, others: &[String]) -> Result<Vec<String>> {
    let (shape, inserted) = (statements.shape, statements.rows(Case::Inserted, "i"));
    let query = format!(
        "select quote_ident(n.nspname) || '.' || quote_ident(c.relname), {}, {}, f.conrelid = f.confrelid
        from pg_catalog.pg_constraint f join pg_catalog.pg_class c on c.oid = f.conrelid
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where f.contype = 'f' and f.confrelid = $1::text::regclass and f.conparentid = 0",
        names("f.conrelid", "f.conkey"),
        names("f.confrelid", "f.confkey"),
    );
    let rows = client.query(&query, &[&shape.relation]).await;
    let rows = rows.map_err(DataError::while_doing("looking for foreign keys"))?;
    let condition = |row: &tokio_postgres::Row| {
        let (child, own, ours): (String, Vec<String>, Vec<String>) = (row.get(0), row.get(1), row.get(2));
        let pairs = own
            .iter()
            .zip(&ours)
            .map(|(own, ours)| format!("r.{} = t.{}", quote_identifier(own), quote_identifier(ours)));
        let pairs = pairs.collect::<Vec<_>>().join(" and ");
        // Those of the same table that the mistake has inserted as well go with it.
        let others = match row.get(3) {
            true => format!(" and not exists (select from {inserted} where {})", statements.key_in("r", "i")),
            false => String::new(),
        };
        format!("exists (select from {child} r where {pairs}{others})")
    };
    let is_other = |row: &&tokio_postgres::Row| others.contains(&row.get::<_, String>(0));
    Ok(rows.iter().filter(|row| !is_other(row)).map(condition).collect())
}

/// The table's triggers, which must not fire while rows become what they were: those for foreign
/// keys do.
pub(super) struct Triggers {
    off: String,
    on: String,
}

impl Triggers {
    /// Finds those that would fire. The caller holds a lock under which none can come or go.
    pub(super) async fn find(client: &Client, shape: &Shape) -> std::result::Result<Self, tokio_postgres::Error> {
        Triggers::read(client, shape, false).await
    }

    /// The same with those for foreign keys, which are checked when several tables are merged.
    pub(super) async fn of_everything(
        client: &Client,
        shape: &Shape,
    ) -> std::result::Result<Self, tokio_postgres::Error> {
        Triggers::read(client, shape, true).await
    }

    async fn read(
        client: &Client,
        shape: &Shape,
        foreign_keys: bool,
    ) -> std::result::Result<Self, tokio_postgres::Error> {
        let rows = client
            .query(
                "select quote_ident(n.nspname) || '.' || quote_ident(c.relname), quote_ident(t.tgname), t.tgenabled = 'A'
                from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid
                    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where (t.tgrelid = $1::text::regclass or t.tgrelid in (select relid from pg_partition_tree($1::text::regclass)))
                    and t.tgenabled in ('O', 'A')
                    -- Before 15 the copies on partitions count as internal, as the triggers of foreign keys do.
                    and (not t.tgisinternal or t.tgparentid <> 0 and t.tgconstraint = 0
                        or $2 and exists (select from pg_catalog.pg_constraint f where f.oid = t.tgconstraint and f.contype = 'f'))",
                &[&shape.relation, &foreign_keys],
            )
            .await?;
        let (mut off, mut on) = (String::new(), String::new());
        for row in &rows {
            let (relation, name, always): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
            let always = if always { " always" } else { "" };
            off.push_str(&format!("alter table only {relation} disable trigger {name};"));
            on.push_str(&format!("alter table only {relation} enable{always} trigger {name};"));
        }
        Ok(Triggers { off, on })
    }

    /// What puts them out of action.
    pub(super) fn off(&self) -> &str {
        &self.off
    }

    /// What lets them act again.
    pub(super) fn on(&self) -> &str {
        &self.on
    }

    /// Puts them out of action, for the transaction that does this.
    pub(super) async fn disable(&self, client: &Client) -> std::result::Result<(), tokio_postgres::Error> {
        client.batch_execute(&self.off).await
    }

    /// Checks what foreign keys have put off, and lets the triggers act again as they did.
    pub(super) async fn enable(&self, client: &Client) -> std::result::Result<(), tokio_postgres::Error> {
        client.batch_execute(&format!("set constraints all immediate; {}", self.on)).await
    }
}
