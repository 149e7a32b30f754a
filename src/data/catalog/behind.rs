//! Sequences that are behind their columns: whoever inserts meets with keys that are taken.

use std::fmt;

use tokio_postgres::Client;

use super::facts::Catalog;
use crate::data::error::Result;
use crate::pg::{TableName, quote_literal};

/// A sequence that would hand out numbers which its column has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The sequence, as in SQL.
    pub sequence: String,
    /// The number that it hands out next.
    pub next: i128,
    /// The column, as in SQL.
    pub column: String,
    /// The number in it that is furthest in the sequence's direction.
    pub most: i128,
}

impl Behind {
    /// The sequences of these tables that are behind. The session must not be in a transaction.
    pub async fn find(client: &Client, tables: &[TableName]) -> Result<Vec<Behind>> {
        let sequences = Catalog::read(client, tables).await?.sequences;
        let behind = sequences.iter().flat_map(|sequence| {
            let (name, next) = (&sequence.name, sequence.position.next);
            let behind = sequence.overtaken().map(move |(column, most)| {
                let (sequence, column) = (name.clone(), column.to_owned());
                Behind { sequence, next, column, most }
            });
            behind.collect::<Vec<_>>()
        });
        Ok(behind.collect())
    }

    /// What sets it.
    pub fn cure(&self) -> String {
        format!("SELECT setval({}, {})", quote_literal(&self.sequence), self.most)
    }
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Behind { sequence, next, column, most } = self;
        write!(f, "{sequence} hands out {next} next, and {column} goes to {most} already")
    }
}
