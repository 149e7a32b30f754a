//! `recover`

mod resolved;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Later, Makes, MarkKind, NodeRef, NodeSettings, Places, ReadsRepo, Recovers, ReleaseField,
    Releases, Resolved, Role, Scope, Shift, Step, StepKind, StepResult,
};
use crate::node::Node;
use crate::repo::Repo;
use crate::source::{Late, Name, Ordered, RepoName, Setting, Spanned, Timeline};
use crate::steps::recovery::backup_choice::{Backup, BackupSpec};
use crate::steps::recovery::goal::Goal;
use crate::steps::recovery::load::load;
use crate::steps::recovery::lost_files::check_files;
use crate::steps::recovery::progress::{keep_rates, tell_estimate, tell_part};
use crate::steps::recovery::replay::Replay;
use crate::steps::recovery::restore_command::{RestoreCommand, RestoreCommandSpec};
use crate::steps::recovery::start::{Chosen, Start, Starting};
use crate::steps::recovery::target::{Target, Then};
use crate::steps::recovery::until::{By, ThenSpec, UntilSpec};
use crate::steps::recovery::upstream::is_not_waited_for;

/// Recovers: a new server from a backup and the archive, or an existing server to a later target.
///
/// ```yaml
/// - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
/// - recover: { node: rescue, until: latest, then: promote }        # goes on with the same server
/// - recover: { node: delayed, until: { before: accident }, then: promote }   # a delayed standby
/// - recover: { node: tonight, backup: nightly, until: latest, then: { follow: master } }
/// - recover: { node: again, repo: onsite, backup: newest, until: latest, then: promote }
/// ```
///
/// With `backup` the node is a new server, restored from that backup; WAL comes from the backup's
/// repo, or from `repo`, which must have the backup, too. `backup` is the id of a `backup` step;
/// or, of the backups that `repo` has when the step runs, `newest`, `oldest`, `random` (by the
/// run's seed), what the repo calls it, or `{ before: TIME }`, the newest that was begun before
/// that time. What was chosen is reported, and what was passed over and why: a backup that was not
/// finished, say. A server that is restored from an `existing` repo is somebody else's: nothing of
/// its configuration is used, its subscriptions do not run, and its tablespaces are in places of
/// its own.
///
/// A repo of kind `dump` has rows and no WAL: the new server is made by initdb, and roles,
/// tablespaces and databases are loaded into it by psql and pg_restore. There `until` is
/// `end_of_backup` and `then` is `promote`. An error of theirs fails the step, also where the
/// program itself goes on and ends with 0.
///
/// Without `backup`, the server of an earlier `recover` that paused or was shut down is stopped,
/// gets the later target and is started again: resuming a paused recovery would end it. A standby
/// can be taken to a target in the same way, and a delayed one (`recovery_min_apply_delay`) to a
/// target that it has not applied yet. It reads the WAL that it has received, and the archive of
/// its primary; its delay no longer applies.
///
/// `until` is `latest`, `end_of_backup`, `{ before: MARK }`, `{ before: MARK, minus: 1s }` (a
/// time), `{ after: MARK }`, `{ mark: MARK }` (a restore point), `{ time: T }`, `{ ago: 2h }`, `{
/// lsn: L }`, `{ xid: X }`, or `random`: a position between the backup's end and the archive's, by
/// the seed of the run. For a target with a time, `newest` and `random` choose among the backups
/// that were finished before it, or, where the repo does not say when, begun; one that was running
/// is passed over, and that is reported. A time or a position that an `existing` repo does not lead
/// to fails before anything is restored, with the window that can be recovered. `by` says which
/// kind of target a mark becomes: `xid` (exact, and the default for marks that are transactions),
/// `lsn` (the default for others), `time` or `name`. `then` is `promote`, `pause`, `shutdown` or `{
/// follow: NODE }`. With `until: latest` and `pause` or `shutdown`, `standby.signal` keeps the
/// server from promoting itself; it is at its target at the end of the archive. With `follow` the
/// server has a restore_command and no replication slot: what its primary has removed it reads from
/// the archive.
///
/// `timeline` is the timeline to follow: `latest` (the default, as in PostgreSQL: the one with the
/// highest number in the archive), `current` (the backup's own) or a number. A server that was
/// recovered and archives into the same repo begins a new timeline there. From then on the old one
/// has to be named:
///
/// ```yaml
/// - recover:
///     node: again
///     backup: nightly
///     until: { before: accident }
///     timeline: current
///     then: promote
/// ```
///
/// `settings` are lines for its postgresql.conf, checked as those of a node are. They come after
/// the node's own and win, over its postgresql.auto.conf, too; the server keeps them. What its WAL
/// demands (`max_connections`, `max_worker_processes`, `max_wal_senders`,
/// `max_prepared_transactions`, `max_locks_per_transaction`) is at least what the backup's
/// pg_control demands, unless they say otherwise. A value that the primary was given after the
/// backup stands in the WAL alone: replay pauses there for good, and the step fails at once with
/// the value that has to be given here.
///
/// ```yaml
/// - recover:
///     node: larger
///     backup: nightly
///     until: { before: accident }
///     then: promote
///     settings: { shared_buffers: 64MB, autovacuum: "off" }
/// ```
///
/// `release: "15.18"` is the release of PostgreSQL that a new server runs, as of a node.
///
/// `restore_command` is a command of your own in the place of the repo's, for a repo that the drill
/// fills. PostgreSQL puts in the name of the file for `%f` and where it goes for `%p`; in its
/// environment are `DRILLYARD_REPO`, the repo's directory, and `DRILLYARD_WAL`, the directory with
/// its WAL. What it does wrong the step is judged by: a file that it does not bring is a gap. Where
/// the repo does not list what it brings, since an archive_command of your own has packed it or put
/// it elsewhere, nobody can tell a gap from the archive's end: `until: latest` is errored there,
/// but for `then: { follow: NODE }`.
///
/// ```yaml
/// - recover:
///     node: scripted
///     backup: nightly
///     until: latest
///     then: promote
///     restore_command: 'test -f "$DRILLYARD_WAL/%f" && cp "$DRILLYARD_WAL/%f" %p'
/// ```
///
/// Three fields reproduce common mistakes, and have no other use:
///
/// ```yaml
/// - recover:
///     node: tonight
///     backup: nightly
///     until: latest
///     then: { follow: master }
///     restore_command: none
/// - recover:
///     node: tonight
///     backup: nightly
///     until: latest
///     then: { follow: master }
///     signal: recovery.signal
/// - recover: { node: test, backup: nightly, until: latest, then: promote, archive_to: onsite }
/// ```
///
/// `restore_command: none` forgets the restore_command, so that nothing reads the archive. `signal:
/// recovery.signal` uses the wrong one of the two files for a server that is to follow another one.
/// `archive_to` leaves archiving on in the new server, as a primary's copied configuration does:
/// once promoted, it archives its own timeline into that repo.
///
/// It reports the `time`, `lsn` and `timeline` that were reached (`time` is that of the last
/// replayed commit), and `xid`, the transaction at whose commit recovery stopped. They come from
/// the server's log and its control file.
///
/// It passes if the server's log, its control file and its timeline history prove that the target
/// was reached, and the server is what `then` says; with `follow`, if the primary reports that it
/// streams. For a mark, the server must belong to the mark's cluster, and be on its timelines and
/// at its place in the WAL: a transaction id, the name of a restore point, an LSN or a time may
/// occur elsewhere, too. With `latest`, the newest WAL in the archive must have been read.
///
/// It fails if recovery ended before the target, stopped elsewhere, or silently promoted at a gap,
/// if the server cannot stream, and if it got WAL from its primary that the archive has and that
/// cannot be used. It names both timelines and where they diverge, the missing WAL
/// segment, or whatever else the log shows, and what to do.
///
/// During recovery the server logs what drillyard has to read (`log_min_messages`); afterwards it
/// has its own settings again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverSpec {
    /// The server to make, or to go on with.
    node: Spanned<Name>,
    /// The backup that it is restored from: the id of a `backup` step; or, of those that the repo
    /// has, `newest`, `oldest`, `random`, what the repo calls it, or `{ before: TIME }`.
    #[serde(default)]
    backup: Option<Spanned<BackupSpec>>,
    /// The repo that backup and WAL are read from.
    #[serde(default)]
    repo: Option<RepoName>,
    /// Where it stops.
    until: Spanned<UntilSpec>,
    /// Which kind of target a mark becomes: `xid`, `lsn`, `time` or `name`.
    #[serde(default)]
    by: Option<Spanned<By>>,
    /// Which timeline it follows: `latest`, `current` (the backup's own), or a number.
    #[serde(default)]
    timeline: Option<Spanned<Late<Timeline>>>,
    /// What happens there.
    then: Spanned<ThenSpec>,
    /// A restore_command of your own; or `none`, the mistake of having none.
    #[serde(default)]
    restore_command: Option<Spanned<RestoreCommandSpec>>,
    /// `recovery.signal`: the mistake of the wrong file for a standby.
    #[serde(default)]
    signal: Option<Spanned<WrongSignal>>,
    /// The mistake of archiving into a repo that others recover from.
    #[serde(default)]
    archive_to: Option<RepoName>,
    /// Lines for its postgresql.conf.
    #[serde(default)]
    settings: Option<Ordered<String, Setting>>,
    /// The release of PostgreSQL that a new server runs: `"15.18"`.
    #[serde(default)]
    release: Option<ReleaseField>,
}

