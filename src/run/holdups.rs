//! What holds a step up: a lock, a replay that is paused, a server that does not answer.

use super::blame::first;
use super::condition::is_struck;
use super::scene::Scene;
use crate::harness::{Awaited, Finding, Link};
use crate::journal::Cause;
use crate::node::{Holdup, HoldupKind, Node, ServerState};

impl Scene<'_> {
    /// Asks each server what holds the step up.
    pub async fn blame_holdups(&self, finding: Box<Finding>) -> Box<Finding> {
        let mut found = self.left_by_the_drill();
        let nodes = self.nodes(Node::should_answer);
        let asked = nodes.iter().map(|node| async move { (node.clone(), node.holdups().await) });
        for (node, holdups) in futures_util::future::join_all(asked).await {
            match holdups {
                Ok(holdups) => found.extend(holdups.into_iter().filter(|one| self.concerns(one, node.name()))),
                // What an external server does not let everybody see is no silence.
                Err(error) if !(node.is_external() && error.is_refusal()) => {
                    found.insert(0, silent(&node, &error.to_string()));
                }
                Err(_) => {}
            }
        }
        let Some(at) = found.iter().position(|one| self.is_first_cause(one)) else {
            let finding = found.into_iter().fold(finding, |finding, one| finding.note("beside", lines(&one)));
            let longer = match finding.cause {
                Cause::StepDeadline => "give it longer with `within`, if it is right to take so long",
                Cause::DrillDeadline => "give the drill longer with `timeout`, if it is right to take so long",
                _ => return finding,
            };
            return finding.help(longer);
        };
        let holdup = found.remove(at);
        let finding = self.held_up(finding, &holdup);
        found.into_iter().fold(finding, |finding, one| finding.note("beside", lines(&one)))
    }

    /// A finding with what holds the step up in front.
    pub fn held_up(&self, finding: Box<Finding>, holdup: &Holdup) -> Box<Finding> {
        let kind = self.step.kind.name;
        let finding = match holdup.kind {
            HoldupKind::Lock | HoldupKind::OthersLock => {
                let step = if kind.contains('_') { format!("the `{kind}` step") } else { format!("the {kind}") };
                let finding = first(finding, format!("{step} is blocked by a lock"), None);
                let before = finding.label.clone();
                finding.label(&holdup.what).note("then", before)
            }
            _ => first(finding, holdup.what.clone(), None),
        };
        let finding = finding.note("held up", holdup.more.join("\n"));
        match &holdup.help {
            Some(help) => finding.help(help),
            None => finding,
        }
    }

    /// What steps of the drill have done to servers that this step has to do with.
    fn left_by_the_drill(&self) -> Vec<Holdup> {
        let away = self.nodes(|node| self.refers_to(node.name()) && !node.should_answer());
        let mut found: Vec<Holdup> = vec![];
        for node in away {
            let name = node.name();
            let (what, help) = match node.server_state() {
                ServerState::Frozen => (
                    "is paused, by an earlier step".to_owned(),
                    Some(format!("`unpause: {{ node: {name} }}` lets it go on")),
                ),
                ServerState::Down(why) => (format!("is not running: {why}"), None),
                ServerState::Up => continue,
            };
            found.push(Holdup {
                kind: HoldupKind::Receiver,
                what: format!("`{name}` {what}"),
                more: vec![],
                help,
                endless: true,
            });
        }
        let cut: Vec<_> = self.world.outputs().cut.iter().cloned().collect();
        let ends = cut.iter().map(Link::ends).filter(|(a, b)| self.refers_to(a) && self.refers_to(b));
        for (a, b) in ends {
            let what = format!("the network between `{a}` and `{b}` is cut, by an earlier step");
            let help = Some(format!("`heal: {{ between: [{a}, {b}] }}` mends it"));
            found.push(Holdup { kind: HoldupKind::Receiver, what, more: vec![], help, endless: true });
        }
        found
    }

    /// Whether something that holds a server up has to do with the step.
    fn concerns(&self, holdup: &Holdup, node: &str) -> bool {
        match &holdup.kind {
            HoldupKind::Lock | HoldupKind::SyncRep(_) => true,
            HoldupKind::UsersLock => self.awaits(Awaited::Users, node),
            HoldupKind::OthersLock => self.commands() && self.refers_to(node),
            HoldupKind::Replay | HoldupKind::Receiver => self.refers_to(node),
            HoldupKind::Slot(slot) => {
                self.refers_to(node) && self.step.nodes().any(|name| crate::node::slot_name(name) == *slot)
            }
            HoldupKind::Archive => self.awaits(Awaited::Archive, node),
            HoldupKind::Silent => true,
        }
    }

    /// Whether it is what the step's time went into, and not only something that is so beside it.
    fn is_first_cause(&self, holdup: &Holdup) -> bool {
        let waits_for = |what: Awaited| self.awaited(|(awaited, _)| *awaited == what);
        match &holdup.kind {
            HoldupKind::Lock
            | HoldupKind::SyncRep(_)
            | HoldupKind::UsersLock
            | HoldupKind::OthersLock
            | HoldupKind::Archive
            | HoldupKind::Silent => true,
            HoldupKind::Replay | HoldupKind::Receiver | HoldupKind::Slot(_) => {
                waits_for(Awaited::Replay) || (holdup.endless && waits_for(Awaited::Users))
            }
        }
    }

    /// What will never let the step get on, whatever it waits: asked while it runs.
    pub async fn hopeless(&self) -> Option<Holdup> {
        for node in self.nodes(|node| node.is_up() && !node.is_external()) {
            let found = match node.holdups().await {
                Ok(found) => found,
                // One that is gone or frozen, and nothing else: it may be starting, or be busy.
                Err(_) if self.refers_to(node.name()) && is_struck(&node).await => {
                    return Some(silent(&node, "it does not run any more"));
                }
                Err(_) => continue,
            };
            let endless = |one: &Holdup| match &one.kind {
                HoldupKind::SyncRep(names) => !self.has_standby(&node, names),
                _ => one.endless,
            };
            let concerns = |one: &Holdup| self.concerns(one, node.name()) && self.is_first_cause(one);
            if let Some(one) = found.into_iter().find(|one| endless(one) && concerns(one)) {
                return Some(one);
            }
        }
        None
    }

    /// Whether a server that runs could be the synchronous standby of a primary.
    fn has_standby(&self, primary: &Node, names: &str) -> bool {
        let state = self.world.outputs();
        let cut = |node: &Node| state.cut.contains(&Link::new(primary.name().into(), node.name().into()));
        let fits = |node: &Node| names.contains('*') || names.contains(node.name());
        state.nodes.values().any(|node| node.name() != primary.name() && node.is_up() && fits(node) && !cut(node))
    }
}

fn silent(node: &Node, why: &str) -> Holdup {
    Holdup {
        kind: HoldupKind::Silent,
        what: format!("`{}` does not answer: {why}", node.name()),
        more: vec![],
        help: None,
        endless: true,
    }
}

fn lines(holdup: &Holdup) -> String {
    std::iter::once(&holdup.what).chain(&holdup.more).cloned().collect::<Vec<_>>().join("\n")
}
