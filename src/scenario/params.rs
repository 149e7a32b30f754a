//! The params that a file declares.

use super::decode::Decoder;
use super::fragments::Fragments;
use super::node::Node;
use super::values::Values;
use crate::journal::Problem;
use crate::source::{Ordered, Scalar, Source, Spanned};

/// The params of a file with their defaults, null where there is none, and what is wrong with them.
pub(super) fn declared(source: &Source, root: &Node) -> (Vec<(Spanned<String>, Scalar)>, Vec<Problem>) {
    let none = Values::none();
    let decoder = Decoder::new(source, &none);
    let params: Option<Ordered<String, Scalar>> = root.get("params").and_then(|entry| decoder.decode_entry(entry));
    (params.into_iter().flatten().collect(), decoder.into_problems())
}

/// The params of a file and of its fragments that nothing has asked for, once all is decoded.
pub(super) fn unused(source: &Source, (root, values): (&Node, &Values), fragments: &Fragments) -> Vec<Spanned<String>> {
    let of_fragments = fragments.all().map(|fragment| (&fragment.root, &fragment.values));
    let files = std::iter::once((root, values)).chain(of_fragments);
    let unused = files.flat_map(|(root, values)| {
        let (declared, _) = declared(source, root);
        declared.into_iter().map(|(name, _)| name).filter(|name| !values.is_asked_for(&name.value)).collect::<Vec<_>>()
    });
    unused.collect()
}
