//! What is done to servers before they are judged, and how it is undone.

mod catalog;
mod rows;
mod standby;

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::harness::{Brought, World};
use crate::node::{is_in_recovery, wait_until};
use crate::pg::error_message;
use crate::plan::{Break, Damage};
use crate::run::Block;

/// What making a damage came to.
pub enum Done {
    /// It is made.
    Damaged(Undo),
    /// There is nothing to damage.
    Nothing,
}

/// How a damage is undone.
pub enum Undo {
    /// By statements, in the session that made it: what it needs lies there.
    Sql(Session, String),
    /// By starting a standby.
    Start {
        /// The standby.
        standby: String,
        /// The server that it streams from.
        primary: String,
    },
}

/// A session of ours on the node that is damaged.
pub struct Session {
    client: Client,
}

/// Why something could not be done.
type Result<T> = std::result::Result<T, String>;

/// Makes a damage.
pub async fn make(block: &Block<'_>, what: &Break) -> Result<Done> {
    let done = match what {
        Break::Damaged(damage, step, into) => {
            let Some(session) = Session::open(block.world, into).await? else { return Ok(Done::Nothing) };
            let tables = tables(block, *step, &session).await?;
            session.settled(block.seed()).await?;
            match damage {
                Damage::RowDeleted => rows::delete(session, block.world, &tables).await?,
                Damage::RowChanged => rows::change(session, block.world, &tables, block.seed()).await?,
                Damage::RowDoubled => rows::double(session, block.world, &tables).await?,
                Damage::ForeignKeyLost => catalog::lose(session, catalog::FOREIGN_KEYS, &tables).await?,
                Damage::IndexLost => catalog::lose(session, catalog::INDEXES, &tables).await?,
                Damage::GrantLost => catalog::lose(session, catalog::GRANTS, &tables).await?,
                Damage::SequenceLost => catalog::restart(session, &tables).await?,
            }
        }
        Break::TransactionLost { traffic, node } => {
            let users = block.world.users(traffic).map_err(|finding| finding.title)?;
            match Session::open(block.world, node).await? {
                Some(session) => rows::lose(session, &users.pool.ledger()).await?,
                None => return Ok(Done::Nothing),
            }
        }
        Break::StandbyStopped { standby, primary } => standby::stop(block.world, standby, primary).await?,
        Break::LeftOut(_) | Break::NoIncident(_) | Break::Moved(..) => Done::Nothing,
    };
    if let Done::Damaged(Undo::Sql(session, _)) = &done {
        session.settle().await?;
    }
    Ok(done)
}

/// Undoes it: afterwards everything is as it was.
pub async fn undo(block: &Block<'_>, undo: Undo) -> Result<()> {
    match undo {
        Undo::Sql(session, statements) => {
            session.execute(&statements).await?;
            session.settle().await
        }
        Undo::Start { standby, primary } => standby::start(block.world, &standby, &primary).await,
    }
}

impl Session {
    /// A session on a server that can be written to; none on others.
    async fn open(world: &World, name: &str) -> Result<Option<Session>> {
        let node = world.node(name).map_err(|finding| finding.title)?;
        if node.is_external() || !node.is_up() {
            return Ok(None);
        }
        let client = node.connect().await.map_err(|error| error.to_string())?;
        let session = Session { client };
        // No triggers fire and no foreign keys are checked, and what goes wrong does not stand in the server's log, which may be judged.
        session
            .client
            .batch_execute(
                "SET session_replication_role = replica; SET log_min_messages = panic; SET lock_timeout = '5s';
                 SET synchronous_commit = local",
            )
            .await
            .map_err(|error| error_message(&error))?;
        let in_recovery = is_in_recovery(&session.client).await.map_err(|error| error_message(&error))?;
        Ok((!in_recovery).then_some(session))
    }

    /// From now on every name is shown with its schema, and what is random begins with `seed`.
    async fn settled(&self, seed: u64) -> Result<()> {
        let settings = format!(
            "SET search_path = ''; SELECT setseed({})",
            f64::from(u32::try_from(seed % 1000).unwrap_or_default()) / 1000.0
        );
        self.client.batch_execute(&settings).await.map_err(|error| error_message(&error))
    }

    /// Statements in one transaction: all or none of them.
    async fn execute(&self, statements: &str) -> Result<()> {
        let all = format!("BEGIN; {statements}; COMMIT");
        if let Err(error) = self.client.batch_execute(&all).await {
            // The session is used again.
            let _ = self.client.batch_execute("ROLLBACK").await;
            return Err(error_message(&error));
        }
        Ok(())
    }

    async fn one(&self, query: &str) -> Result<tokio_postgres::Row> {
        self.client.query_one(query, &[]).await.map_err(|error| error_message(&error))
    }

    /// The first row of what a statement returns; none where it returns nothing.
    async fn first(&self, query: &str) -> Result<Option<tokio_postgres::Row>> {
        let rows = self.client.query(query, &[]).await.map_err(|error| error_message(&error))?;
        Ok(rows.into_iter().next())
    }

    async fn of_tables(&self, query: &str, tables: &[u32]) -> Result<Vec<tokio_postgres::Row>> {
        self.client.query(query, &[&tables]).await.map_err(|error| error_message(&error))
    }

    /// Waits until the standbys that stream have replayed what was done: they may be judged, too. One that is cut off is not waited
    /// for long.
    async fn settle(&self) -> Result<()> {
        const PATIENCE: Duration = Duration::from_secs(3);
        let end: String = self.one("SELECT pg_current_wal_insert_lsn()::text").await?.get(0);
        let query = format!(
            "SELECT coalesce(bool_and(replay_lsn >= '{end}'::pg_lsn), true) FROM pg_stat_replication WHERE state = 'streaming'"
        );
        let settled = wait_until(Instant::now() + PATIENCE, async |_| {
            Ok::<_, String>(self.one(&query).await?.get::<_, bool>(0).then_some(()))
        });
        settled.await.map(|_| ())
    }
}

/// The tables that a step has brought, by their OIDs.
async fn tables(block: &Block<'_>, step: usize, session: &Session) -> Result<Vec<u32>> {
    let brings = block.plan().steps.get(step).and_then(|step| step.effects.brings.as_ref());
    let (names, schemas) = match brings.map(|brings| &brings.what) {
        Some(Brought::Table(table)) => (vec![table.quoted()], vec![]),
        Some(Brought::Dump(id)) => match block.world.outputs().dumps.get(id) {
            Some(dump) => (dump.tables.iter().map(crate::pg::TableName::quoted).collect(), dump.schemas.clone()),
            None => (vec![], vec![]),
        },
        None => (vec![], vec![]),
    };
    let query = "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind IN ('r', 'p') AND (n.nspname = ANY ($2) OR c.oid IN (SELECT to_regclass(name) FROM unnest($1::text[]) name))
                 ORDER BY n.nspname, c.relname";
    let rows = session.client.query(query, &[&names, &schemas]).await.map_err(|error| error_message(&error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
