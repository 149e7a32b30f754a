//! `exec`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Awaited, Context, Finding, MarkKind, NodeField, NodeRef, Recovers, Resolved, Role, Scope, Step, StepKind,
    StepResult,
};
use crate::host::Program;
use crate::node::Node;
use crate::source::{Ordered, Scalar, Shell, Spanned};
use crate::steps::recovery::tablespaces::{mentions_tablespace, standbys_apart};

/// Runs any command on a node's host, as the user that owns the server.
///
/// ```yaml
/// - exec: { node: master, run: [sh, -c, 'test -s "$PGDATA/PG_VERSION"'] }
/// - exec:
///     node: master
///     run: [psql, -XAtc, "SELECT count(*) FROM shop.orders WHERE status = 'paid'"]
///     env: { PGOPTIONS: -c statement_timeout=5s }
/// ```
///
/// `run` is the program and its arguments; no shell interprets them unless it is the program.
/// PostgreSQL's programs come first in PATH. PGHOST, PGPORT, PGUSER, PGDATABASE and PGPASSWORD are
/// set so that `psql` and the like reach the node's server, and PGDATA is its data directory.
/// `${...}` is not substituted in `run`: pass values in `env`.
///
/// The report keeps its standard output and standard error, at most the last 2,000 characters of
/// each.
///
/// With an `id` the step is a mark, if the server answers before or after it.
///
/// It passes if the command exits with 0. Otherwise, and if there is no such command, it fails with
/// what the command wrote.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The program and its arguments.
    run: Spanned<Vec<Shell>>,
    /// Added to its environment.
    #[serde(default)]
    env: Option<Ordered<String, Scalar>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Exec {
    /// The server.
    node: NodeRef,
    /// The program and its arguments.
    run: Spanned<Vec<Shell>>,
    /// Added to its environment.
    env: Option<Ordered<String, Scalar>>,
}

impl StepKind for ExecSpec {
    type Step = Exec;

    const NAME: &'static str = "exec";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::BehindIncident;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Exec> {
        let node = scope.own_node(&self.node);
        if self.run.value.first().is_none_or(|program| program.0.trim().is_empty()) {
            let help = "a list: the program and its arguments, such as `[psql, -c, VACUUM]`";
            scope.error_help(self.run.span, "`run` is empty", "run what?", help);
        }
        Some(Exec { node: node?, run: self.run, env: self.env })
    }
}

#[async_trait(?Send)]
impl Step for Exec {
    fn title(&self) -> String {
        let words: Vec<&str> = self.run.value.iter().map(|word| word.0.as_str()).collect();
        format!("run {} on {}", words.first().unwrap_or(&""), self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let host = node.host()?;
        node.must_be_on(self.node.span())?;
        // By a shell, which tells a program that is not there from a host that does not work.
        let mut program = Program::script(r#"exec "$@""#, self.run.value.iter().map(|word| word.0.clone()));
        program.env = node.session_env()?;
        program.env.push(("PGDATA".to_owned(), host.paths().data.clone()));
        for (name, value) in self.env.iter().flatten() {
            program = program.env(&name.value, value.text());
        }
        let name = self.run.value.first().map_or("", |word| word.0.as_str());
        cx.wait(format!("`{name}`"));
        match cx.id {
            // Whatever it does: its place in the WAL is known.
            Some(_) => cx.inject(&node, async |cx| self.outcome(cx, &node, program).await).await,
            None => self.outcome(cx, &node, program).await,
        }
    }
}

impl Exec {
    /// Runs the program, and reports what came of it.
    async fn outcome(&self, cx: &mut Context<'_>, node: &Node, program: Program) -> StepResult {
        let name = self.run.value.first().map_or("", |word| word.0.as_str());
        cx.awaits(Awaited::Command, node.name());
        cx.commanded(node.name());
        let output = node.host()?.run(program).await;
        cx.commanded(node.name());
        let output = output?;
        cx.fact("status", output.status);
        let said = output.text();
        if !said.trim().is_empty() {
            cx.fact("output", shortened(said.trim()));
        }
        let complaints = output.stderr.trim();
        if !complaints.is_empty() {
            cx.fact("stderr", shortened(complaints));
        }
        if output.success() {
            if self.run.value.iter().any(|word| mentions_tablespace(&word.0)) {
                standbys_apart(cx, node).await?;
            }
            return Ok(());
        }
        Err(Finding::failed(format!("`{name}` failed (exit status {})", output.status))
            .at(self.run.entry)
            .label(format!("ended with {}", output.status))
            .note("said", shortened(complaints))
            .note("output", shortened(said.trim())))
    }
}

/// As much of an output as a report has room for: its end, where programs say what went wrong.
fn shortened(text: &str) -> String {
    const MOST: usize = 2000;
    let from = text.len().saturating_sub(MOST);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    if from == 0 { text.to_owned() } else { format!("... {}", &text[from..]) }
}
