//! What the server demands of the rows of a table, and of the rows of other tables that refer to
//! it.

use tokio_postgres::{Client, Error, Row};

use super::shape::Shape;
use crate::pg::quote_identifier;

/// One demand, in the words that SQL needs to see whether it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Constraint {
    /// As the server calls it.
    pub(super) name: String,
    /// The table's columns that it is about.
    pub(super) columns: Vec<String>,
    /// What it demands.
    pub(super) demand: Demand,
}

/// What is demanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Demand {
    /// No two rows may agree in these expressions: a unique index or an exclusion constraint.
    Alone {
        /// As they are called.
        names: Vec<String>,
        /// With their collations.
        expressions: Vec<String>,
        /// How each is compared.
        operators: Vec<String>,
        /// The rows that it is about.
        predicate: Option<String>,
        /// Whether nulls are equal.
        nulls_too: bool,
        /// Whether it is checked row by row, so that values cannot be exchanged by an UPDATE.
        at_once: bool,
    },
    /// The row that the columns refer to must be there.
    Parent(Link),
    /// Rows of another table refer to the columns.
    Child {
        link: Link,
        /// What happens to them when the row is deleted.
        on_delete: Action,
        /// And when the columns are changed.
        on_update: Action,
    },
    /// The expression must not be false.
    Check(String),
}

impl Constraint {
    /// Whether it is a foreign key to one of these tables, or from it.
    pub(super) fn is_about(&self, others: &[String]) -> bool {
        match &self.demand {
            Demand::Parent(link) | Demand::Child { link, .. } => others.contains(&link.table),
            Demand::Alone { .. } | Demand::Check(_) => false,
        }
    }
}

/// A foreign key's other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// The other table, quoted.
    pub(super) table: String,
    /// Its columns, in the order of the constraint's own.
    pub(super) columns: Vec<String>,
    /// How a value of the referenced table (left) is compared with one that refers to it.
    pub(super) operators: Vec<String>,
    /// Whether it is the same table.
    pub(super) own: bool,
}

/// What a foreign key does to rows that refer to one that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// It refuses the change.
    Refuse {
        /// Even if another row has taken the place.
        at_once: bool,
    },
    /// They go, or change, with it.
    Cascade,
    /// They refer to nothing, or to something else, from then on.
    Reset,
}

impl Action {
    fn read(code: &str) -> Self {
        match code {
            "c" => Action::Cascade,
            "n" | "d" => Action::Reset,
            "r" => Action::Refuse { at_once: true },
            _ => Action::Refuse { at_once: false },
        }
    }
}

/// Columns of `relation` in the order of an array of their numbers.
pub(super) fn names(relation: &str, numbers: &str) -> String {
    format!(
        "array(select a.attname::text from unnest({numbers}) with ordinality as k(attnum, place)
            join pg_catalog.pg_attribute a on a.attrelid = {relation} and a.attnum = k.attnum order by k.place)"
    )
}

/// Operators in the order of an array.
pub(super) fn operators(oids: &str) -> String {
    format!(
        "array(select format('operator(%I.%s)', n.nspname, o.oprname) from unnest({oids}) with ordinality as k(oid, place)
            join pg_catalog.pg_operator o on o.oid = k.oid join pg_catalog.pg_namespace n on n.oid = o.oprnamespace order by k.place)"
    )
}

const RELATION: &str = "$1::text::regclass";

/// Unique indexes and exclusion constraints, each with its expressions.
const ALONE: &str = "select c.relname::text,
        array(select '(' || pg_get_indexdef(i.indexrelid, n, false) || ')'
                || coalesce((select format(' collate %I.%I', s.nspname, l.collname) from pg_catalog.pg_collation l
                    join pg_catalog.pg_namespace s on s.oid = l.collnamespace where l.oid = (i.indcollation::oid[])[n - 1]), '')
            from generate_series(1, i.indnkeyatts) n order by n),
        array(select format('operator(%I.%s)', s.nspname, o.oprname)
            from generate_series(1, i.indnkeyatts) n
                join pg_catalog.pg_opclass k on k.oid = (i.indclass::oid[])[n - 1]
                left join pg_catalog.pg_amop m on m.amopfamily = k.opcfamily and m.amoplefttype = k.opcintype
                    and m.amoprighttype = k.opcintype and m.amopstrategy = 3 and x.conexclop is null
                join pg_catalog.pg_operator o on o.oid = coalesce(x.conexclop[n], m.amopopr)
                join pg_catalog.pg_namespace s on s.oid = o.oprnamespace
            order by n),
        pg_get_expr(i.indpred, i.indrelid), coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false), i.indimmediate,
        array(select a.attname::text from pg_catalog.pg_attribute a where a.attrelid = i.indrelid and a.attnum > 0
            and (a.attnum = any (i.indkey::int2[]) or exists (select from pg_catalog.pg_depend d
                where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid and d.refclassid = 'pg_class'::regclass
                    and d.refobjid = i.indrelid and d.refobjsubid = a.attnum)) order by a.attnum),
        array(select pg_get_indexdef(i.indexrelid, n, false) from generate_series(1, i.indnkeyatts) n order by n)
    from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
        left join pg_catalog.pg_constraint x on x.conindid = i.indexrelid and x.conrelid = i.indrelid and x.conexclop is not null
    where i.indrelid = $1::text::regclass and (i.indisunique or i.indisexclusion) and i.indisready
    order by c.relname";

