//! A standby that has replayed what its primary has written.

use std::time::{Duration, Instant};

use crate::harness::{Context, Finding, StepResult};
use crate::node::{Node, SqlError};
use crate::pg::Lsn;

/// How far a standby is, and whether its startup process waits for more than the walreceiver has
/// written.
const PROGRESS: &str =
    "SELECT coalesce(pg_last_wal_replay_lsn(), '0/0')::text, coalesce(pg_last_wal_receive_lsn(), '0/0')::text,
        coalesce((SELECT wait_event = 'RecoveryWalStream' FROM pg_stat_activity WHERE backend_type = 'startup'), false),
        pg_is_wal_replay_paused()";

/// How long it has to wait for more, so that it is not about to be woken.
const IDLE: Duration = Duration::from_millis(50);

/// Waits until a standby has replayed the WAL up to there. No record need end there: a server
/// writes whole pages, and sends the beginning of a record, whose end it keeps until a commit. So
/// it is enough if all that was sent is received, and what of it can be replayed is.
pub(crate) async fn replayed(cx: &mut Context<'_>, standby: &Node, lsn: Lsn) -> StepResult {
    let what = format!("`{}` to replay the WAL up to {lsn}", standby.name());
    let mut idle: Option<(Lsn, Instant)> = None;
    cx.until(&what, async |seen| {
        let row = standby.client().await?.query_one(PROGRESS, &[]).await.map_err(SqlError::from)?;
        let position = |column: usize| row.get::<_, &str>(column).parse::<Lsn>().unwrap_or_default();
        let (at, received, waits) = (position(0), position(1), row.get::<_, bool>(2));
        *seen = format!("replayed up to {at}");
        if row.get(3) && at < lsn {
            return Err(Finding::failed(format!("`{}` does not replay the WAL up to {lsn}", standby.name()))
                .label(format!("its replay is paused at {at}"))
                .help("`pg_wal_replay_resume()` there lets it go on"));
        }
        idle = match idle {
            _ if !waits || received < lsn => None,
            Some((before, since)) if before == at => Some((before, since)),
            _ => Some((at, Instant::now())),
        };
        Ok((at >= lsn || idle.is_some_and(|(_, since)| since.elapsed() >= IDLE)).then_some(()))
    })
    .await
}

/// Whether a server receives WAL from another one just now.
pub(crate) async fn receives(cx: &Context<'_>, node: &Node) -> Result<bool, Box<Finding>> {
    let query = "SELECT pg_is_in_recovery() AND EXISTS (SELECT FROM pg_stat_wal_receiver)";
    let row = cx.client(node).await?.query_one(query, &[]).await.map_err(SqlError::from)?;
    Ok(row.get(0))
}
