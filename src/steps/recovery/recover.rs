//! `recover`

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    By, Context, Effects, Finding, LossWindow, Makes, NodeId, Output, Recovers, RepoId, Resolved, Role, Scope, Shift,
    Step, StepKind, StepRef, StepResult, Then, Until, UntilWord,
};
use crate::node::{Config, Node, Origin, RecoveryLog, Started};
use crate::pg::{Lsn, Mark, RecoveryTarget, ShutdownMode, TargetTimeline};
use crate::repo::{Ability, Repo, nowhere};
use crate::source::{Name, Spanned, Timeline};
use crate::steps::recovery::archive_end::ArchiveEnd;
use crate::steps::recovery::follow::{Archive, Standby, receive};
use crate::steps::recovery::position::{Goal, Position};
use crate::steps::recovery::restore::{NOT_REACHED, not_started, restore, set_up};
use crate::steps::recovery::wait_for_target::{End, Recovering, followed};

/// Recovers: a new server from a backup and the archive, or an existing server to a later target.
///
/// ```yaml
/// - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
/// - recover: { node: rescue, until: latest, then: promote }        # goes on with the same server
/// - recover: { node: delayed, until: { before: accident }, then: promote }   # a delayed standby
/// - recover: { node: tonight, backup: nightly, until: latest, then: { follow: master } }
/// ```
///
/// With `backup` the node is a new server, restored from that backup; WAL comes from the backup's
/// repo, or from `repo`, which must have the backup, too. Without `backup`, the server of an
/// earlier `recover` that paused or was shut down is stopped, gets the later target and is started
/// again: resuming a paused recovery would end it. A standby can be taken to a target in the same
/// way, and a delayed one (`recovery_min_apply_delay`) to a target that it has not applied yet. It
/// reads the WAL that it has received, and the archive of its primary; its delay no longer applies.
///
/// `until` is `latest`, `end_of_backup`, `{ before: MARK }`, `{ before: MARK, minus: 1s }` (a
/// time), `{ after: MARK }`, `{ mark: MARK }` (a restore point), `{ time: T }`, `{ lsn: L }` or `{
/// xid: X }`. `by` says which kind of target a mark becomes: `xid` (exact, and the default for
/// marks that are transactions), `lsn` (the default for others), `time` or `name`. `then` is
/// `promote`, `pause`, `shutdown` or `{ follow: NODE }`. With `until: latest` and `pause` or
/// `shutdown`, `standby.signal` keeps the server from promoting itself; it is at its target at the
/// end of the archive. With `follow` the server has a restore_command and no replication slot: what
/// its primary has removed it reads from the archive.
///
/// `timeline` is the timeline to follow: `latest` (the default, as in PostgreSQL: the one with the
/// highest number in the archive), `current` (the backup's own) or a number. A server that was
/// recovered and archives into the same repo begins a new timeline there. From then on the old one
/// has to be named:
///
/// ```yaml
/// - recover: { node: rescue, backup: nightly, until: { before: accident }, timeline: current, then: promote }
/// ```
///
/// Three fields reproduce common mistakes, and have no other use:
///
/// ```yaml
/// - recover: { node: tonight, backup: nightly, until: latest, then: { follow: master }, restore_command: none }
/// - recover: { node: tonight, backup: nightly, until: latest, then: { follow: master }, signal: recovery.signal }
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
/// and if the server cannot stream. It names both timelines and where they diverge, the missing WAL
/// segment, or whatever else the log shows, and what to do.
///
/// During recovery the server logs what drillyard has to read (`log_min_messages`); afterwards it
/// has its own settings again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// The server to make, or to go on with.
    node: Spanned<Name>,
    /// The backup that it is restored from.
    #[serde(default)]
    backup: Option<Spanned<Name>>,
    /// The repo that backup and WAL are read from.
    #[serde(default)]
    repo: Option<Spanned<Name>>,
    /// Where it stops.
    until: Spanned<Until>,
    /// Which kind of target a mark becomes: `xid`, `lsn`, `time` or `name`.
    #[serde(default)]
    by: Option<Spanned<By>>,
    /// Which timeline it follows: `latest`, `current` (the backup's own), or a number.
    #[serde(default)]
    timeline: Option<Spanned<Timeline>>,
    /// What happens there.
    then: Spanned<Then>,
    /// `none`: the mistake of having no restore_command.
    #[serde(default)]
    restore_command: Option<Spanned<Forgotten>>,
    /// `recovery.signal`: the mistake of the wrong file for a standby.
    #[serde(default)]
    signal: Option<Spanned<WrongSignal>>,
    /// The mistake of archiving into a repo that others recover from.
    #[serde(default)]
    archive_to: Option<Spanned<Name>>,
    /// The repo, resolved.
    #[serde(skip)]
    from: Option<RepoId>,
    /// What that repo is a copy of.
    #[serde(skip)]
    copy_of: Option<RepoId>,
}

