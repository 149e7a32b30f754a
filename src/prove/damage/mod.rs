//! What is done to servers before they are judged, and how it is undone.

mod catalog;
mod rows;
mod session;
mod standby;

use crate::harness::{Brought, Dumped, StepId};
use crate::pg::{TableName, error_message};
use crate::plan::{Break, Damage};
use crate::run::Block;
use session::{Result, Session};

pub use session::{Done, Undo};

/// Makes a damage.
pub async fn make(block: &Block<'_>, what: &Break) -> Result<Done> {
    let done = match what {
        Break::Damaged(damage, step, into) => {
            let database = database(block, *step);
            let Some(session) = Session::open(block.world, into, database.as_deref()).await? else {
                return Ok(Done::Nothing);
            };
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
            let database = users.database.as_ref().map(|database| database.as_str());
            match Session::open(block.world, node, database).await? {
                Some(session) => rows::lose(session, &users.pool.ledger()).await?,
                None => return Ok(Done::Nothing),
            }
        }
        Break::StandbyStopped { standby, primary } => standby::stop(block.world, standby, primary).await?,
        Break::LeftOut(_) | Break::NoIncident(_) | Break::Moved(..) | Break::Spoiled(..) | Break::RoleLost(_) => {
            Done::Nothing
        }
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

/// The database that a step has brought rows into, where it is not the node's own one.
fn database(block: &Block<'_>, step: usize) -> Option<String> {
    let brings = block.plan().steps.get(step)?.effects.brings.as_ref()?;
    brings.database.clone().or_else(|| {
        let Brought::Dump(id) = &brings.what else { return None };
        Some(block.world.outputs().dumps.get(id)?.database.as_ref()?.value.clone())
    })
}

/// The schemas of the database that the session is in, without the server's own.
async fn all_schemas(session: &Session) -> Result<Vec<String>> {
    let query = "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'";
    let rows = session.client.query(query, &[]).await.map_err(|error| error_message(&error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The tables that a step has brought, by their OIDs.
async fn tables(block: &Block<'_>, step: usize, session: &Session) -> Result<Vec<u32>> {
    let brings = block.plan().steps.get(step).and_then(|step| step.effects.brings.as_ref());
    let dumped = |id: &StepId| block.world.outputs().dumps.get(id).map(|dump| dump.what.clone());
    let (names, schemas) = match brings.map(|brings| &brings.what) {
        Some(Brought::Table(table)) => (vec![table.quoted()], vec![]),
        Some(Brought::Dump(id)) => match dumped(id) {
            Some(Dumped::Tables(tables)) => (tables.iter().map(TableName::quoted).collect(), vec![]),
            Some(Dumped::Schemas(schemas)) => (vec![], schemas),
            Some(Dumped::Database) => (vec![], all_schemas(session).await?),
            Some(Dumped::Globals) | None => (vec![], vec![]),
        },
        None => (vec![], vec![]),
    };
    let query = "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind IN ('r', 'p') AND (n.nspname = ANY ($2) OR c.oid IN (SELECT to_regclass(name) FROM unnest($1::text[]) name))
                 ORDER BY n.nspname, c.relname";
    let rows = session.client.query(query, &[&names, &schemas]).await.map_err(|error| error_message(&error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
