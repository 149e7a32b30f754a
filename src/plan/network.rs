//! Whether the servers of a drill are cut off from the network.

use std::collections::BTreeMap;

use super::RepoSpec;
use crate::harness::{NodeId, NodeSpec, RepoId, Scope};
use crate::host::Isolation;
use crate::scenario::NetworkSpec;
use crate::source::Spanned;

/// What a drill needs, by what its servers have of somebody else's: they are restored from an
/// existing repo, or they follow an external server. `made` are those that steps make.
pub(super) fn isolation(
    said: Option<Spanned<NetworkSpec>>,
    nodes: &BTreeMap<NodeId, NodeSpec>,
    repos: &BTreeMap<RepoId, RepoSpec>,
    made: &[NodeId],
    complete: bool,
    scope: &mut Scope<'_>,
) -> Isolation {
    let is_external = |up: &NodeId| nodes.get(up).is_some_and(|up| up.external.is_some());
    let has_copies = (!made.is_empty() && repos.values().any(|repo| repo.existing.is_some()))
        || nodes.values().any(|node| node.follows.as_ref().is_some_and(is_external));
    match said.as_ref().map(|said| said.value) {
        None if has_copies => Isolation::IfPossible,
        None => Isolation::Needless,
        Some(NetworkSpec::Isolated) => Isolation::Demanded,
        Some(NetworkSpec::Open) if has_copies => Isolation::Refused,
        Some(NetworkSpec::Open) => {
            if let Some(said) = said.filter(|_| complete) {
                let help = "leave it out: the drill's own servers are not cut off";
                let label = "there is no existing repo, and no standby of an external server";
                scope.error_help(said.span, "nothing in this drill is somebody else's", label, help);
            }
            Isolation::Needless
        }
    }
}