/// Reads what is demanded of a table and of those that refer to it.
pub(super) async fn read(client: &Client, shape: &Shape) -> Result<Vec<Constraint>, Error> {
    let mut found = unique(client, shape).await?;
    found.extend(foreign_keys(client, shape).await?);
    found.extend(checks(client, shape).await?);
    found.extend(shape.not_null().map(|column| Constraint {
        name: "not null".to_owned(),
        columns: vec![column.name.clone()],
        demand: Demand::Check(format!("{} is not null", quote_identifier(&column.name))),
    }));
    Ok(found)
}

/// Unique indexes and exclusion constraints.
async fn unique(client: &Client, shape: &Shape) -> Result<Vec<Constraint>, Error> {
    let mut found = Vec::new();
    for row in &client.query(ALONE, &[&shape.relation]).await? {
        let columns: Vec<String> = row.get(6);
        let in_key = |column: &String| shape.key.iter().any(|key| key.name == *column);
        // Rows of the merge are told apart by the key: no two have the same.
        let is_key = columns.len() == shape.key.len() && columns.iter().all(in_key);
        let predicate: Option<String> = row.get(3);
        if is_key && predicate.is_none() {
            continue;
        }
        let (expressions, operators) = (row.get(1), row.get(2));
        let demand = Demand::Alone {
            names: row.get(7),
            expressions,
            operators,
            predicate,
            nulls_too: row.get(4),
            at_once: row.get(5),
        };
        found.push(Constraint { name: row.get(0), columns, demand });
    }
    Ok(found)
}

/// Foreign keys of the table, and those of others that refer to it.
async fn foreign_keys(client: &Client, shape: &Shape) -> Result<Vec<Constraint>, Error> {
    let links = format!(
        "select f.conname::text, f.confrelid = {RELATION}, f.conrelid = f.confrelid,
            (select format('%I.%I', n.nspname, c.relname) from pg_catalog.pg_class c
                join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where c.oid = case when f.confrelid = {RELATION} then f.conrelid else f.confrelid end),
            {}, {}, {}, f.confdeltype::text, f.confupdtype::text, f.conrelid = {RELATION}
        from pg_catalog.pg_constraint f
        where f.contype = 'f' and f.conparentid = 0 and (f.conrelid = {RELATION} or f.confrelid = {RELATION}) order by f.conname",
        names("f.conrelid", "f.conkey"),
        names("f.confrelid", "f.confkey"),
        operators("f.conpfeqop"),
    );
    let mut found = Vec::new();
    for row in &client.query(&links, &[&shape.relation]).await? {
        let (referring, referenced): (Vec<String>, Vec<String>) = (row.get(4), row.get(5));
        let link = |columns: &[String]| Link {
            table: row.get(3),
            columns: columns.to_vec(),
            operators: row.get(6),
            own: row.get(2),
        };
        let mut add = |columns: &[String], demand| {
            found.push(Constraint { name: row.get(0), columns: columns.to_vec(), demand });
        };
        if row.get(9) {
            add(&referring, Demand::Parent(link(&referenced)));
        }
        if row.get(1) {
            let (on_delete, on_update) = (Action::read(row.get(7)), Action::read(row.get(8)));
            add(&referenced, Demand::Child { link: link(&referring), on_delete, on_update });
        }
    }
    Ok(found)
}

async fn checks(client: &Client, shape: &Shape) -> Result<Vec<Constraint>, Error> {
    let checks = format!(
        "select h.conname::text, pg_get_expr(h.conbin, h.conrelid), {} from pg_catalog.pg_constraint h
        where h.contype = 'c' and h.conrelid = {RELATION} and coalesce(to_jsonb(h) ->> 'conenforced', 'true') = 'true' order by h.conname",
        names("h.conrelid", "h.conkey"),
    );
    let rows = client.query(&checks, &[&shape.relation]).await?;
    let check = |row: &Row| Constraint { name: row.get(0), columns: row.get(2), demand: Demand::Check(row.get(1)) };
    Ok(rows.iter().map(check).collect())
}
