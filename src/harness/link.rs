//! Two nodes and what is between them, for the steps that cut and heal.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::Scope;
use crate::source::{Name, Span, Spanned};

/// `[a, b]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Link(Spanned<Name>, Spanned<Name>);

impl Link {
    /// The two names.
    pub fn names(&self) -> (&str, &str) {
        (self.0.as_str(), self.1.as_str())
    }

    /// The same for both orders.
    pub fn key(&self) -> (String, String) {
        let (a, b) = self.names();
        if a < b { (a.to_owned(), b.to_owned()) } else { (b.to_owned(), a.to_owned()) }
    }

    /// Checks that they are two nodes of the drill's own.
    pub fn resolve(&self, scope: &mut Scope<'_>, entry: Span) {
        for name in [&self.0, &self.1] {
            if let Some(info) = scope.named_node(name)
                && info.external
            {
                let title = format!("`{}` is external: a drill does nothing to its network", name.value);
                scope.error_related(name.span, title, "not drillyard's", (info.span, "external".to_owned()));
            }
        }
        if self.0.value == self.1.value {
            scope.error(entry, "a node has no network to itself", "name two nodes");
        }
    }
}
