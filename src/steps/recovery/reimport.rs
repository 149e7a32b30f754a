//! `reimport`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Brought, Context, Effects, Finding, NodeField, NodeRef, Output, Recovers, Resolved, Role, Scope, Step, StepKind,
    StepRef, StepResult,
};
use crate::node::Purpose;
use crate::source::StepName;
use crate::steps::data::load::plain_errors;

/// Imports a dump with psql, in one transaction.
///
/// ```yaml
/// - id: imported
///   reimport: { dump: orders, node: master }
/// ```
///
/// It passes if everything is committed. The first error undoes all of it and is reported.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReimportSpec {
    /// The id of a dump step.
    dump: StepName,
    /// The server.
    #[serde(default)]
    node: NodeField,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Reimport {
    /// The dump.
    dump: StepRef,
    /// The server.
    node: NodeRef,
}

impl StepKind for ReimportSpec {
    type Step = Reimport;

    const NAME: &'static str = "reimport";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const RECOVERS: Recovers = Recovers::Always;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Reimport> {
        let (dump, node) = (scope.step_with(&self.dump, &[Output::Dump]), scope.own_node(&self.node));
        Some(Reimport { dump: dump?, node: node? })
    }
}

#[async_trait(?Send)]
impl Step for Reimport {
    fn title(&self) -> String {
        format!("import {} into {}", self.dump, self.node)
    }

    fn effects(&self) -> Effects {
        Effects::writes(&self.node).brings(&self.node, Brought::Dump(self.dump.id.clone()))
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let dump = cx.world.outputs().dumps.get(&self.dump.id).cloned();
        let dump = dump.ok_or_else(|| Finding::missing(format!("dump `{}` was not made", self.dump)))?;
        cx.wait("psql");
        let psql = node.client_program("psql", Purpose::Own)?;
        let psql = psql.with_args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-1"]);
        let output = node.host()?.run(psql.with_args(dump.files.iter().flat_map(|file| ["-f", file]))).await?;
        if output.success() {
            cx.world.outputs().imported.entry(self.node.id.clone()).or_default().push(dump.node);
            return Ok(());
        }
        let (first, said) = plain_errors(&output.stderr);
        let finding = Finding::failed(format!("the import into `{}` was undone", self.node))
            .at(self.dump.span())
            .label(&first)
            .note("said", said);
        Err(match first.contains("already exists") {
            true => finding.help("what the dump brings is there already: import into a server that has lost it"),
            false => finding,
        })
    }
}
