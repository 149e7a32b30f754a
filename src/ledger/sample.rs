//! Single transactions of a ledger.

use super::LedgerColumns;
use super::columns::column;
use super::footprint::Footprint;
use super::history::{CommitStatus, Ledger};
use crate::pg::TableName;

/// A transaction that a server acknowledged, and where its row is to be found.
#[derive(Debug, Clone)]
pub struct Picked {
    /// Its table.
    pub table: TableName,
    /// The columns of `$client` and `$seq`, quoted.
    pub columns: [String; 2],
    /// What is in them.
    pub values: [u64; 2],
}

impl Ledger {
    /// The transactions that were acknowledged first, and whose rows can be found: at most so many, in the order of their time.
    pub fn earliest(&self, most: usize) -> Vec<Picked> {
        let mut found: Vec<(u64, Picked)> = vec![];
        for (index, book) in self.books().iter().enumerate() {
            let entries = book.entries().enumerate().filter(|(_, entry)| entry.fate() == CommitStatus::Acknowledged);
            let picked = entries.filter_map(|(at, entry)| {
                let columns = self.row_of(entry.kind())?;
                let picked = Picked {
                    table: columns.table.clone(),
                    columns: [column(&columns.client), column(&columns.seq)],
                    values: [self.first_client() + index as u64, at as u64 + 1],
                };
                Some((entry.micros(), picked))
            });
            found.extend(picked.take(most));
        }
        found.sort_by_key(|(micros, picked)| (*micros, picked.values));
        found.into_iter().take(most).map(|(_, picked)| picked).collect()
    }

    /// The tables in which transactions are found again, the quoted column of `$client` in each, and the users' numbers.
    pub fn tables(&self) -> Vec<(TableName, String, std::ops::Range<u64>)> {
        let clients = self.first_client()..self.first_client() + self.books().len() as u64;
        let columns = self.layout().places.iter().map(|place| &place.columns);
        columns.map(|columns| (columns.table.clone(), column(&columns.client), clients.clone())).collect()
    }

    /// Where a transaction of this kind has left a row of its own. None for one that only shows in a row that others share, or
    /// that may be deleted later: taking that away would say nothing.
    fn row_of(&self, kind: u8) -> Option<&LedgerColumns> {
        let kind = self.layout().kinds.get(usize::from(kind))?;
        let rows = kind.parts.iter().filter(|(_, footprint)| *footprint == Footprint::Row);
        let places = rows.filter_map(|(at, _)| self.layout().places.get(*at));
        places.filter(|place| place.gone.iter().all(Option::is_none)).map(|place| &place.columns).next()
    }
}
