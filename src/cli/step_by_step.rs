//! Going through a drill by hand: `--step` and `--break`.
#![expect(clippy::print_stderr, reason = "this is a conversation")]

use async_trait::async_trait;

use crate::journal::StepHead;
use crate::run::Gate;

/// Asks on the terminal.
pub struct Ask {
    /// Before every step.
    pub every: bool,
    /// Before the step with this id or number.
    pub at: Option<String>,
}

#[async_trait]
impl Gate for Ask {
    async fn pass(&self, drill: &str, step: &StepHead, shells: &[(String, Vec<String>)]) -> bool {
        let is_here = |at: &String| step.id.as_ref() == Some(at) || at.parse() == Ok(step.index);
        if !self.every && !self.at.as_ref().is_some_and(is_here) {
            return true;
        }
        eprintln!("\n{drill}: before step {} at line {}: {} ({})", step.index, step.line, step.name, step.kind);
        for (node, command) in shells {
            eprintln!("  {node}: {}", command.join(" "));
        }
        eprint!("Enter goes on, q ends the drill: ");
        let answer = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|read| (read, line))
        });
        match answer.await {
            Ok(Ok((read, line))) => read > 0 && !line.trim().eq_ignore_ascii_case("q"),
            _ => false,
        }
    }
}
