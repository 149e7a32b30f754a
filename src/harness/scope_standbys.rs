//! Which nodes are standbys, as far as earlier steps say.

use super::{NodeField, NodeRef, Scope};

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

    /// Notes that any node may be a primary from now on: the step being resolved does whatever it
    /// likes.
    pub fn may_promote(&mut self) {
        self.nodes.values_mut().for_each(|info| info.promoted = true);
    }
}