/// The only value: drillyard has a restore_command for each repo.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Forgotten {
    /// There is none.
    None,
}

/// The only value: the right file is there by default.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
enum WrongSignal {
    /// Ends recovery where the archive ends.
    #[serde(rename = "recovery.signal")]
    Recovery,
}

impl StepKind for Recover {
    type Step = Self;

    const NAME: &'static str = "recover";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const RECOVERS: Recovers = Recovers::Always;
    const MAKES: Option<Makes> = Some(Makes { field: "node", with: Some("backup") });

    fn makes(&self) -> Option<&Spanned<Name>> {
        self.backup.as_ref().map(|_| &self.node)
    }

    fn resolve(mut self, scope: &mut Scope<'_>) -> Resolved<Self> {
        self.look_up(scope);
        Some(self)
    }
}

impl Recover {
    fn look_up(&mut self, scope: &mut Scope<'_>) {
        self.resolve_backup(scope);
        self.until.value.resolve(scope, self.until.span, self.by.as_ref());
        if let (Some(word), Then::Pause | Then::Shutdown) = (&self.until.value.word, &self.then.value)
            && word.value == UntilWord::EndOfBackup
            && self.backup.is_none()
        {
            scope.error(word.span, "`end_of_backup` needs a `backup`", "this server is past it");
        }
        self.resolve_mistakes(scope);
        if let (Some(timeline), Then::Follow(_), true) = (&self.timeline, &self.then.value, self.is_latest()) {
            let label = "a standby goes on with its primary's";
            scope.error_help(timeline.entry, "`timeline` goes with a target", label, "leave it out");
        }
        if let Then::Follow(upstream) = &self.then.value {
            if upstream.value == self.node.value {
                scope.error(upstream.span, "a server cannot follow itself", "name its primary");
            } else {
                scope.named_node(upstream);
            }
        }
    }
}

#[async_trait(?Send)]
impl Step for Recover {
    fn moved(&self, shift: Shift) -> Option<Box<dyn Step>> {
        if self.is_latest() && matches!(self.then.value, Then::Follow(_)) {
            // A standby streams on from wherever it began.
            return None;
        }
        let until = self.until.value.moved(shift, self.backup.is_some())?;
        // What is no mark any more is not handed over as one.
        let by = self.by.clone().filter(|_| until.before.is_some() || until.after.is_some());
        Some(Box::new(Recover { until: Spanned { value: until, ..self.until.clone() }, by, ..self.clone() }))
    }

    fn title(&self) -> String {
        let then = match &self.then.value {
            Then::Promote => "promote".to_owned(),
            Then::Pause => "pause".to_owned(),
            Then::Shutdown => "shut down".to_owned(),
            Then::Follow(node) => format!("follow {}", node.value),
        };
        let from = self.backup.as_ref().map(|backup| format!(" from {}", backup.value)).unwrap_or_default();
        format!("recover {}{from} until {}, then {then}", self.node.value, self.until.value.text())
    }

    fn effects(&self) -> Effects {
        match (&self.archive_to, &self.then.value) {
            (Some(_), _) | (_, Then::Follow(_)) => Effects::anything(),
            _ => Effects::writes(&NodeId::from(&self.node.value)),
        }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let by = self.by.as_ref().map(|by| by.value);
        let target = self.until.value.target(cx, by)?;
        cx.fact("target", target.to_string());
        self.judge_start(cx, &target)?;
        let started = Instant::now();
        let (node, backup) = match &self.backup {
            Some(backup) => (self.restore(cx, backup).await?, Some(backup.value.to_string())),
            None => {
                let backup = cx.world.outputs().recovered.get(self.node.as_str()).and_then(|one| one.backup.clone());
                (self.halt(cx, backup.as_deref()).await?, backup)
            }
        };
        if self.backup.is_some() {
            cx.fact("restore_ms", started.elapsed().as_millis() as u64);
        }
        self.replay(cx, &node, &target).await?;
        cx.fact("recovery_ms", started.elapsed().as_millis() as u64);
        let recovered = LossWindow::new(&self.until.value, by, &target, self.named_mark(cx).as_ref(), backup);
        cx.world.outputs().recovered.insert(NodeId::from(&self.node.value), recovered);
        Ok(())
    }
}

