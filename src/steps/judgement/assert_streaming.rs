//! `assert_streaming`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Awaited, Checks, Context, Effects, Finding, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::node::{Node, RefusalReason, WalRefusal, apply_delay, is_in_recovery, lineage};
use crate::pg::{Lsn, TimelineId, error_message};
use crate::source::{NodeName, RoleName, Spanned};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Checks whether a standby streams from its primary, and whether a row written now arrives.
///
/// ```yaml
/// - assert_streaming: { standby: standby, primary: master }
/// ```
///
/// The row is written to a table in a schema `drillyard`, which is removed again. On an external
/// primary, and on one that is a standby itself, nothing is written: the current end of its WAL
/// must arrive.
///
/// A standby that has WAL which its primary never wrote, after the primary was set back to an
/// earlier time, say, fails at once: no waiting mends that.
///
/// With `role` the primary is asked as that role (`SET ROLE`): who logs in there may have
/// pg_monitor, which sees `pg_stat_replication`, only so.
///
/// It passes if the primary reports `streaming` for this standby and the row can be read there
/// before the deadline. A standby that is delayed on purpose (`recovery_min_apply_delay`) must have
/// received it; its facts say so.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertStreamingSpec {
    /// The standby.
    standby: NodeName,
    /// The server that it streams from.
    primary: NodeName,
    /// The role as which the primary is asked.
    #[serde(default)]
    role: Option<Spanned<RoleName>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct AssertStreaming {
    /// The standby.
    standby: NodeRef,
    /// The server that it streams from.
    primary: NodeRef,
    /// The role as which the primary is asked.
    role: Option<Spanned<RoleName>>,
}

impl StepKind for AssertStreamingSpec {
    type Step = AssertStreaming;

    const NAME: &'static str = "assert_streaming";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Check;
    const FACTS: &'static str = "late_on_purpose";

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertStreaming> {
        let (standby, primary) = (scope.named_node(&self.standby), scope.named_node(&self.primary));
        if self.standby.value == self.primary.value {
            scope.error(self.primary.span, "a server does not stream from itself", "name its primary");
        }
        Some(AssertStreaming { standby: standby?, primary: primary?, role: self.role })
    }
}

#[async_trait(?Send)]
impl Step for AssertStreaming {
    fn title(&self) -> String {
        format!("{} streams from {}", self.standby, self.primary)
    }

    fn effects(&self) -> Effects {
        Effects::reads()
            .checks(Checks::Streaming { standby: self.standby.id.clone(), primary: self.primary.id.clone() })
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let (standby, primary) = (cx.world.node(&self.standby)?, cx.world.node(&self.primary)?);
        let on_primary = cx.client_as(&primary, None, self.role.as_ref()).await?;
        let on_standby = cx.client(&standby).await?;
        cx.awaits(Awaited::Replay, standby.name());
        if let Err(finding) = self.streams(cx, (&standby, &primary), (&on_standby, &on_primary)).await {
            return Err(finding.at(self.standby.entry()).note("log", standby.log_tail().await));
        }
        // What is written is drillyard's own: that role need not be allowed to.
        let on_primary = cx.client(&primary).await?;
        let writable = !primary.is_external() && !is_in_recovery(&on_primary).await?;
        match apply_delay(&on_standby).await? {
            Some(delay) => {
                if writable {
                    cx.in_transaction(&on_primary, "SELECT pg_current_xact_id()").await?;
                }
                self.is_received(cx, &primary, delay).await
            }
            // People who search the WAL for a table that was dropped are to find no other.
            None if writable && cx.world.attended => {
                let message = "SELECT pg_logical_emit_message(true, 'drillyard', 'assert_streaming')";
                cx.in_transaction(&on_primary, message).await?;
                self.wal_is_replayed(cx, &primary, &standby).await
            }
            None if writable => self.row_arrives(cx, &on_primary, &on_standby).await,
            None => self.wal_is_replayed(cx, &primary, &standby).await,
        }
    }
}

