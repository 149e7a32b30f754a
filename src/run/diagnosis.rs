//! What is behind a failure: a lab in trouble, a full disk, a server that is no more, something that holds the step up. What is found
//! to be the first cause is told first.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::disk;
use crate::harness::{Awaited, Finding, Link, NodeId, Role, World};
use crate::host::{HostError, Seen};
use crate::journal::{Cause, Outcome};
use crate::node::{Ending, Holdup, HoldupKind, Node, Postmaster, ServerState};
use crate::plan::PlannedStep;

/// How long a look at the lab may take after a failure.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// A command that ran so short a time ago may have left something behind that stopped a server.
const AFTERMATH: Duration = Duration::from_secs(30);
/// How long a killed server may take to be gone after its sessions are.
const DYING: Duration = Duration::from_millis(500);

/// A step, and what it works with.
#[derive(Clone)]
pub struct Scene<'a> {
    pub world: &'a World,
    pub step: &'a PlannedStep,
    /// The run's work directory.
    pub dir: &'a Path,
    /// What it has said that it waits for.
    pub awaits: Arc<Mutex<Vec<(Awaited, NodeId)>>>,
}

/// How a server is that the drill has left running.
enum Condition {
    /// As it should be.
    Well,
    /// The lab does not say.
    Unknown(HostError),
    /// Somebody has done something to it: what, as in `X was ...`, and what is known of it.
    Struck(&'static str, String),
    /// It has ended by itself.
    Ended(String),
}

impl Condition {
    fn may_be_well(&self) -> bool {
        matches!(self, Condition::Well | Condition::Unknown(_))
    }
}

impl Scene<'_> {
    /// Whether it waits for this on that node.
    fn awaits(&self, what: Awaited, node: &str) -> bool {
        self.awaited(|(awaited, name)| *awaited == what && name == node)
    }

    /// Whether it runs a command of the scenario's.
    pub fn commands(&self) -> bool {
        self.awaited(|(awaited, _)| *awaited == Awaited::Command)
    }

    fn awaited(&self, is_it: impl Fn(&(Awaited, NodeId)) -> bool) -> bool {
        self.awaits.lock().unwrap_or_else(PoisonError::into_inner).iter().any(is_it)
    }

    fn refers_to(&self, node: &str) -> bool {
        self.step.nodes().any(|name| name == node) || self.awaited(|(_, name)| name == node)
    }

