//! The params that a file declares.

use super::decode::Decoder;
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
