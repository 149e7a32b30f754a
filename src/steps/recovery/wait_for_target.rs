//! Watching a server that recovers until it is what `recover` asks for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::{Context, Finding, StepResult};
use crate::host::{HostError, quote_word};
use crate::node::{ControlFile, Histories, Node, RecoveryLog, Started, by_hand, lineage, rest};
use crate::pg::{History, Lsn, TargetTimeline, error_message};
use crate::source::Span;
use crate::steps::recovery::position::Position;
use crate::steps::recovery::progress::Progress;
use crate::steps::recovery::refusal::{ended, paused_for_good};

/// How often the server is looked at first, and which part of the wait a look may be late.
const LOOK: Duration = Duration::from_millis(200);
const PART: u32 = 20;

/// What a recovery ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was promoted.
    Primary,
    /// It is paused at its target.
    Paused,
    /// It has replayed all the WAL that it found, and waits for more.
    OutOfWal,
    /// It has shut itself down.
    ShutDown,
}

impl End {
    /// What is true on a server that has come to it; none if nobody answers there any more.
    pub(crate) fn query(self, major: u32) -> Option<&'static str> {
        Some(match (self, major) {
            (End::Primary, _) => "SELECT NOT pg_is_in_recovery()",
            (End::Paused, 0..14) => "SELECT pg_is_wal_replay_paused()",
            (End::Paused, _) => "SELECT pg_get_wal_replay_pause_state() = 'paused'",
            // The startup process waits so after the archive had no more (manual, 27.2, "Wait
            // Events of Type Timeout").
            (End::OutOfWal, _) => {
                "SELECT wait_event = 'RecoveryRetrieveRetryInterval' FROM pg_stat_activity WHERE backend_type = 'startup'"
            }
            (End::ShutDown, _) => return None,
        })
    }

    /// What a server is that has come to it: `it has been promoted`.
    pub(crate) fn what(self) -> &'static str {
        match self {
            End::Primary => "it has been promoted",
            End::Paused => "it has paused at its target",
            End::OutOfWal => "it has replayed all there is",
            End::ShutDown => "it has shut itself down",
        }
    }

    /// What a person does to have a server come to it that is configured and does not run.
    pub(crate) fn by_hand(self, node: &Node) -> Result<String, HostError> {
        let paths = node.host()?.paths();
        let (data, log) = (paths.data.as_str(), paths.log.as_str());
        let Some(query) = self.query(node.version().major) else { return Ok(by_hand::start_to_end(data, log)) };
        let wait = format!("{}\n{}", by_hand::start(data, log), by_hand::wait_until_true(query));
        Ok(match self {
            End::OutOfWal => format!("{wait}\npsql -Xqc {}", quote_word(PAUSE)),
            End::Primary | End::Paused | End::ShutDown => wait,
        })
    }
}

/// Holds a standby where it is.
const PAUSE: &str = "SELECT pg_wal_replay_pause()";

/// A server in recovery.
pub(crate) struct Recovering<'a> {
    /// The server.
    pub node: &'a Arc<Node>,
    /// Where the scenario says where it stops.
    pub until: Span,
    /// Where it says what happens then.
    pub then: Span,
    /// What it is to end in.
    pub end: End,
    /// Which timeline its settings say to follow.
    pub timeline: TargetTimeline,
    /// Where the WAL ends that it is to replay, if anybody knows.
    pub to: Option<Lsn>,
}

/// The timeline that a server which is still in recovery, or failed in it, follows.
pub(crate) fn followed(timeline: TargetTimeline, control: &ControlFile, histories: &Histories) -> History {
    match timeline {
        TargetTimeline::Id(timeline) => histories.of(timeline),
        TargetTimeline::Current => histories.of(control.timeline),
        // A checkpoint may be the first record of its timeline.
        TargetTimeline::Latest => histories.newest_from(control.timeline, Lsn(control.checkpoint.0 + 1)),
    }
}

