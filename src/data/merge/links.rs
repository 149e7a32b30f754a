//! Foreign keys of tables that were merged together, when all their rows are what they are to be.

use super::constraints::{names, operators};
use super::error::{MergeError, refused};
use super::live::Live;
use super::merged::{Conflict, Merged};
use super::tables::SHOWN;
use crate::pg::{quote_identifier, quoted_values};

/// A foreign key of tables that are merged, or that refers to one of them.
pub(super) struct Link {
    /// Its name.
    name: String,
    /// The table that refers.
    child: String,
    /// The table that is referred to.
    parent: String,
    /// The columns that refer.
    columns: Vec<String>,
    /// How many rows referred to nothing before the merge, which one that is NOT VALID allows.
    dangled: u64,
    /// The rows that refer to nothing, each with how many there are.
    query: String,
}

const DOING: &str = "checking foreign keys";

/// The foreign keys of these tables, before anything is merged.
pub(super) async fn read(live: &Live<'_>, relations: &[String]) -> Result<Vec<Link>, MergeError> {
    let table = |oid: &str| {
        format!(
            "(select quote_ident(n.nspname) || '.' || quote_ident(c.relname) from pg_catalog.pg_class c
                join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = {oid})"
        )
    };
    let query = format!(
        "select f.conname::text, {}, {}, {}, {}, {}, f.convalidated
        from pg_catalog.pg_constraint f
        where f.contype = 'f' and f.conparentid = 0 and coalesce((to_jsonb(f) ->> 'conenforced')::boolean, true)
            and (f.conrelid = any ($1::text[]::regclass[]::oid[]) or f.confrelid = any ($1::text[]::regclass[]::oid[]))
        order by f.conname",
        table("f.conrelid"),
        table("f.confrelid"),
        names("f.conrelid", "f.conkey"),
        names("f.confrelid", "f.confkey"),
        operators("f.conpfeqop"),
    );
    let mut links = vec![];
    for row in live.client.query(&query, &[&relations]).await.map_err(refused(DOING))? {
        let mut link = link(&row);
        let validated: bool = row.get(6);
        if !validated {
            live.limit(DOING).await?;
            let rows = live.client.query(&link.query, &[]).await.map_err(refused(DOING))?;
            link.dangled = rows.first().map_or(0, |row| row.get::<_, i64>(1).cast_unsigned());
        }
        links.push(link);
    }
    Ok(links)
}

fn link(row: &tokio_postgres::Row) -> Link {
    let [name, child, parent]: [String; 3] = [0, 1, 2].map(|at| row.get(at));
    let [own, theirs, operators]: [Vec<String>; 3] = [3, 4, 5].map(|at| row.get(at));
    let of = |alias: &str, column: &String| format!("{alias}.{}", quote_identifier(column));
    let all: Vec<String> = own.iter().map(|column| format!("{} is not null", of("c", column))).collect();
    let pairs = theirs.iter().zip(&own).zip(&operators);
    let same = pairs.map(|((theirs, own), operator)| format!("{} {operator} {}", of("p", theirs), of("c", own)));
    let texts: Vec<String> = own.iter().map(|column| format!("{}::text", of("c", column))).collect();
    let query = format!(
        "select array[{}]::text[], count(*) over () from {child} c where {} and not exists (select from {parent} p where {}) limit {SHOWN}",
        texts.join(", "),
        all.join(" and "),
        same.collect::<Vec<_>>().join(" and "),
    );
    Link { name, child, parent, columns: own, dangled: 0, query }
}

/// Fails if more rows refer to nothing than did, and counts those as conflicts.
pub(super) async fn check(live: &Live<'_>, links: &[Link], merged: &mut Merged) -> Result<(), MergeError> {
    let mut found = 0;
    for Link { name, child, parent, columns, dangled, query } in links {
        live.limit(DOING).await?;
        let rows = live.client.query(query, &[]).await.map_err(refused(DOING))?;
        let Some(first) = rows.first() else { continue };
        let more = first.get::<_, i64>(1).cast_unsigned().saturating_sub(*dangled);
        if more == 0 {
            continue;
        }
        found += more;
        for row in rows.iter().take(SHOWN.saturating_sub(merged.shown.len())) {
            let values: Vec<Option<&str>> = row.get(0);
            let held =
                columns.iter().zip(&values).map(|(column, value)| format!("{column} {}", quoted_values([*value])[0]));
            let key = format!("{child} {}", held.collect::<Vec<_>>().join(", "));
            let what = format!("it would refer to no row of {parent} any more ({name})");
            merged.shown.push(Conflict { key, what });
        }
    }
    if found == 0 {
        return Ok(());
    }
    merged.conflicts += found;
    merged.conflict_rows += found;
    merged.refused += found;
    Err(MergeError::Dangling(Box::default()))
}
