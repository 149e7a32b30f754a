//! What people have done: the servers that they started, and what they ran.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::accidents::{is_listed, primaries};
use super::floor::Floor;
use super::handout::Scratch;
use super::statements::{LogReader, Statement};
use super::wrong_server::Strays;
use crate::harness::NodeId;
use crate::host::{Program, Seen};
use crate::journal::{Firedrill as What, Speaker};
use crate::node::{Node, Postmaster, ServerState};
use crate::pg::TableName;
use crate::plan::PlannedStep;
use crate::run::Field;

/// How often what takes its time is looked at.
const SELDOM: Duration = Duration::from_secs(5);

/// How many statements are known that were run before anything had happened.
const ROUTINE: usize = 10_000;

/// How long a look at a server may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Who watches.
#[derive(Debug, Default)]
pub(super) struct Watch {
    logs: BTreeMap<String, LogReader>,
    last: Option<Instant>,
    /// Where the disks are mounted that are full.
    full: BTreeSet<String>,
    /// What they wrote where users are not.
    pub strays: Strays,
    /// What was run before anything had happened: who runs it again has not seen anything by that.
    routine: BTreeSet<String>,
    /// The places where a server's data was then.
    made: BTreeSet<String>,
}

impl Watch {
    /// What was in the logs before is nobody's business.
    pub(super) async fn begin(&mut self, field: &Field<'_>) {
        for node in nodes(field) {
            let offset = node.log_size().await.unwrap_or(0);
            self.logs.insert(node.name().to_owned(), LogReader::from(offset));
        }
    }

    /// Switches the machines on again that the drill's own recovery needs; what is on their disks
    /// is there still, and no server runs. Their names.
    pub(super) async fn switch_on(field: &Field<'_>, theirs: &[usize]) -> Vec<String> {
        let steps = theirs.iter().filter_map(|index| field.plan().steps.get(*index));
        let needed: BTreeSet<&NodeId> = steps.flat_map(PlannedStep::nodes).collect();
        let nodes = field.world.outputs().nodes.clone();
        let mut switched = vec![];
        for node in needed.into_iter().filter_map(|id| nodes.get(id)) {
            let Ok(host) = node.host() else { continue };
            if matches!(host.look().await, Ok(Seen::Off(_))) && node.boot().await.is_ok() {
                switched.push(node.name().to_owned());
            }
        }
        switched
    }

    /// Whether it is time for what is looked at seldom.
    pub(super) fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() >= SELDOM);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }

    /// What people had made before anything happened says nothing of it: it is known without a
    /// word.
    pub(super) async fn know(&mut self, field: &Field<'_>, scratch: &[Scratch]) {
        for place in scratch {
            if let Some(Some(found)) = server_in(place, field).await {
                field.world.outputs().nodes.insert(NodeId::from(place.name.as_str()), Arc::new(found));
            }
            if has_data(place).await {
                self.made.insert(place.name.clone());
            }
        }
        field.note_shells();
    }

    /// Servers that came up where people may make some are nodes from then on; one that is gone is
    /// none any more. Of the places, the first `named` are those of servers that checks look for.
    pub(super) async fn adopt(&self, field: &Field<'_>, floor: &Floor, scratch: &[Scratch], named: usize) {
        for place in scratch {
            // One that has no socket, or is half made, is none yet.
            let Some(look) = server_in(place, field).await else { continue };
            let id = NodeId::from(place.name.as_str());
            let known = field.world.outputs().nodes.get(&id).cloned();
            match (look, known) {
                (Some(found), Some(node)) if node.is_where(&found) => {}
                (Some(found), _) => {
                    let server = format!("port {}", found.port());
                    field.world.outputs().nodes.insert(id.clone(), Arc::new(found));
                    field.note_shells();
                    let clock_ms = floor.state().clock_ms();
                    floor.tell(What::Adopted { clock_ms, node: id.to_string(), server });
                    floor.decide(&format!("a server of their own came up as `{id}`"), Duration::ZERO);
                }
                (None, Some(node)) if node.name() == place.name => {
                    field.world.outputs().nodes.remove(&id);
                    field.note_shells();
                }
                (None, _) => {}
            }
        }
        stand_in(field, scratch, named);
    }

    /// A disk that is full is told of: that of a machine is nothing that the drill is about, and
    /// whoever has filled it may not know.
    pub(super) async fn disks(&mut self, field: &Field<'_>, floor: &Floor) {
        let full = field.full_disks().await;
        for (mount, left) in &full {
            if !self.full.contains(mount) {
                let text = format!(
                    "the disk is full: {left}. Until there is space servers may fail because of it, and checks, too"
                );
                floor.say(Speaker::Drill, &text);
            }
        }
        for mount in self.full.iter().filter(|mount| !full.contains_key(*mount)) {
            floor.say(Speaker::Drill, &format!("there is space again on the disk at {mount}"));
        }
        self.full = full.into_keys().collect();
    }

    /// People start and stop the drill's own servers as they like: what the drill knows of them is
    /// what is.
    pub(super) async fn servers(&self, field: &Field<'_>, floor: &Floor) {
        for node in nodes(field).into_iter().filter(|node| is_listed(field.world, node)) {
            if node.server_state() == ServerState::Frozen {
                continue;
            }
            let Ok(Ok(postmaster)) = tokio::time::timeout(PATIENCE, node.postmaster()).await else { continue };
            match (postmaster, node.is_up()) {
                (Postmaster::Runs, false) => {
                    node.set_server_state(ServerState::Up);
                    floor.decide(&format!("`{}` was started", node.name()), Duration::ZERO);
                }
                (Postmaster::Gone, true) => node.went_down("people stopped it").await,
                _ => {}
            }
        }
    }

    /// What they ran since the last time.
    pub(super) async fn statements(&mut self, field: &Field<'_>, floor: &Floor, incident: Option<&PlannedStep>) {
        let users = users_tables(field);
        for node in nodes(field).into_iter().filter(|node| is_listed(field.world, node)) {
            let reader = self.logs.entry(node.name().to_owned()).or_default();
            let Ok(Ok(log)) = tokio::time::timeout(PATIENCE, node.log_from(reader.offset)).await else { continue };
            for statement in reader.read(&log) {
                let before = floor.state().clock_then(statement.ago()).is_none();
                if before && statement.error.is_none() && self.routine.len() < ROUTINE {
                    self.routine.insert(statement.text.clone());
                }
                let routine = statement.error.is_none() && self.routine.contains(&statement.text);
                note(floor, &node, &statement, incident, routine);
                let users_on = async || primaries(field.world).await;
                self.strays.hear(node.name(), &statement, &users, users_on).await;
            }
        }
    }

    /// Whoever has restored a backup where a new server may be made has begun to recover.
    pub(super) async fn restored(&self, floor: &Floor, scratch: &[Scratch]) {
        if floor.state().decided.is_some() {
            return;
        }
        for place in scratch {
            if !self.made.contains(&place.name) && has_data(place).await {
                floor.decide(&format!("there is a data directory in the place `{}`", place.name), Duration::ZERO);
            }
        }
    }
}

