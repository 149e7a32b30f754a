//! Watching a server that recovers until it is what `recover` asks for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::starting::ended;
use super::{Context, Finding, StepResult};
use crate::node::{Arrival, Node, Started};
use crate::pg::Lsn;
use crate::source::Span;

/// What a recovery ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was promoted.
    Primary,
    /// It waits at its target, or for more WAL.
    InRecovery,
    /// It has shut itself down.
    ShutDown,
}

/// A server in recovery.
pub(super) struct Recovering<'a> {
    /// The server.
    pub node: &'a Arc<Node>,
    /// Where the scenario says where it stops.
    pub until: Span,
    /// Where it says what happens then.
    pub then: Span,
    /// What it is to end in.
    pub end: End,
}

impl Recovering<'_> {
    /// How far it has replayed. None where nobody knows.
    pub(super) async fn replayed(&self, cx: &Context<'_>, arrival: &Arrival) -> Result<Option<Lsn>, Box<Finding>> {
        // A primary knows no replay any more, but its log does.
        let end: Option<String> = match &arrival.redo_end {
            Some(end) => Some(end.clone()),
            None => {
                let query = "SELECT pg_last_wal_replay_lsn()::text";
                cx.client(self.node).await?.query_one(query, &[]).await?.get(0)
            }
        };
        Ok(end.and_then(|text| text.parse().ok()))
    }

    /// Reports what it has attained, by its log and its control file: time and id of transactions, LSN, timeline. Fails where the
    /// control file says that it is not what it was to become.
    pub(super) async fn attained(&self, cx: &mut Context<'_>, arrival: &Arrival) -> StepResult {
        let node = self.node;
        let Some(control) = node.control_file().await? else {
            return Err(Finding::failed(format!("the control file of `{}` cannot be read", node.name())).at(self.until));
        };
        let wanted = match self.end {
            End::Primary => "in production",
            End::InRecovery => "in archive recovery",
            End::ShutDown => "shut down in recovery",
        };
        if control.state != wanted {
            let title = format!("`{}` is not what it was to become", node.name());
            let label = format!("its control file says `{}`, and not `{wanted}`", control.state);
            return Err(Finding::failed(title).at(self.then).label(label));
        }
        // The checkpoint that begins a new timeline comes a moment after the promotion.
        let told = arrival.new_timeline.map(crate::pg::TimelineId);
        let timeline = told.or(control.min_recovery.map(|(_, timeline)| timeline)).unwrap_or(control.timeline);
        cx.fact("timeline", timeline.0);
        cx.fact("control_state", control.state);
        let time = match (arrival.time(), self.end) {
            (None, End::InRecovery) => {
                let query = "SELECT pg_last_xact_replay_timestamp()";
                cx.client(node).await?.query_one(query, &[]).await?.get::<_, Option<jiff::Timestamp>>(0)
            }
            (time, _) => time,
        };
        if let Some(time) = time {
            cx.fact("time", time.to_string());
        }
        if let Some(xid) = arrival.stopped_at {
            cx.fact("xid", xid.0);
        }
        let replayed = match self.end {
            End::ShutDown => control.min_recovery.map(|(lsn, _)| lsn),
            _ => self.replayed(cx, arrival).await?,
        };
        if let Some(lsn) = replayed {
            cx.fact("lsn", lsn.to_string());
        }
        Ok(())
    }

    /// Waits until the server is a primary.
    pub(super) async fn promoted(&self, cx: &mut Context<'_>) -> StepResult {
        self.watch(cx, "the end of recovery", "SELECT NOT pg_is_in_recovery()").await
    }

    /// Waits until recovery has paused at its target.
    pub(super) async fn paused(&self, cx: &mut Context<'_>) -> StepResult {
        let paused = match self.node.version().major {
            0..14 => "SELECT pg_is_wal_replay_paused()",
            _ => "SELECT pg_get_wal_replay_pause_state() = 'paused'",
        };
        self.watch(cx, "the pause at the target", paused).await
    }

    /// Waits until a standby without a primary has nothing more to replay, and holds it there.
    pub(super) async fn quiet(&self, cx: &mut Context<'_>) -> StepResult {
        // The startup process waits so after it has asked the archive in vain (manual, 27.2, "Wait Events of Type Timeout").
        let idle =
            "SELECT wait_event = 'RecoveryRetrieveRetryInterval' FROM pg_stat_activity WHERE backend_type = 'startup'";
        self.watch(cx, "the end of the archive", idle).await?;
        cx.client(self.node).await?.batch_execute("SELECT pg_wal_replay_pause()").await?;
        Ok(())
    }

    /// Waits until the server has shut itself down.
    pub(super) async fn shut_down(&self, cx: &mut Context<'_>, started: Started) -> StepResult {
        if started == Started::ShutDown {
            return Ok(());
        }
        let node = self.node;
        cx.until("the shutdown at the target", async |seen| {
            "still running".clone_into(seen);
            Ok((!node.postmaster_runs().await?).then_some(()))
        })
        .await
        .map_err(|finding| finding.at(self.then))?;
        node.went_down("it shut down at its recovery target").await;
        Ok(())
    }

    /// Waits until a query on the recovering server says true; the server may go away while it recovers.
    async fn watch(&self, cx: &mut Context<'_>, what: &str, query: &str) -> StepResult {
        let node = self.node;
        let mut next_look = Instant::now() + Duration::from_millis(200);
        let done = cx.until(what, async |seen| {
            match node.client().await {
                Ok(client) => match client.query_opt(query, &[]).await {
                    Ok(row) if row.as_ref().and_then(|row| row.get::<_, Option<bool>>(0)) == Some(true) => {
                        return Ok(Some(()));
                    }
                    Ok(_) => "still recovering".clone_into(seen),
                    Err(error) => *seen = crate::node::sql_problem(&error),
                },
                Err(error) => *seen = error.to_string(),
            }
            if Instant::now() >= next_look {
                next_look = Instant::now() + Duration::from_millis(200);
                if !node.postmaster_runs().await? {
                    node.went_down("it ended during recovery").await;
                    return Err(ended(node).await);
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
