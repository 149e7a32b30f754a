//! Single transactions of a ledger.

use std::ops::Range;

use super::columns::column;
use super::footprint::Footprint;
use super::history::{CommitStatus, Ledger};
use super::kind::LedgerColumns;
use crate::pg::TableName;

/// A transaction that a server acknowledged, and where its row is to be found.
#[derive(Debug, Clone)]
pub struct SampledRow {
    /// Its table.
    pub table: TableName,
    /// The columns of `$client` and `$seq`, quoted.
    pub columns: [String; 2],
    /// What is in them.
    pub values: [u64; 2],
}

impl Ledger {
    /// The transactions that were acknowledged first, and whose rows can be found: at most so many,
    /// in the order of their time.
    pub fn earliest(&self, most: usize) -> Vec<SampledRow> {
        let mut all: Vec<(u64, SampledRow)> = vec![];
        for (index, history) in self.histories().iter().enumerate() {
            let entries = history.entries().enumerate();
            let rows = entries.filter(|(_, entry)| entry.status() == CommitStatus::Acknowledged);
            let rows = rows.filter_map(|(at, entry)| {
                let columns = self.row_of(entry.kind())?;
                let row = SampledRow {
                    table: columns.table.clone(),
                    columns: [column(&columns.client), column(&columns.seq)],
                    values: [self.first_client() + index as u64, at as u64 + 1],
                };
                Some((entry.micros(), row))
            });
            all.extend(rows.take(most));
        }
        all.sort_by_key(|(micros, row)| (*micros, row.values));
        all.into_iter().take(most).map(|(_, row)| row).collect()
    }

    /// The tables in which transactions are found again, the quoted column of `$client` in each,
    /// and the users' numbers.
    pub fn tables(&self) -> Vec<(TableName, String, Range<u64>)> {
        let clients = self.first_client()..self.first_client() + self.histories().len() as u64;
        let columns = self.layout().places.iter().map(|place| &place.columns);
        columns.map(|columns| (columns.table.clone(), column(&columns.client), clients.clone())).collect()
    }

    /// Where a transaction of this kind has left a row of its own. None for one that only shows in
    /// a row that others share, or that may be deleted later: taking that away would prove nothing.
    fn row_of(&self, kind: u8) -> Option<&LedgerColumns> {
        let kind = self.layout().kinds.get(usize::from(kind))?;
        let rows = kind.sites.iter().filter(|site| site.footprint == Footprint::Row);
        let places = rows.filter_map(|site| self.layout().places.get(site.place));
        places.filter(|place| place.deletes.iter().all(Option::is_none)).map(|place| &place.columns).next()
    }
}
