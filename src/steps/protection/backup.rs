//! `backup`

use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Backup, Context, Effects, Finding, MarkKind, NodeField, NodeRef, Output, Ran, RepoId, Resolved, Role, Scope, Step,
    StepId, StepKind, StepRef, StepResult, if_given,
};
use crate::pg::Version;
use crate::repo::{Ability, BackupOrder, Changes, Checkpoint, Taken};
use crate::source::{Name, RepoName, Spanned, StepName};
use crate::steps::protection::backup_source::Source;

/// Takes a base backup with the repo's program, into a repo, under the step's id.
///
/// ```yaml
/// - id: nightly
///   backup: { node: master, repo: onsite }
/// ```
///
/// `repo` may be left out if the node archives to one, or if there is only one. The backup contains
/// the WAL that it needs to become consistent, its tablespaces, and a manifest with checksums. With
/// its `id` the step is also a mark.
///
/// `node` may be a standby. Then the backup has what the standby had replayed; if the standby
/// streams and is not delayed on purpose, the step first lets it catch up, for 20 s: what is
/// lacking then it warns of. The WAL segment in which the backup ends reaches the archive through
/// its primary: the step has it finished and waits for it. A recovery to the end of the backup may
/// need it: PostgreSQL stops there only when it reads what follows. If the primary does not answer,
/// there is nothing to wait for, and the step warns that the segment is not there.
///
/// `incremental_to` is the id of an earlier `backup` step: only what has changed since is stored.
/// In a repo of kind `directory` these are blocks (`pg_basebackup --incremental`, PostgreSQL 17 and
/// newer). The servers of a drill that has such a step run with `summarize_wal = on`, unless their
/// `settings` say otherwise. `recover` puts it together with the backups that it goes on from
/// (`pg_combinebackup`), and fails where one of these is missing; `assert_intact` looks at all of
/// them. In one of kind `pgbackrest` these are files, with any version: incremental (`--type=incr`)
/// if it goes on from the newest backup, differential (`--type=diff`) if from the newest full one,
/// and errored if from any other.
///
/// ```yaml
/// - id: hourly
///   backup: { node: master, repo: onsite, incremental_to: nightly }
/// ```
///
/// The program is pg_basebackup for a directory, and the tool's own for a repo of another kind;
/// some of these cannot back up a standby.
///
/// It passes if the program exits with 0 and reports no damage. It fails if it does not (because of
/// a corrupt page, say), and then leaves no backup behind, although pg_basebackup itself leaves its
/// directory, and pgbackrest, which exits with 0, the backup. A backup of a standby also fails if
/// the segment in which it ends is not in the archive within the step's deadline.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeBackupSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The repo that it goes to.
    #[serde(default)]
    repo: Option<RepoName>,
    /// The id of an earlier `backup` step: only what has changed since is stored.
    #[serde(default)]
    incremental_to: Option<StepName>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct TakeBackup {
    /// The backup's name.
    id: StepId,
    /// The server.
    node: NodeRef,
    /// The repo that it goes to.
    repo: RepoId,
    /// The backup that it goes on from, and who knows what has changed since.
    incremental_to: Option<(StepRef, Changes)>,
}

impl StepKind for TakeBackupSpec {
    type Step = TakeBackup;

    const NAME: &'static str = "backup";
    const DEADLINE: Duration = Duration::from_secs(600);
    const ROLE: Role = Role::Act;
    const FACTS: &'static str = "repo segment archive behind";
    const MARK: MarkKind = MarkKind::Moment;
    const OUTPUT: Option<Output> = Some(Output::Backup);

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<TakeBackup> {
        let node = scope.own_node(&self.node);
        if scope.id.is_none() {
            scope.error_help(
                scope.action,
                "`backup` has no `id`",
                "a backup is named by its step's id",
                "write `id: nightly` beside `backup:`",
            );
        }
        let archive = node.as_ref().and_then(|node| scope.node_info(node)?.archive_to.clone());
        let repo = match (&self.repo, archive) {
            (Some(repo), _) => original(scope, repo),
            (None, Some(archive)) => Some(archive),
            (None, None) => scope.repo_or_default(None).map(|repo| repo.id),
        };
        if let Some(repo) = &repo {
            self.check_able(scope, node.as_ref(), repo);
        }
        let incremental_to =
            if_given(self.incremental_to.as_ref(), |base| increment(scope, base, node.as_ref(), repo.as_ref()));
        let base = incremental_to.as_ref().and_then(|base| Some(base.as_ref()?.0.id.clone()));
        scope.backs_up(repo.clone(), base);
        Some(TakeBackup { id: scope.id.clone()?, node: node?, repo: repo?, incremental_to: incremental_to? })
    }
}

impl TakeBackupSpec {
    /// Checks that the repo can take a backup of such a server.
    fn check_able(&self, scope: &mut Scope<'_>, node: Option<&NodeRef>, repo: &RepoId) {
        let at = self.repo.as_ref().map(|repo| repo.span);
        scope.repo_can(repo, Ability::BackUp, at);
        let Some(info) = node.and_then(|node| scope.node_info(node)).filter(|info| info.decoded).cloned() else {
            return;
        };
        if (info.follows.is_some() || info.remade) && !info.promoted {
            scope.repo_can(repo, Ability::BackUpStandby, at);
        } else if info.archive_to.as_ref() != Some(repo)
            && node.is_some_and(|node| scope.archive_above(node).as_ref() != Some(repo))
        {
            scope.repo_can(repo, Ability::BackUpAlone, at);
        }
    }
}

