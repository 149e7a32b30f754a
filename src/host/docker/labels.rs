//! All that is made carries labels, and clean-up works from the labels alone: it needs no memory of what was made.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use testcontainers::bollard::errors::Error as ApiError;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptionsBuilder,
};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::daemon::{ASK, Daemon, MAKE, is_missing};
use crate::host::{HostError, LabSpec, Result};

/// The run's id.
pub const RUN: &str = "drillyard.run";
/// The drill's number in the run.
pub const DRILL: &str = "drillyard.drill";
/// The node's name.
pub const NODE: &str = "drillyard.node";
/// Who made it: the caller's own words.
pub const OWNER: &str = "drillyard.owner";
/// The run's work directory on the machine that drillyard runs on.
pub const DIR: &str = "drillyard.dir";

/// How long removing goes on before what is left is told.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a second look waits for what the daemon was still making when its client died.
const SECOND_LOOK: Duration = Duration::from_millis(300);

/// The labels of everything in a drill.
pub(super) fn of(spec: &LabSpec, owner: &str) -> HashMap<String, String> {
    HashMap::from([
        (RUN.to_owned(), spec.run.clone()),
        (DRILL.to_owned(), spec.drill.to_string()),
        (OWNER.to_owned(), owner.to_owned()),
        (DIR.to_owned(), spec.dir.display().to_string()),
    ])
}

/// What is there of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The run's id.
    pub run: String,
    /// What its owner called itself.
    pub owner: String,
    /// Its work directory.
    pub dir: PathBuf,
    /// The objects: `container NAME`, `network NAME`, `volume NAME`.
    pub what: Vec<String>,
}

/// What an object is; containers go first, since the others are in use as long as they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Container,
    Network,
    Volume,
}

/// Something labelled.
#[derive(Debug, Clone)]
struct Object {
    kind: Kind,
    id: String,
    name: String,
    labels: HashMap<String, String>,
}

impl Object {
    fn told(&self) -> String {
        let kind = match self.kind {
            Kind::Container => "container",
            Kind::Network => "network",
            Kind::Volume => "volume",
        };
        format!("{kind} {}", self.name)
    }
}

/// Everything of a run on this daemon's machine is removed; returns what is left of it after 20 seconds.
pub async fn remove_run(daemon: &Daemon, run: &str) -> Result<Vec<String>> {
    let filter = [format!("{RUN}={run}")];
    let left = remove(daemon, &filter).await?;
    if !left.is_empty() {
        return Ok(left);
    }
    tokio::time::sleep(SECOND_LOOK).await;
    remove(daemon, &filter).await
}

/// All that drillyard has made and not removed on this daemon's machine, by run; of live runs too.
pub async fn leftovers(daemon: &Daemon) -> Result<Vec<Leftover>> {
    let mut runs: BTreeMap<String, Leftover> = BTreeMap::new();
    for object in list(daemon, &[RUN.to_owned()]).await? {
        let label = |key: &str| object.labels.get(key).cloned().unwrap_or_default();
        let run = label(RUN);
        let leftover = runs.entry(run.clone()).or_insert_with(|| Leftover {
            run,
            owner: label(OWNER),
            dir: PathBuf::from(label(DIR)),
            what: vec![],
        });
        leftover.what.push(object.told());
    }
    Ok(runs.into_values().collect())
}

/// Removes one drill's objects.
pub(super) async fn remove_drill(daemon: &Daemon, run: &str, drill: usize) -> Result<Vec<String>> {
    remove(daemon, &[format!("{RUN}={run}"), format!("{DRILL}={drill}")]).await
}

/// Removes what carries all of the labels until nothing is there, or patience ends; returns what is left, with the reasons.
async fn remove(daemon: &Daemon, labels: &[String]) -> Result<Vec<String>> {
    let end = Instant::now() + PATIENCE;
    loop {
        let objects = list(daemon, labels).await?;
        let Some(first) = objects.iter().map(|object| object.kind).min() else { return Ok(vec![]) };
        let mut round = JoinSet::new();
        // Networks and volumes do not wait for each other.
        for object in objects.into_iter().filter(|object| object.kind == first || first != Kind::Container) {
            let daemon = daemon.clone();
            round.spawn(async move { remove_one(&daemon, &object).await.map_err(|error| (object, error)) });
        }
        let mut failed = vec![];
        while let Some(done) = round.join_next().await {
            match done {
                Ok(Ok(())) => {}
                Ok(Err((object, error))) => failed.push(format!("{} ({error})", object.told())),
                Err(error) => failed.push(error.to_string()),
            }
        }
        if Instant::now() >= end {
            return Ok(if failed.is_empty() { told_list(daemon, labels).await? } else { failed });
        }
        if !failed.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn told_list(daemon: &Daemon, labels: &[String]) -> Result<Vec<String>> {
    Ok(list(daemon, labels).await?.iter().map(Object::told).collect())
}

async fn remove_one(daemon: &Daemon, object: &Object) -> std::result::Result<(), HostError> {
    let (docker, id) = (&daemon.docker, object.id.as_str());
    let doing = format!("removing the {}", object.told());
    match object.kind {
        Kind::Container => {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            daemon.call(&doing, MAKE, gone(docker.remove_container(id, Some(options)))).await
        }
        Kind::Network => daemon.call(&doing, MAKE, gone(docker.remove_network(id))).await,
        Kind::Volume => {
            let options = RemoveVolumeOptionsBuilder::new().force(true).build();
            daemon.call(&doing, MAKE, gone(docker.remove_volume(id, Some(options)))).await
        }
    }
}

/// What somebody else has removed, or is removing, is as good as gone: the next look tells.
async fn gone(removal: impl Future<Output = std::result::Result<(), ApiError>>) -> std::result::Result<(), ApiError> {
    match removal.await {
        Err(error) if is_missing(&error) => Ok(()),
        Err(ApiError::DockerResponseServerError { message, .. }) if message.contains("already in progress") => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(())
        }
        other => other,
    }
}

/// Everything that carries all of the labels (`KEY` or `KEY=VALUE`).
async fn list(daemon: &Daemon, labels: &[String]) -> Result<Vec<Object>> {
    let docker = &daemon.docker;
    let filters = HashMap::from([("label".to_owned(), labels.to_vec())]);
    let containers = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let networks = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let volumes = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let (containers, networks, volumes) = tokio::try_join!(
        daemon.call("listing containers", ASK, docker.list_containers(Some(containers))),
        daemon.call("listing networks", ASK, docker.list_networks(Some(networks))),
        daemon.call("listing volumes", ASK, docker.list_volumes(Some(volumes))),
    )?;
    let containers = containers.into_iter().filter_map(|container| {
        let id = container.id?;
        let name = container
            .names
            .unwrap_or_default()
            .first()
            .map_or(id.clone(), |name| name.trim_start_matches('/').to_owned());
        Some(Object { kind: Kind::Container, id, name, labels: container.labels.unwrap_or_default() })
    });
    let networks = networks.into_iter().filter_map(|network| {
        let id = network.id?;
        let name = network.name.unwrap_or_else(|| id.clone());
        Some(Object { kind: Kind::Network, id, name, labels: network.labels.unwrap_or_default() })
    });
    let volumes = volumes.volumes.unwrap_or_default().into_iter().map(|volume| Object {
        kind: Kind::Volume,
        id: volume.name.clone(),
        name: volume.name,
        labels: volume.labels,
    });
    Ok(containers.chain(networks).chain(volumes).collect())
}
