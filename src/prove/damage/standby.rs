//! A standby that is stopped before it is judged.

use std::time::{Duration, Instant};

use super::session::{Done, Result, Undo};
use crate::harness::World;
use crate::node::wait_until;
use crate::pg::{ShutdownMode, error_message, quote_literal};

/// How long a standby may take to stop, and to come back.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn stop(world: &World, standby: &str, primary: &str) -> Result<Done> {
    let node = world.node(standby).map_err(|finding| finding.title)?;
    if node.is_external() || !node.is_up() {
        return Ok(Done::Nothing);
    }
    node.stop(ShutdownMode::Fast, Instant::now() + PATIENCE).await.map_err(|error| error.to_string())?;
    Ok(Done::Damaged(Undo::Start { standby: standby.to_owned(), primary: primary.to_owned() }))
}

/// Starts it, and waits until it has caught up: judgements may come that look at its rows.
pub async fn start(world: &World, standby: &str, primary: &str) -> Result<()> {
    let node = world.node(standby).map_err(|finding| finding.title)?;
    let up = world.node(primary).map_err(|finding| finding.title)?;
    let deadline = Instant::now() + PATIENCE;
    node.start(None, deadline).await.map_err(|error| error.to_string())?;
    let client = up.client().await.map_err(|error| error.to_string())?;
    let query = format!(
        "SELECT coalesce(state = 'streaming' AND replay_lsn >= CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                ELSE pg_current_wal_flush_lsn() END, false)
         FROM pg_stat_replication WHERE application_name = {}",
        quote_literal(&up.knows_as(standby))
    );
    let streams = wait_until(deadline, async |seen| {
        let row = client.query_opt(&query, &[]).await.map_err(|error| error_message(&error))?;
        seen.replace_range(.., if row.is_some() { "it has not caught up" } else { "its primary does not know it" });
        Ok::<_, String>(row.filter(|row| row.get(0)).map(|_| ()))
    });
    streams
        .await?
        .map_err(|seen| format!("`{standby}` was started again, and does not stream from `{primary}`: {seen}"))
}
