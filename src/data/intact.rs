//! Whether the tables and indexes of a database are intact, as the extension amcheck and the server
//! itself see it.

use futures_util::future::join_all;
use tokio_postgres::types::Oid;
use tokio_postgres::{Client, Error, Statement};

use super::collations::Moved;
use crate::pg::{error_message, quote_identifier};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The relation, in words: `index shop.orders_pkey of shop.orders`.
    pub relation: String,
    /// What is wrong, with the block if it is known.
    pub what: String,
    /// The statement that rebuilds it from its table, if it is an index.
    pub reindex: Option<String>,
}

/// What was looked at in a database, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Tables, materialized views and toast tables.
    pub tables: usize,
    /// B-tree indexes.
    pub indexes: usize,
    /// Collations with another version than they had.
    pub moved: Vec<Moved>,
    /// What is not intact.
    pub damage: Vec<Damage>,
}

/// amcheck as a database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amcheck {
    /// The schema of its functions.
    schema: String,
    /// Whether it can check tables, as it can from PostgreSQL 14 on.
    heap: bool,
}

/// Whether an error reports damage: damaged data and indexes, and internal errors (class XX), files
/// that are missing or cannot be read (class 58).
pub fn is_damage(error: &Error) -> bool {
    error.code().is_some_and(|state| ["XX", "58"].iter().any(|class| state.code().starts_with(class)))
}

/// Whether a session was refused because of damage. A database whose directory or whose PG_VERSION
/// is gone "does not exist" as well, with a detail that says so (postinit.c); one that really does
/// not exist has no detail.
pub fn is_damage_of_database(error: &Error) -> bool {
    let gone = |error: &tokio_postgres::error::DbError| {
        *error.code() == tokio_postgres::error::SqlState::INVALID_CATALOG_NAME && error.detail().is_some()
    };
    is_damage(error) || error.as_db_error().is_some_and(gone)
}

/// A table or an index.
struct Relation {
    oid: Oid,
    is_index: bool,
    /// In words.
    what: String,
    /// As SQL writes it.
    name: String,
    reindex: Option<String>,
}

/// The statement that rebuilds an index, as an expression in SQL: `c` is its row of pg_class. An
/// index of the catalogs cannot be rebuilt while it is used.
pub const REINDEX: &str = "CASE WHEN c.relkind = 'i' THEN
    CASE WHEN c.oid < 16384 THEN 'REINDEX INDEX ' ELSE 'REINDEX INDEX CONCURRENTLY ' END || c.oid::pg_catalog.regclass END";

/// Indexes that are being built, or whose building failed, are nobody's. On a standby there is
/// nothing in unlogged tables.
const RELATIONS: &str = "
    SELECT c.oid, c.relkind = 'i', c.oid::pg_catalog.regclass::text,
           CASE c.relkind
           WHEN 'i' THEN 'index ' || c.oid::pg_catalog.regclass || ' of ' || i.indrelid::pg_catalog.regclass
           WHEN 't' THEN 'toast table of ' || coalesce((SELECT o.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class o
                                                       WHERE o.reltoastrelid = c.oid LIMIT 1), 'nothing')
           WHEN 'm' THEN 'materialized view ' || c.oid::pg_catalog.regclass
           ELSE 'table ' || c.oid::pg_catalog.regclass END, {REINDEX}
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_am a ON a.oid = c.relam
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
    WHERE (c.relkind IN ('r', 't', 'm') AND a.amname = 'heap'
           OR c.relkind = 'i' AND a.amname = 'btree' AND i.indisvalid AND i.indisready)
      AND (c.relpersistence = 'p' OR c.relpersistence = 'u' AND NOT pg_catalog.pg_is_in_recovery())
    ORDER BY c.oid";

impl Amcheck {
    /// Looks for it in the session's database.
    pub async fn find(client: &Client) -> Result<Option<Self>, Error> {
        let query = "
            SELECT n.nspname, EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.proname = 'verify_heapam' AND p.pronamespace = n.oid)
            FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'";
        let row = client.query_opt(query, &[]).await?;
        Ok(row.map(|row| Amcheck { schema: row.get(0), heap: row.get(1) }))
    }

    /// Installs it in a schema in which no user's schema is touched.
    pub async fn install(client: &Client) -> Result<(), Error> {
        client.batch_execute("CREATE EXTENSION IF NOT EXISTS amcheck WITH SCHEMA pg_catalog").await
    }

    /// Checks every table and every B-tree index of the session's database: each row with what it
    /// has in a toast table, the order of each index, and that each row is in it. Without amcheck's
    /// function for tables (before 14) each is read.
    pub async fn check(&self, client: &Client) -> Result<Checked, Error> {
        let relations = client.query(&RELATIONS.replace("{REINDEX}", REINDEX), &[]).await?;
        let relations: Vec<Relation> = relations
            .iter()
            .map(|row| Relation {
                oid: row.get(0),
                is_index: row.get(1),
                name: row.get(2),
                what: row.get(3),
                reindex: row.get(4),
            })
            .collect();
        let schema = quote_identifier(&self.schema);
        let index = format!("SELECT {schema}.bt_index_check($1::oid::regclass, true)");
        let index = client.prepare(&index).await?;
        let heap = format!(
            "SELECT blkno, offnum::bigint, msg FROM {schema}.verify_heapam($1::oid::regclass, check_toast => true)"
        );
        let heap = if self.heap { Some(client.prepare(&heap).await?) } else { None };
        // All are sent at once, each a transaction of its own: what is wrong with one does not keep
        // the others from being looked at.
        let checks = relations.iter().map(|relation| async {
            let found = check_one(client, relation, &index, heap.as_ref()).await;
            match found {
                Err(error) if error.as_db_error().is_some() && !is_there(client, relation.oid).await? => Ok(vec![]),
                Err(error) if is_damage(&error) => Ok(vec![damage(relation, error_message(&error))]),
                found => found,
            }
        });
        let mut checked = Checked { moved: Moved::find(client).await?, ..Checked::default() };
        for (relation, found) in relations.iter().zip(join_all(checks).await) {
            checked.damage.extend(found?);
            match relation.is_index {
                true => checked.indexes += 1,
                false => checked.tables += 1,
            }
        }
        Ok(checked)
    }
}

async fn check_one(
    client: &Client,
    relation: &Relation,
    index: &Statement,
    heap: Option<&Statement>,
) -> Result<Vec<Damage>, Error> {
    match heap {
        _ if relation.is_index => client.execute(index, &[&relation.oid]).await.map(|_| vec![]),
        Some(heap) => {
            let rows = client.query(heap, &[&relation.oid]).await?;
            let read = |row: &tokio_postgres::Row| {
                let (block, line, message): (Option<i64>, Option<i64>, String) = (row.get(0), row.get(1), row.get(2));
                let block = block.map(|block| format!("block {block}")).unwrap_or_default();
                let line = line.map(|line| format!(", line pointer {line}")).unwrap_or_default();
                damage(relation, format!("{block}{line}: {message}"))
            };
            Ok(rows.iter().map(read).collect())
        }
        None => client.query_one(&format!("SELECT count(*) FROM {}", relation.name), &[]).await.map(|_| vec![]),
    }
}

fn damage(relation: &Relation, what: String) -> Damage {
    Damage { relation: relation.what.clone(), what, reindex: relation.reindex.clone() }
}

/// Whether a relation is still there: one that is dropped while it is looked at is no damage.
async fn is_there(client: &Client, oid: Oid) -> Result<bool, Error> {
    Ok(client.query_opt("SELECT FROM pg_catalog.pg_class WHERE oid = $1", &[&oid]).await?.is_some())
}
