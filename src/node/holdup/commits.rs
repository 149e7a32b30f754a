//! Commits that wait for a synchronous standby.

use tokio_postgres::Client;

use super::kind::{Holdup, HoldupKind};
use super::session::seconds;
use crate::node::sql_error::SqlError;

/// How many there are, and what can be done about it.
pub(super) async fn commits(client: &Client, node: &str, moment: f64) -> Result<Option<Holdup>, SqlError> {
    let query = "SELECT count(*), extract(epoch FROM max(clock_timestamp() - query_start))::float8,
                current_setting('synchronous_standby_names'),
                (SELECT string_agg(format('%s (%s, %s)', application_name, state, sync_state), ', ') FROM pg_stat_replication),
                (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum'))
         FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND clock_timestamp() - query_start > make_interval(secs => $1)";
    let row = client.query_one(query, &[&moment]).await?;
    let count: i64 = row.get(0);
    if count == 0 {
        return Ok(None);
    }
    let (names, connected): (String, Option<String>) = (row.get(2), row.get(3));
    let (commits, wait) = if count == 1 { ("1 commit", "waits") } else { (&*format!("{count} commits"), "wait") };
    let missing = row.get::<_, i64>(4) == 0;
    let standby =
        if missing { "a synchronous standby, and none is connected" } else { "a synchronous standby's answer" };
    let what = format!("{commits} on `{node}` {wait} for {standby}");
    let help = match missing {
        true => "bring one of these standbys back, or take its name out of synchronous_standby_names",
        false => "is that standby paused, cut off, or slow? Its answer is what the commits wait for",
    };
    Ok(Some(Holdup {
        kind: HoldupKind::SyncRep(names.clone()),
        what,
        more: vec![format!(
            "synchronous_standby_names = '{names}'; connected: {}; waiting in SyncRep for {}",
            connected.as_deref().unwrap_or("none"),
            seconds(row.get::<_, Option<f64>>(1).unwrap_or(0.0)),
        )],
        help: Some(help.to_owned()),
        endless: false,
    }))
}
