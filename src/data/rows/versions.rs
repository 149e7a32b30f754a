//! The versions of rows, by their places on disk: a physical copy has each one at the same place,
//! written by the same transaction.

use std::collections::BTreeMap;

use super::layout::{Order, hash};
use super::table::Table;
use crate::data::error::Result;

/// A version of a row. It never changes: an UPDATE makes another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct RowVersion {
    /// The transaction that wrote it.
    pub xmin: String,
    /// The hash of what it says.
    pub hash: String,
    /// What rows are told apart by.
    pub at: Vec<String>,
}

impl Table<'_> {
    /// The versions that are visible of the rows that are told apart by these keys, by their places
    /// on disk.
    pub async fn versions(&mut self, order: &Order, keys: &[Vec<String>]) -> Result<BTreeMap<String, RowVersion>> {
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let at = order.expressions(&self.relation);
        let texts: Vec<String> = at.iter().map(|expression| format!("({expression})::text")).collect();
        let query = format!(
            "select r.tableoid::text || ' ' || r.ctid::text, r.xmin::text, {}::text, {} from {} as r where {}",
            hash(&self.relation.row_text(&self.columns)),
            texts.join(", "),
            self.relation.sql,
            order.among(&self.relation, keys),
        );
        let mut found = BTreeMap::new();
        for row in self.query(&query).await? {
            let at = (3..3 + texts.len()).map(|column| self.get(&row, column)).collect::<Result<_>>()?;
            found.insert(self.get(&row, 0)?, RowVersion { xmin: self.get(&row, 1)?, hash: self.get(&row, 2)?, at });
        }
        Ok(found)
    }
}
