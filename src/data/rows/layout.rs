//! Which columns a table has, by which of them its rows are told apart, and in which order two
//! tables can be walked side by side.

use std::cmp::Ordering;

use tokio_postgres::Client;

use crate::data::error::{DataError, Result};
use crate::pg::{TableName, quote_identifier, quote_literal, shown_identifier};

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct ColumnLayout {
    pub name: String,
    /// Its type without a length, that of a domain by what the domain is made of:
    /// `character varying`. Empty if it is not known.
    pub kind: String,
    pub not_null: bool,
    /// Whether the server sorts it byte by byte.
    pub bytewise: bool,
}

/// The columns of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::data) struct Layout {
    /// In the table's order.
    pub columns: Vec<ColumnLayout>,
    /// The primary key, or else a unique index over columns that are never null; empty if there is
    /// none.
    pub key: Vec<String>,
}

/// A table in a session.
#[derive(Debug, Clone)]
pub(in crate::data) struct Relation {
    /// Its name as SQL has it, with its schema.
    pub sql: String,
    pub layout: Layout,
    /// How many pages it has, those of its partitions too.
    pub pages: i64,
    /// Whether it is a table, of which a sample can be read.
    pub sampled: bool,
    /// Whether the text of a row has to be brought to UTF-8 before it is hashed.
    pub recoded: bool,
    /// Whether names of objects are among its values, which are written with their schema or
    /// without (`regclass` and its kin).
    pub names: bool,
}

/// The columns, with the place of each in the key. A key's other columns (`INCLUDE`) are none of
/// it.
const READ: &str = "
    with recursive relation as (select to_regclass($1)::oid as id),
    key as (
        select i.indkey::int2[] as columns, i.indnkeyatts as number
        from pg_catalog.pg_index i, relation
        where i.indrelid = relation.id and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
            and (i.indisprimary or not exists (
                select from pg_catalog.pg_attribute a
                where a.attrelid = i.indrelid and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1]) and not a.attnotnull))
        order by not i.indisprimary, i.indnkeyatts, i.indexrelid limit 1
    ),
    tree as (
        select id from relation
        union select i.inhrelid from pg_catalog.pg_inherits i join tree on i.inhparent = tree.id
    ),
    kinds as (
        select a.atttypid as id from pg_catalog.pg_attribute a, relation
            where a.attrelid = relation.id and a.attnum > 0 and not a.attisdropped
        union select part.id from kinds join pg_catalog.pg_type t on t.oid = kinds.id cross join lateral (
            select t.typbasetype union all select t.typelem union all
            select m.atttypid from pg_catalog.pg_attribute m where m.attrelid = t.typrelid and m.attnum > 0 and not m.attisdropped
        ) part (id) where part.id <> 0
    ),
    size as (
        select coalesce(sum(pg_catalog.pg_relation_size(c.oid)), 0) / 8192 as pages
        from tree join pg_catalog.pg_class c on c.oid = tree.id and c.relkind in ('r', 'm')
    )
    select a.attname::text, pg_catalog.format_type(base.oid, null), a.attnotnull,
        a.attcollation = 950 or a.attcollation = 951 or (a.attcollation = 100 and d.datcollate in ('C', 'POSIX')
            and coalesce(pg_catalog.to_jsonb(d) ->> 'datlocprovider', 'c') = 'c'),
        (select array_position(key.columns[0:key.number - 1], a.attnum) from key),
        pg_catalog.format('%I.%I', n.nspname, c.relname), size.pages::bigint, c.relkind in ('r', 'p', 'm'),
        pg_catalog.pg_encoding_max_length(d.encoding) = 1 and d.encoding > 0,
        -- regproc, regprocedure, regoper, regoperator, regclass, regtype, regconfig, regdictionary, regcollation
        exists (select from kinds where id in (24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4191))
    from relation
        join pg_catalog.pg_class c on c.oid = relation.id
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        join pg_catalog.pg_database d on d.datname = current_database()
        left join pg_catalog.pg_attribute a on a.attrelid = relation.id and a.attnum > 0 and not a.attisdropped
        left join lateral (
            with recursive domains as (
                select t.oid, t.typbasetype from pg_catalog.pg_type t where t.oid = a.atttypid
                union all select t.oid, t.typbasetype from domains d join pg_catalog.pg_type t on t.oid = d.typbasetype
            ) select d.oid from domains d where d.typbasetype = 0
        ) base on true
        cross join size
    order by a.attnum";

