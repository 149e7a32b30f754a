//! A table as the generator made it: no server has to be asked for its rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::generator::Generator;
use crate::data::error::{DataError, Result};
use crate::data::hash::{RowSum, hash_text_extended};
use crate::data::rows::{Layout, Limit, Line, Lone, Order, PARTS, Range, Side, Table, record, with_excepted};
use crate::pg::quote_identifier;

/// How many rows a server is asked for at once whether they satisfy a condition.
const ASKED: u64 = 10_000;

/// What is seen of the rows of a generator. Its order is the number that its primary key counts, or
/// a hash.
#[derive(Clone)]
pub(in crate::data) struct Generated {
    generator: Generator,
    /// The places of the columns that are seen.
    places: Vec<usize>,
    /// Whether each row is seen, if not all are.
    chosen: Option<Arc<Vec<bool>>>,
}

impl Generated {
    /// All of them.
    pub fn whole(generator: Generator) -> Generated {
        let places = (0..generator.layout().columns.len()).collect();
        Generated { generator, places, chosen: None }
    }

    /// Leaves the columns of a layout, and the rows that satisfy a condition: a server that has the
    /// table says which they are.
    pub async fn restrict(&mut self, seen: &Layout, filter: Option<&str>, server: &mut Table<'_>) -> Result<()> {
        if let Some(filter) = filter {
            let column = |(at, (name, kind))| format!("u.c{at}::{kind} as {}", quote_identifier(name));
            let columns: Vec<String> = self.generator.types().enumerate().map(column).collect();
            let names: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
            let arrays: Vec<String> = (1..=columns.len() + 1).map(|at| format!("${at}::text[]")).collect();
            let rows = format!(
                "select u.n::bigint as drillyard_row, {} from unnest({}) as u(n, {})",
                columns.join(", "),
                arrays.join(", "),
                names.join(", "),
            );
            let mut chosen = vec![false; usize::try_from(self.generator.rows()).unwrap_or_default()];
            for from in (0..self.generator.rows()).step_by(ASKED as usize) {
                let numbers = from..(from + ASKED).min(self.generator.rows());
                let texts = |column: usize| numbers.clone().map(|row| self.generator.text(row, column)).collect();
                let all = std::iter::once(numbers.clone().map(|row| Some(row.to_string())).collect());
                let texts: Vec<Vec<Option<String>>> = all.chain((0..columns.len()).map(texts)).collect();
                for row in server.pick(&rows, filter, &texts).await? {
                    if let Some(seen) = usize::try_from(row).ok().and_then(|row| chosen.get_mut(row)) {
                        *seen = true;
                    }
                }
            }
            self.chosen = Some(Arc::new(chosen));
        }
        self.places = self.places_of(&seen.names());
        Ok(())
    }

    /// The sum of these columns of all rows that are seen.
    pub async fn sum(&self, names: &[String]) -> Result<RowSum> {
        self.sum_without(names, Lone { order: Order::Hash(vec![]), keys: vec![] }).await
    }

    async fn sum_without(&self, names: &[String], lone: Lone) -> Result<RowSum> {
        let seen = Generated { places: self.places_of(names), ..self.clone() };
        let sum = move |own: &Generated| {
            let keys = lone.keys.iter().map(|key| number(key)).collect::<Result<BTreeSet<_>>>()?;
            let (mut sum, mut text, mut value) = (RowSum::default(), Vec::new(), Vec::new());
            own.walk(&lone.order, &[Range::default()], |row, at| {
                if !keys.contains(&i128::from(at)) {
                    own.generator.write(row, &own.places, &mut text, &mut value);
                    sum.add(&text);
                }
            })?;
            Ok(sum)
        };
        seen.busy(sum).await
    }

    /// The sums that show whether the values of these columns differ, without the rows that one
    /// side alone has; nothing for a column that is not there. `seen` is what is compared.
    pub async fn excepted(&self, seen: &Layout, excepted: &[String], lone: &Lone) -> Result<Vec<Option<RowSum>>> {
        let names = self.generator.layout().names();
        let mut sums = vec![];
        for name in excepted {
            let there = names.contains(name);
            let columns = with_excepted(seen, name);
            sums.push(if there { Some(self.sum_without(&columns, lone.clone()).await?) } else { None });
        }
        Ok(sums)
    }

    /// The places of columns in the generator.
    fn places_of(&self, names: &[String]) -> Vec<usize> {
        let all = self.generator.layout().names();
        names.iter().filter_map(|name| all.iter().position(|one| one == name)).collect()
    }

    fn is_seen(&self, row: u64) -> bool {
        let Some(chosen) = &self.chosen else { return true };
        usize::try_from(row).ok().and_then(|row| chosen.get(row)).is_some_and(|seen| *seen)
    }

