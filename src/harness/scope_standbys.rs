//! Which nodes are standbys, as far as earlier steps say.

use super::{Maker, NodeField, NodeId, NodeRef, Scope};

impl Scope<'_> {
    /// Notes that a node is a standby from now on.
    pub fn remade(&mut self, node: &str) {
        if let Some(info) = self.nodes.get_mut(node) {
            info.remade = true;
        }
    }

    /// Notes that a node may be a primary from now on.
    pub fn promoted(&mut self, node: &str) {
        if let Some(info) = self.nodes.get_mut(node) {
            info.promoted = true;
        }
    }

    /// A node that drillyard made, to which the step writes through a session of its own: an error
    /// if it is certainly a standby then. A step that has to fail may be about just that.
    pub fn primary(&mut self, field: &NodeField) -> Option<NodeRef> {
        let node = self.own_node(field)?;
        let info = self.node_info(&node).filter(|info| info.decoded).cloned();
        if let Some(info) = info.filter(|info| (info.follows.is_some() || info.remade) && !info.promoted)
            && !self.must_fail
            && self.all_decoded
        {
            let title = format!("`{node}` is a standby: nobody writes there");
            let related = match &info.follows {
                Some(upstream) => format!("it follows `{upstream}`"),
                None => "an earlier step has made a standby of it".to_owned(),
            };
            let at = node.entry().unwrap_or(self.action);
            self.error_related(at, title, "the server would refuse", (info.span, related));
            self.help_last("name its primary, or `promote` it first".to_owned());
        }
        Some(node)
    }

    /// Whether two nodes are certainly of two clusters: both are listed, and follow different ones.
    pub fn are_apart(&self, one: &NodeId, other: &NodeId) -> bool {
        matches!((self.head(one), self.head(other)), (Some(one), Some(other)) if one != other)
    }

    /// The listed node at the head of those that a node follows; none if steps may have made
    /// something else of one of them.
    fn head(&self, node: &NodeId) -> Option<&NodeId> {
        let mut at = node;
        for _ in 0..self.nodes.len() {
            let (id, info) = self.nodes.get_key_value(at)?;
            let is_as_listed = info.decoded && info.maker == Maker::Start && !info.remade && !info.external;
            match &info.follows {
                _ if !is_as_listed || info.recovers_from.is_some() => return None,
                Some(upstream) => at = upstream,
                None => return Some(id),
            }
        }
        None
    }

    /// Notes that from now on nobody knows what nodes are, and what lies in repos: people do the
    /// step being resolved, or a script of theirs, which has both at hand.
    pub fn by_hand(&mut self) {
        self.may_promote();
        self.repos_by_hand = true;
    }

    /// Notes that any node may be a primary from now on: the step being resolved does whatever it
    /// likes.
    pub fn may_promote(&mut self) {
        self.nodes.values_mut().for_each(|info| info.promoted = true);
    }
}
