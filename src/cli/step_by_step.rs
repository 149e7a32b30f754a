//! Going through a drill by hand: `--step` and `--break`.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::out::{ask, complain};
use super::signals::Interruption;
use crate::journal::{Event, ExitCode, Journal};
use crate::run::{Answer, Gate, Stop};

/// Asks on the terminal.
pub struct Ask {
    /// Before every step.
    pub every: bool,
    /// Before the step with this id or number.
    pub at: Option<String>,
    /// The run's id.
    pub run: String,
    /// Where it is noted that a person has ended the run.
    pub journal: Journal,
    /// Ends the run.
    pub cancel: CancellationToken,
    /// What it ends as then.
    pub interruption: Interruption,
    /// Whether nothing is asked any more.
    pub lets_go: AtomicBool,
    /// One question at a time, also when drills run side by side.
    pub talk: tokio::sync::Mutex<()>,
}

/// What can be said at a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'l> {
    Enter,
    Continue,
    Shell(&'l str),
    Retry,
    Quit,
    Help,
    Unknown,
}

impl<'l> Word<'l> {
    fn of(line: &'l str) -> Self {
        let (word, rest) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
        match (word.to_lowercase().as_str(), rest.trim()) {
            ("", _) => Word::Enter,
            ("c" | "continue", "") => Word::Continue,
            ("s" | "shell", node) => Word::Shell(node),
            ("r" | "retry", "") => Word::Retry,
            ("q" | "quit", "") => Word::Quit,
            ("?" | "h" | "help", "") => Word::Help,
            _ => Word::Unknown,
        }
    }
}

/// At which moment somebody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    Failed,
}

impl When {
    fn explained(self) -> &'static str {
        match self {
            When::Before => {
                "  Enter     runs this step\n  c         runs on without asking, up to the step of --break\n  \
                 s [NODE]  opens psql on a node; \\q comes back here\n  q         ends the run\n  ?         says this"
            }
            When::Failed => {
                "  r         tries the step again\n  s [NODE]  opens psql on a node; \\q comes back here\n  \
                 Enter, c  go on: the drill ends as it came out\n  q         ends the run\n  ?         says this"
            }
        }
    }

    fn prompt(self) -> &'static str {
        match self {
            When::Before => "Enter runs it, c continues, s opens a shell, q quits, ? explains > ",
            When::Failed => "r tries it again, s opens a shell, Enter goes on, q quits, ? explains > ",
        }
    }
}

impl Ask {
    fn stops_at(&self, stop: &Stop<'_>) -> bool {
        let step = stop.step;
        let is_here = |at: &String| step.id.as_ref() == Some(at) || at.parse() == Ok(step.index);
        self.at.as_ref().is_some_and(is_here) || (self.every && !self.lets_go.load(Ordering::SeqCst))
    }

    async fn ask(&self, stop: &Stop<'_>, when: When) -> Answer {
        loop {
            ask(when.prompt());
            let Some(line) = read_line().await else {
                complain("");
                return self.quit("the input ended", stop);
            };
            match (Word::of(&line), when) {
                (Word::Continue, _) => {
                    self.lets_go.store(true, Ordering::SeqCst);
                    return Answer::GoOn;
                }
                (Word::Enter, _) => return Answer::GoOn,
                (Word::Retry, When::Failed) => return Answer::Retry,
                (Word::Retry, When::Before) => complain("there is nothing to try again: this step has not run yet"),
                (Word::Quit, _) => return self.quit("q was pressed", stop),
                (Word::Shell(node), _) => self.shell(node, stop).await,
                (Word::Help, _) => complain(when.explained()),
                (Word::Unknown, _) => {
                    complain(&format!(
                        "`{}` is no answer here, and nothing was run:\n{}",
                        line.trim(),
                        when.explained()
                    ));
                }
            }
        }
    }

    /// Ends the run, as Ctrl-C does.
    fn quit(&self, why: &str, stop: &Stop<'_>) -> Answer {
        let message = format!("{why} at the prompt of step {} ({})", stop.step.index, stop.step.kind);
        self.journal.write(Event::Warned { drill: None, message });
        self.interruption.note(ExitCode::Interrupted);
        self.cancel.cancel();
        Answer::Quit
    }

    /// psql on a node, which has the terminal until it ends.
    async fn shell(&self, node: &str, stop: &Stop<'_>) {
        let known = stop.nodes.join(", ");
        let node = match (node, stop.nodes.as_slice()) {
            (_, []) => return complain("no node is up"),
            ("", [only]) => only,
            ("", _) => return complain(&format!("on which node? s NODE, of: {known}")),
            (named, nodes) => match nodes.iter().find(|node| *node == named) {
                Some(node) => node,
                None => return complain(&format!("there is no node `{named}` up; there are: {known}")),
            },
        };
        let Ok(program) = std::env::current_exe() else { return complain("cannot find this program") };
        self.interruption.lend_terminal(true);
        let child = tokio::process::Command::new(program).arg("shell").arg(format!("{}/{node}", self.run)).spawn();
        match child {
            Ok(mut child) => {
                // Its own words have said what is wrong.
                let _ = child.wait().await;
            }
            Err(error) => complain(&format!("cannot open a shell: {error}")),
        }
        self.interruption.lend_terminal(false);
    }
}

#[async_trait]
impl Gate for Ask {
    async fn before(&self, stop: &Stop<'_>) -> Answer {
        if !self.stops_at(stop) {
            return Answer::GoOn;
        }
        let _one = self.talk.lock().await;
        let step = stop.step;
        let line =
            format!("{}: before step {} at {}: {} ({})", stop.drill, step.index, step.place(), step.name, step.kind);
        complain(&format!("\n{}", self.journal.redact(&line)));
        if !stop.nodes.is_empty() {
            let shells: Vec<String> =
                stop.nodes.iter().map(|node| format!("drillyard shell {}/{node}", self.run)).collect();
            complain(&format!("  from another terminal: {}", self.journal.redact(&shells.join(", "))));
        }
        self.ask(stop, When::Before).await
    }

    async fn after(&self, stop: &Stop<'_>, why: &str) -> Answer {
        if !self.stops_at(stop) {
            return Answer::GoOn;
        }
        let _one = self.talk.lock().await;
        let step = stop.step;
        let line = format!("{}: step {} at {} did not pass: {why}", stop.drill, step.index, step.place());
        complain(&format!("\n{}", self.journal.redact(&line)));
        self.ask(stop, When::Failed).await
    }
}

/// A line of the input; None at its end. Read by a thread of its own, which nobody waits for when
/// the run ends.
async fn read_line() -> Option<String> {
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        // Nobody may wait any more.
        let _ = tell.send(read.ok().filter(|bytes| *bytes > 0).map(|_| line));
    });
    told.await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_from_anything_else() {
        let words = [
            ("\n", Word::Enter),
            ("  \n", Word::Enter),
            ("C\n", Word::Continue),
            ("s\n", Word::Shell("")),
            ("s  master\n", Word::Shell("master")),
            ("retry", Word::Retry),
            ("q\n", Word::Quit),
            ("?\n", Word::Help),
            ("no\n", Word::Unknown),
            ("q now\n", Word::Unknown),
            ("DROP TABLE t;\n", Word::Unknown),
        ];
        for (line, word) in words {
            assert_eq!(Word::of(line), word, "{line:?}");
        }
    }
}
