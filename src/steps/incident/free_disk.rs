//! `free_disk`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Finding, MarkKind, NodeField, NodeId, Recovers, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::host::Program;
use crate::source::{RepoName, Spanned};
use crate::steps::incident::disk::{Disk, What};

/// Gives back the space that `fill_disk` has taken.
///
/// ```yaml
/// - free_disk: { node: master }
/// - free_disk: { node: master, what: wal }
/// - free_disk: { repo: onsite }
/// ```
///
/// What comes back is what `fill_disk` took: the `size` of the disk without what lay on it then,
/// and without `leave`. What the server has written since stays. With little `size` and much
/// `leave` that can be less than a segment, and a server that needs one runs into the full disk
/// again: the step reports how much it was (`freed_bytes`), and how much room there is now
/// (`left_bytes`).
///
/// A server that has ended with PANIC does not come back by itself: `start` it. To recover from its
/// crash it needs room for a segment or two.
///
/// It passes if there is space again. It fails if the disk was not filled.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreeDiskSpec {
    /// The server whose data directory lies on it.
    #[serde(default)]
    node: NodeField,
    /// The repo that lies on it.
    #[serde(default)]
    repo: Option<RepoName>,
    /// What of the server lies on it: `data` or `wal`.
    #[serde(default)]
    what: Option<Spanned<What>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct FreeDisk {
    /// Which disk.
    disk: Disk,
    /// Whose mark the step is.
    whose: Vec<NodeId>,
}

impl StepKind for FreeDiskSpec {
    type Step = FreeDisk;

    const NAME: &'static str = "free_disk";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Act;
    const FACTS: &'static str = "freed_bytes left_bytes";
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Always;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<FreeDisk> {
        let disk = Disk::resolve(&self.node, self.repo.as_ref(), self.what.as_ref(), scope)?;
        Some(FreeDisk { whose: disk.whose(scope), disk })
    }
}

#[async_trait(?Send)]
impl Step for FreeDisk {
    fn title(&self) -> String {
        format!("free {}", self.disk)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let primary = cx.primary_of(&self.whose).await;
        match self.disk.node().map(|node| &node.id).or(primary.as_ref()) {
            Some(node) => cx.noted(node, async |cx| self.free(cx).await).await,
            None => self.free(cx).await,
        }
    }
}

impl FreeDisk {
    async fn free(&self, cx: &mut Context<'_>) -> StepResult {
        let (host, path) = self.disk.place(cx).await?;
        let output = host.run(Program::script(include_str!("scripts/free_disk.sh"), [path])).await?;
        match output.success() {
            true => {
                cx.world.outputs().filled.remove(&self.disk.of());
                let text = output.text();
                for (fact, number) in ["freed_bytes", "left_bytes"].into_iter().zip(text.split_ascii_whitespace()) {
                    let bytes = number.parse::<u64>().map_err(|_| Finding::errored(format!("df printed `{text}`")))?;
                    cx.fact(fact, bytes);
                }
                Ok(())
            }
            false => Err(Finding::failed("there is nothing to free")
                .label(format!("no step has filled {} since it was freed", self.disk))
                .help("`fill_disk` comes before")),
        }
    }
}
