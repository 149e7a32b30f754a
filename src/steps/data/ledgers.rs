//! The ledgers of users who are about to start, compared with the tables that they name.

use std::time::Duration;

use crate::harness::{Context, Finding, NodeId, StepResult};
use crate::ledger::LedgerColumns;
use crate::source::{Span, Spanned};
use crate::traffic::{Unresolved, unresolved};

/// How long a server has to say which columns it has.
const ANSWERS: Duration = Duration::from_secs(3);

/// Fails unless the ledgers' columns are there, as far as a server can be asked now.
pub(crate) async fn resolve_ledgers(
    cx: &Context<'_>,
    nodes: &[NodeId],
    database: Option<&Spanned<String>>,
    ledgers: &[(LedgerColumns, Span)],
) -> StepResult {
    for name in nodes {
        let node = cx.world.node(name)?;
        if !node.is_up() {
            continue;
        }
        // One that does not answer is what users may be there to meet.
        let asked = tokio::time::timeout(ANSWERS, node.client_of(database.map(|database| database.as_str()))).await;
        let client = match asked {
            Ok(Ok(client)) => client,
            // It answers, and has no such database.
            Ok(Err(_)) if database.is_some() && node.client().await.is_ok() => cx.client_in(&node, database).await?,
            _ => continue,
        };
        for (columns, entry) in ledgers {
            let found = tokio::time::timeout(ANSWERS, unresolved(columns, &client)).await;
            if let Ok(Some(Unresolved { title, label, help })) = found {
                return Err(Finding::failed(title).at(*entry).label(label).help(help));
            }
        }
        return Ok(());
    }
    Ok(())
}
