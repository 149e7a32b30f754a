//! `assert_log`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::source::{Name, Regex, Spanned};

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
    since: Option<Spanned<Name>>,
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
    since: Option<Spanned<Name>>,
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
        if let Some(mark) = &self.since {
            scope.mark(mark);
        }
        Some(AssertLog { node: node?, has: self.has, lacks: self.lacks, since: self.since })
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
        Effects::anything()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(self.node.as_str())?;
        let offset = self.since.as_ref().map_or(0, |mark| cx.world.log_offset(mark.as_str(), self.node.as_str()));
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
