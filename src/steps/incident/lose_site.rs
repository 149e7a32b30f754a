//! `lose_site`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, Finding, MarkKind, NodeId, RepoId, Resolved, Role, Scope, Step, StepKind, StepResult};
use std::sync::Arc;

use crate::node::Node;
use crate::source::{Name, Spanned};

/// Takes away everything at a site at once: hosts with their disks, and repos.
///
/// ```yaml
/// repos: { onsite: { site: oslo }, offsite: { copy_of: onsite, site: bergen } }
/// nodes:
///   master: { archive_to: onsite, site: oslo }
///   standby: { follows: master, site: oslo }
/// steps:
///   - id: accident
///     lose_site: { site: oslo }
/// ```
///
/// A node or a repo is at the site that its `site:` names; without one it is at none. Nodes that
/// `recover` and `rebuild` make later are new servers somewhere else. With an `id` the step is a
/// mark, of the primary that was there.
///
/// It passes if nothing is left of the site. It fails if there was nothing left to lose.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoseSiteSpec {
    /// The site.
    site: Spanned<Name>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct LoseSite {
    /// The site.
    site: Spanned<Name>,
    /// The nodes there.
    nodes: Vec<NodeId>,
    /// The repos there.
    repos: Vec<RepoId>,
}

impl StepKind for LoseSiteSpec {
    type Step = LoseSite;

    const NAME: &'static str = "lose_site";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Incident;
    const FACTS: &'static str = "hosts repos";
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<LoseSite> {
        let (nodes, repos) = scope.site(&self.site);
        Some(LoseSite { site: self.site, nodes, repos })
    }
}

#[async_trait(?Send)]
impl Step for LoseSite {
    fn title(&self) -> String {
        format!("lose site {}", self.site.value)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let hosts: Vec<_> = {
            let state = cx.world.outputs();
            let nodes = self.nodes.iter().filter_map(|name| state.nodes.get(name));
            nodes.filter(|node| node.host().is_ok_and(|host| host.is_on())).cloned().collect()
        };
        let repos: Vec<_> = self.repos.iter().filter_map(|name| cx.world.repo(name).ok().cloned()).collect();
        if hosts.is_empty() && repos.is_empty() {
            return Err(Finding::failed(format!("site `{}` is gone already", self.site.value))
                .at(self.site.entry)
                .label("nothing of it is left to lose"));
        }
        cx.fact("hosts", hosts.len() as u64);
        cx.fact("repos", repos.len() as u64);
        let witness = primary_of(&hosts).await.or_else(|| hosts.first().cloned());
        let lose = async |cx: &mut Context<'_>| {
            // By a host of the site itself where there is no other: a moment later it is gone, too.
            let node = cx.world.any_host()?;
            let all = hosts.iter().map(|node| cx.world.lose(node));
            let host = node.host()?.as_ref();
            futures_util::future::try_join_all(repos.iter().map(|repo| repo.wipe(host))).await?;
            cx.world.outputs().lost_repos.extend(repos.iter().map(|repo| RepoId::from(repo.name.as_str())));
            futures_util::future::try_join_all(all).await.map(drop)
        };
        match witness {
            Some(node) => cx.inject(&node, lose).await,
            None => cx.strike(lose).await,
        }
    }
}

/// The one of these servers that accepts writes.
async fn primary_of(nodes: &[Arc<Node>]) -> Option<Arc<Node>> {
    for node in nodes.iter().filter(|node| node.is_up()) {
        if node.is_primary().await {
            return Some(node.clone());
        }
    }
    None
}
