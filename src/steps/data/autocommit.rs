//! SQL that runs outside of a transaction block: each statement on its own.

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::harness::{Context, Finding};
use crate::pg::sql::{first_words, split_statements};
use crate::pg::{Dropped, Xid};
use crate::source::{Scalar, Span};
use crate::steps::data::values::Params;

/// What is there before and after, by which the marks of such statements know more.
pub(crate) struct There {
    databases: Vec<Dropped>,
    /// The prepared transactions' ids.
    prepared: Vec<String>,
}

impl There {
    /// Asks in a session of drillyard's own.
    pub(crate) async fn see(client: &Client) -> Result<There, tokio_postgres::Error> {
        let databases = client.query("SELECT datname::text, oid FROM pg_catalog.pg_database", &[]).await?;
        let prepared = client.query("SELECT transaction::text FROM pg_catalog.pg_prepared_xacts", &[]).await?;
        Ok(There {
            databases: databases.iter().map(|row| Dropped { name: row.get(0), oid: row.get(1) }).collect(),
            prepared: prepared.iter().map(|row| row.get(0)).collect(),
        })
    }

    /// The first database that is not there any more, whatever it was renamed to.
    pub(crate) fn dropped(self, after: &There) -> Option<Dropped> {
        self.databases.into_iter().find(|one| after.databases.iter().all(|other| other.oid != one.oid))
    }
}

/// What statements without a transaction of their own come to.
pub(crate) struct Ended {
    /// The transaction that was committed: known of a COMMIT PREPARED alone.
    pub xid: Option<Xid>,
    /// The database that was dropped.
    pub dropped: Option<Dropped>,
    /// The rows that the last statement has changed.
    pub rows: u64,
}

/// Runs each statement of a text on its own. `asking` is a session of drillyard's own.
pub(crate) async fn run_alone(
    (asking, session): (&Client, &Client),
    (text, args): (&str, &[Scalar]),
    (span, title): (Span, &str),
    refused: impl Fn(tokio_postgres::Error) -> Box<Finding>,
) -> Result<Ended, Box<Finding>> {
    let before = There::see(asking).await?;
    let statements = split_statements(text);
    let params = Params::of(args);
    let mut rows = 0;
    for (at, statement) in statements.iter().enumerate() {
        let run = match params.all().as_slice() {
            // Some of what runs alone has no prepared form.
            [] => session.batch_execute(statement).await,
            params => session.execute(*statement, params).await.map(|changed| rows = changed),
        };
        run.map_err(|error| match (at, statements.len()) {
            (_, 1) => refused(error),
            (at, all) => refused(error).note("note", format!("statement {} of {all}; those before it stay", at + 1)),
        })?;
    }
    if is_in_transaction(session).await.map_err(&refused)? {
        return Err(Finding::failed(title)
            .at(span)
            .label("it ends within a transaction that is not committed")
            .help("end it with COMMIT"));
    }
    let after = There::see(asking).await?;
    let single = statements.as_slice();
    let word = |words: &[&str]| matches!(single, [one] if first_words(one, 2) == words);
    let gone = || before.prepared.iter().find(|xid| !after.prepared.contains(xid));
    let committed = if word(&["commit", "prepared"]) { gone() } else { None };
    let dropped = statements.iter().any(|one| first_words(one, 2) == ["drop", "database"]);
    let xid = committed.and_then(|xid| xid.parse().ok()).map(Xid::from_full);
    Ok(Ended { xid, dropped: if dropped { before.dropped(&after) } else { None }, rows })
}

/// Notes in the step's mark which database it has dropped.
pub(crate) fn note_dropped(cx: &Context<'_>, dropped: Option<Dropped>) {
    if let (Some(id), Some(_)) = (cx.id, &dropped)
        && let Some(mark) = cx.world.outputs().marks.get_mut(id)
    {
        mark.dropped = dropped;
    }
}

/// Whether a session is in a transaction block: only then the statement is not what began its
/// transaction. Prepared statements begin theirs earlier.
async fn is_in_transaction(session: &Client) -> Result<bool, tokio_postgres::Error> {
    let said = session.simple_query("SELECT pg_catalog.now() <> pg_catalog.statement_timestamp()").await?;
    Ok(said.iter().any(|one| matches!(one, SimpleQueryMessage::Row(row) if row.get(0) == Some("t"))))
}
