//! What a table looks like on each of the servers, and whether they can be merged.

use tokio_postgres::Client;

use super::error::MergeError;
use super::misfit::Misfit;
use super::side::Side;
use crate::data::error::DataError;
use crate::pg::{ColumnName, TableName, quote_identifier};
use crate::source::{choices, did_you_mean};

const COLUMNS: &str = include_str!("shape.sql");

/// The kind of a relation, its name, and whether others inherit from it.
const RELATION: &str =
    "select c.relkind::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relhassubclass
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass($1)";

/// A column that the merge reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// Not quoted.
    pub(super) name: String,
    /// As `format_type` writes it.
    kind: String,
    /// Whether `=` says that two values are the same in every respect.
    pub(super) exact: bool,
    /// Whether the server computes it.
    generated: bool,
    pub(super) not_null: bool,
    key: bool,
    /// Whether it is a char(n), whose blanks at the end the cast to text leaves out.
    padded: bool,
    /// Whether every write touches it: what users have in it is no conflict.
    pub(super) ignored: bool,
    /// Whether it is an identity that is always generated: no UPDATE can set it.
    pub(super) identity: bool,
}

impl Column {
    /// The text of an expression of this column's type, exactly as the server would write it.
    pub(super) fn text(&self, expression: &str) -> String {
        match self.padded {
            true => format!("pg_catalog.textin(pg_catalog.bpcharout({expression}))"),
            false => format!("{expression}::text"),
        }
    }
}

/// A table on one server.
#[derive(Debug)]
pub(super) struct Shape {
    /// Its name with its schema, quoted.
    pub(super) relation: String,
    /// The key's columns, in the scenario's order.
    pub(super) key: Vec<Column>,
    /// The other columns that hold data of their own, and those of the key of which `=` does not
    /// see all: those that are computed are left to the server.
    pub(super) columns: Vec<Column>,
    /// The tables that hold the rows: itself, or its partitions.
    pub(super) leaves: Vec<String>,
    all: Vec<Column>,
}

impl Shape {
    /// Reads what the table looks like on one side, and whether the key is one.
    pub(super) async fn read(side: &Side<'_>, table: &TableName, key: &[ColumnName]) -> Result<Self, MergeError> {
        let doing = || format!("looking at {table} on `{}`", side.name);
        let misfit = |misfit| MergeError::Misfit { table: 0, side: side.name.to_owned(), misfit };
        let found = side.client.query_opt(RELATION, &[&table.quoted()]).await;
        let found = found.map_err(DataError::while_doing(doing()))?;
        let Some(found) = found else { return Err(misfit(Misfit::NoTable)) };
        let (kind, relation) = (found.get::<_, String>(0), found.get::<_, String>(1));
        if let Some(other) = other_kind(&kind, found.get(2)) {
            return Err(misfit(Misfit::Kind(other.to_owned())));
        }
        let primary = match key {
            [] => primary_key(side.client, &relation).await.map_err(DataError::while_doing(doing()))?,
            _ => vec![],
        };
        let key = if key.is_empty() { &primary } else { key };
        if key.is_empty() {
            return Err(misfit(Misfit::NoPrimaryKey));
        }
        let names: Vec<&str> = key.iter().map(ColumnName::as_str).collect();
        let rows = side.client.query(COLUMNS, &[&table.quoted(), &names]).await;
        let all: Vec<Column> = rows
            .map_err(DataError::while_doing(doing()))?
            .iter()
            .map(|row| Column {
                name: row.get(0),
                kind: row.get(1),
                exact: row.get(2),
                generated: row.get(3),
                not_null: row.get(4),
                key: row.get(5),
                padded: row.get(6),
                ignored: false,
                identity: row.get(7),
            })
            .collect();
        let mut keys = Vec::new();
        for (at, name) in key.iter().enumerate() {
            match all.iter().find(|column| column.name == name.as_str()) {
                Some(column) => keys.push(column.clone()),
                None => {
                    let near = did_you_mean(name.as_str(), all.iter().map(|column| column.name.as_str()));
                    return Err(misfit(Misfit::NoColumn { at, near: near.map(str::to_owned) }));
                }
            }
        }
        if let Some(wrong) = not_a_key(side.client, &relation, &keys).await.map_err(DataError::while_doing(doing()))? {
            return Err(misfit(wrong));
        }
        let columns = all.iter().filter(|column| !(column.generated || column.key && column.exact)).cloned().collect();
        let leaves = match kind.as_str() {
            "p" => partitions(side.client, &relation).await.map_err(DataError::while_doing(doing()))?,
            _ => vec![relation.clone()],
        };
        Ok(Shape { relation, key: keys, columns, leaves, all })
    }