impl Recover {
    fn resolve_backup(&mut self, scope: &mut Scope<'_>) {
        let name = self.node.as_str();
        let existing = scope.nodes.get(name).cloned();
        match (&self.backup, existing) {
            (Some(backup), existing) => {
                if let Some(info) = existing
                    && info.maker != crate::harness::Maker::Step(scope.index)
                    && info.decoded
                {
                    let title = format!("node `{name}` exists already");
                    let label = "`recover` with a `backup` makes a new server";
                    scope.error_related(self.node.span, title, label, (info.span, "made here".to_owned()));
                }
                if let Some(made) = scope.step_with(backup, &[Output::Backup]) {
                    self.from = scope.step_info(&made).and_then(|made| made.repo.clone());
                }
            }
            (None, None) if scope.more_nodes => {}
            (None, None) => {
                scope.error_help(
                    self.node.span,
                    format!("node `{name}` does not exist, and there is no `backup` to make it from"),
                    "restored from what?",
                    "add `backup: ID` with the id of a `backup` step",
                );
            }
            (None, Some(info)) => {
                let primary = info.maker == crate::harness::Maker::Start && info.follows.is_none() && !info.remade;
                let exists = scope.named_node(&self.node).is_some();
                if exists && info.recovers_from.is_none() && self.repo.is_none() && primary {
                    let title = format!("node `{name}` is not in recovery");
                    let label = "only a standby, or a server made by `recover`, can go on recovering";
                    scope.error_related(self.node.span, title, label, (info.span, "it follows no node".to_owned()));
                }
                self.from = info.recovers_from.or_else(|| scope.archive_above(name));
            }
        }
        if let Some(repo) = &self.repo
            && scope.repo(repo).is_some()
        {
            self.from = Some(RepoId::from(&repo.value));
        }
        if let Some(from) = &self.from {
            let (ability, backup) = match &self.backup {
                Some(backup) => (Ability::Restore, Some(backup.span)),
                None => (Ability::Archive, None),
            };
            scope.repo_can(from, ability, self.repo.as_ref().map(|repo| repo.span).or(backup));
        }
        self.copy_of = self.from.as_ref().and_then(|from| scope.repos.get(from)?.copy_of.clone());
        scope.recovers_from(self.node.as_str(), self.from.clone());
    }

    fn resolve_mistakes(&self, scope: &mut Scope<'_>) {
        if let Some(signal) = &self.signal
            && !(self.is_latest() && matches!(self.then.value, Then::Follow(_)))
        {
            let help = "it is a mistake to be made where a standby is to be: with `until: latest` and `then: { follow: NODE }`";
            let label = "there is nothing wrong with this file here";
            scope.error_help(signal.entry, "`signal` goes with `follow`", label, help);
        }
        let Some(repo) = &self.archive_to else { return };
        if !matches!(self.then.value, Then::Promote) {
            let label = "a server in recovery archives nothing";
            scope.error_help(repo.entry, "`archive_to` goes with `then: promote`", label, "leave it out");
        }
        scope.archive_to(repo);
        scope.archives_to(self.node.as_str(), Some(RepoId::from(&repo.value)));
    }

    /// The mark that the target is given by; the backup's where the target is its end.
    fn named_mark(&self, cx: &Context<'_>) -> Option<Mark> {
        let until = &self.until.value;
        let ends = until.word.as_ref().is_some_and(|word| word.value == UntilWord::EndOfBackup);
        let name = until.named().or(self.backup.as_ref().filter(|_| ends))?;
        cx.world.outputs().marks.get(name.as_str()).cloned()
    }

