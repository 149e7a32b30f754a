//! Finding the rows that differ without reading those that don't: both sides add up the parts of a
//! table, and only parts whose sums differ are divided further, until they are small enough to be
//! read.

use super::difference::{Line, RowDifference, differences};
use super::layout::{Order, Range, parts};
use crate::data::error::Result;
use crate::data::hash::RowSum;

/// Into how many parts a part is divided.
pub(in crate::data) const PARTS: usize = 512;

/// Up to how many rows a part is read.
const SMALL: u64 = 500;

/// More divisions than any table takes; a part that is still large then has rows that cannot be
/// told apart.
const DIVISIONS: usize = 12;

/// The rows of one of the two tables.
pub(in crate::data) trait Side {
    /// Keys that divide each of the ranges, which are in order, in about equal parts; not those at
    /// which it begins.
    async fn cuts(&mut self, order: &Order, ranges: &[Range]) -> Result<Vec<Vec<Vec<String>>>>;

    /// The sums of the parts that the cuts make; only rows in the ranges count.
    async fn sums(&mut self, order: &Order, ranges: &[Range], cuts: &[Vec<String>]) -> Result<Vec<RowSum>>;

    /// The rows in the ranges, those that are the same as one, in order; at most so many.
    async fn lines(&mut self, order: &Order, ranges: &[Range], limit: Limit) -> Result<Vec<Line>>;
}

/// How much is read at most.
#[derive(Debug, Clone, Copy)]
pub(in crate::data) enum Limit {
    /// So many rows; of a key that is there several times perhaps not all.
    Rows(u64),
    /// So many rows that differ from each other, however often each is there.
    Lines(u64),
}

/// What was found.
#[derive(Debug, Default)]
pub(in crate::data) struct Found {
    pub differences: Vec<RowDifference>,
    /// How many rows differ at least.
    pub rows: u64,
    /// Whether that is all of them.
    pub all: bool,
}

/// A part in which the tables differ.
#[derive(Debug, Clone)]
struct Differing {
    range: Range,
    first: u64,
    second: u64,
    /// It cannot be divided.
    whole: bool,
}

impl Differing {
    /// How many rows differ in it at the least.
    fn rows(&self) -> u64 {
        self.first.abs_diff(self.second).max(1)
    }

    fn is_wide(&self) -> bool {
        !self.whole && self.first.min(self.second) > 0 && self.first.max(self.second) > SMALL
    }

    /// How many of its rows are read: where one side has none, no more of the other's than are
    /// shown.
    fn read(&self, limit: u64) -> u64 {
        let most = if self.first.min(self.second) == 0 { limit } else { 2 * SMALL };
        self.first.max(self.second).min(most)
    }
}

/// Finds the first rows, in the given order, in which two tables differ. `totals` are the numbers
/// of their rows; `key` are the places of the columns that tell rows apart.
pub(in crate::data) async fn bisect<A: Side, B: Side>(
    (first, second): (&mut A, &mut B),
    order: &Order,
    (columns, key): (&[String], &[usize]),
    totals: (u64, u64),
    limit: usize,
) -> Result<Found> {
    let limit = limit as u64;
    let whole = Differing { range: Range::default(), first: totals.0, second: totals.1, whole: false };
    let mut left_out = Found { all: true, ..Found::default() };
    let mut differing = vec![whole];
    for _ in 0..DIVISIONS {
        if !differing.iter().any(Differing::is_wide) {
            break;
        }
        differing = divide((&mut *first, &mut *second), order, differing).await?;
        keep(&mut differing, order, limit, &mut left_out);
    }
    for part in &mut differing {
        part.whole |= part.is_wide();
    }
    let (lines, others, complete) = read((first, second), order, &mut differing, limit, &mut left_out).await?;
    let mut found = differences(lines, others, order, columns, key);
    let rows = found.iter().map(|difference| difference.rows).sum::<u64>();
    found.truncate(limit as usize);
    Ok(Found { differences: found, rows: left_out.rows + rows, all: complete && left_out.all })
}

