//! Single transactions of a ledger.

use super::LedgerColumns;
use super::books::{Fate, Ledger};

/// A transaction that a server acknowledged, and where its row is to be found.
#[derive(Debug, Clone)]
pub struct Picked {
    /// The name of its kind.
    pub kind: String,
    /// Its row's table and columns.
    pub columns: LedgerColumns,
    /// `$client`.
    pub client: u64,
    /// `$seq`.
    pub seq: u64,
}

impl Ledger {
    /// The transactions that were acknowledged first, and whose rows can be found: at most so many, in the order of their time.
    pub fn earliest(&self, most: usize) -> Vec<Picked> {
        let mut found: Vec<(u64, Picked)> = vec![];
        for (index, book) in self.books().iter().enumerate() {
            let entries = book.entries().enumerate().filter(|(_, entry)| entry.fate() == Fate::Acknowledged);
            let picked = entries.filter_map(|(seq, entry)| {
                let kind = self.kinds().get(usize::from(entry.kind()))?;
                let columns = kind.columns.clone()?;
                let (client, seq) = (self.first_client() + index as u64, seq as u64 + 1);
                Some((entry.micros(), Picked { kind: kind.name.clone(), columns, client, seq }))
            });
            // Nobody's book holds more than these of the first ones.
            found.extend(picked.take(most));
        }
        found.sort_by_key(|(micros, picked)| (*micros, picked.client, picked.seq));
        found.into_iter().take(most).map(|(_, picked)| picked).collect()
    }
}
