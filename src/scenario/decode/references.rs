//! The names in a file that refer to something.

use std::cell::RefCell;

use crate::scenario::node::Node;
use crate::scenario::values::Values;
use crate::source::{Name, RefersTo, Spanned};

/// The references that were met since they were last taken.
#[derive(Default)]
pub(super) struct References(RefCell<Vec<(RefersTo, Spanned<Name>)>>);

impl References {
    /// Notes a name that refers to something; one that is no name is an error of its own.
    pub(super) fn note(&self, values: &Values, to: RefersTo, node: &Node, key: Option<&Node>) {
        let Some(resolved) = node.text().and_then(|text| values.resolve(text).ok()) else { return };
        let name = match to.may_be_a_step() {
            true => Name::of_step(&values.ids().meant(resolved.text, resolved.substituted)),
            false => Name::new(&resolved.text),
        };
        let Ok(value) = name else { return };
        let entry = key.map_or(node.span, |key| key.span.to(node.span));
        let reference = (to, Spanned { value, span: node.span, entry });
        let mut references = self.0.borrow_mut();
        // A value may be decoded several times.
        if !references.contains(&reference) {
            references.push(reference);
        }
    }

    /// The references that were met since this was last asked.
    pub(super) fn take(&self) -> Vec<(RefersTo, Spanned<Name>)> {
        self.0.take()
    }
}
