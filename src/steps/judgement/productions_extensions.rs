//! The extensions of a server that goes on, where a backup is of that server: which there are is in
//! the catalogs, and of a backup nobody reads those without a restore.

use std::collections::BTreeSet;

use crate::harness::{Context, Finding};
use crate::node::{Node, TAKES_SESSIONS};
use crate::pg::error_message;

/// What an external server has.
pub(crate) struct Extensions {
    /// The server.
    pub node: String,
    /// Their names.
    pub names: Vec<String>,
    /// Databases in which nobody could look, with the reason.
    pub unknown: Vec<String>,
}

/// Asks the external server of the drill that has this system identifier. Within, why nobody could
/// be asked: none has it, or one that may have it does not answer.
///
/// # Errors
/// If that server does not answer in full.
pub(crate) async fn of_server(cx: &Context<'_>, system: &str) -> Result<Result<Extensions, String>, Box<Finding>> {
    let mut why = "no external node is its server".to_owned();
    let specs = cx.world.specs.iter();
    for name in specs.filter(|(_, spec)| spec.external.is_some()).map(|(name, _)| name) {
        let Ok(node) = cx.world.node(name.as_str()) else { continue };
        match system_identifier(cx, &node).await {
            Ok(theirs) if theirs == system => return all(cx, &node).await.map(Ok),
            Ok(_) => {}
            Err(error) => why = format!("`{name}` does not say whether it is its server: {}", error.title),
        }
    }
    Ok(Err(why))
}

async fn system_identifier(cx: &Context<'_>, node: &Node) -> Result<String, Box<Finding>> {
    let query = "SELECT system_identifier::text FROM pg_control_system()";
    Ok(cx.client(node).await?.query_one(query, &[]).await?.get(0))
}

/// Those in all of its databases.
async fn all(cx: &Context<'_>, node: &Node) -> Result<Extensions, Box<Finding>> {
    let query = format!(
        "SELECT datname::text, has_database_privilege(oid, 'CONNECT') FROM pg_database
         WHERE {TAKES_SESSIONS} ORDER BY datname"
    );
    let (mut names, mut unknown) = (BTreeSet::new(), Vec::new());
    for row in cx.client(node).await?.query(&query, &[]).await? {
        let database: String = row.get(0);
        if !row.get::<_, bool>(1) {
            unknown.push(format!("database {database}: no privilege to connect to it"));
            continue;
        }
        let looked = match node.connect_to(&database).await {
            Ok(client) => {
                client.query("SELECT extname::text FROM pg_extension", &[]).await.map_err(|e| error_message(&e))
            }
            Err(error) => Err(error.to_string()),
        };
        match looked {
            Ok(rows) => names.extend(rows.iter().map(|row| row.get::<_, String>(0))),
            Err(why) => unknown.push(format!("database {database}: {why}")),
        }
    }
    Ok(Extensions { node: node.name().to_owned(), names: names.into_iter().collect(), unknown })
}
