//! What is wrong with a file.

use std::cell::{Cell, RefCell};

use super::node::Node;
use super::values::Values;
use crate::journal::{Place, Problem, Redactor};
use crate::source::{Source, Span};

/// How many problems are told of one file: each carries its line.
const MAX_TOLD: usize = 200;
/// How many keys or choices a message lists as those that are known.
pub(super) const FEW: usize = 13;

/// The problems of one file, as they are found.
pub struct Problems<'a> {
    source: &'a Source,
    values: &'a Values,
    told: RefCell<Vec<Problem>>,
    /// How many problems were told beyond those that are kept.
    dropped: Cell<usize>,
    /// How many values are not known because a param has none.
    unset: Cell<usize>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(source: &'a Source, values: &'a Values) -> Self {
        Problems { source, values, told: RefCell::default(), dropped: Cell::new(0), unset: Cell::new(0) }
    }

    /// The file.
    pub fn source(&self) -> &'a Source {
        self.source
    }

    /// What its references stand for.
    pub(super) fn values(&self) -> &'a Values {
        self.values
    }

    /// Adds a problem; no secret's value is left in it.
    pub fn tell(&self, problem: Problem) {
        if self.told.borrow().len() >= MAX_TOLD {
            return self.dropped.set(self.dropped.get() + 1);
        }
        let mut redactor = Redactor::default();
        redactor.add(self.values.used_secrets());
        self.told.borrow_mut().push(redactor.problem(problem));
    }

    /// Adds what is wrong with a part of the file that was decoded by itself.
    pub(super) fn absorb(&self, problems: Vec<Problem>) {
        problems.into_iter().for_each(|problem| self.tell(problem));
    }

    /// Notes that a value is not known because a param has none: it is left out as if it were
    /// wrong, and is not.
    pub(super) fn note_unset(&self) {
        self.unset.set(self.unset.get() + 1);
    }

    /// A problem at a place of the file, to be added to and told.
    pub fn problem(&self, span: Span, title: impl Into<String>, label: impl Into<String>) -> Problem {
        Problem::new(title).at(self.source.place(span, label))
    }

    /// Whether this is an alias that stands for nothing: that was told when the file was parsed.
    pub fn is_told(&self, node: &Node) -> bool {
        node.is_null() && self.source.text()[node.span.start..].starts_with('*')
    }

    /// How many problems there are by now, and values that are not known.
    pub fn count(&self) -> usize {
        self.told.borrow().len() + self.dropped.get() + self.unset.get()
    }

    /// All the problems, in the order of the file, each once: an alias can bring the same one
    /// several times.
    pub fn into_list(self) -> Vec<Problem> {
        let mut problems = in_order(self.told.into_inner());
        match self.dropped.get() {
            0 => {}
            dropped => problems.push(Problem::new(format!("and {dropped} more problems"))),
        }
        problems
    }
}

/// Problems in the order of the file, each once.
///
/// What is wrong in a fragment comes where it is used.
pub fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    let way = |place: &Place| {
        let places = std::iter::successors(Some(place), |place| place.used.as_deref());
        let mut way: Vec<(usize, usize)> = places.map(|place| (place.line, place.column)).collect();
        way.reverse();
        way
    };
    problems.sort_by_cached_key(|problem| problem.places.first().map(way));
    problems.dedup();
    problems
}
