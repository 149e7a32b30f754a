//! `assert_log`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepRef, StepResult, if_given,
};
use crate::source::{Regex, Spanned, StepName};

/// Checks a server's log.
///
/// ```yaml
/// - assert_log: { node: rescue, has: "recovery stopping before commit", lacks: "PANIC" }
/// - assert_log: { node: master, lacks: "FATAL", since: accident }
/// ```
///
/// `has` and `lacks` are regular expressions for a line. `since` looks only at what was written
/// since that mark, if the mark was made on this node; otherwise the whole log counts.
///
/// It passes if a line matches `has`, and none matches `lacks`. An empty log fails it, also with
/// `lacks` only: nothing was checked.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertLogSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// A line must match this.
    #[serde(default)]
    has: Option<Spanned<Regex>>,
    /// No line may match this.
    #[serde(default)]
    lacks: Option<Spanned<Regex>>,
    /// Since this mark.
    #[serde(default)]
    since: Option<StepName>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct AssertLog {
    /// The server.
    node: NodeRef,
    /// A line must match this.
    has: Option<Spanned<Regex>>,
    /// No line may match this.
    lacks: Option<Spanned<Regex>>,
    /// Since this mark.
    since: Option<StepRef>,
}

impl StepKind for AssertLogSpec {
    type Step = AssertLog;

    const NAME: &'static str = "assert_log";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Check;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertLog> {
        let node = scope.own_node(&self.node);
        if self.has.is_none() && self.lacks.is_none() {
            scope.error_help(scope.action, "`has` or `lacks` is missing", "what about the log?", "write `has: REGEX`");
        }
        if let Some(pattern) = self.has.as_ref().filter(|pattern| pattern.value.is_match("")) {
            scope.error(pattern.span, "`has` proves nothing", "every line matches this");
        }
        let since = if_given(self.since.as_ref(), |mark| scope.mark(mark));
        Some(AssertLog { node: node?, has: self.has, lacks: self.lacks, since: since? })
    }
}

#[async_trait(?Send)]
impl Step for AssertLog {
    fn title(&self) -> String {
        let has = self.has.as_ref().map(|p| format!(" has /{}/", p.value)).unwrap_or_default();
        let lacks = self.lacks.as_ref().map(|p| format!(" lacks /{}/", p.value)).unwrap_or_default();
        format!("log of {}{has}{lacks}", self.node)
    }

    fn effects(&self) -> Effects {
        Effects::reads()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let offset = self.since.as_ref().map_or(0, |mark| cx.world.log_offset(mark, &self.node));
        if node.log_size().await? == 0 {
            return Err(
                Finding::failed("an empty log proves nothing").label(format!("`{}` has logged nothing", self.node))
            );
        }
        let log = node.log_from(offset).await?;
        if let Some(pattern) = &self.has
            && !log.lines().any(|line| pattern.value.is_match(line))
        {
            return Err(Finding::failed(format!("the log of `{}` lacks a line", self.node))
                .at(pattern.entry)
                .label(format!("no line of {} matches", log.lines().count()))
                .note("log", node.log_tail().await));
        }
        if let Some(pattern) = &self.lacks
            && let Some((number, line)) = log.lines().enumerate().find(|(_, line)| pattern.value.is_match(line))
        {
            return Err(Finding::failed(format!("the log of `{}` has a line that it should not have", self.node))
                .at(pattern.entry)
                .label(format!("line {} matches", number + 1))
                .note("log", line));
        }
        Ok(())
    }
}
