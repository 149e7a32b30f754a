//! Replication slots that have lost their WAL.

use tokio_postgres::Client;

use super::kind::{Holdup, HoldupKind};
use crate::node::server::Node;
use crate::node::sql_error::SqlError;

/// Each of them, with the reason if the server knows it.
pub(super) async fn lost_slots(node: &Node, client: &Client) -> Result<Vec<Holdup>, SqlError> {
    let why = match node.version().major {
        ..=16 => "NULL::text",
        _ => "invalidation_reason",
    };
    let query = format!("SELECT slot_name::text, {why} FROM pg_replication_slots WHERE wal_status = 'lost'");
    let rows = client.query(&query, &[]).await?;
    let found = rows.iter().map(|row| {
        let (slot, why): (String, Option<String>) = (row.get(0), row.get(1));
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        Holdup {
            what: format!(
                "replication slot `{slot}` on `{}` is lost{why}: the WAL that its standby needs is gone",
                node.name()
            ),
            kind: HoldupKind::Slot(slot),
            more: vec![],
            help: Some("`rebuild` the standby; a larger max_slot_wal_keep_size keeps the WAL for longer".to_owned()),
            endless: true,
        }
    });
    Ok(found.collect())
}
