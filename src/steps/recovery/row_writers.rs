//! Who wrote which rows between two places in the WAL: rows are followed from place to place, from
//! the first version that a transaction has replaced to the last one.

use std::collections::{HashMap, HashSet};

use crate::data::{Touched, Writer, WrittenRows};
use crate::repo::{Commit, RowDeed, RowPlace};

/// Transactions that wrote a row one after the other, all of them the mistake's or all of others:
/// the first of them and the last, as places among the commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub mistake: bool,
    pub first: usize,
    pub last: usize,
}

/// A row's history.
#[derive(Debug, Default)]
struct Row {
    /// Where it lay at first, if it was there before.
    born: Option<RowPlace>,
    turns: Vec<Turn>,
}

impl Row {
    fn add(&mut self, mistake: bool, commit: usize) {
        match self.turns.last_mut() {
            Some(turn) if turn.mistake == mistake => turn.last = commit,
            _ => self.turns.push(Turn { mistake, first: commit, last: commit }),
        }
    }
}

/// What is known of the rows of all files.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    /// Who wrote them, by the names of the tables that hold them.
    pub touched: Touched,
    /// Of rows that both the mistake and others have written, who did, one after the other.
    pub stories: Vec<Vec<Turn>>,
    /// The stories of those that are on neither server: they came and went in between, and it was
    /// the mistake that took them.
    pub gone: Vec<usize>,
}

/// Places of rows that were there before, in blocks to which rows were added nobody knows where,
/// by the file's place among those that are followed.
pub(crate) type There = HashSet<(usize, RowPlace)>;

/// The rows of a file while they are followed.
#[derive(Default)]
struct File {
    /// The rows that were there before, in blocks of [`File::blocks`], and have not left yet.
    there: HashSet<RowPlace>,
    rows: Vec<Row>,
    /// The row that lies at a place now.
    at: HashMap<RowPlace, usize>,
    /// Who has added rows somewhere in a block.
    blocks: HashMap<u32, Row>,
}

impl File {
    /// What a transaction did to a row.
    fn apply(&mut self, deed: RowDeed, mistake: bool, commit: usize) {
        match deed {
            RowDeed::Insert(place) => {
                let mut row = Row::default();
                row.add(mistake, commit);
                self.rows.push(row);
                self.at.insert(place, self.rows.len() - 1);
            }
            RowDeed::Update(from, to) => {
                let row = self.leave(from, mistake, commit);
                self.at.insert(to, row);
            }
            RowDeed::Delete(from) => {
                self.leave(from, mistake, commit);
            }
            RowDeed::Somewhere(block) => self.blocks.entry(block).or_default().add(mistake, commit),
        }
    }

    /// The row that lay at a place, which it leaves.
    fn leave(&mut self, from: RowPlace, mistake: bool, commit: usize) -> usize {
        let row = self.at.remove(&from).unwrap_or_else(|| {
            let added = self.blocks.get(&from.block).filter(|_| !self.there.remove(&from));
            let row = match added {
                // One of those that were added somewhere in its block: whoever did that wrote it.
                Some(block) => Row { born: None, turns: block.turns.clone() },
                None => Row { born: Some(from), turns: vec![] },
            };
            self.rows.push(row);
            self.rows.len() - 1
        });
        self.rows[row].add(mistake, commit);
        row
    }

    /// What is known in the end.
    fn known(&self, writers: &mut Writers) -> WrittenRows {
        let mut known = WrittenRows::default();
        let mut ends: Vec<Option<RowPlace>> = vec![None; self.rows.len()];
        for (place, row) in &self.at {
            ends[*row] = Some(*place);
        }
        for (row, end) in self.rows.iter().zip(ends) {
            let inserted_by_mistake = row.born.is_none() && row.turns.first().is_some_and(|turn| turn.mistake);
            if row.born.is_none() && end.is_none() && (inserted_by_mistake || row.turns.len() == 1) {
                // It came and went, and whoever made it wanted no more, or should not have made it.
                continue;
            }
            let writer = writers.writer(&row.turns);
            // A row that others have deleted themselves is nobody's loss.
            if let (None, None, Writer::Both(story)) = (row.born, end, writer)
                && row.turns.last().is_some_and(|turn| turn.mistake)
            {
                writers.gone.push(story);
            }
            if let Some(place) = row.born {
                known.good.insert(number(place), writer);
            }
            if let Some(place) = end {
                known.bad.insert(number(place), writer);
            }
        }
        for (block, row) in &self.blocks {
            known.blocks.insert(u64::from(*block), writers.writer(&row.turns));
        }
        known
    }
}

fn number(place: RowPlace) -> u64 {
    (u64::from(place.block) << 16) + u64::from(place.offset)
}

impl Writers {
    /// Follows the rows of files, which hold the rows of the tables with these names, through
    /// commits, of which it is known whether they are the mistake's.
    pub(crate) fn of(names: &[String], commits: &[Commit], mistakes: &[bool], there: There) -> Self {
        let mut files: Vec<File> = names.iter().map(|_| File::default()).collect();
        for (file, place) in there {
            files[file].there.insert(place);
        }
        for (at, (commit, mistake)) in commits.iter().zip(mistakes).enumerate() {
            for (file, deed) in &commit.rows {
                if let Some(file) = files.get_mut(*file) {
                    file.apply(*deed, *mistake, at);
                }
            }
        }
        let mut writers = Writers::default();
        for (name, file) in names.iter().zip(&files) {
            let known = file.known(&mut writers);
            writers.touched.insert(name.clone(), known);
        }
        writers
    }

