//! Servers that are recovered cold: neither source, nor backup server, nor its configuration is
//! left.

use crate::source::{Span, Spanned};

/// A server that is recovered from nothing but a repo, and what is kept elsewhere for that.
#[derive(Debug, Clone)]
pub struct Cold {
    /// Where the scenario says so.
    pub span: Span,
    /// What there is beside the repo, by name.
    pub secrets: Vec<(Spanned<String>, String)>,
}
