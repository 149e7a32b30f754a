//! What a table held at some moment, in little room: sums of its parts, and of a small table the
//! rows themselves.

use tokio_postgres::Client;

use super::bisect::{Limit, Side};
use super::comparison::{Comparison, PartDifference, Rest};
use super::difference::{Line, RowChange, RowDifference, differences};
use super::excepted::{ExceptedSums, Lone, note_excepted};
use super::held_moment::HeldMoment;
use super::layout::{Layout, Order, Range, parts};
use super::table::{Part, Table};
use super::view::View;
use crate::data::error::{DataError, Result};
use crate::data::hash::RowSum;
use crate::pg::{TableName, shown_identifier, shown_value};

/// Up to how many rows are kept themselves.
const FEW: u64 = 2000;

/// And up to how many bytes of them.
const SMALL: usize = 1024 * 1024;

/// Up to how many bytes are kept where each row has to be told apart.
const LARGE: usize = 64 * 1024 * 1024;

/// The longest value that is kept as it is, in characters.
const LONG: usize = 1000;

/// What a table held.
#[derive(Debug, Clone)]
pub struct RowsSnapshot {
    layout: Layout,
    order: Order,
    cuts: Vec<Vec<String>>,
    parts: Vec<Part>,
    /// All rows in order, if there are few, or each has to be told apart.
    lines: Option<Vec<Line>>,
    /// The columns that may differ.
    excepted: Vec<String>,
    /// What shows whether they do.
    sums: ExceptedSums,
}

impl RowsSnapshot {
    /// Reads what is seen of a table, in one scan; as it was at a moment that is held, if one is.
    /// The session must not be in a transaction.
    pub async fn take(
        client: &Client,
        name: &TableName,
        view: &View,
        moment: Option<&HeldMoment>,
    ) -> Result<RowsSnapshot> {
        let taken = match Table::open_at(client, name, view, moment).await {
            Ok(mut table) => read(&mut table, name, view).await,
            Err(error) => Err(error),
        };
        Table::close(client).await;
        taken
    }

    /// The number of rows, and their sum.
    pub fn sum(&self) -> RowSum {
        let mut sum = RowSum::default();
        self.parts.iter().for_each(|part| sum.merge(part.sum));
        sum
    }

    /// Compares the table with what is in the snapshot.
    pub(in crate::data) async fn compare(&self, table: &mut Table<'_>, limit: usize) -> Result<Comparison> {
        let misfits = self.layout.misfits(&table.relation.layout);
        if !misfits.is_empty() {
            return Ok(Comparison { columns: misfits, ..Comparison::default() });
        }
        table.columns = self.layout.names();
        table.long = LONG;
        let mut comparison = self.compare_rows(table, limit).await?;
        self.note_excepted(table, &mut comparison).await?;
        Ok(comparison)
    }

    async fn compare_rows(&self, table: &mut Table<'_>, limit: usize) -> Result<Comparison> {
        // A table that was brought back without its key cannot be walked in the key's order.
        if Order::of(&self.layout, &table.relation.layout) != self.order {
            let now = table.sum().await?;
            return Ok(Comparison::of(self.sum(), now));
        }
        let now = table.parts(&self.order, &self.cuts).await?;
        let mut sum = RowSum::default();
        now.iter().for_each(|part| sum.merge(part.sum));
        let mut comparison = Comparison::of(self.sum(), sum);
        let differing: Vec<usize> = (0..now.len()).filter(|at| self.parts[*at].sum != now[*at].sum).collect();
        // Sums of parts can differ where their sum does not only if somebody has made it so: then
        // they differ.
        comparison.same &= differing.is_empty();
        if differing.is_empty() {
            return Ok(comparison);
        }
        match &self.lines {
            Some(lines) => {
                let (found, rows, all) = self.name(table, lines, &differing, &now, limit).await?;
                comparison.differences = found;
                comparison.rest = if all { Rest::Exactly(rows) } else { Rest::AtLeast(rows) };
            }
            None => self.narrow(&differing, &now, limit, &mut comparison),
        }
        Ok(comparison)
    }

    /// Tells of the columns whose values may differ.
    async fn note_excepted(&self, table: &mut Table<'_>, comparison: &mut Comparison) -> Result<()> {
        let lone = Lone::of(comparison, self.order.clone());
        let now = table.excepted(&self.layout, &self.excepted, &lone).await?;
        let before = self.sums.without(&lone);
        note_excepted(comparison, &self.excepted, &before, &now).map_err(|column| table.unknown(&column))
    }

