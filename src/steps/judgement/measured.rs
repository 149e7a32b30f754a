//! A number that a server has: what a query returns, or how many rows a table has.

use tokio_postgres::Client;

use crate::harness::{Context, Finding, NodeRef, StepResult};
use crate::pg::{Decimal, TableName, shown_value};
use crate::source::{Scalar, Spanned, Sql};
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
        args: Vec<Scalar>,
    },
    /// How many rows a table has.
    Table(Spanned<TableName>),
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
    pub bounds: &'a Bounds,
    /// Whether a table may have no rows.
    pub allow_empty: bool,
}

impl NumberCheck<'_> {
    /// Checks it; `client` is a session on its node.
    pub async fn run(&self, cx: &mut Context<'_>, client: &Client) -> StepResult {
        let number = self.measured.ask(client, self.node).await?;
        let counts = matches!(self.measured, Measured::Table(_));
        match number.to_string().parse::<u64>() {
            Ok(rows) if counts => cx.fact("rows", rows),
            _ => cx.fact("value", number.to_string()),
        }
        let other = match self.bounds.about().map(|about| &about.reference) {
            None => None,
            Some(Reference::Value(value)) => Some(value.value.clone()),
            Some(Reference::Node(node)) => {
                let other = cx.client_in(&*cx.world.node(node)?, self.database).await?;
                let other = self.measured.ask(&other, node).await?;
                cx.fact("other", other.to_string());
                Some(other)
            }
        };
        if let Some((at, label)) = self.bounds.broken_by(&number, other.as_ref()) {
            let what = if counts { "the number of rows" } else { "the number" };
            return Err(Finding::failed(format!("{what} is not one of those expected")).at(at).label(label));
        }
        match self.measured {
            Measured::Table(table) if !self.allow_empty && number == Decimal::default() => {
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
    async fn ask(&self, client: &Client, node: &NodeRef) -> Result<Decimal, Box<Finding>> {
        match self {
            Measured::Query { query, args } => {
                let asked = answer(client, query.as_str(), args).await;
                let asked = asked.map_err(|error| uncheckable(error, query.span, &format!(" on `{node}`")))?;
                one_number(&asked).map_err(|why| {
                    Finding::failed("the query has to return one number")
                        .at(query.span)
                        .label(format!("on `{node}` {why}"))
                })
            }
            Measured::Table(table) => {
                let count = format!("SELECT count(*)::text FROM {}", table.quoted());
                let row = client.query_one(&count, &[]).await;
                let row = row.map_err(|error| unreadable(error, table, &format!(" on `{node}`")))?;
                let text: String = row.get(0);
                Decimal::parse(&text).ok_or_else(|| Finding::errored(format!("a number of rows is `{text}`")))
            }
        }
    }
}

/// What a server says of a table that it does not read.
pub(crate) fn unreadable(error: tokio_postgres::Error, table: &Spanned<TableName>, place: &str) -> Box<Finding> {
    let title = format!("{} cannot be read{place}", table.value);
    Box::<Finding>::from(error).at(table.span).titled(title)
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
