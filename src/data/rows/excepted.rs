//! Columns whose values may differ, and whether they do: in the rows that both sides have. A row
//! that one side alone has says nothing of a column.

use std::collections::BTreeMap;

use super::comparison::{Comparison, Rest};
use super::difference::RowChange;
use super::layout::{Layout, Order, hash};
use super::record::record;
use super::table::Table;
use crate::data::error::Result;
use crate::data::hash::{RowSum, hash_text_extended};

/// How many rows are asked for at once by their keys.
const ASKED: usize = 5000;

/// The columns whose sum shows whether the values of one that may differ do: with the key each
/// row's own, else with all that is compared.
pub(in crate::data) fn with_excepted(seen: &Layout, excepted: &str) -> Vec<String> {
    let mut names = if seen.key.is_empty() { seen.names() } else { seen.key.clone() };
    names.push(excepted.to_owned());
    names
}

/// The rows that one side alone has, by what rows are sorted by.
#[derive(Debug, Clone)]
pub(in crate::data) struct Lone {
    pub order: Order,
    pub keys: Vec<Vec<String>>,
}

impl Lone {
    /// Those of a comparison. If it does not know all rows that differ there are none: it is no
    /// verdict then.
    pub fn of(comparison: &Comparison, order: Order) -> Lone {
        let known = comparison.differences.iter().map(|row| row.rows).sum();
        let mut sides: BTreeMap<&Vec<String>, (bool, bool)> = BTreeMap::new();
        for row in &comparison.differences {
            let side = sides.entry(&row.at).or_default();
            side.0 |= row.change != RowChange::Extra;
            side.1 |= row.change != RowChange::Missing;
        }
        let lone = sides.into_iter().filter(|(_, (first, second))| first != second);
        let keys = lone.map(|(at, _)| at.clone()).filter(|_| comparison.rest == Rest::Exactly(known));
        Lone { order, keys: keys.collect() }
    }
}

/// The sums of rows with one key, one for each column that may differ.
type KeySums = Vec<Option<RowSum>>;

/// What shows whether the columns that may differ do.
#[derive(Debug, Clone, Default)]
pub(in crate::data) struct ExceptedSums {
    /// The sums of all rows; nothing for a column that is not there.
    pub all: Vec<Option<RowSum>>,
    /// The same for each key, by its hash, where that has to be known.
    by_key: BTreeMap<i64, KeySums>,
}

impl ExceptedSums {
    /// The sums without these rows.
    pub fn without(&self, lone: &Lone) -> Vec<Option<RowSum>> {
        let mut sums = self.all.clone();
        for own in lone.keys.iter().filter_map(|at| self.by_key.get(&named(at))) {
            for (sum, own) in sums.iter_mut().zip(own) {
                less(sum, own.unwrap_or_default());
            }
        }
        sums
    }
}

/// What a key is called in the sums.
fn named(at: &[String]) -> i64 {
    hash_text_extended(record(at.iter().map(|value| Some(value.as_str()))).as_bytes())
}

fn less(sum: &mut Option<RowSum>, part: RowSum) {
    if let Some(sum) = sum {
        sum.rows = sum.rows.saturating_sub(part.rows);
        sum.sum -= part.sum;
    }
}

