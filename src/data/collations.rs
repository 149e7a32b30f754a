//! Collations whose version is not the one that the data were made with, as after a restore on
//! another release of an operating system: text may sort in another way there.

use std::fmt;

use tokio_postgres::{Client, Error};

/// A collation of which something in a database depends, with another version than it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The collation, in words.
    pub collation: String,
    /// The version that the database remembers.
    pub was: String,
    /// The version here; none if it has none.
    pub is: Option<String>,
    /// The statement that notes the version here, once indexes are rebuilt.
    pub noted: String,
}

/// Those of indexes.
const OF_INDEXES: &str = "
    SELECT 'collation ' || c.oid::pg_catalog.regcollation, c.collversion, pg_catalog.pg_collation_actual_version(c.oid),
        'ALTER COLLATION ' || c.oid::pg_catalog.regcollation || ' REFRESH VERSION'
    FROM pg_catalog.pg_collation c
    WHERE c.collversion IS DISTINCT FROM pg_catalog.pg_collation_actual_version(c.oid) AND c.collversion IS NOT NULL
      AND EXISTS (SELECT FROM pg_catalog.pg_index i WHERE c.oid = ANY (i.indcollation::oid[]))
    ORDER BY 1";
/// That of the database itself, which remembers its version from 15 on.
const OF_DATABASE: &str = "
    SELECT 'the default collation', datcollversion, pg_catalog.pg_database_collation_actual_version(oid),
        'ALTER DATABASE ' || pg_catalog.quote_ident(datname) || ' REFRESH COLLATION VERSION'
    FROM pg_catalog.pg_database
    WHERE datname = pg_catalog.current_database() AND datcollversion IS NOT NULL
      AND datcollversion IS DISTINCT FROM pg_catalog.pg_database_collation_actual_version(oid)";
/// The release from which on a database remembers it, as `server_version_num` has it.
const REMEMBERS: i32 = 150_000;

impl Moved {
    /// Those of the session's database.
    pub async fn find(client: &Client) -> Result<Vec<Moved>, Error> {
        let release = "SELECT pg_catalog.current_setting('server_version_num')::int";
        let mut rows = match client.query_one(release, &[]).await?.get::<_, i32>(0) {
            REMEMBERS.. => client.query(OF_DATABASE, &[]).await?,
            _ => vec![],
        };
        rows.extend(client.query(OF_INDEXES, &[]).await?);
        let moved = |row: &tokio_postgres::Row| Moved {
            collation: row.get(0),
            was: row.get(1),
            is: row.get(2),
            noted: row.get(3),
        };
        Ok(rows.iter().map(moved).collect())
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Moved { collation, was, is, .. } = self;
        write!(f, "{collation} had version {was}, and here it has {}", is.as_deref().unwrap_or("none"))
    }
}
