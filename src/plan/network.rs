//! Whether the servers of a drill are cut off from the network.

use std::collections::BTreeMap;

use super::{PlannedStep, RepoSpec};
use crate::harness::{NodeId, NodeSpec, Recovers, RepoId, Scope};
use crate::host::Isolation;
use crate::scenario::NetworkSpec;
use crate::source::Spanned;

/// What of a drill says whether its servers have somebody else's data.
pub(super) struct Parts<'a> {
    pub nodes: &'a BTreeMap<NodeId, NodeSpec>,
    pub repos: &'a BTreeMap<RepoId, RepoSpec>,
    /// The nodes that steps make.
    pub made: &'a [NodeId],
    pub steps: &'a [PlannedStep],
}

impl Parts<'_> {
    /// Whether they do: restored from an existing repo, or made from an external server.
    fn have_copies(&self) -> bool {
        let is_external = |name: &NodeId| self.nodes.get(name).is_some_and(|node| node.external.is_some());
        let from_external = |step: &PlannedStep| {
            let recovers = matches!(step.kind.recovers, Recovers::Always | Recovers::BehindIncident);
            recovers && step.nodes().any(is_external) && !step.nodes().all(is_external)
        };
        (!self.made.is_empty() && self.repos.values().any(|repo| repo.existing.is_some()))
            || self.nodes.values().any(|node| node.follows.as_ref().is_some_and(is_external))
            || self.steps.iter().any(from_external)
    }
}

/// What a drill needs, by what its servers have, and by what it says itself. Of a drill that is not
/// `complete` nobody knows all of that.
pub(super) fn isolation(
    said: Option<Spanned<NetworkSpec>>,
    parts: &Parts<'_>,
    complete: bool,
    scope: &mut Scope<'_>,
) -> Isolation {
    let have_copies = parts.have_copies();
    match said.as_ref().map(|said| said.value) {
        None if have_copies => Isolation::Demanded,
        None => Isolation::Needless,
        Some(NetworkSpec::Isolated) => Isolation::Demanded,
        Some(NetworkSpec::Open) if have_copies => Isolation::Refused,
        Some(NetworkSpec::Open) => {
            if let Some(said) = said.filter(|_| complete) {
                let help = "leave it out: the drill's own servers are not cut off";
                let label = "nothing is restored from an existing repo or made from an external server";
                scope.error_help(said.span, "nothing in this drill is somebody else's", label, help);
            }
            Isolation::Needless
        }
    }
}
