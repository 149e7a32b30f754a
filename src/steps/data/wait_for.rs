//! `wait_for`

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::harness::{
    Awaited, Context, Effects, Finding, NodeField, NodeId, Output, Resolved, Role, Scope, Step, StepKind, StepResult,
    UserPace,
};
use crate::node::{Node, SqlError};
use crate::source::{Name, Regex, Scalar, Spanned, Sql};
use crate::steps::data::sql::shorten;
use crate::steps::judgement::assert_rows::is_same;

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
/// - the first value that `query` returns is `equals`, written as `5` or `[[5]]`. While it waits,
///   errors of the query do not end the step, except those that time does not cure: a syntax error,
///   a missing name, a missing privilege. On a standby a name may still arrive;
/// - a line of the server's log matches the regular expression `log`.
///
/// It passes as soon as the condition holds. It fails if `within` runs out, and reports what it saw
/// last and what holds it up: who holds which lock, a paused replay, commits that wait for a
/// synchronous standby, a server that does not answer. It fails at once if waiting is pointless.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitFor {
    /// The id of a traffic step.
    #[serde(default)]
    traffic: Option<Spanned<Name>>,
    /// Acknowledged transactions.
    #[serde(default)]
    acked: Option<Spanned<u64>>,
    /// Count from this mark on.
    #[serde(default)]
    since: Option<Spanned<Name>>,
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// A query whose first row's first column counts.
    #[serde(default)]
    query: Option<Spanned<Sql>>,
    /// The value to wait for.
    #[serde(default)]
    equals: Option<Spanned<Wanted>>,
    /// A regular expression for a line of the log.
    #[serde(default)]
    log: Option<Spanned<Regex>>,
}

