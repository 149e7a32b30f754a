//! Servers that do not answer a step.

use super::{Finding, StepResult};
use crate::node::{Node, ServerState, SqlError};

/// Fails if an earlier step has stopped or frozen a node.
pub(super) async fn must_answer(node: &Node) -> StepResult {
    // A session with a server that is frozen is opened, and then nobody answers.
    let state = if node.is_external() { ServerState::Up } else { node.server_state() };
    match state {
        ServerState::Up => Ok(()),
        ServerState::Frozen => {
            Err(Finding::failed(format!("node `{}` does not answer: an earlier step paused it", node.name())))
        }
        ServerState::Down(why) => {
            // What people do in a firedrill is no step.
            let by = if why.starts_with("people") { "" } else { ", by an earlier step of the drill" };
            let text = format!("node `{}` is not running: {why}{by}", node.name());
            Err(Finding::failed(text).note("log", node.log_tail().await))
        }
    }
}

/// What is said of a node that takes no session.
pub(super) async fn unanswered(node: &Node, error: SqlError) -> Box<Finding> {
    match error {
        SqlError::Host(error) => error.into(),
        // No step has stopped it, and nothing is said of what the drill tests.
        error @ SqlError::Unreached(_) if error.is_passing() || !error.is_refusal() => {
            Box::<Finding>::from(error).titled(format!("node `{}` does not answer", node.name()))
        }
        error => {
            let login = error.is_about_login();
            let title = format!("node `{}` does not answer: {error}", node.name());
            let finding = Finding::failed(title).lasting(error.is_lasting());
            match (node.is_external(), login) {
                (true, _) => finding,
                (false, true) => finding.help(
                    "a step has changed the role that drillyard logs in as, with a password of its own: leave it alone, and use another role",
                ),
                (false, false) => finding.note("log", node.log_tail().await),
            }
        }
    }
}