    /// Fails for a target that lies before the backup. PostgreSQL would not always say so: with a time it may stop at the backup's
    /// end, with all that was committed between the target and the backup.
    fn judge_start(&self, cx: &Context<'_>, target: &RecoveryTarget) -> StepResult {
        let Some(backup) = &self.backup else { return Ok(()) };
        let Some(taken) = cx.world.outputs().marks.get(backup.as_str()).cloned() else { return Ok(()) };
        let began = taken.before.at;
        let label = match (target, self.named_mark(cx)) {
            (RecoveryTarget::Time { at, .. }, _) if *at < began => {
                format!("this is {at}, and `{}` was begun at {began}", backup.value)
            }
            (_, Some(mark)) if mark.after.seen <= taken.before.seen => {
                format!("`{}` was over before `{}` was begun", mark.id, backup.value)
            }
            _ => return Ok(()),
        };
        Err(Finding::failed("the recovery target lies before the backup's end")
            .at(self.until.entry)
            .label(label)
            .help("take an older backup, or a later target: a backup cannot be unrolled"))
    }

    /// Restores the backup onto the new node's host.
    async fn restore(&self, cx: &mut Context<'_>, backup: &Spanned<Name>) -> Result<Arc<Node>, Box<Finding>> {
        let repo = cx.world.repo(self.from.as_deref().unwrap_or_default())?;
        let host = cx.world.lab.host(self.node.as_str()).await?;
        let node = Arc::new(Node::on(host, cx.world.lab.version(), &cx.world.password));
        restore(cx, &node, &StepRef::written(backup), repo).await?;
        cx.world.outputs().nodes.insert(NodeId::from(&self.node.value), node.clone());
        Ok(node)
    }

    /// Stops the server that is to go on, after making sure that it can. `backup` is what it was made from.
    async fn halt(&self, cx: &mut Context<'_>, backup: Option<&str>) -> Result<Arc<Node>, Box<Finding>> {
        let node = cx.world.node(self.node.as_str())?;
        receive(cx, &node).await?;
        let mut replayed = None;
        if node.is_up() {
            let client = cx.client(&node).await?;
            let query = "SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn()::text";
            let row = client.query_one(query, &[]).await?;
            if !row.get::<_, bool>(0) {
                return Err(Finding::failed(format!("`{}` cannot go on: it is a primary already", self.node.value))
                    .at(self.node.span)
                    .label("it was promoted")
                    .help("let the earlier `recover` end with `then: pause` or `then: shutdown`"));
            }
            replayed = row.get::<_, Option<&str>>(1).and_then(|text| text.parse().ok());
        } else if let Some(control) = node.control_file().await? {
            replayed = control.min_recovery.map(|(lsn, _)| lsn);
        }
        if let (Some(replayed), Some((last, place))) = (replayed, self.last_place(cx))
            && replayed > last
        {
            let made = match backup {
                Some(backup) => format!("make a new server from `{backup}`"),
                None => "make a new server from a backup".to_owned(),
            };
            return Err(Finding::failed(format!("`{}` is past it", self.node.value))
                .at(self.until.entry)
                .label(format!("{place} is at {last}, and this server has replayed up to {replayed}"))
                .help(format!("a recovery cannot go back: {made}")));
        }
        node.stop(ShutdownMode::Fast, cx.deadline).await?;
        Ok(node)
    }

    /// The last place in the WAL at which the target can be met, and what is there; none where nobody knows.
    fn last_place(&self, cx: &Context<'_>) -> Option<(Lsn, String)> {
        let until = &self.until.value;
        if let Some(lsn) = &until.lsn {
            return Some((lsn.value.parse().ok()?, "the target".to_owned()));
        }
        let mark = self.named_mark(cx)?;
        let place = match (&mark.restore_point, &until.before) {
            (Some(point), None) => point.lsn,
            (_, Some(_)) if mark.xid.is_none() => mark.before.lsn,
            _ => mark.after.lsn,
        };
        Some((place, format!("`{}`", mark.id)))
    }

