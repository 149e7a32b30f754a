//! Making a server follow another one, and checking that it does: what `recover`, `rebuild` and
//! `rewind` have in common.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::{Context, Finding, Ran, RepoId, StepResult};
use crate::journal::Cause;
use crate::node::{
    Config, Node, Origin, RecoveryLog, RefusalReason, Signal, SqlError, StartError, Started, WalRefusal, by_hand, rest,
};
use crate::pg::Lsn;
use crate::repo::Repo;
use crate::source::Span;
use crate::steps::recovery::progress::{Progress, tell_part};
use crate::steps::recovery::refusal::{ended, not_started, paused_by};
use crate::steps::recovery::restore::set_up;
use crate::steps::recovery::unread::Listed;
use crate::steps::recovery::upstream::is_not_waited_for;

/// The archive that a standby was given, or that it should have been given.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    /// Where it lies.
    pub repo: Repo,
    /// The repo that it is a copy of: it is as new as the last `sync`.
    pub copy_of: Option<RepoId>,
    /// Whether the standby has a restore_command for it.
    pub read: bool,
}

/// A server that is to follow another one. It does not run, and its PGDATA is in place.
pub(crate) struct Standby {
    /// The server.
    pub node: Arc<Node>,
    /// The one that it is to stream from.
    pub up: Arc<Node>,
    /// Its configuration.
    pub config: Config,
    /// The file that it starts recovery by: the wrong one is one of the mistakes that can be
    /// drilled.
    pub signal: Signal,
    /// Whose postgresql.auto.conf lies in its PGDATA.
    pub origin: Origin,
    /// Where WAL can be had that its upstream has no more.
    pub archive: Option<Archive>,
    /// Where the scenario asks for it.
    pub at: Option<Span>,
}

/// Why waiting for a standby is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It was promoted, has ended, has paused for good, or cannot use the archive: its failure says
    /// why.
    Gone,
    /// Its upstream refuses it for good: its failure says with which words.
    Refused,
}

/// What its upstream says of one that does not connect.
const NO_SUCH: &str = "knows no such standby";

/// How long the start may take before the server's log is looked at: one that waits for WAL stays
/// in it for ever.
const START: Duration = Duration::from_millis(500);
/// How often the log is looked at first, and which part of the wait a look may be late.
const LOOK: Duration = Duration::from_millis(100);
const PART: u32 = 20;
/// A refusal that comes so often is no accident of the moment.
const TIMES: usize = 3;

impl Standby {
    /// Starts the server and waits until its upstream says that it streams, and until it has all
    /// that was written there before.
    pub(crate) async fn follow(&self, cx: &mut Context<'_>) -> StepResult {
        cx.client(&self.up).await?;
        is_not_waited_for(cx, &self.up, self.node.name(), self.at).await?;
        let goal = self.up.wal_end().await?;
        // A server that was killed may stand on its upstream's list for a while.
        let stale: Vec<i32> = self.up.senders_to(self.node.name()).await?.iter().map(|one| one.pid).collect();
        // Looked up before: the archive may grow while the server starts.
        let listed = self.listed().await?;
        let begun = Instant::now();
        self.start(cx).await?;
        let what = format!("`{}` to stream from `{}`", self.node.name(), self.up.name());
        let mut next_look = Instant::now();
        let mut progress = Progress::new(cx, &what, goal);
        let (mut end, mut late) = (None, false);
        let streams = cx.until(&what, async |seen| {
            match self.up.senders_to(self.node.name()).await {
                Ok(senders) => {
                    let own = senders.iter().find(|one| !stale.contains(&one.pid));
                    if own.is_some_and(|one| one.streams() && one.flushed >= Some(goal)) {
                        return Ok(Some(()));
                    }
                    let state = own.map(|one| one.state.clone().unwrap_or_else(|| "hidden".to_owned()));
                    *seen = state
                        .map_or_else(|| format!("`{}` {NO_SUCH}", self.up.name()), |state| format!("state {state}"));
                }
                Err(SqlError::Host(error)) => return Err(error.into()),
                Err(error) => *seen = error.to_string(),
            }
            if Instant::now() >= next_look {
                if let Some((reason, finding)) = self.end(listed.as_ref()).await? {
                    end = Some(reason);
                    return Err(finding);
                }
                progress.look(&self.node).await;
                if seen.contains(NO_SUCH) && self.node.sleeps_in_delay().await {
                    late = true;
                    return Ok(Some(()));
                }
                next_look = Instant::now() + rest(begun.elapsed(), LOOK, PART);
            }
            Ok(None)
        });
        match streams.await {
            Ok(()) if late => cx.world.warn(format!(
                "`{}` applies late on purpose what it has at hand, and streams from `{}` only when it is through with that",
                self.node.name(),
                self.up.name()
            )),
            Ok(()) => self.tell(cx, goal, begun.elapsed()).await?,
            Err(finding) if finding.cause == Cause::UsersFailed => return Err(finding),
            Err(finding) => {
                let at = finding.at.or(self.at);
                return Err(self.explained(cx, finding.at(at), end).await);
            }
        }
        self.answers(cx).await?;
        cx.fact("streams_from", self.up.name());
        self.check_archive(cx, listed.as_ref()).await
    }

