//! Single transactions of a ledger.

use super::books::{Fate, Ledger};
use super::check::column;
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
            let entries = book.entries().enumerate().filter(|(_, entry)| entry.fate() == Fate::Acknowledged);
            let picked = entries.filter_map(|(at, entry)| {
                let columns = self.kinds().get(usize::from(entry.kind()))?.columns.as_ref()?;
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
        let columns = self.kinds().iter().filter_map(|kind| kind.columns.as_ref());
        columns.map(|columns| (columns.table.clone(), column(&columns.client), clients.clone())).collect()
    }
}
