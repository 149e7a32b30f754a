//! What was observed in the rows of one place: two bits for each transaction (eight, if it leaves
//! several rows), or a number for each user.

use super::history::Ledger;
use super::layout::Place;
use super::verdict::SHOWN;

/// The rows of one place.
pub(crate) struct Observed<'a> {
    ledger: &'a Ledger,
    /// For each kind, whether it certainly writes no row here. Empty if all may.
    never_written_by: &'a [bool],
    rows: Rows,
    /// Rows that no user wrote: some of them, and how many there are.
    shown: Vec<(u64, i64)>,
    unexpected: u64,
}

/// For each user.
enum Rows {
    /// How often each transaction was observed, up to once more than it should be.
    Each(Vec<Counters>),
    /// The one row that shows the last.
    Last(Vec<Shown>),
}

struct Counters {
    len: u64,
    /// The logarithm of the bits for each.
    log_bits: u32,
    /// Where they stop counting.
    most: u64,
    words: Vec<u64>,
}

/// A user's one row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shown {
    /// How many rows there are; there should be one.
    pub(crate) rows: u64,
    /// The greatest `$seq` in them; 0 if it is null.
    pub(crate) seq: i64,
}

impl Counters {
    fn new(len: u64, rows: u8) -> Self {
        let (log_bits, most) = if rows == 1 { (1, 2) } else { (3, u64::from(rows) + 1) };
        Counters { len, log_bits, most, words: vec![0; (len as usize).div_ceil(64 >> log_bits)] }
    }

    fn place(&self, seq: u64) -> (usize, u32) {
        let log_each = 6 - self.log_bits;
        ((seq - 1) as usize >> log_each, ((seq - 1) as u32 & ((1 << log_each) - 1)) << self.log_bits)
    }

    fn count(&self, seq: u64) -> u64 {
        let (word, shift) = self.place(seq);
        self.words[word] >> shift & ((1 << (1 << self.log_bits)) - 1)
    }

    fn add(&mut self, seq: u64) {
        let (word, shift) = self.place(seq);
        if self.count(seq) < self.most {
            self.words[word] += 1 << shift;
        }
    }
}

impl<'a> Observed<'a> {
    pub(crate) fn new(ledger: &'a Ledger, place: &'a Place) -> Self {
        let histories = ledger.histories();
        let rows = match place.last {
            true => Rows::Last(vec![Shown::default(); histories.len()]),
            false => {
                Rows::Each(histories.iter().map(|history| Counters::new(history.tried(), place.most_rows)).collect())
            }
        };
        let never = place.never_written_by.as_slice();
        let never_written_by = if never.contains(&true) { never } else { &[] };
        Observed { ledger, never_written_by, rows, shown: vec![], unexpected: 0 }
    }

    /// Takes a row; None for what is no whole number. Those whose client is none of ours are
    /// others'.
    pub(crate) fn row(&mut self, client: Option<i64>, seq: Option<i64>) {
        let place = client.and_then(|client| u64::try_from(client).ok()?.checked_sub(self.ledger.first_client()));
        let Some(index) = place.and_then(|index| usize::try_from(index).ok()) else { return };
        let counters = match &mut self.rows {
            Rows::Last(shown) => {
                if let Some(shown) = shown.get_mut(index) {
                    shown.rows += 1;
                    shown.seq = shown.seq.max(seq.unwrap_or(0));
                }
                return;
            }
            Rows::Each(counters) => counters.get_mut(index),
        };
        let (Some(counters), Some(seq)) = (counters, seq) else { return };
        let number = u64::try_from(seq).unwrap_or(0);
        if !(1..=counters.len).contains(&number) {
            // What was tried after the ledger was taken is neither lost nor unexpected.
            if number == 0 || number > self.ledger.tried_by_now(index) {
                self.add_unexpected(index, seq);
            }
            return;
        }
        if !self.never_written_by.is_empty() && is_unexpected(self.ledger, self.never_written_by, index, number) {
            self.add_unexpected(index, seq);
            return;
        }
        counters.add(number);
    }

    fn add_unexpected(&mut self, index: usize, seq: i64) {
        self.unexpected += 1;
        if self.shown.len() < SHOWN {
            self.shown.push((index as u64 + self.ledger.first_client(), seq));
        }
    }

    /// How often a transaction was observed, up to once more than it should be. 0 in a place where
    /// each user has one row.
    pub(crate) fn count(&self, index: usize, seq: u64) -> u64 {
        let Rows::Each(counters) = &self.rows else { return 0 };
        counters
            .get(index)
            .filter(|counters| (1..=counters.len).contains(&seq))
            .map_or(0, |counters| counters.count(seq))
    }

    /// A user's one row.
    pub(crate) fn shown(&self, index: usize) -> Shown {
        match &self.rows {
            Rows::Last(shown) => shown.get(index).copied().unwrap_or_default(),
            Rows::Each(_) => Shown::default(),
        }
    }

    /// Rows that no user wrote: how many, and at most [`SHOWN`] of them.
    pub(crate) fn unexpected_rows(&self) -> (u64, Vec<(u64, i64)>) {
        let (mut count, mut unexpected) = (self.unexpected, self.shown.clone());
        let Rows::Last(of_users) = &self.rows else { return (count, unexpected) };
        for (index, shown) in of_users.iter().enumerate() {
            // 0 or below is what was there before the first.
            let Some(seq) = u64::try_from(shown.seq).ok().filter(|seq| *seq > 0) else { continue };
            let is_one = match self.ledger.histories().get(index).and_then(|history| history.entry(seq)) {
                Some(_) => is_unexpected(self.ledger, self.never_written_by, index, seq),
                None => seq > self.ledger.tried_by_now(index),
            };
            if is_one {
                count += 1;
                unexpected.push((index as u64 + self.ledger.first_client(), shown.seq));
            }
        }
        unexpected.truncate(SHOWN);
        (count, unexpected)
    }
}

/// Whether the transaction with this `$seq` certainly wrote no row here.
fn is_unexpected(ledger: &Ledger, never_written_by: &[bool], index: usize, seq: u64) -> bool {
    let entry = ledger.histories().get(index).and_then(|history| history.entry(seq));
    entry.is_some_and(|entry| never_written_by.get(usize::from(entry.kind())).copied().unwrap_or(false))
}
