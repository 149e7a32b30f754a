//! `assert_rows`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::data::{Comparison, Rest, Wanted, compare};
use crate::harness::{
    Context, Effects, Finding, NodeField, NodeRef, Output, Resolved, Role, Scope, Step, StepKind, StepRef, StepResult,
};
use crate::pg::TableName;
use crate::source::{Name, Scalar, Span, Spanned, Sql};
use crate::steps::data::sql::shorten;
use crate::steps::judgement::query_rows::{check_query, counted};

/// Checks rows.
///
/// ```yaml
/// - assert_rows: { node: master, query: "SELECT count(*) FROM shop.orders WHERE amount < 0", equals: [[0]] }
/// - assert_rows: { node: rescue, table: shop.orders, count: 100000 }
/// - assert_rows: { node: rescue, table: shop.orders, same_as: before }
/// ```
///
/// A query's rows are compared with `equals` in their order: numbers as numbers, everything else as
/// text. `count` is the number of a table's rows. `same_as` is the id of a `snapshot` or
/// `create_data` step, or another node with a table of the same name. Whole tables are compared by
/// a checksum that does not depend on the order of the rows. If it differs, the first rows that
/// differ are named, column by column. A snapshot of more than 2,000 rows can only say in which
/// part of the table they are, and in which columns. Columns must have the same names, in whatever
/// order. `database` is where the table is, if that is not the node's own one.
///
/// It passes if the rows are the same. An assertion over zero rows fails unless it says
/// `allow_empty: true`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertRowsSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// A query.
    #[serde(default)]
    query: Option<Spanned<Sql>>,
    /// Bound as `$1`, `$2` ...
    #[serde(default)]
    args: Vec<Scalar>,
    /// The rows that it should return.
    #[serde(default)]
    equals: Option<Spanned<Vec<Vec<Scalar>>>>,
    /// A table.
    #[serde(default)]
    table: Option<Spanned<TableName>>,
    /// How many rows it should have.
    #[serde(default)]
    count: Option<Spanned<u64>>,
    /// What it should be the same as.
    #[serde(default)]
    same_as: Option<Spanned<Name>>,
    /// The database to look in, also on the node that is `same_as`.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// Allows zero rows.
    #[serde(default)]
    allow_empty: bool,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct AssertRows {
    /// The server.
    node: NodeRef,
    /// The database to look in, also on a node that a table should be the same as.
    database: Option<Spanned<String>>,
    /// Which rows are expected.
    rows: Rows,
    /// Zero rows are right, too.
    allow_empty: bool,
}

/// Which rows are expected.
#[derive(Debug)]
enum Rows {
    /// A query returns these.
    Query {
        /// The query.
        query: Spanned<Sql>,
        /// Bound as `$1`, `$2` ...
        args: Vec<Scalar>,
        /// Its rows.
        equals: Spanned<Vec<Vec<Scalar>>>,
    },
    /// A table has so many.
    Count(Spanned<TableName>, Spanned<u64>),
    /// A table has the same as something else.
    SameAs(Spanned<TableName>, Other),
}

/// What a table should be the same as.
#[derive(Debug)]
enum Other {
    /// The table of that name on another node.
    Node(NodeRef),
    /// What an earlier step has generated or kept.
    Step(StepRef),
}

impl Other {
    fn name(&self) -> &str {
        match self {
            Other::Node(node) => node.as_str(),
            Other::Step(step) => step.as_str(),
        }
    }

    fn entry(&self) -> Option<Span> {
        match self {
            Other::Node(node) => node.entry(),
            Other::Step(step) => step.entry(),
        }
    }
}

impl StepKind for AssertRowsSpec {
    type Step = AssertRows;

    const NAME: &'static str = "assert_rows";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Check;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertRows> {
        let node = scope.node(&self.node);
        self.check_emptiness(scope);
        let (database, allow_empty) = (self.database.clone(), self.allow_empty);
        let rows = self.rows(node.as_ref(), scope);
        Some(AssertRows { node: node?, database, rows: rows?, allow_empty })
    }
}

/// The forms that the fields can take.
const FORMS: &str = "one of `query, equals`, `table, count` or `table, same_as`";

