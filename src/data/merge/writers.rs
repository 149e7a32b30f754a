//! Which transactions have written the rows that differ on `bad`: all of them count as the mistake.

use std::collections::{BTreeMap, HashSet};

use super::side::Side;
use crate::data::error::{DataError, Result};
use crate::pg::Xid;

/// Of how many rows it is asked who wrote them: a mistake that changed more is known by the first.
const MOST: usize = 100_000;
/// Of how many at once.
const AT_ONCE: usize = 10_000;

/// The places of rows on `bad` that are not the same on `good`, by the table that holds them.
#[derive(Debug, Default)]
pub(super) struct Places {
    all: BTreeMap<String, Vec<u64>>,
    count: usize,
}

impl Places {
    /// Notes one.
    pub(super) fn add(&mut self, leaf: &str, place: u64) {
        if self.count < MOST {
            self.count += 1;
            match self.all.get_mut(leaf) {
                Some(places) => places.push(place),
                None => drop(self.all.insert(leaf.to_owned(), vec![place])),
            }
        }
    }

    /// Who wrote the rows there. Rows that were moved and not written (VACUUM FULL) are of those
    /// who wrote them long ago: who has rows on `good`, too, wrote none since. Of `known` ones that
    /// is not asked.
    pub(super) async fn writers(&self, good: &Side<'_>, bad: &Side<'_>, known: &[Xid]) -> Result<HashSet<Xid>> {
        let mut found = HashSet::new();
        for (leaf, places) in &self.all {
            let query = format!("select distinct xmin::text from only {leaf} where ctid = any ($1::text[]::tid[])");
            let mut here = HashSet::new();
            for places in places.chunks(AT_ONCE) {
                let places = places.iter().map(|place| format!("({},{})", place >> 16, place & 0xffff)).collect();
                here.extend(ask(bad, &query, places).await?);
            }
            let unknown: Vec<String> = here.iter().filter(|xid| !known.contains(xid)).map(Xid::to_string).collect();
            if !unknown.is_empty() {
                let query = format!("select distinct xmin::text from only {leaf} where xmin = any ($1::text[]::xid[])");
                for before in ask(good, &query, unknown).await? {
                    here.remove(&before);
                }
            }
            found.extend(here);
        }
        Ok(found)
    }
}

async fn ask(side: &Side<'_>, query: &str, values: Vec<String>) -> Result<Vec<Xid>> {
    const ASKING: &str = "asking who wrote the rows that differ";
    let rows = side.client.query(query, &[&values]).await.map_err(DataError::while_doing(ASKING))?;
    let xid = |text: &str| text.parse().ok().map(Xid);
    Ok(rows.iter().filter_map(|row| xid(row.get(0))).collect())
}
