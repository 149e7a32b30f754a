//! The replication slots of standbys.

use std::sync::Arc;

use crate::harness::{Context, Finding, Ran, StepResult};
use crate::node::{Node, create_slot, slot_name};
use crate::pg::error_message;
use crate::steps::recovery::upstream::upstream_of;

/// Makes a standby's slot on its upstream, anew where there is one: what the old one holds is no
/// longer needed, and it may have lost its WAL. An external server gets none.
pub(crate) async fn fresh_slot(cx: &mut Context<'_>, up: &Node, standby: &str) -> Result<Option<String>, Box<Finding>> {
    if up.is_external() {
        return Ok(None);
    }
    drop_slot(cx, up, standby).await?;
    cx.client(up).await?.batch_execute(&create_slot(standby)).await?;
    cx.ran(Ran::sql(up, format!("make a replication slot for `{standby}`"), &create_slot(standby)));
    Ok(Some(slot_name(standby)))
}

/// Removes a standby's slot where there is one. A walsender that still uses it is that of a server
/// that runs no more.
pub(crate) async fn drop_slot(cx: &mut Context<'_>, up: &Node, standby: &str) -> StepResult {
    let client = cx.client(up).await?;
    let slot = slot_name(standby);
    let what = format!("slot `{slot}` on `{}` to be free", up.name());
    let dropping = cx.until(&what, async |seen| {
        let query = "SELECT active_pid, CASE WHEN active_pid IS NULL THEN pg_drop_replication_slot(slot_name)::text
                            ELSE pg_terminate_backend(active_pid)::text END
                     FROM pg_replication_slots WHERE slot_name = $1";
        let row = match client.query_opt(query, &[&slot]).await {
            Ok(row) => row,
            Err(error) => {
                *seen = error_message(&error);
                return Ok(None);
            }
        };
        let user = row.and_then(|row| row.get::<_, Option<i32>>(0));
        if let Some(pid) = user {
            *seen = format!("process {pid} uses it");
        }
        Ok(user.is_none().then_some(()))
    });
    dropping.await
}

/// Makes the slots that the standbys of a server use: its own were lost with its data.
pub(crate) async fn slots_for_standbys(cx: &mut Context<'_>, node: &Node) -> StepResult {
    let others: Vec<Arc<Node>> = cx.world.outputs().nodes.values().cloned().collect();
    let client = cx.client(node).await?;
    let rows = client.query("SELECT slot_name::text FROM pg_replication_slots", &[]).await?;
    let there: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    for other in others.iter().filter(|other| other.is_up() && !other.is_external() && other.name() != node.name()) {
        if let Some((up, Some(slot))) = upstream_of(cx, other).await
            && up.name() == node.name()
            && slot == slot_name(other.name())
            && !there.contains(&slot)
        {
            client.batch_execute(&create_slot(other.name())).await?;
        }
    }
    Ok(())
}