impl AssertStreaming {
    /// Waits until the primary reports that the standby streams from it.
    async fn streams(
        &self,
        cx: &mut Context<'_>,
        (standby, primary): (&Node, &Node),
        (on_standby, on_primary): (&Client, &Client),
    ) -> StepResult {
        let name = primary.knows_as(self.standby.as_str());
        let what = format!("`{}` to stream from `{}`", self.standby, self.primary);
        let attended = cx.world.attended;
        cx.until(&what, async |seen| {
            let rows = on_primary.query("SELECT application_name, state FROM pg_stat_replication", &[]).await?;
            let states: Vec<(String, Option<String>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
            let named = states.iter().find(|(application, _)| *application == name);
            // People call a standby what they like: that it is this one is seen when WAL arrives.
            let streaming = || states.iter().find(|(_, state)| state.as_deref() == Some("streaming"));
            let found = named.or_else(|| streaming().filter(|_| attended));
            let state = found.map(|(_, state)| state);
            *seen = match state {
                Some(Some(state)) if state == "streaming" => return Ok(Some(())),
                Some(state) => format!("state {}", state.as_deref().unwrap_or("hidden")),
                None => format!("the primary knows {} other standbys, not this one", states.len()),
            };
            // Before and after: its walreceiver may begin or end meanwhile.
            let parted = match knows_its_way(standby, on_standby).await {
                true => parted(on_standby, on_primary).await,
                false => None,
            };
            match parted {
                Some(parted) if knows_its_way(standby, on_standby).await => Err(self.never(&parted)),
                _ => Ok(None),
            }
        })
        .await
    }

    /// That waiting is of no use.
    fn never(&self, Parted { timeline, has, left, own, end }: &Parted) -> Box<Finding> {
        let (standby, primary) = (&self.standby, &self.primary);
        let label = match left {
            Some(left) => format!("it has WAL up to {has} on timeline {timeline}, which `{primary}` left at {left}"),
            None => format!("it has WAL up to {has} on timeline {timeline}, where `{primary}` ends at {end}"),
        };
        let (own, end) = (format!("`{primary}` is on timeline {own} at {end}"), "no WAL that comes mends this");
        Finding::failed(format!("`{standby}` is ahead of `{primary}`: it cannot stream from it"))
            .label(label)
            .note("primary", own)
            .help(format!(
                "{end}: `rewind` takes `{standby}` back to where they parted, `rebuild` replaces it; was `{primary}` meant to be \
                 set back?"
            ))
    }

    /// Waits until a standby that is late on purpose has received what its primary's WAL ends with
    /// now: it would apply it only when its delay is over.
    async fn is_received(&self, cx: &mut Context<'_>, primary: &Node, delay: Duration) -> StepResult {
        let end = primary.wal_end().await?;
        let what = format!("`{}` to receive the WAL up to {end}", self.standby);
        let arrived = cx.until(&what, async |seen| {
            let senders = primary.senders_to(self.standby.as_str()).await?;
            let flushed = senders.iter().filter_map(|sender| sender.flushed).max();
            *seen = flushed.map_or_else(|| "no answer".to_owned(), |at| format!("received up to {at}"));
            Ok((flushed >= Some(end)).then_some(()))
        });
        arrived.await.map_err(|finding| finding.at(self.standby.entry()))?;
        let delay = humantime::format_duration(delay);
        cx.fact(
            "late_on_purpose",
            format!("recovery_min_apply_delay is {delay}: received up to {end}, and applied later"),
        );
        Ok(())
    }

    /// Waits until the standby has replayed what the WAL of a server that nothing can be written to
    /// ends with now.
    async fn wal_is_replayed(&self, cx: &mut Context<'_>, primary: &Node, standby: &Node) -> StepResult {
        let end = primary.wal_end().await?;
        let what = format!("the primary's WAL up to {end}");
        let arrived = cx.until(&what, async |seen| {
            let at = standby.wal_end().await?;
            *seen = format!("replayed up to {at}");
            Ok((at >= end).then_some(()))
        });
        arrived.await.map_err(|finding| finding.at(self.standby.entry()))
    }

    /// Writes a row on the primary, waits until it can be read on the standby, and removes it
    /// again.
    async fn row_arrives(&self, cx: &mut Context<'_>, on_primary: &Client, on_standby: &Client) -> StepResult {
        let write = "CREATE SCHEMA IF NOT EXISTS drillyard; CREATE TABLE IF NOT EXISTS drillyard.probe (at timestamptz); \
                     INSERT INTO drillyard.probe VALUES (clock_timestamp())";
        cx.in_transaction(on_primary, write).await?;
        let newest = "SELECT max(at)::text FROM drillyard.probe";
        let row: String = on_primary.query_one(newest, &[]).await?.get(0);
        let arrived = cx.until("a row written now to arrive", async |seen| {
            *seen = match on_standby.simple_query(newest).await {
                Ok(messages) if first_value(&messages) == Some(&row) => return Ok(Some(())),
                Ok(_) => "an older row".to_owned(),
                // The table has to arrive, too.
                Err(error)
                    if matches!(error.code(), Some(&(SqlState::UNDEFINED_TABLE | SqlState::INVALID_SCHEMA_NAME))) =>
                {
                    "nothing of it yet".to_owned()
                }
                Err(error) => error_message(&error),
            };
            Ok(None)
        });
        let arrived = arrived.await;
        cx.in_transaction(on_primary, "DROP SCHEMA drillyard CASCADE").await?;
        arrived.map_err(|finding| finding.at(self.standby.entry()))
    }
}

/// A standby that has WAL which its primary never wrote.
struct Parted {
    /// The timeline of that WAL, and up to where it goes.
    timeline: TimelineId,
    has: Lsn,
    /// Where the primary has left that timeline, if it is on another one.
    left: Option<Lsn>,
    /// The primary's own timeline, and up to where its WAL goes.
    own: TimelineId,
    end: Lsn,
}

/// Whether the timeline is true that a standby says it is on. While its walreceiver does not run it
/// is that of its last restartpoint, which it may have left since; unless it was refused for it.
async fn knows_its_way(standby: &Node, on_standby: &Client) -> bool {
    const RECEIVES: &str = "SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'";
    if on_standby.query_opt(RECEIVES, &[]).await.is_ok_and(|row| row.is_some()) {
        return true;
    }
    let log = standby.log_from(standby.log_start()).await.unwrap_or_default();
    let parted = |refusal: WalRefusal| matches!(refusal.reason, RefusalReason::Diverged | RefusalReason::Ahead);
    WalRefusal::last(&log).is_some_and(parted)
}

/// Whether a standby has WAL that its primary never wrote. A server that does not tell, and a
/// primary that is a standby itself, are not judged.
async fn parted(on_standby: &Client, on_primary: &Client) -> Option<Parted> {
    // The standby first: what it has by now, its primary has written by then.
    const HAS: &str = "SELECT pg_last_wal_replay_lsn()::text WHERE pg_is_in_recovery()";
    const END: &str = "SELECT pg_current_wal_flush_lsn()::text WHERE NOT pg_is_in_recovery()";
    let has = position(on_standby, HAS).await?;
    let standby = lineage(on_standby).await.ok()?;
    let primary = lineage(on_primary).await.ok().filter(|primary| primary.system == standby.system)?;
    let end = position(on_primary, END).await?;
    let (timeline, own) = (standby.history.timeline, primary.history.timeline);
    let stretches = primary.history.stretches();
    let (_, left) = stretches.iter().find(|(on, _)| *on == timeline)?;
    (has > left.unwrap_or(end)).then_some(Parted { timeline, has, left: *left, own, end })
}

async fn position(client: &Client, query: &str) -> Option<Lsn> {
    let row = client.query_opt(query, &[]).await.ok()??;
    row.try_get::<_, Option<&str>>(0).ok()??.parse().ok()
}

/// The first column of the first row of an answer.
fn first_value(messages: &[SimpleQueryMessage]) -> Option<&str> {
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    })
}
