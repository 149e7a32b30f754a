//! `wait_for`

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tokio_postgres::Client;

use crate::harness::{
    Awaited, Context, Effects, Finding, Later, NodeField, NodeId, NodeRef, Output, Recovers, Resolved, Role, Scope,
    Step, StepKind, StepRef, StepResult, UserPace, if_given, take_on,
};
use crate::journal::Outcome;
use crate::node::{Node, SqlError};
use crate::source::{Late, Regex, RoleName, SEVERAL, Scalar, Spanned, Sql, StepName, given};
use crate::steps::data::placeholders::{Given, check as check_placeholders};
use crate::steps::data::sql::shorten;
use crate::steps::data::values::is_same;

/// Waits until a condition holds.
///
/// ```yaml
/// - wait_for: { traffic: users, acked: 2000 }
/// - wait_for: { traffic: users, acked: 2000, since: accident }
/// - wait_for: { node: standby, query: "SELECT count(*) FROM shop.orders", equals: 100000 }
/// - wait_for: { node: standby, log: "started streaming WAL" }
/// ```
///
/// There are three conditions:
///
/// - users have had `acked` acknowledged transactions, in all or `since` a mark;
/// - the first value that `query` returns, to `role` if one is named, is `equals`, written as `5`
///   or `[[5]]`. While it waits,
///   errors of the query do not end the step, except those that time does not cure: a syntax error,
///   a missing name, a missing privilege. On a standby a name may still arrive;
/// - a line of the server's log matches the regular expression `log`.
///
/// It passes as soon as the condition holds. It fails if `within` runs out, and reports what it saw
/// last and what holds it up: who holds which lock, a paused replay, commits that wait for a
/// synchronous standby, a server that does not answer. It fails at once if waiting is pointless.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitForSpec {
    /// The id of a traffic step.
    #[serde(default)]
    traffic: Option<StepName>,
    /// Acknowledged transactions.
    #[serde(default)]
    acked: Option<Spanned<Late<u64>>>,
    /// Count from this mark on.
    #[serde(default)]
    since: Option<StepName>,
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// A query whose first row's first column counts.
    #[serde(default)]
    query: Option<Spanned<Sql>>,
    /// The value to wait for.
    #[serde(default, deserialize_with = "given")]
    equals: Option<Spanned<Wanted>>,
    /// The database that the query runs in.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// The role that runs the query.
    #[serde(default)]
    role: Option<Spanned<RoleName>>,
    /// A regular expression for a line of the log.
    #[serde(default)]
    log: Option<Spanned<Regex>>,
}

/// The value that a query should come to: alone, or as `assert_rows` writes it, `[[1]]`.
#[derive(Debug, Clone)]
pub struct Wanted(Late<Scalar>);

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(SEVERAL, OneValue).map(Wanted)
    }
}

impl JsonSchema for Wanted {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Wanted".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["null", "boolean", "number", "string", "array"] })
    }
}

struct OneValue;

impl<'de> Visitor<'de> for OneValue {
    type Value = Late<Scalar>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a single value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        Late::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self::Value, A::Error> {
        let row: Option<Vec<Late<Scalar>>> = rows.next_element()?;
        match (row.as_deref(), rows.next_element::<Vec<Late<Scalar>>>()?) {
            (Some([value]), None) => Ok(value.clone()),
            _ => Err(de::Error::custom("one value is waited for: a single value, or one row with one, `[[1]]`")),
        }
    }
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub enum WaitFor {
    /// Until users have had so many acknowledged transactions.
    Traffic {
        /// The users.
        traffic: StepRef,
        /// How many.
        acked: Spanned<Later<u64>>,
        /// Counted from this mark on.
        since: Option<StepRef>,
    },
    /// Until a query's first value is the wanted one.
    Query {
        /// The server.
        node: NodeRef,
        /// The query.
        query: Spanned<Sql>,
        /// The value.
        equals: Spanned<Later<Scalar>>,
        /// The database that it runs in.
        database: Option<Spanned<String>>,
        /// The role that runs it.
        role: Option<Spanned<RoleName>>,
    },
    /// Until a line of a server's log matches.
    Log {
        /// The server.
        node: NodeRef,
        /// What it has to match.
        log: Spanned<Regex>,
        /// Lines since this mark alone count.
        since: Option<StepRef>,
    },
}

impl StepKind for WaitForSpec {
    type Step = WaitFor;

