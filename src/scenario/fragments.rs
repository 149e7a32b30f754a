//! The fragments that a scenario uses, read and with their params, before their steps are decoded.

use std::collections::HashMap;
use std::path::PathBuf;

use super::node::{Entry, Node};
use super::values::Values;

/// One use of a fragment.
#[derive(Debug)]
pub(super) struct Fragment {
    /// Its file.
    pub root: Node,
    /// What its references stand for, and its ids.
    pub values: Values,
}

/// The fragments of a scenario.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    /// By where the key `use` stands; none where it could not be read.
    by_use: HashMap<usize, Option<Fragment>>,
    /// In the order in which they are used.
    order: Vec<usize>,
    /// Their files.
    pub files: Vec<PathBuf>,
}

impl Fragments {
    /// Whether what stands here is known already: an alias brings a step a second time.
    pub(super) fn has(&self, used: &Entry) -> bool {
        self.by_use.contains_key(&used.key.span.start)
    }

    /// Notes what stands at a `use`: nothing at first, and the fragment once it is read.
    pub(super) fn add(&mut self, used: &Entry, fragment: Option<Fragment>) {
        let at = used.key.span.start;
        if self.by_use.insert(at, fragment).is_none() {
            self.order.push(at);
        }
    }

    /// What stands at a `use`.
    pub(super) fn get(&self, used: &Entry) -> Option<&Fragment> {
        self.by_use.get(&used.key.span.start)?.as_ref()
    }

    /// All that could be read.
    pub(super) fn all(&self) -> impl Iterator<Item = &Fragment> {
        self.order.iter().filter_map(|at| self.by_use.get(at)?.as_ref())
    }

    /// Whether all could be read.
    pub(super) fn complete(&self) -> bool {
        self.by_use.values().all(Option::is_some)
    }
}
