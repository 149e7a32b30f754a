//! A drill's lab, and its servers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::change::Change;
use super::start::{Starter, external};
use super::work::Work;
use super::{branch, disk, repos, shells};
use crate::harness::{Finding, NodeId, NodeSpec, Outputs, Releases, RepoId, World};
use crate::host::{DiskOf, HostError, Lab, LabSpec};
use crate::journal::{Cause, Event, Problem};
use crate::node::StartError;
use crate::plan::{Plan, RepoSpec};
use crate::repo::{Existing, Place};

/// The host of a drill that has repos and no servers; no node can have this name.
const READER: &str = "_reader";

/// The hosts of a plan's servers, or the one from which a drill without any looks at its repos.
fn hosts(plan: &Plan, change: &Change) -> Vec<String> {
    let own = plan.nodes.iter().filter(|(_, spec)| spec.external.is_none()).map(|(name, _)| name);
    let made = if change.attended { &[][..] } else { &plan.made };
    let servers: Vec<String> = own.chain(made).map(ToString::to_string).chain(change.scratch.clone()).collect();
    match servers.is_empty() && !plan.repos.is_empty() {
        true => vec![READER.to_owned()],
        false => servers,
    }
}

/// Makes the lab; `branches` is whether branches of the drill will be followed in it.
pub async fn make(work: &Work<'_>, major: u32, branches: bool) -> Result<Arc<dyn Lab>, HostError> {
    let plan = work.plan;
    let elsewhere = branch::hosts(if branches { &plan.made } else { &[] });
    let nodes: Vec<String> = hosts(plan, work.change).into_iter().chain(elsewhere).collect();
    let release = |host: &String| Some((host.clone(), plan.release(branch::node_of(host), major)?));
    let spec = LabSpec {
        run: work.env.run.clone(),
        drill: work.index,
        dir: work.env.dir.clone(),
        major,
        releases: nodes.iter().filter_map(release).collect(),
        nodes,
        repos: plan.repos.keys().map(ToString::to_string).collect(),
        isolation: plan.isolation,
        // Why not was told when the backend was chosen; one that sees this machine needs none.
        mounts: plan.repos.values().flat_map(|repo| repo.mounts().unwrap_or_default()).collect(),
        disks: plan.disks(),
        clocks: plan.clocks(),
        cuts: plan.cuts().iter().map(|link| (link.ends().0.to_string(), link.ends().1.to_string())).collect(),
    };
    tokio::select! {
        biased;
        () = work.env.cancel.cancelled() => Err(HostError::new("interrupted")),
        lab = work.env.backend.lab(spec) => lab,
    }
}

/// The version that the drill is run on, and a warning if drillyard was never tested with it.
pub async fn version(work: &Work<'_>, lab: &Arc<dyn Lab>) -> (String, Option<String>) {
    if work.plan.only_external() {
        return (external_version(work).await, None);
    }
    // An image may not say its minor version before it runs.
    let was_unknown = lab.version().minor == 0;
    let usual = |spec: &NodeSpec| spec.external.is_none() && spec.releases.is_empty();
    let mut own = work.plan.nodes.iter().filter(|(_, spec)| usual(spec)).map(|(name, _)| name);
    if let Some(node) = own.next().filter(|_| was_unknown) {
        // Its error is reported when the node is started.
        tokio::select! {
            biased;
            () = work.env.cancel.cancelled() => {}
            _ = lab.host(node) => {}
        }
    }
    // One that was known was warned of in the run's first line.
    (lab.version().to_string(), lab.version().untested().filter(|_| was_unknown))
}

/// The nodes that run another release than the drill does, as far as the scenario says, and which.
pub fn releases(work: &Work<'_>, lab: &Arc<dyn Lab>) -> BTreeMap<String, String> {
    let own = lab.version();
    let release = |(node, releases): (&NodeId, &Releases)| Some((node.to_string(), releases.of(own.major)?));
    let others = work.plan.releases().filter_map(release).filter(|(_, release)| *release != own);
    others.map(|(node, release)| (node, release.to_string())).collect()
}

/// What the servers themselves say that drillyard did not make; those that do not answer are told
/// of when the drill starts.
async fn external_version(work: &Work<'_>) -> String {
    const PATIENCE: Duration = Duration::from_secs(5);
    let nodes = work.plan.nodes.iter().filter_map(|(name, spec)| Some((name, spec.external.as_ref()?)));
    let asked = futures_util::future::join_all(nodes.map(|(name, address)| async {
        let node = tokio::time::timeout(PATIENCE, external(name, address, &work.env.around, &work.env.journal))
            .await
            .ok()?
            .ok()?;
        Some(node.version().to_string())
    }));
    let mut versions: Vec<String> = tokio::select! {
        biased;
        () = work.env.cancel.cancelled() => vec![],
        versions = asked => versions.into_iter().flatten().collect(),
    };
    versions.sort();
    versions.dedup();
    if versions.is_empty() { "unknown".to_owned() } else { versions.join(" and ") }
}

