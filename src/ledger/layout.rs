//! What users do, as far as it concerns their ledger: what each kind leaves, and where to look for
//! it.

use super::footprint::{Deletes, Footprint, WriteSite};
use super::kind::{Kind, LedgerColumns};

/// What the ledger needs to know of a kind.
#[derive(Debug, Clone)]
pub(crate) struct KindInfo {
    pub(crate) name: String,
    /// What it leaves.
    pub(crate) sites: Vec<Site>,
    /// Whether its SQL writes nothing, so that there is nothing to lose.
    pub(crate) only_reads: bool,
}

/// What a kind leaves in one of the places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Site {
    /// The place, by its number.
    pub(crate) place: usize,
    pub(crate) footprint: Footprint,
    /// How many rows.
    pub(crate) rows: u8,
}

/// A place to look in: several kinds may share it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) columns: LedgerColumns,
    /// Whether each user has one row there, which shows its last transaction.
    pub(crate) last: bool,
    /// The most rows that a transaction leaves there.
    pub(crate) most_rows: u8,
    /// For each kind, whether it certainly writes no row there: one with its `$seq` is unexpected.
    pub(crate) never_written_by: Vec<bool>,
    /// For each kind, which rows it deletes there.
    pub(crate) deletes: Vec<Option<Deletes>>,
}

/// What users do, as far as it concerns their ledger.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    pub(crate) kinds: Vec<KindInfo>,
    pub(crate) places: Vec<Place>,
}

impl Layout {
    pub(crate) fn new(kinds: &[Kind], sites: &[Vec<WriteSite>]) -> Self {
        let mut layout = Layout::default();
        for (kind, sites) in kinds.iter().zip(sites) {
            let sites = sites.iter().map(|site| layout.add(site)).collect();
            layout.kinds.push(KindInfo { name: kind.name.clone(), sites, only_reads: kind.only_reads() });
        }
        for (at, place) in layout.places.iter_mut().enumerate() {
            for (kind, info) in kinds.iter().zip(&layout.kinds) {
                let footprints = info.sites.iter().filter(|site| site.place == at).map(|site| site.footprint);
                let writes = footprints.clone().any(|footprint| matches!(footprint, Footprint::Row | Footprint::Last));
                // What has no ledger, or may write there without naming it, has the benefit of the
                // doubt.
                let never = !writes && !kind.ledger.is_empty() && !kind.may_insert(&place.columns.table);
                let mut deletes = footprints.filter_map(|footprint| match footprint {
                    Footprint::Deletes(deletes) => Some(deletes),
                    Footprint::Row | Footprint::Last => None,
                });
                place.never_written_by.push(never);
                place.deletes.push(deletes.next());
            }
        }
        layout
    }

    fn add(&mut self, site: &WriteSite) -> Site {
        let known = self.places.iter().position(|place| place.columns.is_at(&site.columns));
        let at = known.unwrap_or_else(|| {
            self.places.push(Place {
                columns: site.columns.clone(),
                last: site.footprint == Footprint::Last,
                most_rows: 1,
                never_written_by: vec![],
                deletes: vec![],
            });
            self.places.len() - 1
        });
        let place = &mut self.places[at];
        place.most_rows = place.most_rows.max(site.rows);
        Site { place: at, footprint: site.footprint, rows: site.rows }
    }
}