    const NAME: &'static str = "wait_for";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Wait;
    const RECOVERS: Recovers = Recovers::Prepares;
    const FACTS: &'static str = "acknowledged";
    const USERS: UserPace = UserPace::Full;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<WaitFor> {
        const FORMS: &str = "one of `{ traffic, acked }`, `{ node, query, equals }`, `{ node, log }`";
        let since = if_given(self.since.as_ref(), |since| scope.mark(since));
        for (wrong, entry) in [
            (self.traffic.is_none(), self.acked.as_ref().map(|acked| acked.entry)),
            (self.query.is_none(), self.equals.as_ref().map(|equals| equals.entry)),
            (self.query.is_none(), self.database.as_ref().map(|database| database.entry)),
            (self.query.is_none(), self.role.as_ref().map(|role| role.entry)),
            (self.query.is_some(), self.since.as_ref().map(|since| since.entry)),
        ] {
            if let (true, Some(entry)) = (wrong, entry) {
                scope.error(entry, "this does not go with what is waited for", "leave it out");
            }
        }
        match (self.traffic, self.query, self.log) {
            (Some(traffic), None, None) => {
                let users = scope.step_with(&traffic, &[Output::Traffic]);
                if self.acked.is_none() {
                    scope.error(traffic.entry, "`acked` is missing", "how many transactions?");
                }
                if let Some(span) = self.node.span() {
                    scope.error(span, "`node` does not go with `traffic`", "users know their server");
                }
                let acked = scope.maybe_later(self.acked);
                Some(WaitFor::Traffic { traffic: users?, acked: acked??, since: since? })
            }
            (None, Some(query), None) => {
                let node = scope.node(&self.node);
                check_placeholders(scope, &query, Given::NOTHING);
                if self.equals.is_none() {
                    scope.error(query.entry, "`equals` is missing", "what should it be?");
                }
                let equals = self.equals.map(|Spanned { value, span, entry }| Spanned { value: value.0, span, entry });
                let (equals, database) = (scope.maybe_later(equals), self.database);
                Some(WaitFor::Query { node: node?, query, equals: equals??, database, role: self.role })
            }
            (None, None, Some(log)) => {
                let node = scope.own_node(&self.node);
                Some(WaitFor::Log { node: node?, log, since: since? })
            }
            (None, None, None) => {
                scope.error_help(scope.action, "`wait_for` has nothing to wait for", "for what?", FORMS);
                None
            }
            _ => {
                scope.error_help(scope.action, "`wait_for` waits for one thing", "these are several", FORMS);
                None
            }
        }
    }
}

#[async_trait(?Send)]
impl Step for WaitFor {
    fn title(&self) -> String {
        match self {
            WaitFor::Traffic { traffic, acked, since } => {
                let since = since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
                format!("wait for {} transactions of {traffic}{since}", acked.value)
            }
            WaitFor::Query { node, query, .. } => format!("wait for {} on {node}", shorten(query.as_str())),
            WaitFor::Log { node, log, .. } => format!("wait for /{}/ in the log of {node}", log.value),
        }
    }

