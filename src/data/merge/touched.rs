//! Which rows a mistake of many transactions has written, where others wrote between them.
//!
//! Rows are known by the place where they lie: that of `good` where the row lay at first, and that
//! of `bad` where it lies at last. Whoever finds them out (from the WAL) says of each row that was
//! written who wrote it. What differs between the two servers must be among those rows: else
//! nobody knows who wrote it, and nothing is merged.

use std::collections::{BTreeMap, HashMap};

use super::error::MergeError;
use super::row::Row;

/// Who wrote a row between `good` and `bad`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The mistake alone.
    Mistake,
    /// Others alone.
    Others,
    /// Both, in a story of this number.
    Both(usize),
}

/// The rows of one table that holds rows that were written, by their places: a block's number
/// times 65536, and the row's number in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenRows {
    /// By the place on `good`.
    pub good: HashMap<u64, Writer>,
    /// By the place on `bad`.
    pub bad: HashMap<u64, Writer>,
    /// Those who added rows somewhere in a block.
    pub blocks: HashMap<u64, Writer>,
}

/// The rows that were written, by the names of the tables that hold them.
pub type Touched = BTreeMap<String, WrittenRows>;

/// What was seen of rows while they were read.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The rows that both the mistake and others have written: the story, and the row's key.
    pub(super) mingled: BTreeMap<usize, Vec<String>>,
    /// The rows that differ, and nobody is known who wrote them; or that are not where they were
    /// written.
    pub(super) unexplained: u64,
}

/// Tells the rows of a table that holds rows apart.
pub(super) struct Sorter<'a> {
    rows: Option<&'a WrittenRows>,
    /// The places that were seen, on `good` and on `bad`.
    found: (usize, usize),
    pub(super) seen: Seen,
}

impl<'a> Sorter<'a> {
    pub(super) fn of(touched: &'a Touched, leaf: &str) -> Self {
        Sorter { rows: touched.get(leaf), found: (0, 0), seen: Seen::default() }
    }

    /// Whether the row that lies at a place on `good`, and the one on `bad`, are the mistake's.
    /// `keys` is the number of columns of the key, which come first.
    pub(super) fn look(&mut self, first: Option<&Row>, second: Option<&Row>, keys: usize) -> (bool, bool) {
        let was = first.and_then(|row| self.rows?.good.get(&row.place).copied());
        let is = second.and_then(|row| self.rows?.bad.get(&row.place).copied());
        self.found.0 += usize::from(was.is_some());
        self.found.1 += usize::from(is.is_some());
        let untouched = was.is_none() && is.is_none();
        if untouched && first.is_some() && first.map(|row| &row.text) == second.map(|row| &row.text) {
            return (false, false);
        }
        let in_block = |row: &Row| self.rows?.blocks.get(&(row.place >> 16)).copied();
        let is = is.or_else(|| second.and_then(in_block));
        let one = self.is_mistake(first, was, keys);
        let other = self.is_mistake(second, is, keys);
        (one, other)
    }

    fn is_mistake(&mut self, row: Option<&Row>, writer: Option<Writer>, keys: usize) -> bool {
        match (row, writer) {
            (None, _) | (_, Some(Writer::Others)) => false,
            (_, Some(Writer::Mistake)) => true,
            (Some(row), Some(Writer::Both(story))) => {
                self.seen.mingled.entry(story).or_default().push(row.key(keys));
                false
            }
            (_, None) => {
                self.seen.unexplained += 1;
                false
            }
        }
    }

    /// What was seen, when all rows are read.
    pub(super) fn ended(mut self) -> Seen {
        if let Some(rows) = self.rows {
            self.seen.unexplained +=
                (rows.good.len().abs_diff(self.found.0) + rows.bad.len().abs_diff(self.found.1)) as u64;
        }
        self.seen
    }
}

impl Seen {
    /// Fails if it is not known of a row that differs whether the mistake has written it.
    pub(super) fn all_told(&self, table: usize) -> Result<(), MergeError> {
        if self.unexplained > 0 {
            return Err(MergeError::Unexplained { table, rows: self.unexplained });
        }
        match self.mingled.is_empty() {
            true => Ok(()),
            false => Err(MergeError::Mingled { table, rows: self.mingled.clone() }),
        }
    }

    /// Adds what was seen of another table of the same rows.
    pub(super) fn add(&mut self, other: Seen) {
        self.unexplained += other.unexplained;
        for (story, keys) in other.mingled {
            self.mingled.entry(story).or_default().extend(keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn row(place: u64, text: &'static str) -> Row {
        Row { place, text: Bytes::from_static(text.as_bytes()) }
    }

    #[test]
    fn rows_are_told_apart_by_who_wrote_them() {
        let mut rows = WrittenRows::default();
        for (place, writer) in [(1, Writer::Mistake), (2, Writer::Others), (3, Writer::Both(7))] {
            rows.good.insert(place, writer);
            rows.bad.insert(place + 10, writer);
        }
        let touched = Touched::from([("shop.orders".to_owned(), rows)]);
        let mut sorter = Sorter::of(&touched, "shop.orders");
        assert_eq!(sorter.look(Some(&row(1, "1\told\n")), None, 1), (true, false));
        assert_eq!(sorter.look(None, Some(&row(11, "1\tnew\n")), 1), (false, true));
        assert_eq!(sorter.look(Some(&row(2, "2\told\n")), Some(&row(2, "9\tx\n")), 1), (false, false));
        assert_eq!(sorter.look(Some(&row(3, "3\ta\told\n")), None, 2), (false, false));
        assert_eq!(sorter.look(None, Some(&row(12, "2\tnew\n")), 1), (false, false));
        assert_eq!(sorter.look(Some(&row(50, "5\n")), Some(&row(50, "5\n")), 1), (false, false));
        let seen = sorter.ended();
        assert_eq!(seen.mingled, BTreeMap::from([(7, vec!["3, a".to_owned()])]));
        // Of the row that came to lie at 2 nobody knows, and that at 13 has not been seen.
        assert_eq!(seen.unexplained, 2);
    }

    #[test]
    fn what_differs_and_was_written_by_nobody_is_not_explained() {
        let touched = Touched::new();
        for (first, second) in [(Some(row(1, "1\n")), Some(row(1, "2\n"))), (None, Some(row(1, "1\n")))] {
            let mut sorter = Sorter::of(&touched, "shop.orders");
            assert_eq!(sorter.look(first.as_ref(), second.as_ref(), 1), (false, false));
            assert!(sorter.ended().unexplained > 0);
        }
    }

    #[test]
    fn rows_somewhere_in_a_block_are_those_of_who_wrote_there() {
        let mut rows = WrittenRows::default();
        rows.blocks.insert(2, Writer::Mistake);
        let touched = Touched::from([("shop.orders".to_owned(), rows)]);
        let mut sorter = Sorter::of(&touched, "shop.orders");
        assert_eq!(sorter.look(None, Some(&row(2 << 16 | 5, "1\n")), 1), (false, true));
        assert_eq!(sorter.look(None, Some(&row(3 << 16 | 5, "1\n")), 1), (false, false));
        assert_eq!(sorter.ended().unexplained, 1);
    }
}