    /// Starts the server with its target and goes with it until it is there.
    async fn replay(&self, cx: &mut Context<'_>, node: &Arc<Node>, target: &RecoveryTarget) -> StepResult {
        let repo = &self.repo(cx)?;
        // Without a target a recovery always promotes in the end: a server that must not is kept a standby.
        let endless = *target == RecoveryTarget::Latest && !matches!(self.then.value, Then::Promote);
        let mut config = cx.world.spec(self.node.as_str()).config(&cx.world.repos);
        config.restore_command = self.restore_command.is_none().then(|| repo.restore_command());
        if let Some(repo) = &self.archive_to {
            config.archiving = Some(cx.world.repo(repo.as_str())?.archiving());
        }
        if let (Then::Follow(upstream), true) = (&self.then.value, endless) {
            return self.follow(cx, node, config, upstream).await;
        }
        config.timeline = self.target_timeline();
        config.recovery_log = true;
        // Looked up before: the archive may grow while the server recovers.
        let archive = ArchiveEnd::read(node, repo).await?;
        let action = match &self.then.value {
            Then::Promote => "promote",
            Then::Shutdown => "shutdown",
            Then::Pause | Then::Follow(_) => "pause",
        };
        let signal = if endless { "standby.signal" } else { "recovery.signal" };
        if !endless {
            config.recovery = Some((target.clone(), action));
        }
        let started = self.start(cx, node, &config, signal, target).await?;
        let end = match (&self.then.value, endless) {
            (Then::Promote, _) => End::Primary,
            (Then::Shutdown, false) => End::ShutDown,
            _ => End::InRecovery,
        };
        let (until, then, timeline) = (self.until.entry, self.then.entry, config.timeline);
        let recovering = Recovering { node, until, then, end, timeline };
        let done = match (&self.then.value, endless) {
            (Then::Promote, _) => recovering.promoted(cx).await,
            (_, true) => recovering.quiet(cx).await,
            (Then::Shutdown, false) => recovering.shut_down(cx, started).await,
            (Then::Pause | Then::Follow(_), false) => recovering.paused(cx).await,
        };
        if let Err(finding) = done {
            return Err(self.explain(cx, node, target, finding).await);
        }
        let recovery_log = RecoveryLog::read(&node.log_from(node.log_start()).await?);
        recovery_log.tell(&mut cx.facts);
        if let Err(wrong) = recovery_log.reached(target) {
            let finding = Finding::failed("recovery did not come out at its target").at(self.until.entry).label(wrong);
            let why = self.archive_end(cx, node).await.unwrap_or_default();
            let trouble = recovery_log.wal_trouble.map(|trouble| trouble.text).unwrap_or_default();
            return Err(self.explain(cx, node, target, finding.note("archive", why).note("log", trouble)).await);
        }
        let position = recovering.attained(cx, &recovery_log).await?;
        let judged = self.judge_position(cx, target, &recovery_log, &position, &archive).await;
        judged.map_err(|finding| finding.at(self.until.entry))?;
        node.own_log_settings().await?;
        match &self.then.value {
            Then::Shutdown if endless => Ok(node.stop(ShutdownMode::Fast, cx.deadline).await?),
            Then::Follow(upstream) => {
                node.stop(ShutdownMode::Fast, cx.deadline).await?;
                config.recovery = None;
                config.recovery_log = false;
                config.timeline = TargetTimeline::Latest;
                self.follow(cx, node, config, upstream).await
            }
            _ => Ok(()),
        }
    }

    /// Whether the server stands where it was to come to: on the right timelines first, since elsewhere nothing else means anything.
    async fn judge_position(
        &self,
        cx: &Context<'_>,
        target: &RecoveryTarget,
        recovery_log: &RecoveryLog,
        position: &Position,
        archive: &ArchiveEnd<'_>,
    ) -> StepResult {
        let mark = self.named_mark(cx);
        let goal = mark.as_ref().map(|mark| Goal { mark, until: &self.until.value, target });
        if let Some(goal) = &goal {
            goal.judge_history((position.system, &position.history, position.lsn), archive)?;
        }
        if let Some(goal) = &goal {
            goal.judge_place(position, recovery_log)?;
        }
        if *target == RecoveryTarget::Latest {
            archive.judge(position.lsn, &position.history, recovery_log)?;
            if self.target_timeline() == TargetTimeline::Latest {
                archive.judge_newest(position.lsn, &position.history)?;
            }
        }
        Ok(())
    }

    async fn start(
        &self,
        cx: &mut Context<'_>,
        node: &Arc<Node>,
        config: &Config,
        signal: &'static str,
        target: &RecoveryTarget,
    ) -> Result<Started, Box<Finding>> {
        cx.wait("recovery");
        let shuts_down = config.recovery.as_ref().is_some_and(|(_, action)| *action == "shutdown");
        let setup = set_up(cx, node, config, signal, self.origin()).await?;
        // A session that is opened while the server shuts down would only leave complaints in its log.
        let started = match shuts_down {
            true => node.launch(Some(&setup), cx.deadline).await,
            false => node.start(Some(&setup), cx.deadline).await,
        };
        match started {
            Ok(started) => Ok(started),
            Err(error) => Err(self.explain(cx, node, target, not_started(error, self.until.entry)).await),
        }
    }

