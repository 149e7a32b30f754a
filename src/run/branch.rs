//! Side branches of a drill: what would come of it from some step on, if that step were left out or
//! did something else. They share with the drill all that came before, and go as far as they touch
//! nothing that the drill still needs: nodes that the drill has not made yet are made on hosts of
//! their own.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::change::Change;
use super::step::{Ran, StepRun};
use super::tally::Tally;
use super::work::Work;
use crate::harness::{NodeId, World, Writes};
use crate::host::{Host, HostError, Lab, Network, Program};
use crate::journal::{Cause, Event};
use crate::pg::{ShutdownMode, Version};
use crate::plan::{Plan, PlannedStep};

/// What is added to a node's name for its host in a branch: no name in a scenario has a dot.
const ELSEWHERE: &str = ".broken";

/// How long a branch may go on: what takes longer is done in a run of its own.
const PATIENCE: Duration = Duration::from_secs(10);

/// The hosts that branches of a drill need, for the nodes that its steps make.
pub(super) fn hosts(made: &[NodeId]) -> impl Iterator<Item = String> {
    made.iter().map(|name| format!("{name}{ELSEWHERE}"))
}

/// The node that a host is for, in the drill or in a branch of it.
pub(super) fn node_of(host: &str) -> &str {
    host.strip_suffix(ELSEWHERE).unwrap_or(host)
}

/// A point in a drill at which branches can begin.
pub struct Fork<'a> {
    pub(super) work: &'a Work<'a>,
    pub(super) world: &'a World,
    /// The steps from here on, without the lines of an `all`.
    pub(super) steps: &'a [&'a PlannedStep],
}

impl Fork<'_> {
    /// The index of the step that would come next.
    pub fn index(&self) -> usize {
        self.steps.first().map_or(0, |step| step.head.index)
    }

    /// What happens in the drill.
    pub fn plan(&self) -> &Plan {
        self.work.plan
    }

    /// Goes on with this change until a step does not pass; tells nobody, and returns what was
    /// heard. None where the drill itself would be touched first, or the end came and nothing had
    /// failed: that takes a run of its own.
    ///
    /// # Errors
    /// Where the branch's servers could not be removed.
    pub async fn go_on(&self, change: Change) -> Result<Option<Vec<Event>>, HostError> {
        let there: Vec<NodeId> = self.world.outputs().nodes.keys().cloned().collect();
        let made: Vec<NodeId> = self.plan().made.iter().filter(|name| !there.contains(name)).cloned().collect();
        let (env, heard) = self.work.env.unheard();
        let lab = Arc::new(Elsewhere { lab: self.world.lab.clone(), made: made.clone() });
        let world = World {
            lab,
            outputs: Arc::new(Mutex::new(self.world.outputs().clone())),
            ..self.world.telling(env.journal.clone())
        };
        let work = self.work.beside(&env, &change, self.work.ends() + PATIENCE);
        let ended = match tokio::time::timeout(PATIENCE, self.follow(&work, &world, &made)).await {
            Ok(ended) => ended,
            Err(_) => {
                // Sessions may be in the middle of a question that nobody will ever answer: the
                // drill gets new ones.
                let nodes: Vec<_> = world.outputs().nodes.values().cloned().collect();
                futures_util::future::join_all(nodes.iter().map(|node| node.abandon())).await;
                false
            }
        };
        remove(&world, &made).await?;
        let events = heard.take();
        Ok(Some(events).filter(|events| ended && !events.iter().any(is_late)))
    }

    /// Whether a step did not pass before the drill itself would have been touched.
    async fn follow(&self, work: &Work<'_>, world: &World, made: &[NodeId]) -> bool {
        let mut tally = Tally::default();
        for step in self.steps {
            let touches = |one: &PlannedStep| !stays_aside(&work.change.step(one).effects().writes, one, made);
            if (!work.change.leaves_out(step) && touches(step)) || self.plan().during(step).into_iter().any(touches) {
                return false;
            }
            if StepRun::of(work, world, step).run(&mut tally).await == Ran::End {
                return true;
            }
        }
        false
    }
}

/// Whether a step leaves alone what the drill itself still needs: it changes only nodes that the
/// drill has not made yet.
fn stays_aside(writes: &Writes, step: &PlannedStep, made: &[NodeId]) -> bool {
    match writes {
        _ if step.is_check() => true,
        Writes::Anything => false,
        Writes::Nodes(nodes) => nodes.iter().all(|node| made.contains(node)),
    }
}

/// Whether a step came to nothing because its time was up: in earnest it may have more.
fn is_late(event: &Event) -> bool {
    matches!(event, Event::StepFinished { problem: Some(problem), .. } if problem.cause == Cause::StepDeadline)
}

/// Removes the servers that a branch has made, so that the next one finds their hosts empty.
async fn remove(world: &World, made: &[NodeId]) -> Result<(), HostError> {
    for name in made {
        let node = world.outputs().nodes.get(name).cloned();
        let host = world.lab.host(name).await?;
        if let Some(node) = node {
            node.abandon().await;
            if node.is_up() {
                node.stop(ShutdownMode::Immediate, Instant::now() + Duration::from_secs(10)).await?;
            }
        }
        if !host.is_on() {
            host.boot().await?;
        }
        let paths = host.paths();
        // A server that came up without its node's being told has its own way out.
        let script = include_str!("scripts/remove_server.sh");
        let output = host.run(Program::script(script, [&paths.data, &paths.log].map(String::clone))).await?;
        if !output.success() {
            return Err(HostError::new(format!(
                "what a broken `{name}` left could not be removed: {}",
                output.stderr.trim()
            )));
        }
    }
    Ok(())
}

/// The drill's lab, with other hosts for the nodes that are not made yet.
struct Elsewhere {
    lab: Arc<dyn Lab>,
    made: Vec<NodeId>,
}

#[async_trait]
impl Lab for Elsewhere {
    fn version(&self) -> Version {
        self.lab.version()
    }

    async fn host(&self, node: &str) -> Result<Arc<dyn Host>, HostError> {
        match self.made.iter().any(|name| name.as_str() == node) {
            true => self.lab.host(&format!("{node}{ELSEWHERE}")).await,
            false => self.lab.host(node).await,
        }
    }

    fn network(&self) -> Network {
        self.lab.network()
    }

    fn repo(&self, repo: &str) -> String {
        self.lab.repo(repo)
    }

    async fn cut(&self, a: &str, b: &str) -> Result<(), HostError> {
        self.lab.cut(a, b).await
    }

    async fn heal(&self, a: &str, b: &str) -> Result<(), HostError> {
        self.lab.heal(a, b).await
    }

    /// It is the drill's, which removes it.
    async fn destroy(&self) -> Result<(), HostError> {
        Ok(())
    }
}
