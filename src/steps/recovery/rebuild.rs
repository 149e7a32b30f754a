//! `rebuild`

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, Maker, Makes, MarkKind, NodeRef, NodeSettings, Output, Ran, Recovers, ReleaseField,
    Releases, RepoId, Resolved, Role, Scope, Step, StepKind, StepRef, StepResult, if_given,
};
use crate::node::{Config, Node, Origin, Signal, by_hand, own_tablespaces};
use crate::repo::Ability;
use crate::source::{Name, NodeName, Ordered, Setting, Spanned, StepName};
use crate::steps::recovery::follow::{Archive, Standby};
use crate::steps::recovery::restore::{Restored, restore, tell_network, use_data_alone};
use crate::steps::recovery::restore_command::{RestoreCommand, RestoreCommandSpec};
use crate::steps::recovery::slots::{drop_slot, fresh_slot, slots_for_standbys};
use crate::steps::recovery::upstream::upstream_of;

/// Builds a standby from scratch, from its primary or from a backup in a repo.
///
/// ```yaml
/// - rebuild: { node: standby, follows: master }                  # a pg_basebackup of the master
/// - rebuild: { node: standby, follows: master, from: nightly }   # that backup and its repo's WAL
/// - rebuild: { node: spare, follows: master }                    # a new server
/// ```
///
/// `node` may exist: its server is ended if it is still running, however broken it is, and its data
/// directory is removed. An unknown name is a new server. Without `from` the data come from
/// `follows`, by pg_basebackup. With `from`, the id of a `backup` step, they come from that backup,
/// and the standby has the restore_command of its repo, or the one given here as in `recover`. In
/// both cases it has a replication slot on the server that it follows, as the standbys listed under
/// `nodes` do.
///
/// `settings` are lines for its postgresql.conf, checked as those of a node are. They come after
/// the node's own and win, over the postgresql.auto.conf that comes with its data, too; the server
/// keeps them. Of an external server nothing but its data is used, as of a backup in an existing
/// repo. `release: "15.18"` is the release of PostgreSQL that a new server runs, as of a
/// node.
///
/// It passes if the server that it follows reports that it streams, and it has everything that was
/// written there before. It fails if the copy fails, and if the standby cannot stream: it names the
/// missing WAL segment, or whatever else the log shows, and what to do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RebuildSpec {
    /// The standby to build or rebuild.
    node: Spanned<Name>,
    /// The server that it is to follow.
    follows: NodeName,
    /// The backup that it is made from. Default: a copy of the server that it follows.
    #[serde(default)]
    from: Option<StepName>,
    /// A restore_command of your own, or `none`; with `from`.
    #[serde(default)]
    restore_command: Option<Spanned<RestoreCommandSpec>>,
    /// Lines for its postgresql.conf.
    #[serde(default)]
    settings: Option<Ordered<String, Setting>>,
    /// The release of PostgreSQL that a new server runs: `"15.18"`.
    #[serde(default)]
    release: Option<ReleaseField>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Rebuild {
    /// The server.
    node: NodeRef,
    /// Its primary from then on.
    follows: NodeRef,
    /// The backup that it is made from, and its repo; a base backup of the primary if there is
    /// none.
    from: Option<(StepRef, RepoId)>,
    /// What it has as restore_command, with a backup.
    restore_command: RestoreCommand,
    /// Lines for its postgresql.conf.
    settings: NodeSettings,
    /// The release that a new server runs.
    releases: Releases,
}

impl StepKind for RebuildSpec {
    type Step = Rebuild;

    const NAME: &'static str = "rebuild";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const FACTS: &'static str = "copy_ms rebuild_ms stopped network configuration used postgresql_auto_conf streams_from catch_up_ms \
        catch_up_bytes catch_up_mb_per_s missing_segment";
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Always;
    const MAKES: Option<Makes> = Some(Makes { field: "node", with: None });

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Rebuild> {
        let made_here = scope.nodes.get(self.node.as_str()).is_some_and(|info| info.maker == Maker::Step(scope.index));
        let node = if made_here { Some(NodeRef::written(&self.node)) } else { scope.own_named_node(&self.node) };
        let follows = if self.follows.value == self.node.value {
            scope.error(self.follows.span, "a server cannot follow itself", "name its primary");
            None
        } else {
            scope.named_node(&self.follows)
        };
        let from = if_given(self.from.as_ref(), |from| {
            let backup = scope.step_with(from, &[Output::Backup])?;
            let repo = scope.step_info(&backup)?.repo.clone()?;
            scope.restores(&backup.id, &repo, Some(from.span));
            scope.repo_can(&repo, Ability::Replay, Some(from.span));
            Some((backup, repo))
        });
        let repo = from.as_ref().and_then(|from| from.as_ref().map(|(_, repo)| repo.clone()));
        if let (Some(written), None) = (&self.restore_command, &self.from) {
            let help = "name a backup: the server reads the archive of its repo";
            scope.error_help(written.entry, "`restore_command` goes with `from`", "it reads no archive", help);
        }
        let restore_command = RestoreCommand::of(self.restore_command.as_ref(), repo.as_ref(), scope);
        scope.recovers_from(self.node.as_str(), repo);
        if from.is_some() {
            scope.remade(self.node.as_str());
        }
        let settings = scope.settings(self.settings.as_ref(), scope.archives(self.node.as_str()));
        let releases = scope.releases_of_new(self.node.as_str(), self.release.as_ref());
        Some(Rebuild { node: node?, follows: follows?, from: from?, restore_command, settings, releases })
    }
}

#[async_trait(?Send)]
impl Step for Rebuild {
    fn effects(&self) -> Effects {
        Effects::anything().follows(&self.follows).runs(&self.node, &self.releases)
    }