    /// Fails if it has not used the archive where that was to be used, and tells what was missing
    /// there.
    async fn check_archive(&self, cx: &Context<'_>, listed: Option<&Listed<'_>>) -> StepResult {
        let Some(listed) = listed else { return Ok(()) };
        let log = self.node.log_from(self.node.log_start()).await?;
        if let (Some(gap), Some(archive)) = (listed.gap(&log), &self.archive) {
            let (node, up, repo) = (self.node.name(), self.up.name(), &archive.repo.name);
            cx.world.warn(format!(
                "segment {gap} is missing in repo `{repo}`, which goes on behind it: `{node}` had it from `{up}`, and without that one a \
                 recovery ends there (assert_recoverable fails by it)"
            ));
        }
        listed.check_used(&log).map_err(|finding| finding.at(self.at))
    }

    /// What there is in the archive that it reads.
    async fn listed(&self) -> Result<Option<Listed<'_>>, Box<Finding>> {
        Ok(match self.archive.as_ref().filter(|archive| archive.read) {
            Some(archive) => Some(Listed::read(&self.node, &archive.repo).await?),
            None => None,
        })
    }

    /// Waits until it takes sessions: it may have to replay some of what it has before.
    async fn answers(&self, cx: &mut Context<'_>) -> StepResult {
        let what = format!("`{}` to answer", self.node.name());
        let answers = cx.until(&what, async |seen| match self.node.client().await {
            Ok(_) => Ok(Some(())),
            Err(SqlError::Host(error)) => Err(error.into()),
            Err(error) if error.is_refusal() && !error.is_passing() => Err(error.into()),
            Err(error) => {
                *seen = error.to_string();
                Ok(None)
            }
        });
        answers.await.map_err(|finding| finding.at(self.at))
    }

    /// Reports how long it took to come to `goal` of its upstream, and how a person starts it.
    async fn tell(&self, cx: &mut Context<'_>, goal: Lsn, took: Duration) -> StepResult {
        let log = RecoveryLog::read(&self.node.log_from(self.node.log_start()).await?);
        tell_part(cx, "catch_up", log.replayed(goal), took);
        let paths = self.node.host()?.paths();
        let text = by_hand::start(&paths.data, &paths.log);
        let ran = Ran::like(&self.node, format!("start `{}` as a standby", self.node.name()), text);
        let up = self.up.name();
        cx.ran(ran.took(took).check(format!("`SELECT state FROM pg_stat_replication` on `{up}` says `streaming`")));
        Ok(())
    }

    async fn start(&self, cx: &mut Context<'_>) -> StepResult {
        cx.wait(format!("the start of `{}`", self.node.name()));
        self.node.may_reach(&self.up).await?;
        let setup = set_up(cx, &self.node, &self.config, self.signal, self.origin).await?;
        let patience = cx.deadline.min(Instant::now() + START);
        match self.node.launch(Some(&setup), patience).await {
            Ok(Started::Answers) | Err(StartError::Deadline { .. }) => Ok(()),
            Ok(Started::ShutDown) => Err(ended(&self.node).await.at(self.at)),
            Err(error) => Err(not_started(error, self.at)),
        }
    }

    /// Why waiting any longer is of no use, if it is not.
    async fn end(&self, listed: Option<&Listed<'_>>) -> Result<Option<(End, Box<Finding>)>, Box<Finding>> {
        let log = self.node.log_from(self.node.log_start()).await?;
        if let Some(timeline) = RecoveryLog::read(&log).new_timeline {
            let finding = self.promoted(timeline).note("log", self.node.log_tail().await);
            return Ok(Some((End::Gone, finding)));
        }
        if let Some(finding) = paused_by(&self.node, &log).await {
            return Ok(Some((End::Gone, finding)));
        }
        let refusal = WalRefusal::last(&log);
        if let (Some(WalRefusal { message, reason: RefusalReason::Removed(segment), times }), Some(listed)) =
            (&refusal, listed)
            && let Some(finding) = listed.unusable(segment, *times, &log)
        {
            return Ok(Some((End::Gone, finding.note("log", message))));
        }
        if let Some(refusal) = refusal
            && refusal.times >= TIMES
            && self.is_final(&refusal.reason).await?
        {
            return Ok(Some((End::Refused, Finding::failed(self.title()).label(&refusal.message))));
        }
        match self.node.postmaster_runs().await? {
            true => Ok(None),
            false => Ok(Some((End::Gone, ended(&self.node).await))),
        }
    }

    /// Whether nothing that happens by itself can change a refusal. While a step runs no other one
    /// does, but an archive may still get what its server has written.
    async fn is_final(&self, reason: &RefusalReason) -> Result<bool, Box<Finding>> {
        Ok(match (reason, &self.archive) {
            (RefusalReason::Removed(segment), Some(archive)) if archive.read => {
                !self.holds(&archive.repo, segment).await? && self.comes_no_more(archive, segment).await?
            }
            (reason, _) => !reason.may_pass(),
        })
    }

    /// Whether a segment that its server has removed, so had archived, comes into the archive no
    /// more: into a copy only a `sync` brings it, a tool of production's pushes into the repository
    /// itself, and files are copied elsewhere one after the other.
    async fn comes_no_more(&self, archive: &Archive, segment: &str) -> Result<bool, Box<Finding>> {
        let repo = &archive.repo;
        if archive.copy_of.is_some() || !repo.is_existing() {
            return Ok(archive.copy_of.is_some());
        }
        Ok(repo.program.is_some() || repo.archive(self.node.host()?.as_ref()).await?.goes_on_after(segment))
    }

    async fn holds(&self, repo: &Repo, segment: &str) -> Result<bool, Box<Finding>> {
        Ok(repo.holds(self.node.host()?.as_ref(), segment).await?)
    }

    fn title(&self) -> String {
        format!("`{}` does not stream from `{}`", self.node.name(), self.up.name())
    }

    fn promoted(&self, timeline: u32) -> Box<Finding> {
        let finding = Finding::failed(format!("{}: it was promoted", self.title()))
            .label(format!("its recovery ended, and it is a primary of its own on timeline {timeline}"));
        match self.signal {
            Signal::Standby => finding,
            Signal::Recovery => finding.help(
                "recovery.signal ends recovery where the archive ends; standby.signal makes a standby, which goes on \
                 with streaming",
            ),
        }
    }

    /// Adds to a finding what the log says, and what can be done about it.
    async fn explained(&self, cx: &mut Context<'_>, finding: Box<Finding>, end: Option<End>) -> Box<Finding> {
        if end == Some(End::Gone) {
            return finding;
        }
        let log = self.node.log_from(self.node.log_start()).await.unwrap_or_default();
        let Some(refusal) = WalRefusal::last(&log) else { return finding.note("log", self.node.log_tail().await) };
        let finding = match end {
            Some(End::Refused) => finding,
            _ => finding.note("log", &refusal.message),
        };
        let (node, up) = (self.node.name(), self.up.name());
        match (&refusal.reason, &self.archive) {
            (RefusalReason::Removed(segment), archive) => {
                cx.fact("missing_segment", segment.as_str());
                let there = match archive {
                    Some(archive) => Some(self.holds(&archive.repo, segment).await.unwrap_or(false)),
                    None => None,
                };
                let (note, help) = self.removed(segment, there);
                finding.note("archive", note).help(help)
            }
            (RefusalReason::Timeline(primary, standby), Some(archive)) if archive.read => finding.help(format!(
                "repo `{}` holds timeline {standby}, which `{up}` (timeline {primary}) was never on: something that was recovered \
                 from it has archived into it. Take {standby:08X}.history and its segments out of the archive; keeping more WAL \
                 on `{up}` changes nothing",
                archive.repo.name
            )),
            (RefusalReason::Timeline(primary, standby), _) => finding.help(format!(
                "`{node}` is on timeline {standby}, `{up}` still on {primary}: is it the right server to follow?"
            )),
            (RefusalReason::Diverged, _) => finding.help(format!(
                "`{node}` has WAL that `{up}` never had: `rewind` takes it back to where they diverged, `rebuild` replaces it"
            )),
            (RefusalReason::Ahead, _) => {
                finding.help(format!("`{node}` has read WAL elsewhere that `{up}` does not have: is `{up}` behind itself?"))
            }
            (RefusalReason::OtherSystem, _) => finding.help(format!("`{node}` was not made from `{up}`: `rebuild` it")),
            (RefusalReason::Slot, _) => finding.help("`rebuild` replaces the slot, together with the data"),
            (RefusalReason::NotAllowed, _) => finding.help(format!(
                "the role by which `{node}` connects to `{up}` needs LOGIN and REPLICATION there, and a line for the database \
                 `replication` in its pg_hba.conf"
            )),
            (RefusalReason::Other, _) => finding.help(format!("does `{up}` run, and can `{node}` reach it?")),
        }
    }

    /// Where a segment is that the upstream has removed, and what can be done; `there` is whether
    /// the archive holds it.
    fn removed(&self, segment: &str, there: Option<bool>) -> (String, String) {
        let up = self.up.name();
        let keep = format!("make `{up}` keep WAL for its standbys (wal_keep_size, or a replication slot)");
        let repo = self.archive.as_ref().map_or("", |archive| &archive.repo.name);
        match (&self.archive, there) {
            (Some(Archive { read: false, .. }), Some(true)) => (
                format!("repo `{repo}` holds {segment}, but nothing reads it: the server has no restore_command"),
                "a primary sends what is in its own pg_wal, nothing from the archive: give the standby its restore_command"
                    .to_owned(),
            ),
            (Some(Archive { copy_of: Some(original), .. }), Some(false)) => (
                format!("repo `{repo}` does not hold {segment}: it is as new as the last `sync` from `{original}`"),
                format!("`sync` it before, restore from `{original}`, or {keep}"),
            ),
            (Some(_), Some(false)) => (
                format!("repo `{repo}` does not hold {segment} either"),
                format!("is it archived yet (`wait_archived`)? Else {keep}, or rebuild from `{up}` itself"),
            ),
            (Some(_), _) => (
                format!("repo `{repo}` holds {segment} by now"),
                "the archive got it late: give the step longer with `within`".to_owned(),
            ),
            (None, _) => ("the server reads no archive".to_owned(), format!("{keep}, or rebuild it")),
        }
    }
}