/// The first major version with incremental backups.
const INCREMENTAL_FROM: u32 = 17;

/// The backup that another one, of `node`, goes on from: an earlier one in the same repo.
fn increment(
    scope: &mut Scope<'_>,
    base: &StepName,
    node: Option<&NodeRef>,
    repo: Option<&RepoId>,
) -> Resolved<(StepRef, Changes)> {
    let changes = repo.and_then(|repo| scope.repo_info(repo)).map_or(Changes::Server, |info| info.kind.changes);
    let old = |version: &&Spanned<u32>| version.value < INCREMENTAL_FROM;
    let meant = |version: &&Spanned<u32>| {
        scope.when.as_ref().is_none_or(|when| when.matches(Version { major: version.value, minor: 0 }))
    };
    let too_old = scope.versions.iter().filter(meant).find(old);
    if let Some(version) = too_old.filter(|_| changes == Changes::Server) {
        let (number, place) = (version.value, version.span);
        let title = format!("PostgreSQL {number} has no incremental backups");
        let label = "they came with 17: restrict the drill by `postgres`, or the step by `when`";
        scope.error_related(base.entry, title, label, (place, "the drill is meant for it".to_owned()));
    }
    let found = scope.step_with(base, &[Output::Backup])?;
    let theirs = scope.step_info(&found)?.repo.clone()?;
    if let (Some(node), Some(of)) = (node, scope.step_info(&found)?.node.clone())
        && scope.are_apart(node, &of)
        && !scope.must_fail
    {
        let title = format!("backup `{found}` is of `{of}`, and this one of `{node}`");
        scope.error(base.span, title, "these are two clusters");
    }
    let repo = repo?;
    scope.repo_can(repo, Ability::BackUpIncrement, Some(base.span));
    if theirs != *repo {
        let title = format!("backup `{found}` is in repo `{theirs}`, and this one goes to `{repo}`");
        scope.error(base.span, title, "an incremental backup lies beside those that it goes on from");
    } else {
        scope.needs_backup(&found.id, repo, Some(base.span));
    }
    Some((found, changes))
}

/// A repo that backups can be taken to: none that is only a copy.
fn original(scope: &mut Scope<'_>, name: &Spanned<Name>) -> Option<RepoId> {
    let repo = scope.repo(name)?;
    let info = scope.repo_info(&repo)?;
    if let (made, Some(original)) = (info.span, info.copy_of.clone()) {
        let title = format!("repo `{repo}` holds only what `sync` has copied");
        let related = (made, format!("a copy of `{original}`"));
        scope.error_related(name.span, title, "back up to the original", related);
    }
    Some(repo.id)
}

#[async_trait(?Send)]
impl Step for TakeBackup {
    fn title(&self) -> String {
        match &self.incremental_to {
            Some((base, _)) => format!("back up what has changed on {} since {base} to {}", self.node, self.repo),
            None => format!("back up {} to {}", self.node, self.repo),
        }
    }

    fn effects(&self) -> Effects {
        let by_server = |(_, changes): &(StepRef, Changes)| *changes == Changes::Server;
        Effects { summarizes: self.incremental_to.as_ref().is_some_and(by_server), ..Effects::anything() }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let repo = cx.world.repo(&self.repo)?.clone();
        let base = match &self.incremental_to {
            Some((base, Changes::Server)) if node.version().major < INCREMENTAL_FROM => {
                return Err(Finding::errored(format!("PostgreSQL {} has no incremental backups", node.version()))
                    .at(base.entry())
                    .label("they came with 17")
                    .help("say `postgres: [17]`, or restrict the step by `when: { postgres: \">=17\" }`"));
            }
            Some((base, _)) => Some(cx.world.label(base)),
            None => None,
        };
        let source = Source::of(cx, &node).await?;
        source.catch_up(cx, &node).await?;
        cx.wait(repo.backup_program());
        let mut taken = None;
        cx.marked(&node, async |_, cx| {
            let incremental_to = base.as_ref();
            let order = BackupOrder { id: &self.id, checkpoint: Checkpoint::Fast, incremental_to, options: &[] };
            let began = Instant::now();
            let backup = repo.back_up(&node, &order).await?;
            let what = format!("take backup `{}` of `{}`", self.id, node.name());
            cx.ran(Ran::program(&node, what, &backup.program).took(began.elapsed()));
            taken = Some(backup);
            cx.fact("repo", repo.name.clone());
            Ok(None)
        })
        .await?;
        if let Some(Taken { label, .. }) = taken {
            let of_others = node.has_data_of_others();
            cx.world.outputs().backups.insert(self.id.clone(), Backup { repo: self.repo.clone(), label, of_others });
        }
        source.archived(cx, &node, &repo, self.id.as_str()).await
    }
}