/// What the drill's steps work with.
pub fn world(work: &Work<'_>, lab: &Arc<dyn Lab>) -> World {
    let plan = work.plan;
    let repo = |(name, spec): (&RepoId, &RepoSpec)| {
        let settings = || spec.settings.clone();
        let own = || {
            spec.kind.at(Place {
                name: name.to_string(),
                path: lab.repo(name),
                settings: settings(),
                ..Place::default()
            })
        };
        let existing = spec.existing.clone().and_then(|existing| {
            let existing = Existing { own: lab.repo(name), ..existing };
            spec.kind.existing(&existing)
        });
        let existing = match work.change.spoils(name) {
            Some(spoil) => existing.map(|repo| repo.spoiled(spoil)),
            None => existing,
        };
        (name.clone(), existing.unwrap_or_else(own))
    };
    let password: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
    work.env.journal.keep([password.clone()]);
    let external = plan.nodes.values().filter_map(|spec| spec.external.as_ref());
    World {
        lab: lab.clone(),
        source: plan.source.clone(),
        journal: work.env.journal.clone(),
        drill: work.index,
        seed: work.seed,
        password,
        file_roots: plan.file_roots.clone(),
        private: work.env.around.private(
            external.flat_map(|address| [Some(&address.conninfo), address.standby.as_ref()].into_iter().flatten()),
        ),
        specs: plan.nodes.clone(),
        repos: plan.repos.iter().map(repo).collect(),
        reader: hosts(plan, work.change).into_iter().next().unwrap_or_default(),
        attended: work.change.attended,
        disks: plan.disks(),
        recalls: plan.steps.iter().filter_map(|step| step.effects.recalls.clone()).collect(),
        outputs: Arc::new(Mutex::new(Outputs::default())),
    }
}

/// Starts the servers that the scenario lists.
pub async fn start_nodes(work: &Work<'_>, world: &World) -> Result<(), Problem> {
    let starter = Starter {
        plan: work.plan,
        lab: &world.lab,
        repos: &world.repos,
        password: &world.password,
        journal: &work.env.journal,
        drill: work.index,
        around: &work.env.around,
        change: work.change,
        set_up: tokio::sync::OnceCell::new(),
    };
    let nodes: BTreeMap<_, _> = tokio::select! {
        biased;
        () = work.env.cancel.cancelled() => return Err(Problem::new("interrupted").because(Cause::Interrupted)),
        (nodes, ()) = async { tokio::join!(starter.start(), tools(work, world)) } => nodes.map_err(|error| not_started(work.plan, error))?,
        () = tokio::time::sleep_until(work.deadline.into()) => {
            return Err(Problem::new("the drill's timeout passed while its servers started").because(Cause::DrillDeadline));
        }
    };
    world.outputs().nodes = nodes;
    shells::note(work, world);
    Ok(())
}

/// Tells the versions of the programs that its repos are made of, as the host has them that looks
/// at repos. One that is missing is told of when a repo is set up, or used.
async fn tools(work: &Work<'_>, world: &World) {
    let mut programs: Vec<_> = world.repos.values().filter_map(|repo| repo.program).collect();
    programs.sort_by_key(|tool| tool.program);
    programs.dedup();
    if programs.is_empty() {
        return;
    }
    let Ok(host) = world.lab.host(&world.reader).await else { return };
    for tool in programs {
        if let Some(version) = repos::version(tool, host.as_ref()).await {
            work.env.journal.write(Event::ToolFound {
                drill: Some(work.index),
                name: tool.program.to_owned(),
                version,
            });
        }
    }
}

/// What is told of a server that does not come up: its own reason, at the setting that it complains
/// of.
fn not_started(plan: &Plan, error: StartError) -> Problem {
    let is_own = error.node().is_some_and(|node| {
        plan.disks().iter().any(|disk| matches!(&disk.of, DiskOf::Data(own) | DiskOf::Wal(own) if *own == *node))
    });
    let spec = error.node().and_then(|node| plan.nodes.get(node));
    let place = spec.map(|spec| match spec.blamed(&error.to_string()) {
        Some((name, place)) => plan.source.place(place, format!("the server complains of `{name}`")),
        None => plan.source.place(spec.place, "this server"),
    });
    let finding: Box<Finding> = error.into();
    let problem = Problem { notes: finding.notes.clone(), ..Problem::new(&finding.title) };
    let problem = problem.because(finding.cause);
    let problem = match place {
        Some(place) => problem.at(place),
        None => problem,
    };
    disk::full(problem, is_own)
}

/// What is reported of a lab that could not be made.
pub fn problem(error: &HostError) -> Problem {
    disk::full(error.problem(), false)
}
