//! `wipe`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Finding, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::host::Program;
use crate::source::Spanned;
use crate::steps::incident::repo_damage::resolve_below;

/// Removes files from a server's data directory while it runs, as the wrong `rm -rf` does.
///
/// ```yaml
/// - id: accident
///   wipe: { node: master }
/// - wipe: { node: master, path: base }
/// - wipe: { node: master, path: pg_wal/000000010000000000000003 }
/// ```
///
/// `path` is relative to the data directory, a file or a directory; without it everything there is
/// removed, and the empty directory is left. Symbolic links are removed, not what they lead to. The
/// server is not informed: it goes on with the files that it has open until it misses one, and ends
/// when it notices that its postmaster.pid is gone. List the errors that users will meet in
/// `tolerate` (`undefined_file`, say). With an `id` the step is a mark.
///
/// It passes if the files are gone. It fails if there were none.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WipeSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// What is removed, as seen from the data directory.
    #[serde(default)]
    path: Option<Spanned<String>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Wipe {
    /// The server.
    node: NodeRef,
    /// What is removed, as seen from the data directory.
    path: Option<Spanned<String>>,
}

impl StepKind for WipeSpec {
    type Step = Wipe;

    const NAME: &'static str = "wipe";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Incident;
    const FACTS: &'static str = "files";
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Wipe> {
        let node = scope.own_node(&self.node);
        scope.may_promote();
        if let Some(path) = &self.path {
            resolve_below(scope, path, "the data directory");
        }
        Some(Wipe { node: node?, path: self.path })
    }
}

/// Removes files of a data directory, and prints how many.
const WIPE: &str = include_str!("scripts/wipe.sh");

#[async_trait(?Send)]
impl Step for Wipe {
    fn title(&self) -> String {
        match &self.path {
            Some(path) => format!("rm -rf {} on {}", path.value, self.node),
            None => format!("rm -rf the data directory of {}", self.node),
        }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let path = self.path.as_ref().map(|path| path.value.trim_end_matches('/')).unwrap_or_default();
        cx.inject(&node, async |cx| {
            let host = node.host()?;
            cx.world.outputs().wiped.insert(node.name().into());
            let output = host.run(Program::script(WIPE, [host.paths().data.as_str(), path])).await?;
            if !output.success() {
                let finding = Finding::failed("the incident did nothing").label(output.stderr.trim());
                return Err(match &self.path {
                    Some(path) => finding.at(path.entry),
                    None => finding,
                });
            }
            cx.fact("files", output.text().trim().parse::<u64>().unwrap_or_default());
            Ok(())
        })
        .await
    }
}