/// The only value: the right file is there by default.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
enum WrongSignal {
    /// Ends recovery where the archive ends.
    #[serde(rename = "recovery.signal")]
    Recovery,
}

/// The step, every name in it looked up.
#[derive(Debug, Clone)]
pub struct Recover {
    /// The server.
    node: NodeRef,
    /// What it begins with.
    start: Start,
    /// Where it stops.
    until: Spanned<Target>,
    /// What happens there.
    then: Spanned<Then>,
    /// Which timeline it follows.
    timeline: Later<Timeline>,
    /// What it has as restore_command.
    restore_command: RestoreCommand,
    /// Lines for its postgresql.conf.
    settings: NodeSettings,
    /// The release that a new server runs.
    releases: Releases,
}

impl StepKind for RecoverSpec {
    type Step = Recover;

    const NAME: &'static str = "recover";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const FACTS: &'static str = "target window restore_ms restore_bytes restore_mb_per_s replay_ms replay_bytes replay_mb_per_s \
        recovery_ms estimate lsn timeline time xid stopped last_commit redo_end first_segment last_segment \
        control_state postgresql_auto_conf streams_from catch_up_ms catch_up_bytes catch_up_mb_per_s \
        missing_segment used network configuration databases globals left_out subscriptions foreign_servers \
        backup backup_taken passed_over";
    const MARK: MarkKind = MarkKind::Recovered;
    const RECOVERS: Recovers = Recovers::Always;
    const MAKES: Option<Makes> = Some(Makes { field: "node", with: Some("backup") });

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Recover> {
        let start = match &self.backup {
            Some(backup) => self.new_server(backup, scope),
            None => self.own_server(scope),
        };
        let repo = start.as_ref().and_then(|(_, start)| Some(start.archive()?.repo.clone()));
        let restore_command = RestoreCommand::of(self.restore_command.as_ref(), repo.as_ref(), scope);
        scope.recovers_from(self.node.as_str(), repo);
        scope.promoted(self.node.as_str());
        let target = self.until.value.resolve(scope, self.until.span, self.by.as_ref());
        if let (Some((at, word)), None) = (self.until.value.needs_backup(), &self.backup) {
            scope.error(at, format!("`{word}` needs a `backup`"), "this server is past its own");
        }
        let then = self.then(scope);
        let archives = self.archive_to.is_some() || scope.archives(self.node.as_str());
        let settings = scope.settings(self.settings.as_ref(), archives);
        let releases = self.releases(scope);
        let timeline = self.timeline.clone().map_or(Late::Known(Timeline::default()), |timeline| timeline.value);
        let timeline = scope.later(timeline, Places::Nowhere);
        if matches!(self.then.value, ThenSpec::Shutdown) {
            scope.leaves_no_mark("`then: shutdown` leaves no server that could be asked where it is");
        }
        let (node, start) = start?;
        Some(Recover {
            node,
            start,
            until: Spanned { value: target?, span: self.until.span, entry: self.until.entry },
            then: Spanned { value: then?, span: self.then.span, entry: self.then.entry },
            timeline: timeline?,
            restore_command,
            settings,
            releases,
        })
    }
}