    fn is_latest(&self) -> bool {
        self.until.value.word.as_ref().is_some_and(|word| word.value == UntilWord::Latest)
    }

    fn target_timeline(&self) -> TargetTimeline {
        self.timeline.as_ref().map(|timeline| timeline.value.0).unwrap_or_default()
    }

    /// Adds to the failure of a recovery that ended before its target what it came from: another timeline than the mark's, or the segment
    /// that stopped it.
    async fn explain(
        &self,
        cx: &Context<'_>,
        node: &Arc<Node>,
        target: &RecoveryTarget,
        finding: Box<Finding>,
    ) -> Box<Finding> {
        if let Some(cause) = self.other_timeline(cx, node, target).await {
            let (title, label) = (&finding.title, &finding.label);
            let said = if label.is_empty() { title.clone() } else { format!("{title}: {label}") };
            return cause.at(self.until.entry).note("so", said);
        }
        match format!("{} {}", finding.title, finding.label).contains(NOT_REACHED) {
            true => finding.note("archive", self.archive_end(cx, node).await.unwrap_or_default()),
            false => finding,
        }
    }

    /// The failure of a recovery that could not come to its mark, since it followed another timeline.
    async fn other_timeline(&self, cx: &Context<'_>, node: &Node, target: &RecoveryTarget) -> Option<Box<Finding>> {
        let mark = self.named_mark(cx)?;
        let (control, histories) = node.control_and_histories().await.ok()??;
        let history = followed(self.target_timeline(), &control, &histories);
        let archive = ArchiveEnd::read(node, cx.world.repo(self.from.as_deref()?).ok()?).await.ok()?;
        let goal = Goal { mark: &mark, until: &self.until.value, target };
        goal.judge_history((control.system, &history, mark.before.lsn), &archive).err()
    }

    /// Why the archive had no more to give, and where the target lies: in words, as far as anybody knows.
    async fn archive_end(&self, cx: &Context<'_>, node: &Arc<Node>) -> Option<String> {
        let repo = cx.world.repo(self.from.as_deref()?).ok()?;
        let archive = ArchiveEnd::read(node, repo).await.ok()?;
        let recovery_log = RecoveryLog::read(&node.log_from(node.log_start()).await.ok()?);
        let (control, histories) = node.control_and_histories().await.ok()??;
        let (end, history) =
            (recovery_log.redo_end.as_ref()?.parse().ok()?, followed(self.target_timeline(), &control, &histories));
        let target = self.target_lsn(cx).and_then(|lsn| archive.segment(lsn, &history));
        let target = target.map(|segment| format!("; the target lies in {segment}")).unwrap_or_default();
        Some(format!("{}{target}", archive.explain(end, &history, &recovery_log)))
    }

    /// Where the target lies in the WAL, where a mark or the scenario knows it.
    fn target_lsn(&self, cx: &Context<'_>) -> Option<Lsn> {
        let until = &self.until.value;
        match (&until.lsn, self.named_mark(cx)) {
            (Some(lsn), _) => lsn.value.parse().ok(),
            (None, Some(mark)) if until.minus.is_none() => Some(mark.after.lsn),
            _ => None,
        }
    }

    /// Starts the server as a standby, without a slot.
    async fn follow(
        &self,
        cx: &mut Context<'_>,
        node: &Arc<Node>,
        mut config: Config,
        upstream: &Spanned<Name>,
    ) -> StepResult {
        let up = cx.world.node(upstream.as_str())?;
        let read = config.restore_command.is_some();
        let repo = self.repo(cx)?;
        config.following = Some(up.followed_by(node.name(), None)?);
        let signal = match self.signal {
            Some(_) => "recovery.signal",
            None => "standby.signal",
        };
        let archive = Some(Archive { repo, copy_of: self.copy_of.clone(), read });
        let origin = self.origin();
        Standby { node: node.clone(), up, config, signal, origin, archive, at: Some(self.then.entry) }.follow(cx).await
    }

    /// Where it reads WAL. A standby may have no more than its own.
    fn repo(&self, cx: &Context<'_>) -> Result<Repo, Box<Finding>> {
        self.from.as_deref().map_or_else(|| Ok(nowhere()), |from| cx.world.repo(from).cloned())
    }

    /// Whose postgresql.auto.conf lies in the data directory.
    fn origin(&self) -> Origin {
        if self.backup.is_some() { Origin::Copied } else { Origin::Own }
    }
}