    fn writer(&mut self, turns: &[Turn]) -> Writer {
        match turns {
            [Turn { mistake: true, .. }] => Writer::Mistake,
            [] | [_] => Writer::Others,
            _ => {
                self.stories.push(turns.to_vec());
                Writer::Both(self.stories.len() - 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::{Lsn, Xid};

    fn at(block: u32, offset: u16) -> RowPlace {
        RowPlace { block, offset }
    }

    fn writers(deeds: &[(bool, &[RowDeed])]) -> Writers {
        writers_where(&[], deeds)
    }

    fn writers_where(there: &[RowPlace], deeds: &[(bool, &[RowDeed])]) -> Writers {
        let commit = |(number, (_, rows)): (u32, &(bool, &[RowDeed]))| Commit {
            xid: Xid(700 + number),
            parts: vec![],
            lsn: Lsn(u64::from(number)),
            at: "2026-11-22T18:04:41Z".parse().expect("a time"),
            rows: rows.iter().map(|row| (0, *row)).collect(),
        };
        let commits: Vec<Commit> = (0..).zip(deeds).map(commit).collect();
        let mistakes: Vec<bool> = deeds.iter().map(|(mistake, _)| *mistake).collect();
        let there = there.iter().map(|place| (0, *place)).collect();
        Writers::of(&["shop.orders".to_owned()], &commits, &mistakes, there)
    }

    #[test]
    fn rows_are_followed_from_place_to_place() {
        use RowDeed::{Delete, Insert, Update};
        let writers = writers(&[
            (true, &[Update(at(0, 1), at(0, 9)), Update(at(0, 2), at(1, 1)), Delete(at(0, 3))]),
            (false, &[Update(at(0, 4), at(0, 10)), Insert(at(0, 3))]),
            (true, &[Update(at(0, 9), at(0, 1)), Insert(at(3, 1)), Insert(at(3, 2))]),
            (false, &[Update(at(1, 1), at(1, 2)), Delete(at(3, 2))]),
        ]);
        let rows = &writers.touched["shop.orders"];
        // The first row came back to where it lay; the second one both have written; the third
        // one's place has another row now.
        assert_eq!(rows.good[&1], Writer::Mistake);
        assert_eq!(rows.bad[&1], Writer::Mistake);
        assert_eq!((rows.good[&2], rows.bad[&(1 << 16 | 2)]), (Writer::Both(0), Writer::Both(0)));
        assert_eq!((rows.good[&3], rows.bad[&3]), (Writer::Mistake, Writer::Others));
        assert_eq!((rows.good[&4], rows.bad[&10]), (Writer::Others, Writer::Others));
        assert_eq!(rows.bad[&(3 << 16 | 1)], Writer::Mistake);
        assert_eq!((rows.good.len(), rows.bad.len()), (4, 5));
        let turn = |mistake, first, last| Turn { mistake, first, last };
        assert_eq!(writers.stories, [[turn(true, 0, 0), turn(false, 3, 3)]]);
        assert!(writers.gone.is_empty());
    }

    #[test]
    fn a_row_of_users_that_the_mistake_took_is_not_forgotten() {
        use RowDeed::{Delete, Insert, Update};
        let lost = writers(&[(false, &[Insert(at(0, 1))]), (true, &[Delete(at(0, 1))])]);
        assert_eq!((lost.stories.len(), &lost.gone[..]), (1, &[0][..]));
        let own = writers(&[(true, &[Insert(at(0, 1))]), (false, &[Delete(at(0, 1))])]);
        assert!(own.stories.is_empty() && own.touched["shop.orders"].good.is_empty());
        let deleted_by_users = writers(&[
            (false, &[Insert(at(0, 1))]),
            (true, &[Update(at(0, 1), at(0, 2))]),
            (false, &[Delete(at(0, 2))]),
        ]);
        assert!(deleted_by_users.gone.is_empty());
    }

    #[test]
    fn a_row_that_was_added_somewhere_is_told_from_one_that_was_there() {
        use RowDeed::{Somewhere, Update};
        let deeds: [(bool, &[RowDeed]); 3] = [
            (false, &[Somewhere(5)]),
            (true, &[Update(at(5, 1), at(5, 9)), Update(at(5, 2), at(5, 8))]),
            (true, &[Update(at(5, 1), at(5, 7))]),
        ];
        let both = writers_where(&[at(5, 1)], &deeds);
        let rows = &both.touched["shop.orders"];
        // The second one that lay at 1 came to the place that the first one had left.
        assert_eq!(rows.good, HashMap::from([(5 << 16 | 1, Writer::Mistake)]));
        let of = |offset: u64| rows.bad[&(5 << 16 | offset)];
        assert_eq!((of(9), rows.blocks[&5]), (Writer::Mistake, Writer::Others));
        assert!(matches!((of(8), of(7)), (Writer::Both(_), Writer::Both(_))));
        let mistake = writers(&[(true, &[Somewhere(5)]), (true, &[Update(at(5, 1), at(5, 9))])]);
        assert_eq!(mistake.touched["shop.orders"].bad[&(5 << 16 | 9)], Writer::Mistake);
    }
}
