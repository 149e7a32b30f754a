//! The words of `recover`, every name in them looked up: what it begins with, and what happens at
//! its target.

use super::RecoverSpec;
use crate::harness::{Maker, NodeRef, Releases, RepoId, Resolved, Scope, if_given};
use crate::node::Signal;
use crate::repo::Ability;
use crate::source::{Name, Spanned};
use crate::steps::recovery::backup_choice::BackupSpec;
use crate::steps::recovery::cold::check as check_cold;
use crate::steps::recovery::start::{Archive, Start};
use crate::steps::recovery::target::Then;
use crate::steps::recovery::until::ThenSpec;

impl RecoverSpec {
    /// A new server, restored from a backup.
    pub(super) fn new_server(&self, backup: &Spanned<BackupSpec>, scope: &mut Scope<'_>) -> Resolved<(NodeRef, Start)> {
        let node = NodeRef::written(&self.node);
        if let Some(info) = scope.node_info(&node).cloned()
            && info.maker != Maker::Step(scope.index)
            && info.decoded
        {
            let title = format!("node `{node}` exists already");
            let label = "`recover` with a `backup` makes a new server";
            scope.error_related(self.node.span, title, label, (info.span, "made here".to_owned()));
        }
        let (backup, repo) = backup.value.resolve(self.repo.as_ref(), backup.span, scope)?;
        check_cold(&node, &repo, self.repo.as_ref().map_or(self.node.span, |repo| repo.span), &self.then, scope);
        if scope.repo_info(&repo).is_some_and(|info| info.kind.can(Ability::Replay).is_err()) {
            self.check_rows(&repo, scope);
            let archive = Archive::of(repo, &node, scope);
            return Some((node, Start::Rows { backup, archive }));
        }
        if let Some(word) = self.until.value.end_of_backup() {
            scope.restores_alone(&repo, word);
        }
        let archive = Archive::of(repo, &node, scope);
        Some((node, Start::Backup { backup, archive }))
    }

    /// Tells of each field that asks for WAL of a repo that has none.
    fn check_rows(&self, repo: &RepoId, scope: &mut Scope<'_>) {
        let until = self.until.value.end_of_backup().is_none().then_some(self.until.entry);
        let then = (!matches!(self.then.value, ThenSpec::Promote)).then_some(self.then.entry);
        let timeline = self.timeline.as_ref().map(|timeline| timeline.entry);
        let forgotten = self.restore_command.as_ref().map(|forgotten| forgotten.entry);
        for entry in [until, then, timeline, forgotten].into_iter().flatten() {
            scope.repo_can(repo, Ability::Replay, Some(entry));
        }
    }

    /// The server as it is.
    pub(super) fn own_server(&self, scope: &mut Scope<'_>) -> Resolved<(NodeRef, Start)> {
        let repo = if_given(self.repo.as_ref(), |repo| scope.repo(repo));
        let Some(info) = scope.nodes.get(self.node.as_str()).cloned() else {
            if !scope.more_nodes {
                scope.error_help(
                    self.node.span,
                    format!("node `{}` does not exist, and there is no `backup` to make it from", self.node.value),
                    "restored from what?",
                    "add `backup: ID` with the id of a `backup` step",
                );
            }
            return None;
        };
        let node = scope.named_node(&self.node)?;
        let primary = info.maker == Maker::Start && info.follows.is_none() && !info.remade;
        if info.recovers_from.is_none() && self.repo.is_none() && primary {
            let title = format!("node `{node}` is not in recovery");
            let label = "only a standby, or a server made by `recover`, can go on recovering";
            scope.error_related(self.node.span, title, label, (info.span, "it follows no node".to_owned()));
        }
        let own = info.recovers_from.or_else(|| scope.archive_above(&node));
        let repo = repo?.map(|repo| repo.id).or(own);
        if let Some(repo) = &repo {
            scope.repo_can(repo, Ability::Archive, self.repo.as_ref().map(|repo| repo.span));
        }
        let archive = repo.map(|repo| Archive::of(repo, &node, scope));
        Some((node, Start::OwnServer { archive }))
    }

    /// The release that a new server runs.
    pub(super) fn releases(&self, scope: &mut Scope<'_>) -> Releases {
        match (&self.release, &self.backup) {
            (Some(release), None) => {
                let label = "the server that goes on keeps the release that it was made with";
                scope.error(release.entry, "`release` goes with `backup`", label);
                Releases::default()
            }
            (release, _) => scope.releases_of_new(self.node.as_str(), release.as_ref()),
        }
    }

    /// What happens at the target, and the mistakes that go with it.
    pub(super) fn then(&self, scope: &mut Scope<'_>) -> Resolved<Then> {
        let streams = self.until.value.is_latest() && matches!(self.then.value, ThenSpec::Follow(_));
        if let Some(signal) = &self.signal
            && !streams
        {
            let help = "it is a mistake to be made with a standby: with `until: latest` and `then: { follow: NODE }`";
            let label = "there is nothing wrong with this file here";
            scope.error_help(signal.entry, "`signal` goes with `follow`", label, help);
        }
        let archive_to = if_given(self.archive_to.as_ref(), |repo| self.archive_to(repo, scope));
        if let (Some(timeline), true) = (&self.timeline, streams) {
            let label = "a standby goes on with its primary's";
            scope.error_help(timeline.entry, "`timeline` goes with a target", label, "leave it out");
        }
        Some(match &self.then.value {
            ThenSpec::Promote => Then::Promote { archive_to: archive_to? },
            ThenSpec::Pause => Then::Pause,
            ThenSpec::Shutdown => Then::Shutdown,
            ThenSpec::Follow(upstream) if upstream.value == self.node.value => {
                scope.error(upstream.span, "a server cannot follow itself", "name its primary");
                return None;
            }
            ThenSpec::Follow(upstream) => Then::Follow {
                upstream: scope.named_node(upstream)?,
                signal: if self.signal.is_some() { Signal::Recovery } else { Signal::Standby },
            },
        })
    }

    fn archive_to(&self, repo: &Spanned<Name>, scope: &mut Scope<'_>) -> Resolved<RepoId> {
        if !matches!(self.then.value, ThenSpec::Promote) {
            let label = "a server in recovery archives nothing";
            scope.error_help(repo.entry, "`archive_to` goes with `then: promote`", label, "leave it out");
        }
        let found = scope.archive_to(repo);
        scope.archives_to(self.node.as_str(), Some(RepoId::from(&repo.value)));
        found.map(|repo| repo.id)
    }
}
