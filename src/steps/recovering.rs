//! Watching a server that recovers until it is what `recover` asks for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::starting::ended;
use super::{Context, Finding, StepResult};
use crate::node::{Arrival, Node, Started};
use crate::pg::Lsn;
use crate::source::Span;

/// A server in recovery.
pub(super) struct Recovering<'a> {
    /// The server.
    pub node: &'a Arc<Node>,
    /// Where the scenario says where it stops.
    pub until: Span,
    /// Where it says what happens then.
    pub then: Span,
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

    /// Waits until the server is a primary.
    pub(super) async fn promoted(&self, cx: &mut Context<'_>) -> StepResult {
        self.watch(cx, "the end of recovery", "SELECT NOT pg_is_in_recovery()").await?;
        let client = cx.client(self.node).await?;
        let now = crate::node::moment(&client).await?;
        cx.fact("timeline", now.timeline.0);
        cx.fact("lsn", now.lsn.to_string());
        Ok(())
    }

    /// Waits until recovery has paused at its target.
    pub(super) async fn paused(&self, cx: &mut Context<'_>) -> StepResult {
        let paused = match self.node.version().major {
            0..14 => "SELECT pg_is_wal_replay_paused()",
            _ => "SELECT pg_get_wal_replay_pause_state() = 'paused'",
        };
        self.watch(cx, "the pause at the target", paused).await?;
        self.tell_position(cx).await
    }

    /// Waits until a standby without a primary has nothing more to replay, and holds it there.
    pub(super) async fn quiet(&self, cx: &mut Context<'_>) -> StepResult {
        // The startup process waits so after it has asked the archive in vain (manual, 27.2, "Wait Events of Type Timeout").
        let idle =
            "SELECT wait_event = 'RecoveryRetrieveRetryInterval' FROM pg_stat_activity WHERE backend_type = 'startup'";
        self.watch(cx, "the end of the archive", idle).await?;
        cx.client(self.node).await?.batch_execute("SELECT pg_wal_replay_pause()").await?;
        self.tell_position(cx).await
    }

    async fn tell_position(&self, cx: &mut Context<'_>) -> StepResult {
        let row = cx.client(self.node).await?.query_one("SELECT pg_last_wal_replay_lsn()::text", &[]).await?;
        if let Some(lsn) = row.get::<_, Option<String>>(0) {
            cx.fact("lsn", lsn);
        }
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