impl Recovering<'_> {
    /// Reports what it has attained, by its control file, its timelines' history files and its log:
    /// time and id of transactions, LSN, timeline. Fails if the control file says that it is not
    /// what it was to become.
    pub(crate) async fn attained(
        &self,
        cx: &mut Context<'_>,
        recovery_log: &RecoveryLog,
    ) -> Result<Position, Box<Finding>> {
        let node = self.node;
        let Some((control, histories)) = node.control_and_histories().await? else {
            return Err(Finding::failed(format!("the control file of `{}` cannot be read", node.name())).at(self.until));
        };
        let wanted = match self.end {
            End::Primary => "in production",
            End::Paused | End::OutOfWal => "in archive recovery",
            End::ShutDown => "shut down in recovery",
        };
        if control.state != wanted {
            let title = format!("`{}` is not what it was to become", node.name());
            let label = format!("its control file says `{}`, and not `{wanted}`", control.state);
            return Err(Finding::failed(title).at(self.then).label(label));
        }
        let position = self.position(cx, &control, &histories).await?;
        cx.fact("control_state", control.state);
        if let Some(time) = self.time(cx, recovery_log).await? {
            cx.fact("time", time.to_string());
        }
        if let Some(xid) = recovery_log.stopped_at {
            cx.fact("xid", xid.0);
        }
        cx.fact("lsn", position.lsn.to_string());
        Ok(position)
    }

    /// Where it stands.
    async fn position(
        &self,
        cx: &mut Context<'_>,
        control: &ControlFile,
        histories: &Histories,
    ) -> Result<Position, Box<Finding>> {
        let node = self.node;
        let system = control.system;
        if self.end == End::Primary {
            // It has written where it left the timeline that it followed. The control file knows
            // its new one a moment later.
            let own = lineage(&*cx.client(node).await?).await?;
            cx.fact("timeline", own.history.timeline.0);
            let Some((history, lsn)) = own.history.parent() else {
                let title = format!("`{}` was promoted, and has no history of its timeline", node.name());
                return Err(Finding::failed(title).at(self.then));
            };
            return Ok(Position { system: own.system, history, lsn, exact: true });
        }
        let history = followed(self.timeline, control, histories);
        let lsn = match (self.end, control.min_recovery) {
            (End::ShutDown, Some((lsn, _))) => lsn,
            (End::ShutDown, None) => control.checkpoint,
            _ => {
                let query = "SELECT pg_last_wal_replay_lsn()::text";
                let row = cx.client(node).await?.query_one(query, &[]).await?;
                let text = row.get::<_, Option<&str>>(0).unwrap_or_default();
                text.parse()
                    .map_err(|e| Finding::errored(format!("`{}` says nothing of its replay: {e}", node.name())))?
            }
        };
        cx.fact("timeline", history.at(lsn).0);
        Ok(Position { system, history, lsn, exact: self.end != End::ShutDown })
    }

    /// When the last transaction that was replayed was committed.
    async fn time(
        &self,
        cx: &mut Context<'_>,
        recovery_log: &RecoveryLog,
    ) -> Result<Option<jiff::Timestamp>, Box<Finding>> {
        Ok(match (recovery_log.time(), self.end) {
            (None, End::Paused | End::OutOfWal) => {
                let query = "SELECT pg_last_xact_replay_timestamp()";
                cx.client(self.node).await?.query_one(query, &[]).await?.get(0)
            }
            (time, _) => time,
        })
    }

    /// Waits until the server is what it is to end in.
    pub(crate) async fn wait(&self, cx: &mut Context<'_>, started: Started) -> StepResult {
        let what = match self.end {
            End::Primary => "the end of recovery",
            End::Paused => "the pause at the target",
            End::OutOfWal => "the end of the archive",
            End::ShutDown if started == Started::ShutDown => {
                self.node.went_down("it shut down at its recovery target").await;
                return Ok(());
            }
            End::ShutDown => return self.shut_down(cx).await,
        };
        if let Some(query) = self.end.query(self.node.version().major) {
            self.watch(cx, what, query).await?;
        }
        if self.end == End::OutOfWal {
            // A standby without a primary waits for more.
            cx.client(self.node).await?.batch_execute(PAUSE).await?;
        }
        Ok(())
    }

    /// Waits until the server has shut itself down.
    async fn shut_down(&self, cx: &mut Context<'_>) -> StepResult {
        let node = self.node;
        let mut next_look = Instant::now();
        cx.until("the shutdown at the target", async |seen| {
            "still running".clone_into(seen);
            if Instant::now() >= next_look {
                next_look = Instant::now() + Duration::from_secs(1);
                if let Some(finding) = paused_for_good(node).await? {
                    return Err(finding);
                }
            }
            Ok((!node.postmaster_runs().await?).then_some(()))
        })
        .await
        .map_err(|finding| finding.at(self.then))?;
        node.went_down("it shut down at its recovery target").await;
        Ok(())
    }

    /// Waits until a query on the recovering server returns true; the server may go away meanwhile.
    async fn watch(&self, cx: &mut Context<'_>, what: &str, query: &str) -> StepResult {
        let node = self.node;
        let begun = Instant::now();
        let mut next_look = begun + LOOK;
        let mut progress = self.to.map(|to| Progress::new(cx, what, to));
        let done = cx.until(what, async |seen| {
            match node.client().await {
                Ok(client) => match client.query_opt(query, &[]).await {
                    Ok(row) if row.as_ref().and_then(|row| row.get::<_, Option<bool>>(0)) == Some(true) => {
                        // It pauses at a parameter change, too.
                        return match self.end {
                            End::Paused => paused_for_good(node).await?.map_or(Ok(Some(())), Err),
                            _ => Ok(Some(())),
                        };
                    }
                    Ok(_) => "still recovering".clone_into(seen),
                    Err(error) => *seen = error_message(&error),
                },
                Err(error) => *seen = error.to_string(),
            }
            if Instant::now() >= next_look {
                next_look = Instant::now() + rest(begun.elapsed(), LOOK, PART);
                if let Some(progress) = &mut progress {
                    progress.look(node).await;
                }
                if node.replay_is_paused().await
                    && let Some(finding) = paused_for_good(node).await?
                {
                    return Err(finding);
                }
                if !node.postmaster_runs().await? {
                    let finding = ended(node).await;
                    if node.is_up() {
                        node.went_down("it ended during recovery").await;
                    }
                    return Err(finding);
                }
            }
            Ok(None)
        });
        match done.await {
            Ok(()) => Ok(()),
            Err(finding) => {
                let finding = if finding.at.is_none() { finding.at(self.until) } else { finding };
                Err(if finding.notes.is_empty() { finding.note("log", node.log_tail().await) } else { finding })
            }
        }
    }
}
