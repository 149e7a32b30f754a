//! Whether a transaction has written nothing but the values that were there before.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::layout::{Relation, hash};
use super::table::STABLE;
use crate::data::error::{DataError, Result};
use crate::pg::{TableName, quote_identifier};

/// So many rows are looked at before all are: most transactions have changed the first one.
const SAMPLE: usize = 100;

/// Tables that the session's transaction has written to. What earlier transactions of the session
/// did may still be counted.
const WRITTEN: &str = "select c.oid, n.nspname::text, c.relname::text, s.n_tup_upd, s.n_tup_ins + s.n_tup_del
    from pg_catalog.pg_stat_xact_user_tables s join pg_catalog.pg_class c on c.oid = s.relid
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0";

/// What a session had counted when its transaction began: updates, and other writes, by the table's
/// OID.
#[derive(Debug)]
pub struct Written(BTreeMap<u32, (i64, i64)>);

impl Written {
    /// Begins to look at what the session's transaction, which has begun, writes.
    pub async fn before(client: &Client) -> Result<Self> {
        let rows = client.query(WRITTEN, &[]).await.map_err(DataError::while_doing("counting what is changed"))?;
        Ok(Written(rows.iter().map(|row| (row.get(0), (row.get(3), row.get(4)))).collect()))
    }
}

/// Whether all that the transaction of the session `inside` has done since `before` is to write
/// rows with the values that they had. `outside` is another session, which still sees these. What
/// cannot be told is no.
pub async fn rewrote_the_same(before: &Written, inside: &Client, outside: &Client) -> Result<bool> {
    let doing = "looking at what was changed";
    let setup = format!("savepoint drillyard_looks; {STABLE}");
    inside.batch_execute(&setup).await.map_err(DataError::while_doing(doing))?;
    let setup = format!("begin read only; {STABLE}");
    outside.batch_execute(&setup).await.map_err(DataError::while_doing(doing))?;
    let same = all_the_same(before, inside, outside).await.map_err(DataError::while_doing(doing));
    let back = "rollback to savepoint drillyard_looks; release savepoint drillyard_looks";
    inside.batch_execute(back).await.map_err(DataError::while_doing(doing))?;
    outside.batch_execute("rollback").await.map_err(DataError::while_doing(doing))?;
    same
}

async fn all_the_same(
    before: &Written,
    inside: &Client,
    outside: &Client,
) -> std::result::Result<bool, tokio_postgres::Error> {
    let xid = inside.query_one("select pg_catalog.pg_current_xact_id()::xid::text", &[]).await?;
    let xid: &str = xid.get(0);
    let mut looked_at = 0;
    for row in &inside.query(WRITTEN, &[]).await? {
        let (schema, name): (&str, &str) = (row.get(1), row.get(2));
        let (updated, others) = before.0.get(&row.get(0)).copied().unwrap_or_default();
        let (updated, others) = (row.get::<_, i64>(3) - updated, row.get::<_, i64>(4) - others);
        if updated == 0 && others == 0 {
            continue;
        }
        looked_at += 1;
        let table = format!("{}.{}", quote_identifier(schema), quote_identifier(name));
        if others != 0 || sample_differs(inside, outside, &table, xid).await? {
            return Ok(false);
        }
        let sum = |place: &str| {
            format!(
                "select count(*), coalesce(sum({}), 0)::text from only {table} r where r.{place} = '{xid}'::xid",
                hash("(r.*)::text")
            )
        };
        let new = inside.query_one(&sum("xmin"), &[]).await?;
        let old = outside.query_one(&sum("xmax"), &[]).await?;
        // A row that others lock as well is not found by its xmax.
        let counted = new.get::<_, i64>(0) == updated && old.get::<_, i64>(0) == updated;
        if !counted || new.get::<_, &str>(1) != old.get::<_, &str>(1) {
            return Ok(false);
        }
    }
    Ok(looked_at > 0)
}

/// Whether one of the first rows is another one now. Only a key makes that quick.
async fn sample_differs(
    inside: &Client,
    outside: &Client,
    table: &str,
    xid: &str,
) -> std::result::Result<bool, tokio_postgres::Error> {
    let Ok(name) = table.parse::<TableName>() else { return Ok(false) };
    let Ok(relation) = Relation::read(outside, &name).await else { return Ok(false) };
    let key = &relation.layout.key;
    if key.is_empty() {
        return Ok(false);
    }
    let first = format!("select (r.*)::text from only {table} r where r.xmax = '{xid}'::xid limit {SAMPLE}");
    let rows = outside.query(&first, &[]).await?;
    let rows: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    let same_key = key.iter().map(|name| {
        let name = quote_identifier(name);
        format!("r.{name} = (o.v::{table}).{name}")
    });
    let others = format!(
        "select exists (select from unnest($1::text[]) as o(v) where not exists
            (select from only {table} r where {} and (r.*)::text = o.v))",
        same_key.collect::<Vec<_>>().join(" and ")
    );
    Ok(inside.query_one(&others, &[&rows]).await?.get(0))
}