/// The value that a query should come to: alone, or as `assert_rows` writes it, `[[1]]`.
#[derive(Debug, Clone)]
struct Wanted(Scalar);

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneValue).map(Wanted)
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
    type Value = Scalar;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a single value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar::Float(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Float(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Scalar, A::Error> {
        let row: Option<Vec<Scalar>> = rows.next_element()?;
        match (row.as_deref(), rows.next_element::<Vec<Scalar>>()?) {
            (Some([value]), None) => Ok(value.clone()),
            _ => Err(de::Error::custom("one value is waited for: a single value, or one row with one, `[[1]]`")),
        }
    }
}

impl StepKind for WaitFor {
    type Step = Self;

    const NAME: &'static str = "wait_for";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Act;
    const USERS: UserPace = UserPace::Full;

    fn resolve(mut self, scope: &mut Scope<'_>) -> Resolved<Self> {
        self.look_up(scope);
        Some(self)
    }
}

impl WaitFor {
    fn look_up(&mut self, scope: &mut Scope<'_>) {
        match (&self.traffic, &self.query, &self.log) {
            (Some(traffic), None, None) => {
                scope.step_with(traffic, &[Output::Traffic]);
                if self.acked.is_none() {
                    scope.error(traffic.entry, "`acked` is missing", "how many transactions?");
                }
                if let Some(span) = self.node.span() {
                    scope.error(span, "`node` does not go with `traffic`", "users know their server");
                }
            }
            (None, Some(query), None) => {
                self.node.look_up(scope);
                if self.equals.is_none() {
                    scope.error(query.entry, "`equals` is missing", "what should it be?");
                }
            }
            (None, None, Some(_)) => {
                self.node.look_up_own(scope);
            }
            (None, None, None) => scope.error_help(
                scope.action,
                "`wait_for` has nothing to wait for",
                "for what?",
                "one of `{ traffic, acked }`, `{ node, query, equals }`, `{ node, log }`",
            ),
            _ => {
                let help = "one of `{ traffic, acked }`, `{ node, query, equals }`, `{ node, log }`";
                scope.error_help(scope.action, "`wait_for` waits for one thing", "these are several", help);
            }
        }
        if let Some(since) = &self.since {
            scope.mark(since);
        }
        for (wrong, entry) in [
            (self.traffic.is_none() && self.acked.is_some(), self.acked.as_ref().map(|a| a.entry)),
            (self.query.is_none() && self.equals.is_some(), self.equals.as_ref().map(|e| e.entry)),
            (self.query.is_some() && self.since.is_some(), self.since.as_ref().map(|s| s.entry)),
        ] {
            if let (true, Some(entry)) = (wrong, entry) {
                scope.error(entry, "this does not go with what is waited for", "leave it out");
            }
        }
    }
}

#[async_trait(?Send)]
impl Step for WaitFor {
    fn title(&self) -> String {
        match (&self.traffic, &self.query, &self.log) {
            (Some(traffic), ..) => {
                let acked = self.acked.as_ref().map_or(0, |a| a.value);
                let since = self.since.as_ref().map(|s| format!(" since {}", s.value)).unwrap_or_default();
                format!("wait for {acked} transactions of {}{since}", traffic.value)
            }
            (_, Some(query), _) => format!("wait for {} on {}", shorten(query.as_str()), self.node),
            (_, _, Some(log)) => format!("wait for /{}/ in the log of {}", log.value, self.node),
            _ => "wait".to_owned(),
        }
    }

    fn effects(&self) -> Effects {
        Effects::reads()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        match (&self.traffic, &self.query, &self.log) {
            (Some(traffic), ..) => self.for_traffic(cx, traffic).await,
            (_, Some(query), _) => self.for_query(cx, query).await,
            (_, _, Some(log)) => self.for_log(cx, log).await,
            _ => Err(Finding::errored("nothing to wait for")),
        }
    }
}

impl WaitFor {
    async fn for_traffic(&self, cx: &mut Context<'_>, traffic: &Spanned<Name>) -> StepResult {
        let users = cx.world.users(traffic.as_str())?;
        for node in &users.nodes {
            cx.awaits(Awaited::Users, node);
        }
        let since = self.since.as_ref().map(|mark| cx.world.mark(mark.as_str())).transpose()?;
        let wanted = self.acked.as_ref().map_or(0, |acked| acked.value);
        let what = match &self.since {
            Some(mark) => format!("{wanted} transactions acknowledged since `{}`", mark.value),
            None => format!("{wanted} acknowledged transactions"),
        };
        let span = self.acked.as_ref().map_or(traffic.span, |acked| acked.entry);
        let (world, hopeless) = (cx.world, cx.hopeless.clone());
        let there = |name: &NodeId| world.node(name).is_ok_and(|node| node.should_answer());
        let reached = cx.until(&what, async |seen| {
            let now = match &since {
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
        let now = reached.await.map_err(|finding| finding.at(span))?;
        cx.fact("acknowledged", now);
        Ok(())
    }

    async fn for_query(&self, cx: &mut Context<'_>, query: &Spanned<Sql>) -> StepResult {
        let node = cx.world.node(self.node.as_str())?;
        let wanted = self.equals.as_ref().map_or(&Scalar::Null, |equals| &equals.value.0);
        let span = self.equals.as_ref().map_or(query.span, |equals| equals.entry);
        cx.awaits(Awaited::Replay, node.name());
        let what = format!("{} on {}", shorten(query.as_str()), self.node);
        let reached = cx.until(&what, async |seen| {
            let answer = async {
                let messages = node.client().await?.simple_query(query.as_str()).await?;
                Ok::<_, SqlError>(messages.into_iter().find_map(|message| match message {
                    tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
                    _ => None,
                }))
            };
            match answer.await {
                Ok(Some(value)) if is_same(value.as_deref(), wanted) => return Ok(Some(())),
                Ok(Some(value)) => *seen = value.unwrap_or_else(|| "NULL".to_owned()),
                Ok(None) => *seen = "no row".to_owned(),
                Err(SqlError::Host(error)) => return Err(error.into()),
                Err(error) if self.is_final(&node, &error).await => {
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
        reached.await.map_err(|finding| if finding.at.is_some() { finding } else { finding.at(span) })
    }

    /// Whether no time makes the query right: syntax errors, missing rights and names that do not exist (class 42). On a standby what
    /// a name stands for may still arrive.
    async fn is_final(&self, node: &Node, error: &SqlError) -> bool {
        let SqlError::Postgres(error) = error else { return false };
        let Some(code) = error.code().map(|code| code.code()) else { return false };
        const UNDEFINED: [&str; 4] = ["42P01", "42703", "42883", "42704"];
        code.starts_with("42") && !(UNDEFINED.contains(&code) && node.is_in_recovery().await.unwrap_or(true))
    }

    async fn for_log(&self, cx: &mut Context<'_>, log: &Spanned<Regex>) -> StepResult {
        let node = cx.world.node(self.node.as_str())?;
        let offset = match &self.since {
            Some(mark) => cx.world.log_offset(mark.as_str(), self.node.as_str()),
            None => 0,
        };
        let what = format!("/{}/ in the log of {}", log.value, self.node);
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
}
