//! Removing all that carries certain labels: clean-up needs no memory of what was made.

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

use super::daemon::{AGAIN, ASK, CLEAN_UP, Daemon, MAKE, is_missing};
use super::labels::{DIR, DRILL, OWNER, RUN};
use super::networks;
use crate::host::{HostError, Result};

/// How long the daemon is asked again when it refuses although no container is left: it was seen to
/// count an endpoint of a network that no container had, and to refuse to remove that network until
/// it was restarted.
const REFUSED: Duration = Duration::from_secs(5);

/// How long a second look waits for what the daemon was still making when its client died.
const SECOND_LOOK: Duration = Duration::from_millis(300);

/// What is there of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leftover {
    /// The run's id.
    pub run: String,
    /// Who made it.
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
    fn described(&self) -> String {
        let kind = match self.kind {
            Kind::Container => "container",
            Kind::Network => "network",
            Kind::Volume => "volume",
        };
        format!("{kind} {}", self.name)
    }
}

/// Everything of a run on this daemon's machine is removed; returns what is left of it after a
/// minute, and why.
pub(super) async fn remove_run(daemon: &Daemon, run: &str) -> Result<Vec<String>> {
    let filter = [format!("{RUN}={run}")];
    let left = remove(daemon, &filter).await?;
    if !left.is_empty() {
        return Ok(left);
    }
    tokio::time::sleep(SECOND_LOOK).await;
    remove(daemon, &filter).await
}

/// The commands that remove what is left of a run.
pub(super) fn by_hand(run: &str) -> String {
    let of = format!("--filter label={RUN}={run}");
    format!(
        "drillyard clean {run}; or by hand: docker rm -fv $(docker ps -aq {of}); docker network rm $(docker network ls -q {of}); \
         docker volume rm $(docker volume ls -q {of})"
    )
}

/// All that drillyard has made and not removed on this daemon's machine, by run; of live runs too.
pub(super) async fn leftovers(daemon: &Daemon) -> Result<Vec<Leftover>> {
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
        leftover.what.push(object.described());
    }
    Ok(runs.into_values().collect())
}

/// Removes one drill's objects.
pub(super) async fn remove_drill(daemon: &Daemon, run: &str, drill: usize) -> Result<Vec<String>> {
    remove(daemon, &[format!("{RUN}={run}"), format!("{DRILL}={drill}")]).await
}

/// What could not be removed yet.
struct Refusal {
    object: Object,
    error: HostError,
    /// Whether the daemon said that it is in use; it may just as well have been away.
    in_use: bool,
}

/// Removes what carries all of the labels until nothing is there, or patience ends; returns what is
/// left, with the reasons. A daemon that is away or out of order for a while is waited for.
async fn remove(daemon: &Daemon, labels: &[String]) -> Result<Vec<String>> {
    let end = Instant::now() + CLEAN_UP;
    let mut refused_since = None;
    loop {
        match round(daemon, labels).await {
            Ok(None) => return Ok(vec![]),
            Ok(Some(refusals)) => {
                let only_refused = |one: &Refusal| one.in_use && one.object.kind != Kind::Container;
                let for_good = !refusals.is_empty() && refusals.iter().all(only_refused);
                refused_since = refused_since.filter(|_| for_good).or(for_good.then(Instant::now));
                let hopeless = refused_since.is_some_and(|since| since.elapsed() >= REFUSED);
                if !refusals.is_empty() && (hopeless || Instant::now() >= end) {
                    return Ok(refusals
                        .iter()
                        .map(|one| format!("{} ({})", one.object.described(), one.error))
                        .collect());
                }
                if refusals.is_empty() {
                    continue;
                }
            }
            Err(error) if Instant::now() >= end => return Err(error),
            Err(_) => refused_since = None,
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Tries to remove what is there once: containers, or when there are none everything else. None if
/// nothing was there.
async fn round(daemon: &Daemon, labels: &[String]) -> Result<Option<Vec<Refusal>>> {
    let objects = list(daemon, labels).await?;
    let Some(first) = objects.iter().map(|object| object.kind).min() else { return Ok(None) };
    // A daemon counts the containers of a network, and loses count if several leave it at once
    // while somebody lists networks: it says ever after that the network is in use (20.10: 3 of 60
    // drills of six containers that were removed at once; none of 60, one after the other).
    let networks = objects.iter().any(|object| object.kind == Kind::Network);
    let mut series: BTreeMap<String, Vec<Object>> = BTreeMap::new();
    // Networks and volumes do not wait for each other.
    for object in objects.into_iter().filter(|object| object.kind == first || first != Kind::Container) {
        let turn = match object.kind {
            Kind::Container if networks => object.labels.get(DRILL).cloned().unwrap_or_default(),
            _ => object.described(),
        };
        series.entry(turn).or_default().push(object);
    }
    let mut round = JoinSet::new();
    for objects in series.into_values() {
        let daemon = daemon.clone();
        round.spawn(async move {
            let mut refusals = vec![];
            for object in objects {
                refusals.extend(refused(&daemon, object).await);
            }
            refusals
        });
    }
    Ok(Some(round.join_all().await.into_iter().flatten().collect()))
}

/// Tries to remove an object. Why the daemon refuses, if it does.
async fn refused(daemon: &Daemon, object: Object) -> Option<Refusal> {
    let error = remove_one(daemon, &object).await.err()?;
    let in_use = is_in_use(&error);
    if object.kind == Kind::Network && in_use {
        free(daemon, &object.id).await;
    }
    let error = daemon.explain(&format!("removing the {}", object.described()), &error);
    Some(Refusal { object, error, in_use })
}

/// Whether the daemon will not remove a thing because something still uses it.
fn is_in_use(error: &ApiError) -> bool {
    matches!(error, ApiError::DockerResponseServerError { status_code: 403 | 409, .. })
}

/// Takes everything off a network of which no container is left: endpoints that outlived theirs.
async fn free(daemon: &Daemon, network: &str) {
    let seen = daemon.call("looking at a network", ASK, daemon.docker.inspect_network(network, None)).await;
    for (id, endpoint) in seen.ok().and_then(|seen| seen.containers).unwrap_or_default() {
        let container = endpoint.name.unwrap_or(id);
        // When it does not help, the next attempt says what is in the way.
        let _ = networks::disconnect(daemon, &container, network).await;
    }
}

async fn remove_one(daemon: &Daemon, object: &Object) -> std::result::Result<(), ApiError> {
    let (docker, id) = (&daemon.docker, object.id.as_str());
    let removal = async {
        match object.kind {
            Kind::Container => {
                let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
                gone(docker.remove_container(id, Some(options))).await
            }
            Kind::Network => gone(docker.remove_network(id)).await,
            Kind::Volume => {
                let options = RemoveVolumeOptionsBuilder::new().force(true).build();
                gone(docker.remove_volume(id, Some(options))).await
            }
        }
    };
    tokio::time::timeout(MAKE, removal).await.unwrap_or(Err(ApiError::RequestTimeoutError))
}

/// What somebody else has removed, or is removing, is as good as gone: the next look shows it.
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
