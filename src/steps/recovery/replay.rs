//! A recovery from the server's start until the server is what the scenario asks for.

use std::sync::Arc;
use std::time::Instant;

use crate::harness::{Context, Finding, NodeRef, Ran, RepoId, StepResult};
use crate::journal::Cause;
use crate::node::{Config, Node, Origin, RecoveryLog, Signal, Started};
use crate::pg::{Birth, History, RecoveryTarget, TargetTimeline};
use crate::repo::{Repo, nowhere};
use crate::source::{Span, Spanned};
use crate::steps::recovery::archive_end::ArchiveEnd;
use crate::steps::recovery::follow::{Archive, Standby};
use crate::steps::recovery::goal::Goal;
use crate::steps::recovery::position::{Position, promoted_beside};
use crate::steps::recovery::progress::tell_part;
use crate::steps::recovery::refusal::{NO_CHECKPOINT, not_started};
use crate::steps::recovery::restore::{set_up, stop};
use crate::steps::recovery::restore_command::RestoreCommand;
use crate::steps::recovery::target::Then;
use crate::steps::recovery::wait_for_target::{End, Recovering, followed};

/// A server that is to recover. It does not run, and its PGDATA is in place.
pub(crate) struct Replay<'a> {
    /// The server.
    pub node: &'a Arc<Node>,
    /// What it is to come to.
    pub goal: &'a Goal,
    /// Where the scenario says where it stops.
    pub until: Span,
    /// What happens there.
    pub then: &'a Spanned<Then>,
    /// Which timeline it follows.
    pub timeline: TargetTimeline,
    /// Where it reads WAL. A standby may have no more than its own.
    pub repo: Option<Repo>,
    /// What that repo is a copy of.
    pub copy_of: Option<RepoId>,
    /// What it has as restore_command.
    pub restore_command: &'a RestoreCommand,
    /// Whose postgresql.auto.conf lies in its PGDATA.
    pub origin: Origin,
}

