//! `assert_rows`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::harness::{
    Context, Effects, Finding, Later, NodeField, NodeRef, Places, Resolved, Role, Scope, Step, StepKind, StepResult,
    all_now,
};
use crate::pg::{ColumnName, TableName};
use crate::source::{Late, Number, RoleName, Scalar, Several, Spanned, Sql, StepOrNodeName, given};
use crate::steps::data::placeholders::{Given, check as check_placeholders};
use crate::steps::data::sql::shorten;
use crate::steps::judgement::bounds::{AboutSpec, BoundFields, Bounds};
use crate::steps::judgement::except::{ExceptSpec, NarrowFields, Narrowed};
use crate::steps::judgement::measured::{Measured, NumberCheck, counting, unreadable};
use crate::steps::judgement::query_rows::{Equals, check_query, equals_now, resolved};
use crate::steps::judgement::same_rows::{Other, SameRows};

/// Checks rows.
///
/// ```yaml
/// - assert_rows:
///     node: master
///     query: SELECT count(*) FROM shop.orders WHERE amount < 0
///     equals: [[0]]
/// - assert_rows: { node: rescue, table: shop.orders, count: 100000 }
/// - assert_rows: { node: rescue, table: shop.orders, same_as: before }
/// - assert_rows:
///     node: rescue
///     table: shop.orders
///     same_as: before
///     except: { columns: [updated_at] }
/// - assert_rows: { node: rescue, table: shop.orders, about: { value: 100000, within: 1% } }
/// - assert_rows:
///     node: rescue
///     query: SELECT sum(amount) FROM shop.orders
///     about: { node: master, within: 500 }
/// ```
///
/// A query's rows are compared with `equals` in their order: numbers as numbers, everything else as
/// text. `equals: 5` is short for `[[5]]`. `count` is the number of a table's rows. `same_as` is
/// the id of a `snapshot` or `create_data` step, or another node with a table of the same name.
/// Whole tables are compared by a checksum that does not depend on the order of the rows. If it
/// differs, the first rows that differ are named, column by column. A snapshot of more than 2,000
/// rows can only say in which part of the table they are, and in which columns. Columns must have
/// the same names, in whatever order. `database` is where the table is, if that is not the node's
/// own one.
///
/// `where` is a condition in SQL for the rows of the table that are counted or compared. Each side
/// is asked for it itself: another node on that node, a snapshot when it is taken; rows that
/// `create_data` has made are shown to the node. `columns` are those that are compared. If they
/// leave out a part of the table's key, its rows are compared as a multiset.
///
/// `except` names the differences that are meant: `columns` whose values may differ, or that one
/// side alone has, `keys` of rows that may differ, be missing or be there (`[[17], [18]]`; the
/// values of the primary key, or of a unique key without nulls), and `rows`, a query on the node
/// that returns such keys, as text.
/// Whatever else differs is told row by row. A difference that is meant and does not occur is a
/// failure, too: a column that is the same in all rows, a key that is the same in both, a query
/// none of whose keys differs.
///
/// One number, which a query returns or which is that of a table's rows, may also have bounds:
/// `at_least`, `at_most`, `between: [1, 5]`, and `about`, which is how far it may be from a `value`
/// or from what the same comes to on another `node`. `within` is a percentage of that other number,
/// or so much. All that are given have to hold. Numbers are compared digit by digit, whatever their
/// type: nothing is rounded. If a query with bounds returns no row, several, NULL, or something
/// that is no number, such as NaN, it fails.
///
/// With `role` all is read as that role is allowed to (`SET ROLE`; what ALTER ROLE sets for it does
/// not apply). On another node everything is read as the role that drillyard logs in as there. If
/// the role cannot be taken on, nothing was checked, and that is an error, whatever is expected.
///
/// It passes if the rows are the same, or the number is within its bounds. An assertion over zero
/// rows fails unless it says `allow_empty: true`.
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
    args: Option<Spanned<Vec<Late<Scalar>>>>,
    /// The rows that it should return.
    #[serde(default, deserialize_with = "given")]
    equals: Option<Spanned<Equals>>,
    /// A table.
    #[serde(default)]
    table: Option<Spanned<TableName>>,
    /// How many rows it should have.
    #[serde(default)]
    count: Option<Spanned<Late<u64>>>,
    /// What it should be the same as.
    #[serde(default)]
    same_as: Option<StepOrNodeName>,
    /// The rows of the table that it is about: a condition in SQL.
    #[serde(default, rename = "where")]
    filter: Option<Spanned<Sql>>,
    /// The columns that are compared.
    #[serde(default)]
    columns: Option<Spanned<Several<Spanned<ColumnName>>>>,
    /// The differences that are meant.
    #[serde(default)]
    except: Option<Spanned<ExceptSpec>>,
    /// The least that the number may be.
    #[serde(default)]
    at_least: Option<Spanned<Late<Number>>>,
    /// The most that it may be.
    #[serde(default)]
    at_most: Option<Spanned<Late<Number>>>,
    /// Both: `[1, 5]`.
    #[serde(default)]
    between: Option<Spanned<(Late<Number>, Late<Number>)>>,
    /// What it should be about the same as: `{ value: 1000, within: 1% }`, or
    /// `{ node: NODE, within: 10 }`.
    #[serde(default)]
    about: Option<Spanned<AboutSpec>>,
    /// The database to look in, also on another node that it is compared with. Default: that of
    /// `same_as`, or the node's own one.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// The role as which the node is read.
    #[serde(default)]
    role: Option<Spanned<RoleName>>,
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
    /// The role as which the node is read.
    role: Option<Spanned<RoleName>>,
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
        args: Vec<Later<Scalar>>,
        /// Its rows.
        equals: Spanned<Vec<Vec<Later<Scalar>>>>,
    },
    /// A table has so many, of those that satisfy a condition if there is one.
    Count(Spanned<TableName>, Option<Spanned<Sql>>, Spanned<Later<u64>>),
    /// A table has the same as something else, but for what is meant.
    SameAs(Spanned<TableName>, Other, Box<Narrowed>),
    /// A number is within bounds.
    Number(Measured, Box<Bounds<Later<Number>>>),
}