    /// The rows that differ, of a table that was small.
    async fn name(
        &self,
        table: &mut Table<'_>,
        lines: &[Line],
        differing: &[usize],
        now: &[Part],
        limit: usize,
    ) -> Result<(Vec<RowDifference>, u64, bool)> {
        let ranges = parts(&self.cuts);
        let mut rest = lines.iter();
        let mine = self.parts.iter().map(|part| {
            let mut left = part.sum.rows;
            let is_mine = |line: &Line| {
                let is_mine = left > 0;
                left = left.saturating_sub(line.count);
                is_mine
            };
            take_while(&mut rest, is_mine)
        });
        let mine: Vec<Vec<Line>> = mine.collect();
        let (mut found, mut rows, mut all) = (Vec::new(), 0, true);
        for at in differing {
            let kept = self.parts[*at].sum.rows;
            // What is more than that is not to be named, one by one.
            let most = kept + limit as u64 + 1;
            let theirs = table.lines(&self.order, &ranges[*at..=*at], Limit::Lines(most)).await?;
            let whole = theirs.iter().map(|line| line.count).sum::<u64>() == now[*at].sum.rows;
            let mut differing =
                differences(mine[*at].clone(), theirs, &self.order, &self.layout.names(), &self.layout.key_places());
            if !whole {
                // A row that was not read may be there all the same.
                differing.retain(|difference| difference.change != RowChange::Missing);
                all = false;
            }
            rows += differing.iter().map(|difference| difference.rows).sum::<u64>();
            found.extend(differing);
        }
        found.truncate(limit);
        Ok((found, rows, all))
    }

    /// The parts that differ, of a table that was large.
    fn narrow(&self, differing: &[usize], now: &[Part], limit: usize, comparison: &mut Comparison) {
        let difference = |part: String, mine: &Part, theirs: &Part| {
            let columns = self.layout.names().into_iter().enumerate();
            let changed = columns.filter(|(at, _)| mine.columns.get(*at) != theirs.columns.get(*at));
            let mut columns: Vec<String> = changed.map(|(_, name)| shown_identifier(&name)).collect();
            if columns.is_empty() {
                columns.push("how their values go together".to_owned());
            }
            PartDifference { part, first: mine.sum.rows, second: theirs.sum.rows, columns }
        };
        let Order::Key(_) = &self.order else {
            // Parts that were made by a hash say nothing to people.
            comparison.parts = vec![difference("the table".to_owned(), &total(&self.parts), &total(now))];
            return;
        };
        let ranges = parts(&self.cuts);
        let shown = differing.iter().take(limit);
        comparison.parts =
            shown.map(|at| difference(self.described(&ranges[*at]), &self.parts[*at], &now[*at])).collect();
        let rows = |at: &usize| self.parts[*at].sum.rows.abs_diff(now[*at].sum.rows).max(1);
        comparison.rest = Rest::AtLeast(differing.iter().map(rows).sum());
    }

    fn described(&self, range: &Range) -> String {
        let names: Vec<String> = self.layout.key.iter().map(|name| shown_identifier(name)).collect();
        let names = names.join(", ");
        let shown = |key: &[String]| key.iter().map(|value| shown_value(Some(value))).collect::<Vec<_>>().join(", ");
        match (&range.from, &range.to) {
            (Some(from), Some(to)) => format!("rows with {names} from {} to before {}", shown(from), shown(to)),
            (Some(from), None) => format!("rows with {names} from {} on", shown(from)),
            (None, Some(to)) => format!("rows with {names} before {}", shown(to)),
            (None, None) => "the table".to_owned(),
        }
    }
}

async fn read(table: &mut Table<'_>, name: &TableName, view: &View) -> Result<RowsSnapshot> {
    table.long = LONG;
    let layout = table.relation.layout.clone();
    let order = Order::of(&layout, &layout);
    let cuts = match &order {
        Order::Key(_) => table.cuts(&order, &[Range::default()]).await?.into_iter().flatten().collect(),
        Order::Hash(_) => vec![],
    };
    let parts = table.parts(&order, &cuts).await?;
    let rows = parts.iter().map(|part| part.sum.rows).sum::<u64>();
    let mut lines = None;
    let most = if view.by_key { LARGE } else { SMALL };
    if rows <= FEW || view.by_key && table.size().await? <= LARGE as u64 {
        let read = table.lines(&order, &[Range::default()], Limit::Lines(rows)).await?;
        let size = |line: &Line| line.values.iter().flatten().map(String::len).sum::<usize>();
        lines = Some(read).filter(|read| read.iter().map(size).sum::<usize>() <= most);
    }
    if view.by_key && lines.is_none() {
        return Err(DataError::TooLarge { table: name.clone(), most });
    }
    let excepted = view.excepted().to_vec();
    let sums = table.excepted_sums(&layout, &excepted, &order, view.by_key).await?;
    Ok(RowsSnapshot { layout, order, cuts, parts, lines, excepted, sums })
}

fn take_while<'a>(lines: &mut std::slice::Iter<'a, Line>, mut more: impl FnMut(&Line) -> bool) -> Vec<Line> {
    let mut taken = Vec::new();
    while let Some(line) = lines.as_slice().first()
        && more(line)
    {
        taken.push(line.clone());
        lines.next();
    }
    taken
}

fn total(parts: &[Part]) -> Part {
    let mut total = Part::default();
    for part in parts {
        total.sum.merge(part.sum);
        total.columns.resize(part.columns.len().max(total.columns.len()), 0);
        total.columns.iter_mut().zip(&part.columns).for_each(|(sum, more)| *sum += more);
    }
    total
}