impl Recover {
    /// What begins, once its goal is known; reports the goal.
    fn starting<'a>(&'a self, cx: &mut Context<'_>, goal: &'a Goal) -> Starting<'a> {
        cx.fact("target", goal.setting.to_string());
        Starting { node: &self.node, goal, until: self.until.entry }
    }

    /// Has a server apply WAL, which it reads in this repo, until it is what the scenario asks for.
    async fn replay(&self, cx: &mut Context<'_>, node: &Arc<Node>, goal: &Goal, repo: Option<Repo>) -> StepResult {
        let timeline = self.timeline.now(cx, None).await?.0;
        let replay = Replay {
            node,
            goal,
            until: self.until.entry,
            then: &self.then,
            timeline,
            repo,
            copy_of: self.start.archive().and_then(|archive| archive.copy_of.clone()),
            restore_command: &self.restore_command,
            origin: self.start.origin(),
        };
        replay.run(cx).await?;
        check_files(cx, node, goal, self.until.entry).await
    }
}

#[async_trait(?Send)]
impl Step for Recover {
    fn moved(&self, shift: Shift) -> Option<Box<dyn Step>> {
        if matches!(self.start, Start::Rows { .. }) {
            return None;
        }
        if self.until.value == Target::Latest && matches!(self.then.value, Then::Follow { .. }) {
            // A standby streams on from wherever it began.
            return None;
        }
        let target = self.until.value.moved(shift, self.start.backup().is_some())?;
        Some(Box::new(Recover { until: Spanned { value: target, ..self.until.clone() }, ..self.clone() }))
    }

