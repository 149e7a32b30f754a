//! `assert_fresh`

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::harness::{
    Context, Effects, Finding, Later, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::source::{Duration as Age, Late, RoleName, Spanned, Sql};
use crate::steps::data::placeholders::{Given, check as check_placeholders};
use crate::steps::judgement::age;
use crate::steps::judgement::query_rows::uncheckable;

/// Checks whether what a query returns is recent enough: the newest order of a restored copy, say.
///
/// ```yaml
/// - assert_fresh: { node: rescue, query: SELECT max(ordered_at) FROM shop.orders, max_age: 26h }
/// ```
///
/// The query returns one row with one value of type timestamptz. Its age is measured by the clock
/// of the machine that drillyard runs on. `database` is where the query runs, if that is not the
/// node's own one, and `role` the role that it is run as (`SET ROLE`), if that is not the one that
/// drillyard logs in as. It reports the value and its `age`.
///
/// It passes if the value is at most `max_age` old. It fails if it is older, or in the future, and
/// if there is none: NULL, as `max()` of an empty table is, or no row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertFreshSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// A query for one timestamptz.
    query: Spanned<Sql>,
    /// How old it may be.
    max_age: Spanned<Late<Age>>,
    /// The database to look in.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// The role as which it is read.
    #[serde(default)]
    role: Option<Spanned<RoleName>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct AssertFresh {
    /// The server.
    node: NodeRef,
    /// A query for one timestamptz.
    query: Spanned<Sql>,
    /// How old it may be.
    max_age: Spanned<Later<Age>>,
    /// The database to look in.
    database: Option<Spanned<String>>,
    /// The role as which it is read.
    role: Option<Spanned<RoleName>>,
}

impl StepKind for AssertFreshSpec {
    type Step = AssertFresh;

    const NAME: &'static str = "assert_fresh";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Check;
    const FACTS: &'static str = "value age";

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertFresh> {
        let (node, max_age) = (scope.node(&self.node), scope.spanned_later(self.max_age));
        let AssertFreshSpec { query, database, role, .. } = self;
        check_placeholders(scope, &query, Given::NOTHING);
        Some(AssertFresh { node: node?, query, max_age: max_age?, database, role })
    }
}

#[async_trait(?Send)]
impl Step for AssertFresh {
    fn title(&self) -> String {
        format!("{} is fresh: {} old at most", self.node, self.max_age.value)
    }

    fn effects(&self) -> Effects {
        Effects::reads()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let max_age = self.max_age.value.now(cx, None).await?;
        let node = cx.world.node(&self.node)?;
        let client = cx.client_as(&node, self.database.as_ref(), self.role.as_ref()).await?;
        let rows = client.query(self.query.as_str(), &[]).await;
        let rows = rows.map_err(|error| uncheckable(error, self.query.span, ""))?;
        let value = self.value(&rows)?;
        cx.fact("value", value.to_string());
        match age::at_most(value, Timestamp::now(), max_age.0) {
            Ok(age) => {
                cx.fact("age", age::in_words(age));
                Ok(())
            }
            Err(why) => {
                let title = format!("what is on `{}` is not fresh", self.node);
                Err(Finding::failed(title).at(self.max_age.entry).label(why))
            }
        }
    }
}

impl AssertFresh {
    /// The one value that the query has returned.
    fn value(&self, rows: &[Row]) -> Result<Timestamp, Box<Finding>> {
        let nothing =
            |label: &str| Finding::failed("nothing is there that could be fresh").at(self.query.span).label(label);
        let [row] = rows else {
            return Err(match rows.len() {
                0 => nothing("the query returned no row"),
                _ => Finding::failed("the query has to return one value")
                    .at(self.query.span)
                    .label(format!("it returned {} rows", rows.len())),
            });
        };
        match row.columns() {
            [column] if *column.type_() == Type::TIMESTAMPTZ => {
                let value = row.try_get::<_, Option<Timestamp>>(0).map_err(|error| {
                    Finding::failed("the query has to return a point in time")
                        .at(self.query.span)
                        .label(error.to_string())
                })?;
                value.ok_or_else(|| nothing("it returned NULL"))
            }
            [column] => Err(Finding::failed("the query has to return a timestamptz")
                .at(self.query.span)
                .label(format!("it returned {}", column.type_().name()))
                .help("`ordered_at AT TIME ZONE 'UTC'` makes a timestamptz of a timestamp that is in UTC")),
            columns => Err(Finding::failed("the query has to return one value")
                .at(self.query.span)
                .label(format!("it returned {} columns", columns.len()))),
        }
    }
}