    fn nodes(&self, which: impl Fn(&Node) -> bool) -> Vec<Arc<Node>> {
        self.world.outputs().nodes.values().filter(|node| which(node)).cloned().collect()
    }

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
        }
        self.tell_crashes(finding).await
    }

    /// The server that the step makes, where somebody has frozen its host before it was there: no step can pause what is not there.
    async fn frozen_in_the_making(&self) -> Option<&str> {
        let name = self.step.makes.as_ref()?.as_str();
        if self.world.outputs().nodes.contains_key(name) {
            return None;
        }
        let look = async { self.world.lab.host(name).await?.look().await };
        matches!(tokio::time::timeout(PATIENCE, look).await, Ok(Ok(Seen::Frozen))).then_some(name)
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

    /// A lab that does not work, and a server that somebody from outside has stopped, say nothing about the recovery.
    async fn blame_the_lab(&self, finding: Box<Finding>, conditions: Vec<(Arc<Node>, Condition)>) -> Box<Finding> {
        let mut finding = finding;
        for (node, condition) in conditions {
            let name = node.name();
            match condition {
                Condition::Well => {}
                Condition::Unknown(error) => {
                    let said = finding.title == error.message;
                    let first = if said { finding } else { first(finding, error.message, error.help) };
                    return errored(first);
                }
                Condition::Struck(what, how) if self.may_be_a_command(name) => {
                    finding = finding.note(
                        "server",
                        format!(
                            "`{name}` {what} ({how}); a command of the drill had run there, which may have done it"
                        ),
                    );
                }
                Condition::Struck(what, how) => {
                    let log = node.log_tail().await;
                    let finding =
                        first(finding, format!("`{name}` {what}, and no step of the drill has done so"), None);
                    return errored(with_log(finding.note("server", how), log));
                }
                Condition::Ended(why) => {
                    let log = node.log_tail().await;
                    finding = first(finding, format!("the server on `{name}` has ended by itself: {why}"), None);
                    finding = with_log(finding, log);
                }
            }
        }
        finding
    }

    /// Whether a command of the scenario's ran on that host so lately that what has happened there may be its doing.
    fn may_be_a_command(&self, node: &str) -> bool {
        let state = self.world.outputs();
        state.felled.contains(node) || state.commands.get(node).is_some_and(|at| at.elapsed() < AFTERMATH)
    }

    /// Whether a step may have removed files of that server's.
    fn may_be_spoiled(&self, node: &str) -> bool {
        let state = self.world.outputs();
        state.wiped.contains(node) || state.felled.contains(node) || state.commands.contains_key(node)
    }

    /// Asks each server what holds the step up.
    async fn blame_holdups(&self, finding: Box<Finding>) -> Box<Finding> {
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

    /// Whether it judges.
    pub fn judges(&self) -> bool {
        self.step.kind.role == Role::Check
    }
}

/// Remembers which servers are gone soon after a command of the scenario's ran there: a step that fails much later is not the lab's
/// fault for that.
pub async fn note_felled(world: &World) {
    let lately: Vec<Arc<Node>> = {
        let state = world.outputs();
        let recent = state.commands.iter().filter(|(_, at)| at.elapsed() < AFTERMATH).map(|(node, _)| node);
        recent.filter_map(|name| state.nodes.get(name)).filter(|node| node.is_up()).cloned().collect()
    };
    for node in lately {
        let look = tokio::time::timeout(PATIENCE, node.postmaster()).await;
        if matches!(look, Ok(Ok(Postmaster::Gone))) {
            world.outputs().felled.insert(node.name().into());
        }
    }
}

/// `spoiled`: whether a step may have removed its files.
async fn condition(node: &Node, spoiled: bool) -> Condition {
    let host = match node.host() {
        Ok(host) => host,
        Err(error) => return Condition::Unknown(error),
    };
    match host.look().await {
        Err(error) => return Condition::Unknown(error),
        Ok(Seen::Off(why)) => return Condition::Struck("was stopped", why),
        Ok(Seen::Frozen) => return Condition::Struck("was paused", "it is frozen".to_owned()),
        Ok(Seen::On) => {}
    }
    let dying = Instant::now() + DYING;
    loop {
        match node.postmaster().await {
            // A container may have ended since the daemon was asked.
            Err(error) => {
                return match host.look().await {
                    Ok(Seen::Off(why)) => Condition::Struck("was stopped", why),
                    _ => Condition::Unknown(error),
                };
            }
            Ok(Postmaster::Stopped) => {
                return Condition::Struck("was paused", "its postmaster is stopped by a signal".to_owned());
            }
            Ok(Postmaster::Gone) => break,
            // A killed process closes its connections a moment before it is gone.
            Ok(Postmaster::Runs)
                if Instant::now() < dying && (node.lost_session().await || !node.takes_sessions().await) =>
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(Postmaster::Runs) if !spoiled && has_lost_data(node).await => return lost_data(node),
            Ok(Postmaster::Runs) => return Condition::Well,
        }
    }
    // What happened to its files comes before its end.
    if !spoiled && has_lost_data(node).await {
        return lost_data(node);
    }
    match node.ending().await {
        Ending::Itself(why) => Condition::Ended(why),
        Ending::Asked(said) => Condition::Struck("was stopped", format!("its log says: {said}")),
        Ending::Silent => Condition::Struck("was stopped", "it was killed: its log has no word of its end".to_owned()),
    }
}

async fn has_lost_data(node: &Node) -> bool {
    node.lost_data().await.unwrap_or(false)
}

fn lost_data(node: &Node) -> Condition {
    let dir = node.host().map(|host| host.paths().data.clone()).unwrap_or_default();
    Condition::Struck("has lost its data directory", format!("{dir} is gone, or was emptied"))
}

/// Whether a server that the drill has left running does so no more.
async fn is_struck(node: &Node) -> bool {
    // A step that takes a host away says so before.
    let look = async { node.host().is_ok_and(|host| host.is_on()) && !condition(node, true).await.may_be_well() };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or(false) && node.is_up()
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

/// The same failure with its first cause as its title; what it was called before becomes its label.
pub fn first(mut finding: Box<Finding>, title: String, help: Option<String>) -> Box<Finding> {
    let before = std::mem::replace(&mut finding.title, title);
    finding.label = match finding.label.as_str() {
        "" => before,
        label => format!("{before}: {label}"),
    };
    match help {
        Some(help) => finding.help(help),
        None => finding,
    }
}

/// The same, as something that could not be judged since the lab is in trouble.
fn errored(mut finding: Box<Finding>) -> Box<Finding> {
    finding.outcome = Outcome::Errored;
    finding.because(Cause::Lab)
}

fn with_log(finding: Box<Finding>, log: String) -> Box<Finding> {
    match finding.notes.iter().any(|note| note.kind == "log") {
        true => finding,
        false => finding.note("log", log),
    }
}
