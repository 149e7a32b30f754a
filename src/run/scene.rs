//! A step, and what it works with: what those look at who say what is behind a failure.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::harness::{Awaited, NodeId, Role, World};
use crate::node::Node;
use crate::plan::PlannedStep;

/// How long a look at the lab may take after a failure.
pub const PATIENCE: Duration = Duration::from_secs(3);

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

impl Scene<'_> {
    /// Whether it waits for this on that node.
    pub fn awaits(&self, what: Awaited, node: &str) -> bool {
        self.awaited(|(awaited, name)| *awaited == what && name == node)
    }

    /// Whether it runs a command of the scenario's.
    pub fn commands(&self) -> bool {
        self.awaited(|(awaited, _)| *awaited == Awaited::Command)
    }

    pub fn awaited(&self, is_it: impl Fn(&(Awaited, NodeId)) -> bool) -> bool {
        self.awaits.lock().unwrap_or_else(PoisonError::into_inner).iter().any(is_it)
    }

    pub fn refers_to(&self, node: &str) -> bool {
        self.step.nodes().any(|name| name == node) || self.awaited(|(_, name)| name == node)
    }

    pub fn nodes(&self, which: impl Fn(&Node) -> bool) -> Vec<Arc<Node>> {
        self.world.outputs().nodes.values().filter(|node| which(node)).cloned().collect()
    }

    /// Whether it judges.
    pub fn judges(&self) -> bool {
        self.step.kind.role == Role::Check
    }
}
