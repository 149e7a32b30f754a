//! What was seen in the rows of one place: two bits for each transaction (eight, where it leaves several rows), or a number for each
//! user. Pure.

use super::history::{Ledger, Place};
use super::verdict::SHOWN;

/// The rows of one place.
pub(crate) struct Observed<'a> {
    ledger: &'a Ledger,
    /// For each kind, whether a row with its `$seq` is none of its doing. Empty where no kind is such.
    strange: &'a [bool],
    rows: Rows,
    strays: Vec<(u64, i64)>,
    unexpected: u64,
}

/// For each user.
enum Rows {
    /// How often each transaction was seen, up to once more than it should be.
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
    /// How many rows there are where there should be one.
    pub(crate) rows: u64,
    /// The greatest `$seq` in them; 0 where it is null.
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
        let books = ledger.books();
        let rows = match place.last {
            true => Rows::Last(vec![Shown::default(); books.len()]),
            false => Rows::Each(books.iter().map(|book| Counters::new(book.tried(), place.most_rows)).collect()),
        };
        let strange = if place.strange.contains(&true) { place.strange.as_slice() } else { &[] };
        Observed { ledger, strange, rows, strays: vec![], unexpected: 0 }
    }

    /// A row; None for what is no whole number. Those whose client is none of ours are somebody else's.
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
                self.stray(index, seq);
            }
            return;
        }
        if !self.strange.is_empty() && is_strange(self.ledger, self.strange, index, number) {
            self.stray(index, seq);
            return;
        }
        counters.add(number);
    }

    fn stray(&mut self, index: usize, seq: i64) {
        self.unexpected += 1;
        if self.strays.len() < SHOWN {
            self.strays.push((index as u64 + self.ledger.first_client(), seq));
        }
    }

    /// How often a transaction was seen, up to once more than it should be. In a place where each user has one row: 0.
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

    /// Rows that nobody wrote: how many, and at most [`SHOWN`] of them.
    pub(crate) fn strays(&self) -> (u64, Vec<(u64, i64)>) {
        let (mut count, mut strays) = (self.unexpected, self.strays.clone());
        let Rows::Last(shown) = &self.rows else { return (count, strays) };
        for (index, shown) in shown.iter().enumerate() {
            // 0 or below is what was there before the first.
            let Some(seq) = u64::try_from(shown.seq).ok().filter(|seq| *seq > 0) else { continue };
            let strange = match self.ledger.books().get(index).and_then(|book| book.entry(seq)) {
                Some(_) => is_strange(self.ledger, self.strange, index, seq),
                None => seq > self.ledger.tried_by_now(index),
            };
            if strange {
                count += 1;
                strays.push((index as u64 + self.ledger.first_client(), shown.seq));
            }
        }
        strays.truncate(SHOWN);
        (count, strays)
    }
}

fn is_strange(ledger: &Ledger, strange: &[bool], index: usize, seq: u64) -> bool {
    let entry = ledger.books().get(index).and_then(|book| book.entry(seq));
    entry.is_some_and(|entry| strange.get(usize::from(entry.kind())).copied().unwrap_or(false))
}