/// Divides the parts that are too large to be read, and leaves those of their parts that differ.
async fn divide<A: Side, B: Side>(
    (first, second): (&mut A, &mut B),
    order: &Order,
    differing: Vec<Differing>,
) -> Result<Vec<Differing>> {
    let wide: Vec<&Differing> = differing.iter().filter(|part| part.is_wide()).collect();
    let ranges: Vec<Range> = wide.iter().map(|part| part.range.clone()).collect();
    let by_hash = matches!(order, Order::Hash(_));
    let (mine, theirs) = match order {
        Order::Hash(_) => (ranges.iter().map(hash_cuts).collect(), vec![Vec::new(); ranges.len()]),
        Order::Key(_) => tokio::try_join!(first.cuts(order, &ranges), second.cuts(order, &ranges))?,
    };
    // The cuts of the side that has more rows there, and where the parts themselves begin and end.
    let mut cuts: Vec<Vec<String>> = Vec::new();
    let mut divided = Vec::new();
    for (part, (mine, theirs)) in wide.iter().zip(mine.into_iter().zip(theirs)) {
        let inner = if by_hash || part.first >= part.second { mine } else { theirs };
        let inner: Vec<_> = inner.into_iter().filter(|cut| part.range.from.as_ref() != Some(cut)).collect();
        divided.push(!inner.is_empty());
        for cut in part.range.from.iter().cloned().chain(inner).chain(part.range.to.clone()) {
            if cuts.last() != Some(&cut) {
                cuts.push(cut);
            }
        }
    }
    let (mine, theirs) = tokio::try_join!(first.sums(order, &ranges, &cuts), second.sums(order, &ranges, &cuts))?;
    let mut smaller = parts(&cuts).into_iter().zip(mine.into_iter().zip(theirs));
    let mut left = Vec::new();
    let mut divided = divided.into_iter();
    for part in differing {
        if !part.is_wide() {
            left.push(part);
            continue;
        }
        let whole = !divided.next().unwrap_or_default();
        // Parts between those that are divided have no rows, since none were asked for.
        for (range, (mine, theirs)) in smaller.by_ref() {
            let ends = range.to == part.range.to;
            if mine != theirs {
                // Hashes are spread evenly: those that stay together are those of rows that are the
                // same.
                let together = by_hash && mine.rows.max(theirs.rows) > part.first.max(part.second) / 2;
                left.push(Differing { range, first: mine.rows, second: theirs.rows, whole: whole || together });
            }
            if ends {
                break;
            }
        }
    }
    Ok(left)
}

/// Keeps as many of the parts as are needed for so many differences, from the first one on.
fn keep(differing: &mut Vec<Differing>, order: &Order, limit: u64, left_out: &mut Found) {
    let mut certain = 0;
    let enough = differing.iter().position(|part| {
        // Rows that are the same are one difference, however many there are.
        certain += if matches!(order, Order::Key(_)) { part.rows() } else { 1 };
        certain >= limit
    });
    if let Some(enough) = enough {
        leave_out(differing, enough + 1, left_out);
    }
}

/// Leaves out the parts from this one on.
fn leave_out(differing: &mut Vec<Differing>, from: usize, left_out: &mut Found) {
    for part in differing.drain(from.min(differing.len())..) {
        left_out.rows += part.rows();
        // If one side has no rows, all that the other has differ.
        left_out.all &= part.first.min(part.second) == 0;
    }
}

/// Reads the parts that are left, and says whether that is all that differs.
async fn read<A: Side, B: Side>(
    (first, second): (&mut A, &mut B),
    order: &Order,
    differing: &mut Vec<Differing>,
    limit: u64,
    left_out: &mut Found,
) -> Result<(Vec<Line>, Vec<Line>, bool)> {
    let by_hash = matches!(order, Order::Hash(_));
    // A part that is not read to its end can only be the last one. Rows that are the same are read
    // as one.
    let long = |part: &Differing| part.read(limit) < part.first.max(part.second) && !(by_hash && part.whole);
    if let Some(long) = differing.iter().position(long) {
        leave_out(differing, long + 1, left_out);
    }
    let ranges: Vec<Range> = differing.iter().map(|part| part.range.clone()).collect();
    if ranges.is_empty() {
        return Ok((vec![], vec![], true));
    }
    let most = differing.iter().map(|part| part.read(limit)).sum::<u64>();
    let by_lines = by_hash || differing.iter().any(|part| part.whole);
    let most = if by_lines { Limit::Lines(most) } else { Limit::Rows(most) };
    let (mut mine, mut theirs) =
        tokio::try_join!(first.lines(order, &ranges, most), second.lines(order, &ranges, most))?;
    let read = |lines: &[Line]| lines.iter().map(|line| line.count).sum::<u64>();
    let rest = differing.iter().map(|part| part.first).sum::<u64>().saturating_sub(read(&mine));
    let other_rest = differing.iter().map(|part| part.second).sum::<u64>().saturating_sub(read(&theirs));
    let one_sided = differing.last().is_some_and(|last| last.first.min(last.second) == 0);
    if one_sided {
        left_out.rows += rest + other_rest;
    }
    // What lies behind the last row that was read is not known: the other side's rows there are no
    // differences yet.
    if rest > 0 && !one_sided {
        until(&mut theirs, mine.last(), order);
    }
    if other_rest > 0 && !one_sided {
        until(&mut mine, theirs.last(), order);
    }
    Ok((mine, theirs, one_sided || rest + other_rest == 0))
}

fn until(lines: &mut Vec<Line>, last: Option<&Line>, order: &Order) {
    if let Some(last) = last {
        lines.retain(|line| order.compare(&line.at, &last.at).then_with(|| line.values.cmp(&last.values)).is_le());
    }
}

/// Cuts that divide a range of hashes.
fn hash_cuts(range: &Range) -> Vec<Vec<String>> {
    let bound = |bound: &Option<Vec<String>>| bound.as_ref().and_then(|key| key.first()?.parse::<i128>().ok());
    let from = bound(&range.from).unwrap_or(i128::from(i64::MIN));
    let to = bound(&range.to).unwrap_or(i128::from(i64::MAX) + 1);
    let parts = (to - from).min(PARTS as i128);
    (1..parts).map(|at| vec![(from + (to - from) * at / parts).to_string()]).collect()
}
