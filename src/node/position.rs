//! Where a server is in its WAL, and in which one.

use jiff::Timestamp;
use tokio_postgres::Client;

use super::server::Node;
use super::sql_error::SqlError;
use crate::pg::{Birth, History, Lineage, Lsn, Moment, SystemId, TimelineId};

/// The server's clock, WAL position and timeline. On a standby those of what it has replayed.
pub async fn moment(client: &Client) -> Result<Moment, SqlError> {
    const POSITION: &str = "CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0')
                                 ELSE pg_current_wal_insert_lsn() END::text";
    let asked = Timestamp::now();
    // In this order: what is committed before the clock is read is known by its LSN, and the other
    // way round.
    let query = format!(
        "SELECT {POSITION}, clock_timestamp(), {POSITION},
                CASE WHEN pg_is_in_recovery() THEN lpad(to_hex((SELECT timeline_id FROM pg_control_checkpoint())), 8, '0')
                     ELSE pg_walfile_name(pg_current_wal_insert_lsn()) END"
    );
    let row = client.query_one(&query, &[]).await?;
    let lsn = |column: usize| row.get::<_, &str>(column).parse().map_err(|e| SqlError::Answer(format!("{e}")));
    Ok(Moment {
        asked,
        floor: lsn(0)?,
        at: row.get(1),
        lsn: lsn(2)?,
        timeline: timeline_of(row.get(3))?,
        seen: Timestamp::now(),
    })
}

/// The timeline in the name of a WAL file.
fn timeline_of(file: &str) -> Result<TimelineId, SqlError> {
    let timeline = file.get(..8).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    timeline.map(TimelineId).ok_or_else(|| SqlError::Answer(format!("`{file}` is not a WAL file's name")))
}

/// Whose WAL a server writes, or replays: its cluster, and the timelines that led to its own.
pub async fn lineage(client: &Client) -> Result<Lineage, SqlError> {
    let row = client
        .query_one(
            "SELECT (SELECT system_identifier FROM pg_control_system()), name,
                    convert_from(pg_read_binary_file('pg_wal/' || name || '.history', 0, 1000000, true), 'UTF8')
             FROM (SELECT upper(lpad(CASE WHEN pg_is_in_recovery()
                       THEN to_hex(greatest((SELECT timeline_id FROM pg_control_checkpoint()),
                                            (SELECT received_tli FROM pg_stat_wal_receiver)))
                       ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END, 8, '0')) AS name) own",
            &[],
        )
        .await?;
    // The first timeline has no history.
    let history = History::read(timeline_of(row.get(1))?, row.get::<_, Option<&str>>(2).unwrap_or_default());
    let birth = birth(client, &history).await?;
    Ok(Lineage { system: SystemId(row.get::<_, i64>(0).cast_unsigned()), history, birth })
}

/// How a server's timeline begins, as long as the segment is in its pg_wal.
async fn birth(client: &Client, history: &History) -> Result<Option<Birth>, SqlError> {
    if history.parent().is_none() {
        return Ok(None);
    }
    let size = "SELECT pg_size_bytes(current_setting('wal_segment_size'))";
    let size = client.query_one(size, &[]).await?.get::<_, i64>(0).cast_unsigned();
    let Some((segment, offset)) = Birth::place(history, size) else { return Ok(None) };
    // The place lies within a segment, and segments have at most 1 GB.
    let at = (format!("pg_wal/{segment}"), offset.cast_signed(), Birth::BYTES as i64);
    let row = client.query_one("SELECT pg_read_binary_file($1, $2, $3, true)", &[&at.0, &at.1, &at.2]).await?;
    Ok(row.get::<_, Option<&[u8]>>(0).and_then(|bytes| Birth::read(bytes, offset)))
}

impl Node {
    /// How far this server's WAL goes now: what it has written, or, as a standby, replayed.
    pub async fn wal_end(&self) -> Result<Lsn, SqlError> {
        let query = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                            ELSE pg_current_wal_flush_lsn() END::text";
        let row = self.client().await?.query_one(query, &[]).await?;
        let text: Option<&str> = row.get(0);
        text.unwrap_or("0/0").parse().map_err(|e| SqlError::Answer(format!("{e}")))
    }
}