impl AssertRowsSpec {
    /// Which rows are expected; `node` is where they are.
    fn rows(self, node: Option<&NodeRef>, scope: &mut Scope<'_>) -> Resolved<Rows> {
        let other = self.same_as.as_ref().map(|same_as| other(same_as, node, scope));
        match (self.query, self.table) {
            (Some(query), None) => {
                if self.equals.is_none() {
                    scope.error(query.entry, "`equals` is missing", "which rows should it return?");
                }
                let misplaced = [self.count.map(|count| count.entry), self.same_as.map(|same_as| same_as.entry)];
                for entry in misplaced.into_iter().flatten() {
                    scope.error_help(entry, "this goes with `table`", "not with a query", FORMS);
                }
                Some(Rows::Query { query, args: self.args, equals: self.equals? })
            }
            (None, Some(table)) => match (self.count, other) {
                (None, None) => {
                    let title = "`count` or `same_as` is missing";
                    scope.error_help(table.entry, title, "what should it hold?", FORMS);
                    None
                }
                (Some(_), Some(_)) => {
                    let entry = self.same_as.map_or(table.entry, |same_as| same_as.entry);
                    scope.error(entry, "`count` and `same_as` exclude each other", "one of the two");
                    None
                }
                (Some(count), None) => Some(Rows::Count(table, count)),
                (None, Some(other)) => Some(Rows::SameAs(table, other?)),
            },
            (None, None) => {
                scope.error_help(scope.action, "`query` or `table` is missing", "which rows?", FORMS);
                None
            }
            (Some(_), Some(table)) => {
                scope.error(table.entry, "`query` and `table` exclude each other", "one of the two");
                None
            }
        }
    }

    /// Zero rows prove nothing, and no more does a row without values.
    fn check_emptiness(&self, scope: &mut Scope<'_>) {
        let empty = match (&self.equals, &self.count) {
            (Some(equals), _) if equals.value.is_empty() => Some(equals.entry),
            (_, Some(count)) if count.value == 0 => Some(count.entry),
            _ => None,
        };
        if let (Some(entry), false) = (empty, self.allow_empty) {
            let help = "if no rows are really what is right, say `allow_empty: true`";
            scope.error_help(entry, "an assertion over zero rows proves nothing", "zero rows", help);
        }
        let Some(equals) = &self.equals else { return };
        let mut widths = equals.value.iter().map(Vec::len);
        let first = widths.next();
        if first == Some(0) {
            scope.error(equals.entry, "a row without values proves nothing", "which values should it have?");
        } else if let Some(other) = widths.find(|width| Some(*width) != first) {
            let label = format!("the first one has {}, another one has {other}", first.unwrap_or_default());
            scope.error(equals.entry, "the rows of `equals` have different numbers of values", label);
        }
    }
}

/// What a table on `node` should be the same as: another node, or what a step has left.
fn other(same_as: &Spanned<Name>, node: Option<&NodeRef>, scope: &mut Scope<'_>) -> Resolved<Other> {
    if scope.ids.contains_key(same_as.as_str()) || !scope.nodes.contains_key(same_as.as_str()) {
        return scope.step_with(same_as, &[Output::Snapshot, Output::Data]).map(Other::Step);
    }
    let other = scope.named_node(same_as)?;
    if node.is_some_and(|node| node.id == other.id) {
        let label = "this is the node that is checked";
        scope.error(same_as.entry, "a table is always the same as itself", label);
    }
    Some(Other::Node(other))
}

/// How many differing rows are shown.
const SHOWN: usize = 10;

#[async_trait(?Send)]
impl Step for AssertRows {
    fn title(&self) -> String {
        let node = &self.node;
        match &self.rows {
            Rows::Query { query, .. } => format!("{} on {node}", shorten(query.as_str())),
            Rows::Count(table, count) => format!("{} rows in {} on {node}", count.value, table.value),
            Rows::SameAs(table, other) => format!("{} on {node} same as {}", table.value, other.name()),
        }
    }

