//! What is known of a step's id before anything starts.

use super::{FactOf, InTeam, Kind, NodeId, RepoId, StepId};
use crate::source::Span;

/// What is known of a step's id.
#[derive(Debug, Clone)]
pub struct IdInfo {
    /// The step's kind; `None` if that is not certain.
    pub kind: Option<&'static Kind>,
    /// Whether the step could be decoded.
    pub decoded: bool,
    /// Where the id is given.
    pub span: Span,
    /// The step's place in the drill.
    pub index: usize,
    /// The repo of a backup.
    pub repo: Option<RepoId>,
    /// The backup that this one goes on from, if it is an incremental one.
    pub goes_on_from: Option<StepId>,
    /// Whether it happens while another step is at work.
    pub strikes: bool,
    /// The names under which it captures values.
    pub captures: Vec<String>,
    /// Where in a `team` step it stands, if it does.
    pub in_team: Option<InTeam>,
    /// The node that it is about, if that is one alone: its mark is a place in that one's WAL, its
    /// backup is of that one.
    pub node: Option<NodeId>,
    /// Why it leaves no mark, though others of its kind do.
    pub no_mark: Option<&'static str>,
}

impl IdInfo {
    /// That of a step that could be decoded, before its names are looked up.
    pub fn new(kind: &'static Kind, span: Span, index: usize) -> Self {
        IdInfo { decoded: true, ..IdInfo::undecoded(Some(kind), span, index) }
    }

    /// That of a step that could not be decoded.
    pub fn undecoded(kind: Option<&'static Kind>, span: Span, index: usize) -> Self {
        IdInfo {
            kind,
            decoded: false,
            span,
            index,
            repo: None,
            goes_on_from: None,
            strikes: false,
            captures: vec![],
            in_team: None,
            node: None,
            no_mark: None,
        }
    }

    /// What later steps can ask it for: facts of its kind, without those of a mark if it leaves
    /// none, and what it captures.
    pub fn facts(&self) -> Vec<&str> {
        let Some(kind) = self.kind else { return vec![] };
        let of_kind = if self.no_mark.is_some() { kind.own_facts().collect() } else { kind.facts() };
        of_kind.into_iter().chain(self.captures.iter().map(String::as_str)).collect()
    }

    /// Whose one of them is.
    pub fn fact_of(&self, fact: &str) -> FactOf {
        match self.kind {
            Some(kind) if kind.own_facts().any(|own| own == fact) => FactOf::Step,
            Some(kind) if kind.leaves(fact) => FactOf::Mark,
            _ => FactOf::Scenario,
        }
    }
}