impl Table<'_> {
    /// The sums that show whether the values of these columns differ, without the rows that one
    /// side alone has; nothing for a column that the table does not have. `seen` is what is
    /// compared, in the first table's order.
    pub async fn excepted(&mut self, seen: &Layout, excepted: &[String], lone: &Lone) -> Result<Vec<Option<RowSum>>> {
        let mut sums = vec![];
        for name in excepted {
            if !self.has(name) {
                sums.push(None);
                continue;
            }
            let compared = std::mem::replace(&mut self.columns, with_excepted(seen, name));
            let sum = self.sum_without(lone).await;
            self.columns = compared;
            sums.push(Some(sum?));
        }
        Ok(sums)
    }

    async fn sum_without(&mut self, lone: &Lone) -> Result<RowSum> {
        let mut sum = Some(self.sum().await?);
        for keys in lone.keys.chunks(ASKED) {
            let query = format!(
                "select count(*), coalesce(sum(s.h), 0)::text from (select {} as h from {} as r where {}) s",
                hash(&self.relation.row_text(&self.columns)),
                self.relation.sql,
                lone.order.among(&self.relation, keys),
            );
            for row in self.query(&query).await? {
                let part: String = self.get(&row, 1)?;
                let part = part.parse().map_err(|_| self.unreadable(&part))?;
                less(&mut sum, RowSum { rows: self.get::<i64>(&row, 0)?.cast_unsigned(), sum: part });
            }
        }
        Ok(sum.unwrap_or_default())
    }

    /// The sums of all rows, and with `by_key` of those with each key.
    pub async fn excepted_sums(
        &mut self,
        seen: &Layout,
        excepted: &[String],
        order: &Order,
        by_key: bool,
    ) -> Result<ExceptedSums> {
        let nobody = Lone { order: order.clone(), keys: vec![] };
        let all = self.excepted(seen, excepted, &nobody).await?;
        let mut sums = ExceptedSums { all, by_key: BTreeMap::new() };
        // Whatever has no key cannot be excepted by it.
        if !by_key || seen.key.is_empty() || sums.all.iter().all(Option::is_none) {
            return Ok(sums);
        }
        let keys = order.expressions(&self.relation);
        let hashes = excepted.iter().zip(&sums.all).map(|(name, sum)| match sum {
            Some(_) => hash(&self.relation.row_text(&with_excepted(seen, name))),
            None => "null::bigint".to_owned(),
        });
        let texts = keys.iter().map(|key| format!("({key})::text"));
        let terms: Vec<String> = texts.chain(hashes).collect();
        let query = format!("select {} from {} as r", terms.join(", "), self.relation.sql);
        for row in self.query(&query).await? {
            let at = (0..keys.len()).map(|at| self.get(&row, at)).collect::<Result<Vec<String>>>()?;
            let own = sums.by_key.entry(named(&at)).or_insert_with(|| vec![None; excepted.len()]);
            for (place, own) in own.iter_mut().enumerate() {
                if let Some(hash) = self.get::<Option<i64>>(&row, keys.len() + place)? {
                    own.get_or_insert_default().merge(RowSum { rows: 1, sum: hash.into() });
                }
            }
        }
        Ok(sums)
    }
}

/// Tells of the columns whose values may differ, by the sums of the two tables, those that do not;
/// an error with the name of one that neither has.
pub(in crate::data) fn note_excepted(
    comparison: &mut Comparison,
    names: &[String],
    first: &[Option<RowSum>],
    second: &[Option<RowSum>],
) -> std::result::Result<(), String> {
    for (name, sums) in names.iter().zip(first.iter().zip(second)) {
        match sums {
            (None, None) => return Err(name.clone()),
            // That only one of them has it is a difference in this column, too.
            (Some(_), None) | (None, Some(_)) => {}
            (first, second) if first == second => comparison.idle.push(name.clone()),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::difference::RowDifference;
    use super::*;

    #[test]
    fn a_row_is_lone_if_one_side_has_none_of_its_key() {
        let row = |at: &str, change| RowDifference {
            key: at.to_owned(),
            rows: 1,
            change,
            values: vec![Some(at.to_owned())],
            at: vec![at.to_owned()],
        };
        let differences = vec![
            row("1", RowChange::Missing),
            row("2", RowChange::Extra),
            row("3", RowChange::Changed(vec![])),
            row("4", RowChange::Missing),
            row("4", RowChange::Extra),
        ];
        let order = Order::Key(vec![("id".to_owned(), "integer".to_owned())]);
        let all = Comparison { differences, rest: Rest::Exactly(5), ..Comparison::default() };
        assert_eq!(Lone::of(&all, order.clone()).keys, [["1"], ["2"]]);
        let some = Comparison { rest: Rest::Exactly(6), ..all };
        assert!(Lone::of(&some, order).keys.is_empty());
    }
}
