//! What a server or its host has to be for an incident, and what ends and starts it: shared by the
//! steps that do so.

use std::sync::Arc;

use crate::harness::{Context, Finding, StepResult, World};
use crate::node::{Node, ServerState, Started};
use crate::pg::ShutdownMode;
use crate::source::Span;
use crate::steps::recovery::tablespaces::ready_to_replay;

impl Node {
    /// A failure that says something of this node, at its name where that was written.
    pub(crate) fn finding(&self, at: Option<Span>, what: &str, label: &str) -> Box<Finding> {
        let finding = Finding::failed(format!("`{}` {what}", self.name())).label(label);
        match at {
            Some(span) => finding.at(span),
            None => finding,
        }
    }

    /// A host that is not frozen.
    pub(crate) fn must_not_be_paused(&self, at: Option<Span>) -> StepResult {
        match self.server_state() {
            ServerState::Frozen => {
                Err(self.finding(at, "is paused", "nothing can be done there").help("`unpause` it first"))
            }
            _ => Ok(()),
        }
    }

    /// A host on which things run.
    pub(crate) fn must_be_on(&self, at: Option<Span>) -> StepResult {
        self.must_not_be_paused(at)?;
        match (self.host()?.is_on(), self.server_state()) {
            (true, _) => Ok(()),
            (false, ServerState::Down(why)) => Err(self.finding(at, "has no host any more", &format!("{why} before"))),
            (false, _) => Err(self.finding(at, "has no host any more", "an earlier step has taken it")),
        }
    }

    /// A server that runs.
    pub(crate) async fn must_run(&self, at: Option<Span>) -> StepResult {
        self.must_be_on(at)?;
        if self.postmaster_runs().await? {
            return Ok(());
        }
        let label = match self.server_state() {
            ServerState::Down(why) => format!("{why} by an earlier step"),
            _ => "it has ended by itself".to_owned(),
        };
        Err(self.finding(at, "is not running", &label).note("log", self.log_tail().await))
    }
}

impl World {
    /// Takes a node's host and disk away; what its server had logged is kept as the drill's
    /// evidence.
    pub(crate) async fn lose(&self, node: &Arc<Node>) -> StepResult {
        let log = node.log_from(0).await?;
        self.outputs().lost_logs.entry(node.name().into()).or_default().push_str(&log);
        node.host()?.lose().await?;
        node.went_down("its host was lost").await;
        Ok(())
    }
}

impl Context<'_> {
    /// Stops a server; one that does not end has failed, and not the lab.
    pub(crate) async fn halt(&mut self, node: &Node, mode: ShutdownMode) -> StepResult {
        self.wait(format!("`{}` to end", node.name()));
        // It may wait for the end of whatever is at work.
        self.struck.slow |= mode == ShutdownMode::Smart;
        let Err(error) = node.stop(mode, self.deadline).await else { return Ok(()) };
        if !node.postmaster_runs().await? {
            return Err(error.into());
        }
        let finding = Finding::failed(error.message).note("log", node.log_tail().await);
        Err(match mode {
            ShutdownMode::Smart => {
                finding.help("`smart` waits until every session has ended by itself: `fast` ends them")
            }
            _ => finding,
        })
    }

    /// Starts a server with what it has.
    pub(crate) async fn launch(&mut self, node: &Node) -> StepResult {
        ready_to_replay(self, node).await?;
        self.wait(format!("`{}` to answer", node.name()));
        match node.start(None, self.deadline).await {
            Ok(Started::Answers) => Ok(()),
            Ok(Started::ShutDown) => {
                Err(Finding::failed(format!("the server on `{}` has shut itself down again", node.name()))
                    .note("log", node.log_tail().await))
            }
            Err(error) => {
                let output = node.host()?.run(crate::host::Program::new(
                    "test",
                    ["-s", &format!("{}/PG_VERSION", node.host()?.paths().data)],
                ));
                let finding: Box<Finding> = error.into();
                match output.await?.success() {
                    true => Err(finding),
                    false => Err(finding.help("there is no data directory to start: `rebuild` makes a new one")),
                }
            }
        }
    }
}
