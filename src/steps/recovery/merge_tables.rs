//! The tables of a merge, each with the columns that tell its rows apart.

use crate::harness::{Resolved, Scope};
use crate::pg::{ColumnName, TableName};
use crate::source::{Several, Span, Spanned, did_you_mean};
use crate::steps::recovery::key::Keys;

/// A table of a merge.
#[derive(Debug)]
pub(crate) struct MergedTable {
    /// The table.
    pub table: Spanned<TableName>,
    /// The columns that tell a row from all others; none: those of its primary key.
    pub key: Vec<ColumnName>,
    /// Where they are named.
    pub key_at: Option<Span>,
}

/// The tables that `table` or `tables` name, with their keys.
pub(crate) fn tables(
    one: Option<Spanned<TableName>>,
    several: Option<Spanned<Vec<Spanned<TableName>>>>,
    keys: Option<Spanned<Keys>>,
    scope: &mut Scope<'_>,
) -> Resolved<Vec<MergedTable>> {
    let named = match (one, several) {
        (Some(_), Some(several)) => {
            scope.error(several.entry, "`table` and `tables` exclude each other", "one of the two");
            return None;
        }
        (None, None) => {
            scope.error_help(
                scope.action,
                "`table` is missing",
                "which table?",
                "several: `tables: [shop.orders, shop.lines]`",
            );
            return None;
        }
        (Some(one), None) => vec![one],
        (None, Some(several)) => {
            if several.value.is_empty() {
                scope.error(several.entry, "`tables` is empty", "which tables?");
            }
            several.value
        }
    };
    for (at, table) in named.iter().enumerate() {
        if named[..at].iter().any(|other| other.value == table.value) {
            scope.error(table.span, format!("{} is named twice", table.value), "once is enough");
        }
    }
    let mut tables: Vec<MergedTable> =
        named.into_iter().map(|table| MergedTable { table, key: vec![], key_at: None }).collect();
    if let Some(keys) = keys {
        add_keys(&mut tables, keys, scope);
    }
    Some(tables)
}

fn add_keys(tables: &mut [MergedTable], keys: Spanned<Keys>, scope: &mut Scope<'_>) {
    match (keys.value, tables) {
        (Keys::One(columns), [table]) => {
            check(&columns, keys.span, scope);
            (table.key, table.key_at) = (columns, Some(keys.span));
        }
        (Keys::One(_), _) => {
            let help = "a map with the key of each table: `{ shop.orders: id, shop.lines: [order_id, line] }`; or leave it out where it is the primary key";
            scope.error_help(keys.entry, "whose key is this?", "there are several tables", help);
        }
        (Keys::Each(each), tables) => {
            for (name, columns) in each {
                check(&columns.0, name.span, scope);
                match tables.iter_mut().find(|table| table.table.value == name.value) {
                    Some(table) => (table.key, table.key_at) = (columns.0, Some(name.span)),
                    None => {
                        let names: Vec<String> = tables.iter().map(|table| table.table.value.to_string()).collect();
                        let near = did_you_mean(&name.value.to_string(), names.iter().map(String::as_str));
                        let label = match near {
                            Some(near) => format!("did you mean `{near}`?"),
                            None => "it is not merged here".to_owned(),
                        };
                        scope.error(name.span, format!("{} is none of the tables", name.value), label);
                    }
                }
            }
        }
    }
}

/// A key has columns, each once.
fn check(columns: &[ColumnName], at: Span, scope: &mut Scope<'_>) {
    if columns.is_empty() {
        scope.error(at, "`key` is empty", "which columns tell a row from all others?");
    }
    for (place, column) in columns.iter().enumerate() {
        if columns[..place].contains(column) {
            scope.error(at, format!("`key` names {column} twice"), "once is enough");
        }
    }
}

/// The columns that every write touches: none of a key, and each once.
pub(crate) fn ignored(
    ignore: Spanned<Several<Spanned<ColumnName>>>,
    tables: Option<&[MergedTable]>,
    scope: &mut Scope<'_>,
) -> Vec<Spanned<ColumnName>> {
    let columns = ignore.value.0;
    if columns.is_empty() {
        scope.error(ignore.entry, "`ignore` is empty", "which columns does every write touch?");
    }
    for (at, column) in columns.iter().enumerate() {
        if columns[..at].iter().any(|other| other.value == column.value) {
            scope.error(column.span, format!("`ignore` names {} twice", column.value), "once is enough");
        }
        if tables.into_iter().flatten().any(|table| table.key.contains(&column.value)) {
            let title = format!("{} is a part of the key", column.value);
            scope.error(column.span, title, "a row that has another key is another row");
        }
    }
    columns
}
