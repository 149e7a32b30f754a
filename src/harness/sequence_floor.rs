//! How far sequences had come when something happened to their server: a number that somebody has
//! must not be handed out again, wherever a recovery comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio_postgres::Client;

use super::{Context, SequenceFloor, World};
use crate::data::{Catalog, last_numbers};
use crate::node::{Node, is_in_recovery};
use crate::pg::Lsn;

/// For how long an incident may be put off for a note.
const PATIENCE: Duration = Duration::from_millis(300);

/// PostgreSQL's wal_block_size as it is built everywhere, and how long the two kinds of headers are
/// that a block may have.
const BLOCK: u64 = 8192;
const HEADERS: [u64; 2] = [24, 40];

impl Context<'_> {
    /// Takes a note of the sequences of all snapshots as they are on a primary. What cannot be
    /// asked is not noted, and said: what the step does is not to suffer.
    pub(crate) async fn note_sequence_floors(&self, node: &Node, when: &str) {
        if node.is_external() || !node.is_up() {
            return;
        }
        for (database, names) in sequences(self.world) {
            let patience = PATIENCE.min(self.left() / 4);
            let names: Vec<String> = names.into_iter().collect();
            let why = match tokio::time::timeout(patience, read(node, database.as_deref(), &names)).await {
                Ok(Ok(numbers)) => {
                    let seen = SequenceFloor { node: node.name().into(), when: when.to_owned(), numbers };
                    let mut state = self.world.outputs();
                    let here = state
                        .snapshots
                        .values_mut()
                        .filter(|snapshot| snapshot.database.as_deref() == database.as_ref());
                    here.for_each(|snapshot| snapshot.sequence_floors.push(seen.clone()));
                    continue;
                }
                Ok(Err(why)) => why,
                Err(_) => format!("what was handed out was not safe within {} ms", patience.as_millis()),
            };
            let message = format!("the positions of sequences on `{}` were not noted {when}: {why}", node.name());
            self.world.warn(message);
        }
    }

    /// What a step is called in such a note.
    pub(crate) fn when(&self) -> String {
        format!("at `{}`", self.id.map_or(self.kind.name, |id| id.as_str()))
    }
}

/// The sequences of all snapshots, by the database that they are in, where it is not the node's own
/// one.
fn sequences(world: &World) -> BTreeMap<Option<String>, BTreeSet<String>> {
    let mut all: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for snapshot in world.outputs().snapshots.values().filter(|snapshot| !snapshot.catalog.sequences.is_empty()) {
        let names = snapshot.catalog.sequences.iter().map(|sequence| sequence.name.clone());
        all.entry(snapshot.database.as_deref().cloned()).or_default().extend(names);
    }
    all
}

/// The last number of each sequence, once a user may know it; nothing on a standby, which hands out
/// none.
async fn read(node: &Node, database: Option<&str>, names: &[String]) -> Result<Vec<(String, i128)>, String> {
    let client = node.client_of(database).await.map_err(|e| e.to_string())?;
    let told = |e: tokio_postgres::Error| e.to_string();
    if is_in_recovery(&client).await.map_err(told)? {
        return Ok(vec![]);
    }
    let numbers = last_numbers(&client, names).await.map_err(|e| e.to_string())?;
    safe(&client).await.map_err(told)?;
    Ok(numbers)
}

/// Waits until all WAL that is there now is where an acknowledged commit would be: flushed, and on
/// the synchronous standbys. A number of a transaction that nobody has been answered may be lost
/// with it, and handed out again.
async fn safe(client: &Client) -> Result<(), tokio_postgres::Error> {
    let row = client.query_one("SELECT pg_current_wal_insert_lsn()::text", &[]).await?;
    let mut written: Lsn = row.get::<_, String>(0).parse().unwrap_or_default();
    // At a block's beginning the position is told behind a header that is not written yet.
    if HEADERS.contains(&(written.0 % BLOCK)) {
        written.0 -= written.0 % BLOCK;
    }
    let flushed = "SELECT pg_current_wal_flush_lsn() >= $1::text::pg_lsn
        AND (current_setting('synchronous_standby_names') = '' OR coalesce((SELECT bool_and(coalesce(flush_lsn >= $1::text::pg_lsn, false))
            FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')), false))";
    let is_safe = async || Ok(client.query_one(flushed, &[&written.to_string()]).await?.get::<_, bool>(0));
    if is_safe().await? {
        return Ok(());
    }
    // What is no commit (a hint bit on a page with checksums) is not flushed for its own sake; a
    // commit flushes it, too.
    let commit =
        "BEGIN; SET LOCAL synchronous_commit = local; SELECT pg_logical_emit_message(true, 'drillyard', ''); COMMIT";
    client.batch_execute(commit).await?;
    while !is_safe().await? {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// The catalog of a snapshot as a server has to be that users go on with: no number of its
/// sequences may come again that was handed out by itself, or by a server whose place it has taken,
/// which is down or a standby now. What a server that goes on as a primary hands out is its own: a
/// copy beside it may be as old as it is.
pub(crate) async fn demanded(
    world: &World,
    node: &Node,
    mut catalog: Catalog,
    sequence_floors: &[SequenceFloor],
) -> Catalog {
    for seen in sequence_floors {
        if seen.node != node.name() && hands_out(world, &seen.node).await {
            continue;
        }
        for (name, last) in &seen.numbers {
            let sequence = catalog.sequences.iter_mut().find(|sequence| sequence.name == *name);
            sequence.into_iter().for_each(|sequence| sequence.note(*last, &seen.when));
        }
    }
    catalog
}

/// Whether a node is a primary that is up, or one of which that cannot be told.
async fn hands_out(world: &World, name: &str) -> bool {
    let Ok(node) = world.node(name) else { return false };
    if !node.should_answer() {
        return false;
    }
    !node.is_in_recovery().await.unwrap_or(false)
}