impl Replay<'_> {
    /// Starts the server with its target, and watches it until it is what the scenario asks for.
    pub(crate) async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let mut config = self.config(cx).await?;
        let setting = &self.goal.setting;
        let (signal, action, end) = match (&self.then.value, setting == &RecoveryTarget::Latest) {
            (Then::Follow { upstream, signal }, true) => return self.follow(cx, config, upstream, *signal).await,
            (Then::Promote { .. }, _) => (Signal::Recovery, Some("promote"), End::Primary),
            // Without a target a recovery always promotes in the end: a server that must not is
            // kept a standby.
            (Then::Pause | Then::Shutdown, true) => (Signal::Standby, None, End::OutOfWal),
            (Then::Shutdown, false) => (Signal::Recovery, Some("shutdown"), End::ShutDown),
            (Then::Pause | Then::Follow { .. }, false) => (Signal::Recovery, Some("pause"), End::Paused),
        };
        config.recovery = action.map(|action| (setting.clone(), action));
        config.timeline = self.timeline;
        config.recovery_log = true;
        // Looked up before: the archive may grow while the server recovers.
        let repo = self.repo();
        let archive = ArchiveEnd::read(self.node, &repo).await?;
        let begun = Instant::now();
        let started = self.start(cx, &config, signal, end).await?;
        let (node, until, then, timeline) = (self.node, self.until, self.then.entry, self.timeline);
        let to = self.goal.lsn().or_else(|| archive.end());
        let recovering = Recovering { node, until, then, end, timeline, to };
        if let Err(finding) = recovering.wait(cx, started).await {
            return Err(self.explain(finding).await);
        }
        let took = begun.elapsed();
        let recovery_log = self.log(cx).await?;
        let position = recovering.attained(cx, &recovery_log).await?;
        tell_part(cx, "replay", recovery_log.replayed(position.lsn), took);
        let ran =
            Ran::like(node, format!("start `{}`, and wait until {}", node.name(), end.what()), end.by_hand(node)?);
        cx.ran(recovery_log.evidence().into_iter().fold(ran.took(took), Ran::check));
        let checked = self.check_position(&recovery_log, &position, &archive).await;
        let checked = checked.and_then(|()| self.check_listed(cx, &position, &archive));
        checked.map_err(|finding| finding.at(self.until))?;
        node.own_log_settings().await?;
        match &self.then.value {
            Then::Shutdown if end == End::OutOfWal => stop(cx, node).await,
            Then::Follow { upstream, signal } => {
                stop(cx, node).await?;
                let config = self.config(cx).await?;
                self.follow(cx, config, upstream, *signal).await
            }
            Then::Promote { .. } | Then::Pause | Then::Shutdown => Ok(()),
        }
    }

    /// Its configuration, its target aside.
    async fn config(&self, cx: &Context<'_>) -> Result<Config, Box<Finding>> {
        let mut config = cx.world.spec(self.node.name()).config(&cx.world.repos);
        config.restore_command = self.restore_command.setting(&self.repo(), self.node.host()?.as_ref()).await?;
        if let Then::Promote { archive_to: Some(repo) } = &self.then.value {
            config.archiving = Some(cx.world.repo(repo)?.archiving());
        }
        Ok(config)
    }

    fn repo(&self) -> Repo {
        self.repo.clone().unwrap_or_else(nowhere)
    }

    async fn start(
        &self,
        cx: &mut Context<'_>,
        config: &Config,
        signal: Signal,
        end: End,
    ) -> Result<Started, Box<Finding>> {
        cx.wait("recovery");
        let setup = set_up(cx, self.node, config, signal, self.origin).await?;
        let started = match end {
            // A session that is opened while the server shuts down would only leave complaints in
            // its log.
            End::ShutDown => self.node.launch(Some(&setup), cx.deadline).await,
            End::Primary | End::Paused | End::OutOfWal => self.node.start(Some(&setup), cx.deadline).await,
        };
        match started {
            Ok(started) => Ok(started),
            Err(error) => {
                let finding = not_started(error, self.until);
                match self.unreadable(&finding).await {
                    Some(cause) => Err(cause),
                    None => Err(self.explain(finding).await),
                }
            }
        }
    }

    /// The failure of a server that did not find the WAL that it begins with, where the archive has
    /// it and restore_command could not bring it.
    async fn unreadable(&self, finding: &Finding) -> Option<Box<Finding>> {
        if !finding.title.contains(NO_CHECKPOINT) {
            return None;
        }
        let log = self.node.log_from(self.node.log_start()).await.ok()?;
        let archive = ArchiveEnd::read(self.node, self.repo.as_ref()?).await.ok()?;
        let (segment, said) = archive.complaint(&RecoveryLog::read(&log))?;
        let title = format!("segment {segment} in repo `{}` is there and cannot be read", archive.repo());
        let cause = Finding::failed(title).because(Cause::TargetNotReached).at(self.until).label(said);
        let help = "the backup cannot be recovered without it: take another copy of the segment, or another backup";
        Some(cause.note("so", finding.title.clone()).help(help))
    }

    /// What the server's log says of the recovery. Fails if it does not say that the target was
    /// reached.
    async fn log(&self, cx: &mut Context<'_>) -> Result<RecoveryLog, Box<Finding>> {
        let recovery_log = RecoveryLog::read(&self.node.log_from(self.node.log_start()).await?);
        recovery_log.tell(&mut cx.facts);
        let Err(wrong) = recovery_log.reached(&self.goal.setting) else { return Ok(recovery_log) };
        let trouble = recovery_log.wal_trouble.map(|trouble| trouble.text).unwrap_or_default();
        let finding = Finding::failed("recovery did not come out at its target")
            .because(Cause::TargetNotReached)
            .at(self.until)
            .label(wrong);
        Err(self.explain(finding).await.note("log", trouble))
    }

    /// Checks that the server stands where it was to come to: on the right timelines first, since
    /// elsewhere nothing else means anything.
    async fn check_position(
        &self,
        recovery_log: &RecoveryLog,
        position: &Position,
        archive: &ArchiveEnd<'_>,
    ) -> StepResult {
        self.goal.check_history((position.system, &position.history, position.lsn), archive)?;
        for (mark, birth) in self.goal.births(position) {
            let theirs = self.birth(&mark.lineage.history).await?;
            if let Some(theirs) = theirs.filter(|theirs| *theirs != birth) {
                return Err(promoted_beside(mark, (birth, theirs), archive.repo()));
            }
        }
        self.goal.check_place(position, recovery_log)?;
        if self.goal.setting == RecoveryTarget::Latest {
            archive.check(position.lsn, &position.history, recovery_log)?;
            if self.timeline == TargetTimeline::Latest {
                archive.check_newest(position.lsn, &position.history)?;
            }
        }
        Ok(())
    }

    /// How a timeline begins in the WAL that was replayed: in that of the server, or in the archive
    /// if the server has removed it.
    async fn birth(&self, history: &History) -> Result<Option<Birth>, Box<Finding>> {
        let Some(control) = self.node.control_file().await? else { return Ok(None) };
        let (size, host) = (control.segment_size, self.node.host()?);
        match (self.node.birth(history, size).await?, &self.repo) {
            (None, Some(repo)) => Ok(repo.birth(host.as_ref(), history, size).await?),
            (birth, _) => Ok(birth),
        }
    }

    /// Checks that the end of the archive can be known, where commands of the scenario's own bring
    /// or keep its WAL.
    fn check_listed(&self, cx: &Context<'_>, position: &Position, archive: &ArchiveEnd<'_>) -> StepResult {
        let own = matches!(self.restore_command, RestoreCommand::Own(_))
            || cx.world.archived_by_own_command(&[Some(archive.repo()), self.copy_of.as_deref()]);
        match own && self.goal.setting == RecoveryTarget::Latest {
            true => archive.check_listed(position.lsn, &position.history),
            false => Ok(()),
        }
    }

    /// Adds to the failure of a recovery that ended before its target what it came from: another
    /// timeline than the mark's, or the segment that stopped it.
    async fn explain(&self, finding: Box<Finding>) -> Box<Finding> {
        if let Some(cause) = self.other_timeline().await {
            let (title, label) = (&finding.title, &finding.label);
            let said = if label.is_empty() { title.clone() } else { format!("{title}: {label}") };
            return cause.because(Cause::TargetNotReached).at(self.until).note("so", said);
        }
        if let Some(void) = self.void_histories().await {
            return finding.note("archive", void);
        }
        match finding.cause {
            Cause::TargetNotReached => finding.note("archive", self.archive_end().await.unwrap_or_default()),
            _ => finding,
        }
    }

    /// The failure of a recovery that could not come to its mark, since it followed another
    /// timeline.
    async fn other_timeline(&self) -> Option<Box<Finding>> {
        let place = self.goal.first_place()?;
        let (control, histories) = self.node.control_and_histories().await.ok()??;
        let history = followed(self.timeline, &control, &histories);
        let archive = ArchiveEnd::read(self.node, self.repo.as_ref()?).await.ok()?;
        self.goal.check_history((control.system, &history, place), &archive).err()
    }

    async fn void_histories(&self) -> Option<String> {
        ArchiveEnd::read(self.node, self.repo.as_ref()?).await.ok()?.void_histories()
    }

    /// Why the archive has no more WAL, and where the target lies: in words, as far as anybody
    /// knows.
    async fn archive_end(&self) -> Option<String> {
        let archive = ArchiveEnd::read(self.node, self.repo.as_ref()?).await.ok()?;
        let recovery_log = RecoveryLog::read(&self.node.log_from(self.node.log_start()).await.ok()?);
        let (control, histories) = self.node.control_and_histories().await.ok()??;
        let end = recovery_log.redo_end.as_ref()?.parse().ok()?;
        let history = followed(self.timeline, &control, &histories);
        let target = self.goal.lsn().and_then(|lsn| archive.segment(lsn, &history));
        let target = target.map(|segment| format!("; the target lies in {segment}")).unwrap_or_default();
        let last = recovery_log.time().filter(|_| matches!(self.goal.setting, RecoveryTarget::Time { .. }));
        let last = last.map(|at| format!("; its last commit is of {at}")).unwrap_or_default();
        Some(format!("{}{target}{last}", archive.explain(end, &history, &recovery_log)))
    }

    /// Starts the server as a standby, without a slot.
    async fn follow(&self, cx: &mut Context<'_>, mut config: Config, upstream: &NodeRef, signal: Signal) -> StepResult {
        let up = cx.world.node(upstream)?;
        config.following = Some(up.followed_by(self.node, None).await?);
        let (repo, copy_of) = (self.repo(), self.copy_of.clone());
        let archive = Some(Archive { repo, copy_of, read: self.restore_command.reads() });
        let (node, origin, at) = (self.node.clone(), self.origin, Some(self.then.entry));
        Standby { node, up, config, signal, origin, archive, at }.follow(cx).await
    }
}
