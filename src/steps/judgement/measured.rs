//! A number that a server has: what a query returns, or how many rows a table has.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::harness::{Context, Finding, Later, NodeRef, StepResult, all_now};
use crate::pg::{Decimal, TableName, shown_value};
use crate::source::{Number, Scalar, Spanned, Sql};
use crate::steps::judgement::bounds::{Bounds, Reference};
use crate::steps::judgement::query_rows::{Answer, answer, uncheckable};

/// What the number is.
#[derive(Debug)]
pub(crate) enum Measured {
    /// What a query returns.
    Query {
        /// The query.
        query: Spanned<Sql>,
        /// Bound as `$1`, `$2` ...
        args: Vec<Later<Scalar>>,
    },
    /// How many rows a table has.
    Table {
        /// The table.
        table: Spanned<TableName>,
        /// The condition for those that are counted.
        filter: Option<Spanned<Sql>>,
    },
}

/// A check of a number.
pub(crate) struct NumberCheck<'a> {
    /// Where it is.
    pub node: &'a NodeRef,
    /// The database to ask, on another node, too.
    pub database: Option<&'a Spanned<String>>,
    /// What the number is.
    pub measured: &'a Measured,
    /// What it may be.
    pub bounds: &'a Bounds<Later<Number>>,
    /// Whether a table may have no rows.
    pub allow_empty: bool,
}

impl NumberCheck<'_> {
    /// Checks it; `client` is a session on its node.
    pub async fn run(&self, cx: &mut Context<'_>, client: &Client) -> StepResult {
        let bounds = self.bounds.now(cx).await?;
        let number = self.measured.ask(cx, client, self.node).await?;
        let counts = matches!(self.measured, Measured::Table { .. });
        match number.to_string().parse::<u64>() {
            Ok(rows) if counts => cx.fact("rows", rows),
            _ => cx.fact("value", number.to_string()),
        }
        let other = match bounds.about().map(|about| &about.reference) {
            None => None,
            Some(Reference::Value(value)) => Some(value.value.clone()),
            Some(Reference::Node(node)) => {
                let other = cx.client_in(&*cx.world.node(node)?, self.database).await?;
                let other = self.measured.ask(cx, &other, node).await?;
                cx.fact("other", other.to_string());
                Some(other)
            }
        };
        if let Some((at, label)) = bounds.broken_by(&number, other.as_ref()) {
            let what = if counts { "the number of rows" } else { "the number" };
            return Err(Finding::failed(format!("{what} is not one of those expected")).at(at).label(label));
        }
        match self.measured {
            Measured::Table { table, .. } if !self.allow_empty && number == Decimal::default() => {
                Err(Finding::failed("an assertion over zero rows proves nothing")
                    .at(table.span)
                    .label(format!("it is empty on `{}`", self.node))
                    .help("if no rows are really what is right, say `allow_empty: true`"))
            }
            _ => Ok(()),
        }
    }
}

impl Measured {
    /// What it is in a session on `node`.
    async fn ask(&self, cx: &Context<'_>, client: &Client, node: &NodeRef) -> Result<Decimal, Box<Finding>> {
        match self {
            Measured::Query { query, args } => {
                let args = all_now(cx, args, Some(&*cx.world.node(node)?)).await?;
                let asked = answer(client, query.as_str(), &args).await;
                let asked = asked.map_err(|error| uncheckable(error, query.span, &format!(" on `{node}`")))?;
                one_number(&asked).map_err(|why| {
                    Finding::failed("the query has to return one number")
                        .at(query.span)
                        .label(format!("on `{node}` {why}"))
                })
            }
            Measured::Table { table, filter } => {
                let filter = filter.as_ref();
                let row = client.query_one(&counting(table, filter, "::text"), &[]).await;
                let row = row.map_err(|error| unreadable(error, table, filter, &format!(" on `{node}`")))?;
                let text: String = row.get(0);
                Decimal::parse(&text).ok_or_else(|| Finding::errored(format!("a number of rows is `{text}`")))
            }
        }
    }
}

/// The query of how many rows a table has, of those that satisfy a condition; `cast` is behind the
/// number.
pub(crate) fn counting(table: &TableName, filter: Option<&Spanned<Sql>>, cast: &str) -> String {
    // The condition may end in a comment.
    let filter = filter.map(|filter| format!(" WHERE (\n{}\n)", filter.as_str())).unwrap_or_default();
    format!("SELECT count(*){cast} FROM {}{filter}", table.quoted())
}

/// What a server says of a table, or of rows of it, that it does not read.
pub(crate) fn unreadable(
    error: tokio_postgres::Error,
    table: &Spanned<TableName>,
    filter: Option<&Spanned<Sql>>,
    place: &str,
) -> Box<Finding> {
    let is_missing = error.code() == Some(&SqlState::UNDEFINED_TABLE);
    let at = filter.filter(|_| !is_missing).map_or(table.span, |filter| filter.span);
    let title = format!("{} cannot be read{place}", table.value);
    Box::<Finding>::from(error).at(at).titled(title)
}

/// The one number that a query has returned, or what else it was.
fn one_number(answer: &Answer) -> Result<Decimal, String> {
    match (answer.columns, answer.rows.as_slice()) {
        (None, _) => Err("it returns no rows: it is no SELECT".to_owned()),
        (Some(columns), _) if columns != 1 => Err(format!("it returned {columns} columns")),
        (_, []) => Err("it returned no row".to_owned()),
        (_, [row]) => match row.first().and_then(Option::as_deref) {
            None => Err("it returned NULL".to_owned()),
            Some(text) => Decimal::parse(text)
                .ok_or_else(|| format!("it returned {}, which is no number", shown_value(Some(text)))),
        },
        (_, rows) => Err(format!("it returned {} rows", rows.len())),
    }
}