    /// Fails if another server's table has other columns than `into`'s, which this one is.
    pub(super) fn same_as(&self, into: &str, other: &Shape, side: &str) -> Result<(), MergeError> {
        let find = |shape: &Shape, name: &str| shape.all.iter().find(|column| column.name == name).cloned();
        let kind = |column: &Column| format!("{}{}", column.kind, if column.generated { ", generated" } else { "" });
        let mut wrong = Vec::new();
        for column in &self.all {
            match find(other, &column.name) {
                None => wrong.push(format!("`{}` is not there on `{side}`", column.name)),
                Some(theirs) if kind(&theirs) != kind(column) => {
                    wrong.push(format!(
                        "`{}` is {} on `{side}` and {} on `{into}`",
                        column.name,
                        kind(&theirs),
                        kind(column)
                    ));
                }
                Some(_) => {}
            }
        }
        let only_there = other.all.iter().filter(|column| find(self, &column.name).is_none());
        wrong.extend(only_there.map(|column| format!("`{}` is not there on `{into}`", column.name)));
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(MergeError::Misfit { table: 0, side: side.to_owned(), misfit: Misfit::Columns(wrong) }),
        }
    }

    /// Notes the columns that every write touches.
    pub(super) fn ignore(&mut self, names: &[ColumnName]) {
        for column in &mut self.columns {
            column.ignored = !column.key && names.iter().any(|name| name.as_str() == column.name);
        }
    }

    /// Whether the table has this column beside its key.
    pub(super) fn can_ignore(&self, name: &str) -> bool {
        self.all.iter().any(|column| column.name == name) && !self.key.iter().any(|column| column.name == name)
    }

    /// The key's columns, by their names.
    pub(super) fn key_names(&self) -> Vec<ColumnName> {
        let quoted = |column: &Column| quote_identifier(&column.name).parse().ok();
        self.key.iter().filter_map(quoted).collect()
    }

    /// The columns as a list for SELECT and INSERT: the key's, then the others.
    pub(super) fn names(&self) -> Vec<String> {
        let others = self.columns.iter().filter(|column| !column.key);
        self.key.iter().chain(others).map(|column| quote_identifier(&column.name)).collect()
    }

    /// What each of these columns is called in the tables of the rows that differ.
    pub(super) fn stored_names(&self) -> Vec<String> {
        let others = (0..self.columns.len()).filter(|at| !self.columns[*at].key).map(|at| self.stored(at));
        (0..self.key.len()).map(|at| format!("k{at}")).chain(others).collect()
    }

    /// What the column of this place is called there: one of the key is there once.
    pub(super) fn stored(&self, at: usize) -> String {
        let in_key = self.key.iter().position(|key| key.name == self.columns[at].name);
        in_key.map_or_else(|| format!("c{at}"), |place| format!("k{place}"))
    }

    /// All columns of the table that are not null.
    pub(super) fn not_null(&self) -> impl Iterator<Item = &Column> {
        self.all.iter().filter(|column| column.not_null)
    }
}

/// What a relation is, if it is no table with rows of its own.
fn other_kind(kind: &str, has_children: bool) -> Option<&'static str> {
    match (kind, has_children) {
        ("r", false) | ("p", _) => None,
        ("r", true) => Some("it has child tables (inheritance), whose keys are their own"),
        ("v" | "m", _) => Some("it is a view"),
        ("f", _) => Some("it is a foreign table"),
        _ => Some("it is not a table"),
    }
}

/// The columns of the primary key.
async fn primary_key(client: &Client, relation: &str) -> Result<Vec<ColumnName>, tokio_postgres::Error> {
    let rows = client
        .query(
            "select quote_ident(a.attname) from pg_catalog.pg_index i
                cross join lateral unnest(i.indkey::int2[]) with ordinality as k(attnum, place)
                join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
            where i.indrelid = $1::text::regclass and i.indisprimary and k.place <= i.indnkeyatts order by k.place",
            &[&relation],
        )
        .await?;
    Ok(rows.iter().filter_map(|row| row.get::<_, &str>(0).parse().ok()).collect())
}

/// Why these columns do not tell one row from all others: a unique index on them, whole and without
/// nulls, would.
async fn not_a_key(client: &Client, relation: &str, key: &[Column]) -> Result<Option<Misfit>, tokio_postgres::Error> {
    let rows = client
        .query(
            "select i.indisprimary, array(select a.attname::text from unnest(i.indkey::int2[]) with ordinality as k(attnum, place)
                join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum where k.place <= i.indnkeyatts order by k.place)
            from pg_catalog.pg_index i
            where i.indrelid = $1::text::regclass and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
            order by not i.indisprimary, i.indexrelid",
            &[&relation],
        )
        .await?;
    let mut asked: Vec<&str> = key.iter().map(|column| column.name.as_str()).collect();
    asked.sort_unstable();
    let mut unique: Vec<Vec<String>> = Vec::new();
    for row in &rows {
        let columns: Vec<String> = row.get(1);
        let mut sorted: Vec<&str> = columns.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        if sorted == asked {
            let nullable = key.iter().find(|column| !column.not_null);
            return Ok(nullable.map(|column| Misfit::NullableKey(column.name.clone())));
        }
        unique.push(columns);
    }
    let named = unique.iter().map(|columns| columns.join(", ")).collect::<Vec<_>>();
    Ok(Some(Misfit::NotUnique(choices(named.iter().map(String::as_str), "or"))))
}

/// The partitions that hold rows.
async fn partitions(client: &Client, relation: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let rows = client
        .query(
            "select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
            from pg_partition_tree($1::text::regclass) p join pg_catalog.pg_class c on c.oid = p.relid
                join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where p.isleaf and c.relkind = 'r' order by 1",
            &[&relation],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