impl Relation {
    /// Looks a table up.
    pub async fn read(client: &Client, table: &TableName) -> Result<Relation> {
        let doing = format!("looking for the columns of {table}");
        let broken = |error| DataError::while_doing(&doing)(error);
        let rows = client.query(READ, &[&table.quoted()]).await.map_err(broken)?;
        let Some(first) = rows.first() else {
            return Err(DataError::Missing { table: table.clone() });
        };
        let mut relation = Relation {
            sql: first.try_get(5).map_err(broken)?,
            layout: Layout::default(),
            pages: first.try_get(6).map_err(broken)?,
            sampled: first.try_get(7).map_err(broken)?,
            recoded: first.try_get(8).map_err(broken)?,
            names: first.try_get(9).map_err(broken)?,
        };
        let mut key = Vec::new();
        for row in &rows {
            // A table may have no columns at all.
            let Some(name) = row.try_get::<_, Option<String>>(0).map_err(broken)? else { continue };
            if let Some(place) = row.try_get::<_, Option<i32>>(4).map_err(broken)? {
                key.push((place, name.clone()));
            }
            relation.layout.columns.push(ColumnLayout {
                name,
                kind: row.try_get(1).map_err(broken)?,
                not_null: row.try_get(2).map_err(broken)?,
                bytewise: row.try_get(3).map_err(broken)?,
            });
        }
        key.sort();
        relation.layout.key = key.into_iter().map(|(_, name)| name).collect();
        Ok(relation)
    }

    /// The text of a row that has these columns, in this order: the same bytes on every server.
    pub fn row_text(&self, columns: &[String]) -> String {
        let values: Vec<String> = columns.iter().map(|name| format!("r.{}", quote_identifier(name))).collect();
        self.recode(&format!("(row({}))::text", values.join(", ")))
    }

    /// The text of a column, as it is hashed.
    pub fn column_text(&self, name: &str) -> String {
        self.recode(&self.value_text(name))
    }

    /// The text of a column, as the row's text has it.
    pub fn value_text(&self, name: &str) -> String {
        let value = format!("r.{}", quote_identifier(name));
        match self.layout.column(name) {
            // The cast would leave out the blanks at its end.
            Some(column) if column.kind == "character" => {
                format!("pg_catalog.textin(pg_catalog.bpcharout({value}))")
            }
            _ => format!("{value}::text"),
        }
    }

    fn recode(&self, text: &str) -> String {
        match self.recoded {
            // Any byte is a character where each has one byte.
            true => format!("pg_catalog.convert_from(pg_catalog.convert_to({text}, 'UTF8'), 'SQL_ASCII')"),
            false => text.to_owned(),
        }
    }
}

impl Layout {
    /// The places of the key's columns among all of them.
    pub(in crate::data) fn key_places(&self) -> Vec<usize> {
        let names = self.names();
        self.key.iter().filter_map(|key| names.iter().position(|name| name == key)).collect()
    }

    /// The columns' names, in the table's order.
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    fn column(&self, name: &str) -> Option<&ColumnLayout> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// What keeps rows of the other table from being rows of this one, for people; nothing if the
    /// columns have the same names. Their order does not count, and of their types only what the
    /// text of a value does not show.
    pub fn misfits(&self, other: &Layout) -> Vec<String> {
        let mut found = Vec::new();
        for column in &self.columns {
            match other.column(&column.name) {
                None => found.push(format!("- column {} is missing", shown_identifier(&column.name))),
                // The same digits are another number in the other precision.
                Some(seen) if seen.kind != column.kind && is_real(&seen.kind, &column.kind) => {
                    found.push(format!(
                        "~ column {}: {} became {}",
                        shown_identifier(&column.name),
                        column.kind,
                        seen.kind
                    ));
                }
                Some(_) => {}
            }
        }
        let extra = other.columns.iter().filter(|column| self.column(&column.name).is_none());
        found.extend(extra.map(|column| format!("+ column {} should not be there", shown_identifier(&column.name))));
        found
    }
}

fn is_real(one: &str, other: &str) -> bool {
    let known = !one.is_empty() && !other.is_empty();
    known && (one.starts_with("real") || other.starts_with("real"))
}

/// Types whose values every server sorts in the same way; text and its kin byte by byte.
const SORTED: [&str; 18] = [
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "real",
    "double precision",
    "text",
    "character varying",
    "uuid",
    "bytea",
    "date",
    "timestamp without time zone",
    "timestamp with time zone",
    "time without time zone",
    "boolean",
    "oid",
    "inet",
    "pg_lsn",
];

/// The order in which the rows of two tables are walked side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) enum Order {
    /// By these columns, each with its type.
    Key(Vec<(String, String)>),
    /// By the hash of these columns, where the servers might sort them in different ways, or there
    /// is no key.
    Hash(Vec<String>),
}

impl Order {
    /// The order of `first`'s key, if `second` can be walked in it as well.
    pub fn of(first: &Layout, second: &Layout) -> Order {
        let mut key = Vec::new();
        for name in &first.key {
            match (first.column(name), second.column(name)) {
                (Some(a), Some(b)) if a.kind == b.kind && b.not_null && SORTED.contains(&a.kind.as_str()) => {
                    key.push((name.clone(), a.kind.clone()));
                }
                _ => return Order::Hash(first.key.clone()),
            }
        }
        if key.is_empty() { Order::Hash(first.names()) } else { Order::Key(key) }
    }