/// Whoever has made the one server that a check looks for in a place of another name has made it.
fn stand_in(field: &Field<'_>, scratch: &[Scratch], named: usize) {
    let mut outputs = field.world.outputs();
    let id = |place: &Scratch| NodeId::from(place.name.as_str());
    let gone = |node: &Arc<Node>| node.is_found() && !outputs.nodes.contains_key(&NodeId::from(node.name()));
    let ended: Vec<NodeId> = outputs.nodes.iter().filter(|(_, node)| gone(node)).map(|(id, _)| id.clone()).collect();
    ended.iter().for_each(|id| _ = outputs.nodes.remove(id));
    let (wanted, spare) = scratch.split_at(named.min(scratch.len()));
    let lacking: Vec<NodeId> = wanted.iter().map(id).filter(|id| !outputs.nodes.contains_key(id)).collect();
    let made: Vec<Arc<Node>> = spare.iter().filter_map(|place| outputs.nodes.get(&id(place)).cloned()).collect();
    if let ([wanted], [server]) = (lacking.as_slice(), made.as_slice()) {
        outputs.nodes.insert(wanted.clone(), server.clone());
    }
}

/// A look at the server in a place. None if it cannot be said whether there is one.
async fn server_in(place: &Scratch, field: &Field<'_>) -> Option<Option<Node>> {
    let look = Node::found(place.host.clone(), &field.world.password);
    tokio::time::timeout(PATIENCE, look).await.ok().map(|look| look.ok().flatten())
}

/// Whether a server's data is in a place.
async fn has_data(place: &Scratch) -> bool {
    let look = Program::script(r#"test -e "$1/PG_VERSION""#, [&place.host.paths().data]);
    let looked = tokio::time::timeout(PATIENCE, place.host.run(look)).await;
    looked.is_ok_and(|looked| looked.is_ok_and(|output| output.success()))
}

/// Tells what they ran, and what can be seen by it; of what is routine, to those who know that
/// something has happened.
fn note(floor: &Floor, node: &Node, statement: &Statement, incident: Option<&PlannedStep>, routine: bool) {
    let text = match &statement.error {
        Some(error) => format!("{}\n-- ERROR: {error}", statement.text),
        None => statement.text.clone(),
    };
    let ago = statement.ago();
    floor.ran(node.name(), &statement.by, &text, ago);
    let tables = incident.map(|step| step.effects.spoils.as_slice()).unwrap_or_default();
    if routine && floor.state().sealed {
        return;
    }
    // Where it is no table that is gone, whoever looks at a server looks at what has happened.
    // Of people who do not know that it has happened, a look alone says nothing, nor does a slip.
    let looks = (tables.is_empty() || statement.is_refused()) && !floor.state().sealed;
    if looks || statement.is_about(tables) {
        floor.notice(&format!("a statement on `{}`", node.name()), ago);
    }
    if statement.recovers(tables) && statement.error.is_none() {
        floor.decide(&format!("a statement on `{}` that recovers", node.name()), ago);
    }
}

/// The tables that users write to.
fn users_tables(field: &Field<'_>) -> Vec<TableName> {
    let users: Vec<_> = field.world.outputs().users.values().cloned().collect();
    let kinds = users.iter().flat_map(|users| &users.workload.kinds);
    kinds.flat_map(|kind| &kind.ledger).map(|columns| columns.table.clone()).collect()
}

fn nodes(field: &Field<'_>) -> Vec<Arc<Node>> {
    let nodes: Vec<_> = field.world.outputs().nodes.values().cloned().collect();
    nodes.into_iter().filter(|node| node.host().is_ok_and(|host| host.is_on())).collect()
}