    fn title(&self) -> String {
        let from = self.start.backup().map(|backup| format!(" from {backup}")).unwrap_or_default();
        format!("recover {}{from} to {}, then {}", self.node, self.until.value, self.then.value)
    }

    fn effects(&self) -> Effects {
        let effects = match &self.then.value {
            Then::Promote { archive_to: Some(_) } => Effects::anything(),
            Then::Follow { upstream, .. } => Effects::anything().follows(upstream),
            Then::Promote { archive_to: None } | Then::Pause | Then::Shutdown => Effects::writes(&self.node),
        };
        let effects = Effects { undoes: self.until.value.undoes(), ..effects.runs(&self.node, &self.releases) };
        match &self.start {
            Start::Backup { backup, archive } | Start::Rows { backup, archive } => {
                let (repo, newest) = (archive.repo.clone(), backup.is_newest());
                let wal = matches!(self.start, Start::Backup { .. });
                effects.reads_repo(ReadsRepo { repo, newest, restores: true, wal })
            }
            Start::OwnServer { .. } => effects,
        }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        cx.noted(&self.node.id, async |cx| self.recover(cx).await).await
    }
}

impl Recover {
    async fn recover(&self, cx: &mut Context<'_>) -> StepResult {
        let started = Instant::now();
        if let Then::Follow { upstream, .. } = &self.then.value {
            // Before anything is restored, which may take hours.
            is_not_waited_for(cx, &*cx.world.node(upstream)?, &self.node.id, Some(self.then.span)).await?;
        }
        cx.world.give_settings(&self.node.id, &self.settings);
        let target = self.until.value.now(cx).await?;
        let timeline = self.timeline.now(cx, None).await?.0;
        let mut made_from = self.start.backup().and_then(Backup::step).map(|step| step.id.clone());
        let goal = match &self.start {
            Start::Rows { backup, archive } => {
                let goal = Goal::of(&target, cx, backup.step())?;
                cx.fact("target", goal.setting.to_string());
                load(cx, &self.node, backup, archive, &self.then.value).await?;
                goal
            }
            Start::Backup { backup, archive } => {
                let chosen = Chosen::choose(cx, &self.node, backup, archive, &target).await?;
                let target = chosen.aim(cx, target, timeline, self.until.span).await?;
                let goal = Goal::of(&target, cx, backup.step())?.found_by(&self.until.value, cx);
                let node = self.starting(cx, &goal).restore(cx, &chosen).await?;
                let bytes = chosen.restored(&node).await?;
                tell_part(cx, "restore", bytes, started.elapsed());
                self.replay(cx, &node, &goal, Some(chosen.repo)).await?;
                keep_rates(cx, &archive.repo, &chosen.label);
                goal
            }
            Start::OwnServer { archive } => {
                made_from = cx.world.outputs().recovered.get(&self.node.id).and_then(|one| one.backup.clone());
                let goal = Goal::of(&target, cx, None)?.found_by(&self.until.value, cx);
                let node = self.starting(cx, &goal).halt(cx, made_from.as_ref()).await?;
                let repo = match archive {
                    Some(archive) => Some(archive.open(cx, node.host()?.as_ref()).await?),
                    None => None,
                };
                self.replay(cx, &node, &goal, repo).await?;
                goal
            }
        };
        cx.fact("recovery_ms", started.elapsed().as_millis() as u64);
        if matches!(self.then.value, Then::Promote { .. }) {
            cx.world.node(&self.node)?.disable_event_triggers().await?;
        }
        tell_estimate(cx);
        cx.world.outputs().recovered.insert(self.node.id.clone(), goal.loss_window(made_from));
        Ok(())
    }
}