    /// The types of what rows are sorted by.
    fn kinds(&self) -> Vec<&str> {
        match self {
            Order::Key(key) => {
                key.iter().map(|(_, kind)| if kind == "character varying" { "text" } else { kind.as_str() }).collect()
            }
            Order::Hash(_) => vec!["bigint"],
        }
    }

    /// What rows are sorted by, in this table.
    pub fn expressions(&self, relation: &Relation) -> Vec<String> {
        let Order::Key(key) = self else {
            let Order::Hash(columns) = self else { return vec![] };
            return vec![hash(&relation.row_text(columns))];
        };
        let kinds = self.kinds();
        let expression = |((name, _), kind): (&(String, String), &str)| {
            let bytewise = relation.layout.column(name).is_some_and(|column| column.bytewise);
            // An index in the column's own collation serves only if that is not said again.
            let collate = if kind == "text" && !bytewise { " collate \"C\"" } else { "" };
            format!("r.{}::{kind}{collate}", quote_identifier(name))
        };
        key.iter().zip(kinds).map(expression).collect()
    }

    /// How the server sorts two keys, as far as their texts show.
    pub fn compare(&self, a: &[String], b: &[String]) -> Ordering {
        let number = |kind: &str| {
            matches!(kind, "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" | "oid")
        };
        let values =
            a.iter().zip(b).zip(self.kinds()).map(|((a, b), kind)| match (a.parse::<i128>(), b.parse::<i128>()) {
                _ if !number(kind) => a.cmp(b),
                (Ok(a), Ok(b)) => a.cmp(&b),
                _ => match (a.parse::<f64>(), b.parse::<f64>()) {
                    (Ok(x), Ok(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
                    _ => a.cmp(b),
                },
            });
        values.fold(Ordering::Equal, Ordering::then)
    }

    /// A key as SQL has it: `'7'::bigint`, or `('7'::bigint, 'a'::text)` with more than one column.
    fn literal(&self, key: &[String]) -> String {
        let values = key.iter().zip(self.kinds()).map(|(value, kind)| format!("{}::{kind}", quote_literal(value)));
        row(&values.collect::<Vec<_>>())
    }

    /// The number of the part that a row is in, of those that the cuts make; nothing is before the
    /// first one in part 0.
    pub fn part(&self, relation: &Relation, cuts: &[Vec<String>]) -> String {
        if cuts.is_empty() {
            return "0".to_owned();
        }
        let cuts: Vec<String> = cuts.iter().map(|cut| self.literal(cut)).collect();
        format!("pg_catalog.width_bucket({}, array[{}])", row(&self.expressions(relation)), cuts.join(", "))
    }

    /// The condition that holds for the rows of these ranges.
    pub fn within(&self, relation: &Relation, ranges: &[Range]) -> String {
        let key = row(&self.expressions(relation));
        let condition = |range: &Range| {
            let from = range.from.as_ref().map(|from| format!("{key} >= {}", self.literal(from)));
            let to = range.to.as_ref().map(|to| format!("{key} < {}", self.literal(to)));
            let both: Vec<String> = from.into_iter().chain(to).collect();
            if both.is_empty() { "true".to_owned() } else { format!("({})", both.join(" and ")) }
        };
        ranges.iter().map(condition).collect::<Vec<_>>().join(" or ")
    }
}

impl Order {
    /// The condition that holds for the rows with these keys.
    pub fn among(&self, relation: &Relation, keys: &[Vec<String>]) -> String {
        let keys: Vec<String> = keys.iter().map(|key| self.literal(key)).collect();
        format!("{} in ({})", row(&self.expressions(relation)), keys.join(", "))
    }
}

/// A row of expressions, or the only one.
fn row(expressions: &[String]) -> String {
    match expressions {
        [one] => one.clone(),
        more => format!("row({})", more.join(", ")),
    }
}

/// The hash of a text, in SQL.
pub(in crate::data) fn hash(text: &str) -> String {
    format!("pg_catalog.hashtextextended({text} collate \"C\", 0)")
}

/// Rows from a key on and before another one; without them from the first on, to the last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::data) struct Range {
    pub from: Option<Vec<String>>,
    pub to: Option<Vec<String>>,
}

/// The ranges that cuts make.
pub(in crate::data) fn parts(cuts: &[Vec<String>]) -> Vec<Range> {
    let bounds = |at: usize| Range { from: at.checked_sub(1).map(|at| cuts[at].clone()), to: cuts.get(at).cloned() };
    (0..=cuts.len()).map(bounds).collect()
}