    fn effects(&self) -> Effects {
        Effects::reads()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        match self {
            WaitFor::Traffic { traffic, acked, since } => for_traffic(cx, traffic, acked, since.as_ref()).await,
            WaitFor::Query { node, query, equals, database, role } => {
                for_query(cx, node, (query, database.as_ref().map(|database| database.as_str()), role.as_ref()), equals)
                    .await
            }
            WaitFor::Log { node, log, since } => for_log(cx, node, log, since.as_ref()).await,
        }
    }
}

async fn for_traffic(
    cx: &mut Context<'_>,
    traffic: &StepRef,
    acked: &Spanned<Later<u64>>,
    since: Option<&StepRef>,
) -> StepResult {
    let users = cx.world.users(traffic)?;
    for node in &users.nodes {
        cx.awaits(Awaited::Users, node);
    }
    let (wanted, mark) = (acked.value.now(cx, None).await?, since.map(|mark| cx.world.mark(mark)).transpose()?);
    let what = match since {
        Some(since) => format!("{wanted} transactions acknowledged since `{since}`"),
        None => format!("{wanted} acknowledged transactions"),
    };
    let (world, hopeless) = (cx.world, cx.hopeless.clone());
    let there = |name: &NodeId| world.node(name).is_ok_and(|node| node.should_answer());
    let reached = cx.until(&what, async |seen| {
        let now = match &mark {
            Some(mark) => users.pool.acknowledged_since(mark.after.seen),
            None => users.pool.counts().acknowledged,
        };
        *seen = format!("{now} of {wanted}");
        if let Some(rejections) = users.rejections() {
            seen.push_str(&format!("; {rejections}"));
        }
        if let Some(trouble) = users.pool.last_trouble() {
            seen.push_str(&format!(" (last trouble: {trouble})"));
        }
        // While this step runs no other one brings a server back.
        if now < wanted && !users.nodes.iter().any(there) {
            hopeless.store(true, Ordering::SeqCst);
        }
        Ok((now >= wanted).then_some(now))
    });
    let now = reached.await.map_err(|finding| finding.at(acked.entry))?;
    cx.fact("acknowledged", now);
    Ok(())
}

async fn for_query(
    cx: &mut Context<'_>,
    node: &NodeRef,
    (query, database, role): (&Spanned<Sql>, Option<&str>, Option<&Spanned<RoleName>>),
    equals: &Spanned<Later<Scalar>>,
) -> StepResult {
    let (name, node, wanted) = (node, cx.world.node(node)?, equals.value.now(cx, None).await?);
    cx.awaits(Awaited::Replay, node.name());
    let what = format!("{} on {}", shorten(query.as_str()), name);
    let mut own = None;
    let reached = cx.until(&what, async |seen| {
        let session = match (database, role) {
            (None, None) => node.client().await,
            _ => match session_of(&node, database, role, &mut own).await {
                Ok(session) => session,
                // A role may still arrive; one that may not be taken on proves nothing.
                Err(finding) if finding.outcome == Outcome::Failed => {
                    *seen = format!("{} ({})", finding.title, finding.label);
                    return Ok(None);
                }
                Err(finding) => return Err(finding),
            },
        };
        let answer = async {
            let messages = session?.simple_query(query.as_str()).await?;
            Ok::<_, SqlError>(messages.into_iter().find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
                _ => None,
            }))
        };
        match answer.await {
            Ok(Some(value)) if is_same(value.as_deref(), &wanted) => return Ok(Some(())),
            Ok(Some(value)) => *seen = value.unwrap_or_else(|| "NULL".to_owned()),
            Ok(None) => *seen = "no row".to_owned(),
            Err(SqlError::Host(error)) => return Err(error.into()),
            Err(error) if is_final(&node, &error).await => {
                let help = "correct the query: no time makes it right";
                return Err(Finding::failed("the query cannot be run")
                    .at(query.span)
                    .label(error.to_string())
                    .help(help));
            }
            Err(error) => *seen = error.to_string(),
        }
        Ok(None)
    });
    reached.await.map_err(|finding| if finding.at.is_some() { finding } else { finding.at(equals.entry) })
}

/// A session in a database and of a role on a node, opened anew when it was lost.
async fn session_of(
    node: &Node,
    database: Option<&str>,
    role: Option<&Spanned<RoleName>>,
    kept: &mut Option<Arc<Client>>,
) -> Result<Result<Arc<Client>, SqlError>, Box<Finding>> {
    if let Some(client) = kept.as_ref().filter(|client| !client.is_closed()) {
        return Ok(Ok(client.clone()));
    }
    let client = match node.connect_in(database).await {
        Ok(client) => Arc::new(take_on(client, node, role).await?),
        Err(error) => return Ok(Err(error)),
    };
    *kept = Some(client.clone());
    Ok(Ok(client))
}

/// Whether no time makes the query right: syntax errors, missing rights and names that do not exist
/// (class 42). On a standby what a name stands for may still arrive.
async fn is_final(node: &Node, error: &SqlError) -> bool {
    let SqlError::Postgres(error) = error else { return false };
    let Some(code) = error.code().map(|code| code.code()) else { return false };
    const UNDEFINED: [&str; 4] = ["42P01", "42703", "42883", "42704"];
    code.starts_with("42") && !(UNDEFINED.contains(&code) && node.is_in_recovery().await.unwrap_or(true))
}

async fn for_log(cx: &mut Context<'_>, node: &NodeRef, log: &Spanned<Regex>, since: Option<&StepRef>) -> StepResult {
    let (name, node) = (node, cx.world.node(node)?);
    let offset = since.map_or(0, |mark| cx.world.log_offset(mark, name));
    let what = format!("/{}/ in the log of {}", log.value, name);
    let reached = cx.until(&what, async |seen| {
        let text = node.log_from(offset).await?;
        if text.lines().any(|line| log.value.is_match(line)) {
            return Ok(Some(()));
        }
        *seen = text.lines().last().unwrap_or("an empty log").to_owned();
        Ok(None)
    });
    let tail = node.log_tail().await;
    reached.await.map_err(|finding| finding.at(log.span).note("log", tail))
}
