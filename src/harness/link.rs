//! Two nodes, and the network between them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::NodeId;
use crate::source::{Name, Spanned};

/// `[a, b]`: two nodes, as a step's fields name them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct LinkField(pub Spanned<Name>, pub Spanned<Name>);

/// Two nodes, in the order in which they were named; two links are the same whichever node comes
/// first.
#[derive(Debug, Clone)]
pub struct Link {
    a: NodeId,
    b: NodeId,
}

impl Link {
    /// What is between these two.
    pub fn new(a: NodeId, b: NodeId) -> Self {
        Link { a, b }
    }

    /// The two nodes.
    pub fn ends(&self) -> (&NodeId, &NodeId) {
        (&self.a, &self.b)
    }

    /// The two nodes, in the order of their names.
    fn ordered(&self) -> (&NodeId, &NodeId) {
        if self.a < self.b { (&self.a, &self.b) } else { (&self.b, &self.a) }
    }
}

impl PartialEq for Link {
    fn eq(&self, other: &Self) -> bool {
        self.ordered() == other.ordered()
    }
}

impl Eq for Link {}

impl PartialOrd for Link {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Link {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.ordered().cmp(&other.ordered())
    }
}
