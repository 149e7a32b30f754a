//! What of a table is compared: which of its rows, and which of their columns.

use super::layout::{Layout, Relation};
use crate::data::error::{DataError, Result};
use crate::pg::{TableName, quote_identifier};

/// What of a table is compared. The default is all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// The condition, in SQL, that its rows satisfy; each side is asked for it itself.
    pub filter: Option<String>,
    /// The columns.
    pub columns: Chosen,
    /// Whether all rows that differ have to be told apart by their key.
    pub by_key: bool,
}

/// Columns of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Chosen {
    /// All of them.
    #[default]
    All,
    /// These.
    Only(Vec<String>),
    /// All but these, whose values may differ.
    But(Vec<String>),
}

impl View {
    /// The columns whose values may differ.
    pub(in crate::data) fn excepted(&self) -> &[String] {
        match &self.columns {
            Chosen::But(names) => names,
            Chosen::All | Chosen::Only(_) => &[],
        }
    }

    /// What is seen of a table with these columns. Rows that are seen without a part of their key
    /// have none.
    pub(in crate::data) fn layout(&self, whole: &Layout, table: &TableName) -> Result<Layout> {
        let names = whole.names();
        if let Chosen::Only(only) = &self.columns
            && let Some(missing) = only.iter().find(|name| !names.contains(name))
        {
            return Err(DataError::NoColumn { table: table.clone(), column: missing.clone() });
        }
        let is_seen = |name: &String| match &self.columns {
            Chosen::All => true,
            Chosen::Only(only) => only.contains(name),
            Chosen::But(but) => !but.contains(name),
        };
        let columns = whole.columns.iter().filter(|column| is_seen(&column.name)).cloned().collect();
        let key = if whole.key.iter().all(is_seen) { whole.key.clone() } else { vec![] };
        Ok(Layout { columns, key })
    }

    /// The rows that are seen of a relation, as SQL that stands behind FROM.
    pub(in crate::data) fn rows(&self, relation: &Relation, table: &TableName) -> String {
        match &self.filter {
            Some(filter) => filtered(&format!("select * from {}", relation.sql), filter, table),
            None => relation.sql.clone(),
        }
    }
}

/// Rows that satisfy a condition, which may name the table that they are of.
pub(in crate::data) fn filtered(select: &str, filter: &str, table: &TableName) -> String {
    let name = quote_identifier(&table.name);
    // The condition may end in a comment.
    format!("(select * from ({select}) as {name} where (\n{filter}\n))")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rows::{ColumnLayout, with_excepted};

    #[test]
    fn a_row_without_a_part_of_its_key_has_none() {
        let column = |name: &str| ColumnLayout {
            name: name.to_owned(),
            kind: "integer".to_owned(),
            not_null: true,
            bytewise: true,
        };
        let whole = Layout { columns: ["a", "b", "c"].map(column).to_vec(), key: vec!["a".to_owned()] };
        let table: TableName = "t".parse().expect("a name");
        let seen = |columns| View { columns, ..View::default() }.layout(&whole, &table);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let but = seen(Chosen::But(names(&["a", "x"]))).expect("a layout");
        assert_eq!((but.names(), but.key.len()), (names(&["b", "c"]), 0));
        let only = seen(Chosen::Only(names(&["c", "a"]))).expect("a layout");
        assert_eq!((only.names(), only.key.clone()), (names(&["a", "c"]), names(&["a"])));
        assert_eq!(with_excepted(&only, "b"), names(&["a", "b"]));
        assert_eq!(with_excepted(&but, "a"), names(&["b", "c", "a"]));
        assert!(matches!(seen(Chosen::Only(names(&["x"]))), Err(DataError::NoColumn { .. })));
    }
}