    fn title(&self) -> String {
        let from = self.from.as_ref().map_or(self.follows.as_str(), |(backup, _)| backup.as_str());
        format!("rebuild {} from {from}, to follow {}", self.node, self.follows)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        // What the node had before is no place in the WAL that it has then.
        cx.noted(&self.follows.id, async |cx| self.rebuild(cx).await).await
    }
}

impl Rebuild {
    async fn rebuild(&self, cx: &mut Context<'_>) -> StepResult {
        let up = cx.world.node(&self.follows)?;
        let started = Instant::now();
        cx.world.give_settings(&self.node.id, &self.settings);
        let node = self.node(cx, &up).await?;
        node.must_not_be_paused(self.node.entry())?;
        // A host that was killed is switched on again; one that was lost is another one in its
        // place.
        node.boot().await?;
        self.check_upstream(cx, &node, &up).await?;
        cx.world.outputs().recovered.remove(&self.node.id);
        let was_there = cx.world.outputs().nodes.contains_key(&self.node.id);
        if node.clear().await? {
            cx.fact("stopped", "it still ran");
        }
        if was_there {
            let data = &node.host()?.paths().data;
            let about = format!(
                "stop `{0}` and remove its data directory: whatever only `{0}` has is lost for good",
                node.name()
            );
            cx.ran(Ran::like(&node, about, by_hand::clear(data, &own_tablespaces(data))));
        }
        let slot = fresh_slot(cx, &up, node.name()).await?;
        match self.make(cx, &node, &up, slot).await {
            Ok(standby) => standby.follow(cx).await?,
            Err(finding) => {
                // A slot that nobody uses would hold its server's WAL for ever. The failure is what
                // is told.
                let _ = drop_slot(cx, &up, node.name()).await;
                return Err(finding);
            }
        }
        slots_for_standbys(cx, &node).await?;
        cx.fact("rebuild_ms", started.elapsed().as_millis() as u64);
        Ok(())
    }

    /// The server, which users and later steps may know already; or a new one.
    async fn node(&self, cx: &Context<'_>, up: &Node) -> Result<Arc<Node>, Box<Finding>> {
        let known = cx.world.outputs().nodes.get(&self.node.id).cloned();
        let host = cx.world.lab.host(&self.node).await?;
        let others = match &self.from {
            Some((from, repo)) => cx.world.is_of_others(cx.world.repo(repo)?, &cx.world.label(from)),
            None => up.has_data_of_others(),
        };
        let new = Node::with_data_of(others, host, &cx.world.password)?;
        // Its roles come with its data.
        Ok(known.filter(|known| known.is_like(&new)).unwrap_or_else(|| Arc::new(new)))
    }

    /// Nothing may be removed before it is certain that there is a server to follow, and not one
    /// that depends on what is removed.
    async fn check_upstream(&self, cx: &mut Context<'_>, node: &Node, up: &Arc<Node>) -> StepResult {
        cx.client(up).await.map_err(|finding| finding.at(self.follows.entry()))?;
        let mut at = up.clone();
        let most = cx.world.outputs().nodes.len();
        for _ in 0..most {
            match upstream_of(cx, &at).await {
                Some((above, _)) if above.name() == node.name() => {
                    let (node, up) = (node.name(), up.name());
                    return Err(Finding::failed(format!("`{up}` is itself a standby of `{node}`"))
                        .at(self.follows.entry())
                        .label(format!("`{node}` would be removed, and nothing would be left to follow"))
                        .help(format!("make a primary of it first: `promote: {{ node: {up} }}`")));
                }
                Some((above, _)) => at = above,
                None => break,
            }
        }
        Ok(())
    }

    /// Fills the data directory.
    async fn make(
        &self,
        cx: &mut Context<'_>,
        node: &Arc<Node>,
        up: &Arc<Node>,
        slot: Option<String>,
    ) -> Result<Standby, Box<Finding>> {
        let copying = Instant::now();
        let mut config = cx.world.spec(node.name()).config(&cx.world.repos);
        let archive = match &self.from {
            Some((from, repo)) => {
                let repo = cx.world.repo(repo)?.clone();
                let (label, at) = (cx.world.label(from), from.span());
                restore(cx, node, Restored { what: from, label: &label, at }, &repo).await?;
                config.restore_command = self.restore_command.setting(&repo, node.host()?.as_ref()).await?;
                Some(Archive { repo, copy_of: None, read: self.restore_command.reads() })
            }
            None => {
                if node.has_data_of_others() {
                    tell_network(cx);
                }
                cx.wait(format!("pg_basebackup of `{}`", up.name()));
                let (output, program) = node.base_backup(up).await?;
                if !output.success() {
                    let title = format!("pg_basebackup of `{}` failed (exit status {})", up.name(), output.status);
                    return Err(Finding::failed(title).note("said", output.stderr.trim()));
                }
                let ran = Ran::program(node, format!("copy `{}` to `{}`", up.name(), node.name()), &program);
                cx.ran(ran.took(copying.elapsed()));
                if up.is_external() {
                    use_data_alone(cx, node, &format!("`{}`", up.name()), self.follows.entry()).await?;
                }
                None
            }
        };
        cx.fact("copy_ms", copying.elapsed().as_millis() as u64);
        cx.world.outputs().nodes.insert(self.node.id.clone(), node.clone());
        let config = Config { following: Some(up.followed_by(node, slot).await?), ..config };
        let (node, up, at) = (node.clone(), up.clone(), self.follows.entry());
        Ok(Standby { node, up, config, signal: Signal::Standby, origin: Origin::Copied, archive, at })
    }
}
