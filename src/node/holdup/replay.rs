//! What keeps a server in recovery from replaying.

use tokio_postgres::Client;

use super::kind::{Holdup, HoldupKind};
use super::session::{Session, seconds};
use crate::node::low_setting::LowSetting;
use crate::node::server::Node;
use crate::node::sql_error::SqlError;
use crate::node::walreceiver::{RefusalReason, WalRefusal};

/// A walreceiver that has heard nothing for so long has lost its primary: one that is idle hears
/// from it more often, since drillyard sets wal_sender_timeout to 5 s.
const SILENT_SECONDS: f64 = 4.0;

/// A pause, a conflict with queries, a delay, and WAL that does not come.
pub(super) async fn replay(node: &Node, client: &Client) -> Result<Vec<Holdup>, SqlError> {
    let state = match node.version().major {
        ..=13 => "CASE WHEN pg_is_wal_replay_paused() THEN 'paused' ELSE 'not paused' END",
        _ => "pg_get_wal_replay_pause_state()",
    };
    let query = format!(
        "SELECT {state}, (SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup'),
                current_setting('recovery_min_apply_delay'), current_setting('primary_conninfo') <> '',
                (SELECT extract(epoch FROM clock_timestamp() - last_msg_receipt_time)::float8 FROM pg_stat_wal_receiver),
                EXISTS (SELECT FROM pg_stat_wal_receiver)
         WHERE pg_is_in_recovery()"
    );
    let Some(row) = client.query_opt(&query, &[]).await? else { return Ok(vec![]) };
    let text = |column| row.get::<_, Option<String>>(column).unwrap_or_default();
    let event = text(1);
    let mut found = vec![];
    if text(0) == "paused" {
        found.push(paused(node).await);
    } else if event.starts_with("RecoveryConflict") {
        found.push(conflict(node, client, &event).await?);
    } else if event == "RecoveryApplyDelay" {
        let what = format!("`{}` replays late on purpose: recovery_min_apply_delay = {}", node.name(), text(2));
        found.push(Holdup { kind: HoldupKind::Replay, what, more: vec![], help: None, endless: false });
    }
    let (silence, receives): (Option<f64>, bool) = (row.get(4), row.get(5));
    if row.get::<_, Option<bool>>(3) == Some(true) {
        found.extend(receiver(node, receives, silence).await);
    }
    Ok(found)
}

/// Replay that is paused, and why.
async fn paused(node: &Node) -> Holdup {
    let low = LowSetting::last(&node.log_since_start().await).filter(|low| low.paused);
    let name = node.name();
    match low {
        Some(low) => Holdup {
            kind: HoldupKind::Replay,
            what: format!("replay on `{name}` is paused at a parameter change: {low}"),
            more: vec![],
            help: Some(format!(
                "give `{name}` {}, and restart it; a promotion or a resume would end the server",
                low.cure()
            )),
            endless: true,
        },
        None => Holdup {
            kind: HoldupKind::Replay,
            what: format!("recovery on `{name}` is paused"),
            more: vec![],
            help: Some(format!("`promote: {{ node: {name} }}` ends it; `SELECT pg_wal_replay_resume()` lets it go on")),
            endless: true,
        },
    }
}

/// Queries on a standby that replay waits for.
async fn conflict(node: &Node, client: &Client, event: &str) -> Result<Holdup, SqlError> {
    let query = "SELECT pid, application_name, usename::text, state, query,
                        extract(epoch FROM clock_timestamp() - xact_start)::float8, xact_start::text
                 FROM pg_stat_activity
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
                 ORDER BY xact_start LIMIT 3";
    let sessions = client.query(query, &[]).await?;
    Ok(Holdup {
        kind: HoldupKind::Replay,
        what: format!("replay on `{}` waits for queries that need what it would remove ({event})", node.name()),
        more: sessions.iter().map(|row| Session::read(row).to_string()).collect(),
        help: Some("end those queries, or set max_standby_streaming_delay lower".to_owned()),
        endless: false,
    })
}

/// A standby that gets no WAL from its primary.
async fn receiver(node: &Node, receives: bool, silence: Option<f64>) -> Option<Holdup> {
    let what = match (receives, silence) {
        (false, _) => format!("`{}` has no connection to its primary: its walreceiver does not run", node.name()),
        (true, Some(silence)) if silence > SILENT_SECONDS => {
            format!("`{}` has heard nothing from its primary for {}", node.name(), seconds(silence))
        }
        _ => return None,
    };
    let log = node.log_since_start().await;
    let refusal = WalRefusal::last(&log).filter(|_| !receives);
    let help = refusal.as_ref().map_or(REACHED, |refusal| cure(&refusal.reason));
    Some(Holdup {
        kind: HoldupKind::Receiver,
        what,
        more: refusal.into_iter().map(|refusal| refusal.message).collect(),
        help: Some(help.to_owned()),
        endless: false,
    })
}

/// What to ask about a primary that says nothing.
const REACHED: &str = "does its primary run, and can it be reached from there?";

/// What helps a standby whose primary has refused it.
fn cure(reason: &RefusalReason) -> &'static str {
    match reason {
        RefusalReason::Diverged => {
            "it has WAL that its primary never had: `rewind` takes it back to where they diverged, `rebuild` replaces it"
        }
        RefusalReason::Ahead => {
            "it has WAL that its primary does not have, or not yet: `rebuild` it if that was set back"
        }
        RefusalReason::Timeline(..) => "is it the right server to follow? `rebuild` makes its standby anew",
        RefusalReason::OtherSystem => "it was not made from its primary: `rebuild` it",
        RefusalReason::Removed(_) => "its primary has removed WAL that it needs: give it an archive, or `rebuild` it",
        RefusalReason::Slot => "`rebuild` replaces the slot, together with the data",
        RefusalReason::NotAllowed => {
            "its role needs LOGIN and REPLICATION there, and a line for the database `replication` in pg_hba.conf"
        }
        RefusalReason::Other => REACHED,
    }
}