    fn effects(&self) -> Effects {
        Effects::reads()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let client = cx.client_in(&node, self.database.as_ref()).await?;
        match &self.rows {
            Rows::Query { query, args, equals } => check_query(cx, &client, query, args, equals).await,
            Rows::Count(table, count) => check_count(cx, &client, table, count).await,
            Rows::SameAs(table, other) => self.check_same(cx, &client, table, other).await,
        }
    }
}

/// Checks that a table has so many rows.
async fn check_count(
    cx: &mut Context<'_>,
    client: &Client,
    table: &Spanned<TableName>,
    count: &Spanned<u64>,
) -> StepResult {
    let row = client.query_one(&format!("SELECT count(*) FROM {}", table.quoted()), &[]).await;
    let rows = row.map_err(|error| missing(error.into(), table))?.get::<_, i64>(0).cast_unsigned();
    cx.fact("rows", rows);
    match rows == count.value {
        true => Ok(()),
        false => Err(Finding::failed(format!("{} has not the expected number of rows", table.value))
            .at(count.entry)
            .label(format!("it has {rows}"))),
    }
}

impl AssertRows {
    async fn check_same(
        &self,
        cx: &mut Context<'_>,
        client: &Client,
        table: &Spanned<TableName>,
        same_as: &Other,
    ) -> StepResult {
        let id = same_as.name();
        let (from_data, from_snapshot, other);
        let wanted = match same_as {
            Other::Node(node) => {
                other = cx.client_in(&*cx.world.node(node)?, self.database.as_ref()).await?;
                Wanted::Server(&other)
            }
            Other::Step(step) => {
                from_data = cx.world.outputs().generated.get(&step.id).cloned();
                from_snapshot = cx.world.outputs().snapshots.get(&step.id).cloned();
                match (&from_data, &from_snapshot) {
                    (Some((generator, sum)), _) => Wanted::Generated(generator, *sum),
                    (None, Some(snapshot)) => {
                        let named = snapshot.rows.iter().find(|(name, _)| name.quoted() == table.quoted());
                        let found = named.or(snapshot.rows.first().filter(|_| snapshot.rows.len() == 1));
                        let missing = format!("snapshot `{id}` has no rows of {}", table.value);
                        let found = found.ok_or_else(|| Finding::errored(missing).at(step.span()))?;
                        Wanted::RowsSnapshot(&found.1)
                    }
                    (None, None) => {
                        let title = format!("`{id}` has left nothing to compare with: its step did not run");
                        return Err(Finding::missing(title).at(step.span()));
                    }
                }
            }
        };
        let compared = compare(wanted, client, &table.value, SHOWN).await;
        let compared = compared.map_err(|e| Finding::failed(e.to_string()).at(table.span))?;
        if compared.columns.is_empty() {
            cx.fact("rows", compared.second);
        }
        if !compared.same {
            if let Rest::Exactly(rows) | Rest::AtLeast(rows) = compared.rest
                && rows > 0
            {
                cx.fact("differing", rows);
            }
            let finding = Finding::failed(format!("{} is not the same as `{id}`", table.value));
            return Err(finding
                .at(same_as.entry())
                .label(self.difference(id, &compared))
                .note("diff", compared.to_string()));
        }
        if compared.second == 0 && !self.allow_empty {
            return Err(Finding::failed("an assertion over zero rows proves nothing")
                .at(same_as.entry())
                .label("both are empty")
                .help("if no rows are really what is right, say `allow_empty: true`"));
        }
        Ok(())
    }

    /// What is different, in a few words.
    fn difference(&self, id: &str, compared: &Comparison) -> String {
        let (wanted, now) = (counted(compared.first as usize), counted(compared.second as usize));
        match compared {
            _ if !compared.columns.is_empty() => "the columns are not the same".to_owned(),
            _ if compared.first == compared.second => format!("both have {now}, with different content"),
            _ => format!("`{id}` has {wanted}, `{}` has {now}", self.node),
        }
    }
}

fn missing(finding: Box<Finding>, table: &Spanned<TableName>) -> Box<Finding> {
    let said = finding.title.clone();
    let mut finding = finding.at(table.span).label(said);
    finding.title = format!("{} cannot be read", table.value);
    finding
}