    /// Runs what takes its time for millions of rows on a thread that may block.
    async fn busy<T: Send + 'static>(&self, work: impl FnOnce(&Generated) -> Result<T> + Send + 'static) -> Result<T> {
        let own = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&own)).await;
        done.map_err(|error| DataError::Answer { doing: "making rows".to_owned(), what: error.to_string() })?
    }

    /// Calls `take` with each row in the ranges: its number from 0, and its place in the order.
    fn walk(&self, order: &Order, ranges: &[Range], mut take: impl FnMut(u64, i64)) -> Result<()> {
        let bounds = ranges.iter().map(Bounds::of).collect::<Result<Vec<_>>>()?;
        match order {
            Order::Key(_) => {
                for bounds in bounds {
                    let (from, to) = self.numbers(bounds.from, bounds.to);
                    (from..to).filter(|row| self.is_seen(*row)).for_each(|row| take(row, (row + 1).cast_signed()));
                }
            }
            Order::Hash(columns) => {
                let places = self.places_of(columns);
                for row in (0..self.generator.rows()).filter(|row| self.is_seen(*row)) {
                    let values: Vec<_> = places.iter().map(|at| self.generator.text(row, *at)).collect();
                    let hash = hash_text_extended(record(values.iter().map(Option::as_deref)).as_bytes());
                    if bounds.iter().any(|bounds| bounds.from <= hash.into() && i128::from(hash) < bounds.to) {
                        take(row, hash);
                    }
                }
            }
        }
        Ok(())
    }

    /// The numbers of the rows, from 0, whose keys are from one to before another; keys count from
    /// 1.
    fn numbers(&self, from: i128, to: i128) -> (u64, u64) {
        let rows = i128::from(self.generator.rows());
        let number = |key: i128| (key - 1).clamp(0, rows) as u64;
        (number(from), number(to).max(number(from)))
    }
}

/// A range of numbers.
struct Bounds {
    from: i128,
    to: i128,
}

impl Bounds {
    fn of(range: &Range) -> Result<Bounds> {
        let from = range.from.as_deref().map(number).transpose()?;
        let to = range.to.as_deref().map(number).transpose()?;
        Ok(Bounds { from: from.unwrap_or(i64::MIN.into()), to: to.unwrap_or(i128::from(i64::MAX) + 1) })
    }
}

fn number(key: &[String]) -> Result<i128> {
    let read = key.first().and_then(|key| key.parse().ok());
    read.ok_or_else(|| DataError::Answer { doing: "comparing rows".to_owned(), what: format!("key {key:?}") })
}

impl Generated {
    fn add_up(&self, order: &Order, ranges: &[Range], cuts: &[Vec<String>]) -> Result<Vec<RowSum>> {
        let cuts = cuts.iter().map(|cut| number(cut)).collect::<Result<Vec<_>>>()?;
        let mut sums = vec![RowSum::default(); cuts.len() + 1];
        let (mut text, mut value) = (Vec::new(), Vec::new());
        self.walk(order, ranges, |row, at| {
            self.generator.write(row, &self.places, &mut text, &mut value);
            sums[cuts.partition_point(|cut| *cut <= i128::from(at))].add(&text);
        })?;
        Ok(sums)
    }

    fn make(&self, order: &Order, ranges: &[Range], limit: usize) -> Result<Vec<Line>> {
        let mut found: Vec<(i64, u64)> = Vec::new();
        self.walk(order, ranges, |row, at| {
            // By their keys they come in order.
            if found.len() < limit || matches!(order, Order::Hash(_)) {
                found.push((at, row));
            }
        })?;
        let line = |(at, row): &(i64, u64)| Line {
            at: vec![at.to_string()],
            values: self.places.iter().map(|column| self.generator.text(*row, *column)).collect(),
            count: 1,
        };
        let mut lines: Vec<Line> = found.iter().map(line).collect();
        lines.sort_by(|a, b| order.compare(&a.at, &b.at).then_with(|| a.values.cmp(&b.values)));
        lines.dedup_by(|same, kept| {
            let is_same = same.at == kept.at && same.values == kept.values;
            kept.count += if is_same { same.count } else { 0 };
            is_same
        });
        lines.truncate(limit);
        Ok(lines)
    }
}

impl Side for Generated {
    async fn cuts(&mut self, _: &Order, ranges: &[Range]) -> Result<Vec<Vec<Vec<String>>>> {
        let divide = |range: &Range| {
            let bounds = Bounds::of(range)?;
            let (from, to) = self.numbers(bounds.from, bounds.to);
            let parts = (to - from).min(PARTS as u64);
            Ok((1..parts).map(|at| vec![(from + (to - from) * at / parts + 1).to_string()]).collect())
        };
        ranges.iter().map(divide).collect()
    }

    async fn sums(&mut self, order: &Order, ranges: &[Range], cuts: &[Vec<String>]) -> Result<Vec<RowSum>> {
        let (order, ranges, cuts) = (order.clone(), ranges.to_vec(), cuts.to_vec());
        self.busy(move |own| own.add_up(&order, &ranges, &cuts)).await
    }

    async fn lines(&mut self, order: &Order, ranges: &[Range], limit: Limit) -> Result<Vec<Line>> {
        let (Limit::Rows(limit) | Limit::Lines(limit)) = limit;
        let (order, ranges) = (order.clone(), ranges.to_vec());
        self.busy(move |own| own.make(&order, &ranges, usize::try_from(limit).unwrap_or(usize::MAX))).await
    }
}
