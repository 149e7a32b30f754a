//! What is behind a failure: a lab in trouble, a full disk, a server that is no more, something
//! that holds the step up. What is found to be the first cause is told first.

use std::sync::Arc;

use super::blame::{errored, first};
use super::condition::{AFTERMATH, Condition, condition};
use super::disk;
use super::scene::{PATIENCE, Scene};
use crate::harness::Finding;
use crate::host::{HostError, Seen};
use crate::journal::{Cause, Outcome};
use crate::node::{Node, SqlError};

impl Scene<'_> {
    /// Puts what is behind a step's failure first.
    pub async fn diagnose(&self, finding: Box<Finding>) -> Box<Finding> {
        if matches!(finding.cause, Cause::Interrupted | Cause::Panic | Cause::Missing) {
            return finding;
        }
        let conditions = self.conditions().await;
        let bad = conditions.iter().any(|(_, condition)| !matches!(condition, Condition::Well));
        let finding = disk::blame(self, finding, bad).await;
        if finding.cause == Cause::DiskFull {
            return finding;
        }
        let mut finding = self.blame_the_lab(finding, conditions).await;
        if finding.cause == Cause::Lab {
            return finding;
        }
        if finding.is_late() {
            if let Some(name) = self.frozen_in_the_making().await {
                return errored(first(
                    finding,
                    format!("`{name}` was paused, and no step of the drill has done so"),
                    None,
                ));
            }
            finding = self.blame_holdups(finding).await;
            if let Some((name, why)) = self.silent_outside().await {
                let help = format!(
                    "does the server of `{name}` run, and can it be reached from here? Run the drill again then"
                );
                return errored(first(finding, format!("`{name}` does not answer"), Some(help)).note("tried", why));
            }
        }
        self.tell_crashes(finding).await
    }

    /// The server that the step makes, where somebody has frozen its host before it was there: no
    /// step can pause what is not there.
    async fn frozen_in_the_making(&self) -> Option<&str> {
        let name = self.step.makes.first()?.as_str();
        if self.world.outputs().nodes.contains_key(name) {
            return None;
        }
        let look = async { self.world.lab.host(name).await?.look().await };
        matches!(tokio::time::timeout(PATIENCE, look).await, Ok(Ok(Seen::Frozen))).then_some(name)
    }

    /// Somebody else's server that the step has to do with, and that answers nobody: what waits for
    /// it says nothing about the recovery. Returns its name, and how it was asked.
    async fn silent_outside(&self) -> Option<(String, String)> {
        for node in self.nodes(|node| node.is_external() && self.refers_to(node.name())) {
            let asked = async { node.connect_in(None).await?.simple_query("SELECT").await.map_err(SqlError::from) };
            let why = match tokio::time::timeout(PATIENCE, asked).await {
                Ok(Ok(_)) => continue,
                // It says no: that is an answer.
                Ok(Err(error)) if error.is_refusal() && !error.is_passing() => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("a session of its own had no answer within {} s", PATIENCE.as_secs()),
            };
            return Some((node.name().to_owned(), why));
        }
        None
    }

    /// A look at each server of the drill's own that should be running.
    async fn conditions(&self) -> Vec<(Arc<Node>, Condition)> {
        let nodes = self.nodes(|node| node.is_up() && !node.is_external());
        let looks = nodes.into_iter().map(|node| async {
            let spoiled = self.may_be_spoiled(node.name());
            let look = tokio::time::timeout(PATIENCE, condition(&node, spoiled)).await;
            let silent =
                |_| Condition::Unknown(HostError::new(format!("the host of `{}` does not answer", node.name())));
            let condition = look.unwrap_or_else(silent);
            (node, condition)
        });
        futures_util::future::join_all(looks).await
    }

    /// A lab that does not work, and a server that somebody from outside has stopped, say nothing
    /// about the recovery.
    async fn blame_the_lab(&self, finding: Box<Finding>, conditions: Vec<(Arc<Node>, Condition)>) -> Box<Finding> {
        let mut finding = finding;
        for (node, condition) in conditions {
            let name = node.name();
            match condition {
                Condition::Well => {}
                Condition::Unknown(error) => {
                    return errored(first(finding, error.message, error.help));
                }
                Condition::Struck(what, how) if self.may_be_a_command(name) => {
                    finding = finding.note(
                        "server",
                        format!(
                            "`{name}` {what} ({how}); a command of the drill had run there, which may have done it"
                        ),
                    );
                }
                // In a firedrill it is their doing, and what the verdict is about.
                Condition::Struck(what, how) if self.world.attended => {
                    let log = node.log_tail().await;
                    let title = format!("`{name}` {what}: that was people's doing");
                    finding = first(finding, title, None).note("server", how).log(log);
                    finding.outcome = Outcome::Failed;
                }
                Condition::Struck(what, how) => {
                    let log = node.log_tail().await;
                    let finding =
                        first(finding, format!("`{name}` {what}, and no step of the drill has done so"), None);
                    return errored(finding.note("server", how).log(log));
                }
                Condition::Ended(why) => {
                    let log = node.log_tail().await;
                    finding = first(finding, format!("the server on `{name}` has ended by itself: {why}"), None);
                    finding = finding.log(log);
                }
            }
        }
        finding
    }

    /// Whether a command of the scenario's ran on that host so lately that what has happened there
    /// may be its doing.
    fn may_be_a_command(&self, node: &str) -> bool {
        let state = self.world.outputs();
        state.felled.contains(node) || state.commands.get(node).is_some_and(|at| at.elapsed() < AFTERMATH)
    }

    /// Whether a step may have removed files of that server's.
    fn may_be_spoiled(&self, node: &str) -> bool {
        let state = self.world.outputs();
        state.wiped.contains(node) || state.felled.contains(node) || state.commands.contains_key(node)
    }

    /// Servers that have restarted themselves since one of their processes crashed.
    async fn tell_crashes(&self, finding: Box<Finding>) -> Box<Finding> {
        let nodes = self.nodes(|node| node.is_up() && !node.is_external() && self.refers_to(node.name()));
        let mut finding = finding;
        for node in nodes {
            if let Some(line) = node.crashed_process(node.log_start()).await {
                finding =
                    finding.note("server", format!("`{}` has restarted itself after a crash: {line}", node.name()));
            }
        }
        finding
    }
}