impl StepKind for AssertRowsSpec {
    type Step = AssertRows;

    const NAME: &'static str = "assert_rows";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Check;
    const FACTS: &'static str = "rows differing meant value other";

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertRows> {
        let node = scope.node(&self.node);
        self.check_emptiness(scope);
        let (database, role, allow_empty) = (self.database.clone(), self.role.clone(), self.allow_empty);
        let rows = self.rows(node.as_ref(), scope);
        Some(AssertRows { node: node?, database, role, rows: rows?, allow_empty })
    }
}

/// The forms that the fields can take.
const FORMS: &str = "`query` with `equals`, `table` with `count` or `same_as`, or either with `at_least`, `at_most`, `between` or `about`";

impl AssertRowsSpec {
    /// Which rows are expected; `node` is where they are.
    fn rows(mut self, node: Option<&NodeRef>, scope: &mut Scope<'_>) -> Resolved<Rows> {
        let bounds = BoundFields {
            at_least: self.at_least.take(),
            at_most: self.at_most.take(),
            between: self.between.take(),
            about: self.about.take(),
        };
        let bounded = bounds.entry();
        let bounds = bounds.resolve(node, scope);
        match (self.query.take(), self.table.take()) {
            (Some(query), None) => self.of_query(query, bounded.and(Some(bounds)), scope),
            (None, Some(table)) => self.of_table(table, bounded.and(Some(bounds)), node, scope),
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

    /// What is expected of a query; `bounds` are those of the number that it returns, if there are
    /// any.
    fn of_query(
        self,
        query: Spanned<Sql>,
        bounds: Option<Resolved<Bounds<Later<Number>>>>,
        scope: &mut Scope<'_>,
    ) -> Resolved<Rows> {
        check_placeholders(scope, &query, Given::args(self.args.as_ref()));
        let args = scope.all_later(self.args.map_or(vec![], |args| args.value), Places::OfSession);
        let narrowing = self.filter.iter().map(|filter| filter.entry).chain(self.columns.iter().map(|one| one.entry));
        let of_table = self.count.iter().map(|one| one.entry).chain(self.same_as.iter().map(|one| one.entry));
        for entry in of_table.chain(narrowing).chain(self.except.iter().map(|one| one.entry)) {
            scope.error_help(entry, "this goes with `table`", "not with a query", FORMS);
        }
        match (self.equals, bounds) {
            (Some(equals), Some(_)) => {
                scope.error(equals.entry, "`equals` and bounds exclude each other", "one of the two");
                None
            }
            (Some(equals), None) => Some(Rows::Query { query, args: args?, equals: resolved(equals, scope)? }),
            (None, Some(bounds)) => Some(Rows::Number(Measured::Query { query, args: args? }, Box::new(bounds?))),
            (None, None) => {
                scope.error_help(query.entry, "`equals` is missing", "which rows should it return?", FORMS);
                None
            }
        }
    }

    /// What is expected of a table; `bounds` are those of the number of its rows, if there are any.
    fn of_table(
        self,
        table: Spanned<TableName>,
        bounds: Option<Resolved<Bounds<Later<Number>>>>,
        node: Option<&NodeRef>,
        scope: &mut Scope<'_>,
    ) -> Resolved<Rows> {
        let other = self.same_as.as_ref().map(|same_as| Other::resolve(same_as, node, scope));
        let fields = NarrowFields { filter: self.filter, columns: self.columns, except: self.except };
        if other.is_none() {
            for (entry, name) in fields.of_comparison() {
                let help = "`same_as` is another node, or the id of a `snapshot` or `create_data` step";
                scope.error_help(entry, format!("`{name}` goes with `same_as`"), "nothing is compared here", help);
            }
        }
        if let Some(args) = &self.args {
            scope.error(args.entry, "`args` goes with `query`", "nothing here takes values");
        }
        let narrowed = fields.resolve(scope);
        if let Some(equals) = &self.equals {
            scope.error_help(equals.entry, "this goes with `query`", "not with a table", FORMS);
        }
        let given = [self.count.as_ref().map(|count| count.entry), self.same_as.as_ref().map(|same_as| same_as.entry)];
        if let Some(entry) = given.into_iter().flatten().nth(if bounds.is_some() { 0 } else { 1 }) {
            let others = if bounds.is_some() { "bounds and this" } else { "`count` and `same_as`" };
            scope.error(entry, format!("{others} exclude each other"), "one of the two");
            return None;
        }
        match (self.count, other, bounds) {
            (Some(Spanned { value, span, entry }), ..) => {
                let value = scope.later(value, Places::Nowhere)?;
                Some(Rows::Count(table, narrowed.filter, Spanned { value, span, entry }))
            }
            (_, Some(other), _) => Some(Rows::SameAs(table, other?, Box::new(narrowed))),
            (.., Some(bounds)) => {
                Some(Rows::Number(Measured::Table { table, filter: narrowed.filter }, Box::new(bounds?)))
            }
            (None, None, None) => {
                let title = "`count` or `same_as` is missing";
                scope.error_help(table.entry, title, "what should it hold?", FORMS);
                None
            }
        }
    }

    /// Zero rows prove nothing, and no more does a row without values.
    fn check_emptiness(&self, scope: &mut Scope<'_>) {
        let empty = match (&self.equals, &self.count) {
            (Some(equals), _) if equals.value.0.is_empty() => Some(equals.entry),
            (_, Some(count)) if count.value.known() == Some(&0) => Some(count.entry),
            _ => None,
        };
        if let (Some(entry), false) = (empty, self.allow_empty) {
            let help = "if no rows are really what is right, say `allow_empty: true`";
            scope.error_help(entry, "an assertion over zero rows proves nothing", "zero rows", help);
        }
        let Some(equals) = &self.equals else { return };
        let mut widths = equals.value.0.iter().map(Vec::len);
        let first = widths.next();
        if first == Some(0) {
            scope.error(equals.entry, "a row without values proves nothing", "which values should it have?");
        } else if let Some(other) = widths.find(|width| Some(*width) != first) {
            let label = format!("the first one has {}, another one has {other}", first.unwrap_or_default());
            scope.error(equals.entry, "the rows of `equals` have different numbers of values", label);
        }
    }
}

#[async_trait(?Send)]
impl Step for AssertRows {
    fn title(&self) -> String {
        let node = &self.node;
        match &self.rows {
            Rows::Query { query, .. } => format!("{} on {node}", shorten(query.as_str())),
            Rows::Count(table, _, count) => format!("{} rows in {} on {node}", count.value, table.value),
            Rows::SameAs(table, other, _) => format!("{} on {node} same as {}", table.value, other.name()),
            Rows::Number(Measured::Query { query, .. }, _) => format!("{} on {node}", shorten(query.as_str())),
            Rows::Number(Measured::Table { table, .. }, _) => format!("number of rows in {} on {node}", table.value),
        }
    }

    fn effects(&self) -> Effects {
        let recalls = match &self.rows {
            Rows::SameAs(table, other, narrowed) => other.recalls(table, narrowed),
            _ => None,
        };
        Effects { recalls, ..Effects::reads() }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let database = self.database.clone().or_else(|| match &self.rows {
            Rows::SameAs(_, other, _) => other.database(cx),
            _ => None,
        });
        let client = cx.client_as(&node, database.as_ref(), self.role.as_ref()).await?;
        let (node, database, allow_empty) = (&self.node, database.as_ref(), self.allow_empty);
        match &self.rows {
            Rows::Query { query, args, equals } => {
                let args = all_now(cx, args, Some(&*cx.world.node(node)?)).await?;
                let equals = equals_now(cx, equals, allow_empty).await?;
                check_query(cx, &client, query, &args, &equals).await
            }
            Rows::Count(table, filter, Spanned { value, span, entry }) => {
                let count = Spanned { value: value.now(cx, None).await?, span: *span, entry: *entry };
                if count.value == 0 && !allow_empty {
                    let finding = Finding::failed("an assertion over zero rows proves nothing").at(count.entry);
                    let finding = finding.label(format!("`{value}` is 0"));
                    return Err(finding.help("if no rows are really what is right, say `allow_empty: true`"));
                }
                check_count(cx, &client, table, filter.as_ref(), &count).await
            }
            Rows::SameAs(table, other, narrowed) => {
                SameRows { node, database, table, other, narrowed, allow_empty }.check(cx, &client).await
            }
            Rows::Number(measured, bounds) => {
                NumberCheck { node, database, measured, bounds, allow_empty }.run(cx, &client).await
            }
        }
    }
}

/// Checks that a table has so many rows.
async fn check_count(
    cx: &mut Context<'_>,
    client: &Client,
    table: &Spanned<TableName>,
    filter: Option<&Spanned<Sql>>,
    count: &Spanned<u64>,
) -> StepResult {
    let row = client.query_one(&counting(table, filter, ""), &[]).await;
    let rows = row.map_err(|error| unreadable(error, table, filter, ""))?.get::<_, i64>(0).cast_unsigned();
    cx.fact("rows", rows);
    match rows == count.value {
        true => Ok(()),
        false => Err(Finding::failed(format!("{} has not the expected number of rows", table.value))
            .at(count.entry)
            .label(format!("it has {rows}"))),
    }
}
