//! The containers, networks and volumes of one drill.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use testcontainers::bollard::models::NetworkCreateRequest;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::task::TaskTracker;

use super::container::{self, Bind, ContainerSpec, DATA, REPOS, Reach, SHARED, WAL};
use super::daemon::{ASK, Daemon, MAKE};
use super::disks::Disks;
use super::enclosure::{Enclosure, NO_NETWORK, WAYS};
use super::host::DockerHost;
use super::image::Images;
use super::networks::{self, Network as PeerNetwork};
use super::shared::Shared;
use super::{labels, removal};
use crate::host::sockets;
use crate::host::{Host, HostError, Isolation, Lab, LabSpec, Network, Result};
use crate::pg::Version;

/// A value that a task is making; all readers get it.
type Coming<T> = watch::Receiver<Option<Result<T>>>;

/// Where the task puts it.
type Making<T> = watch::Sender<Option<Result<T>>>;

/// The networks of the nodes, as they are made.
type Networks = Vec<(PeerNetwork, Coming<String>)>;

/// The right to start a container now.
type Turn = Option<OwnedSemaphorePermit>;

/// What all the tasks of a lab know.
struct Common {
    shared: Arc<Shared>,
    spec: LabSpec,
    images: Images,
    version: OnceLock<Version>,
    /// What stands for the network of containers that have none.
    enclosure: Option<Arc<Enclosure>>,
    /// Why containers have one that had better have none.
    why_open: String,
    /// Set when nothing more is to be made.
    closing: AtomicBool,
}

/// The hosts of one drill in containers.
pub(super) struct DockerLab {
    common: Arc<Common>,
    nodes: BTreeMap<String, Coming<Arc<DockerHost>>>,
    tasks: TaskTracker,
    destroyed: AtomicBool,
}

impl Common {
    /// `drillyard-RUN-DRILL-WHAT`.
    fn named(&self, what: &str) -> String {
        format!("drillyard-{}-{}-{what}", self.spec.run, self.spec.drill)
    }

    fn open(&self) -> Result<()> {
        if self.closing.load(Ordering::Acquire) {
            return Err(HostError::new(format!("drill {} of run {} is being removed", self.spec.drill, self.spec.run)));
        }
        Ok(())
    }

    /// Whether this machine has the bridge's own address (a daemon may listen here and run its
    /// containers in a virtual machine).
    async fn reach(&self, network: &str) -> Reach {
        let daemon = &self.shared.daemon;
        let seen = daemon.call("looking at a network", ASK, daemon.docker.inspect_network(network, None)).await;
        let gateways = seen.ok().and_then(|seen| seen.ipam?.config).unwrap_or_default().into_iter();
        let is_here = |gateway: String| {
            let address = gateway.parse::<IpAddr>();
            address.is_ok_and(|address| std::net::TcpListener::bind((address, 0)).is_ok())
        };
        match gateways.filter_map(|config| config.gateway).any(is_here) {
            true => Reach::Address,
            false => Reach::PublishedPort,
        }
    }

    fn container(&self, node: &str, reach: Reach) -> Result<ContainerSpec> {
        let mut labels = labels::of(&self.spec, &self.shared.settings.owner);
        labels.insert(labels::NODE.to_owned(), node.to_owned());
        let disks = Disks::of(&self.spec, node, |what| self.named(what));
        let own = [("data", DATA, true), ("wal", WAL, disks.wal)].into_iter().filter(|(.., there)| *there);
        let own = own.map(|(what, place, _)| (self.named(&format!("{what}-{node}")), place.to_owned()));
        let shared = (self.named("shared"), SHARED.to_owned());
        let repos = self.spec.repos.iter().map(|repo| (self.named(&format!("repo-{repo}")), format!("{REPOS}/{repo}")));
        let volumes = own.chain([shared]).chain(repos).collect();
        let mut binds = vec![];
        for path in &self.spec.mounts {
            let there = path.try_exists();
            let there = there.map_err(|e| HostError::new(format!("{} cannot be read: {e}", path.display())))?;
            binds.extend(there.then(|| Bind::to_read(path)));
        }
        // Docker takes each place once.
        binds.sort_by(|a, b| a.to.cmp(&b.to));
        binds.dedup();
        binds.extend(self.enclosure.as_ref().map(|enclosure| Bind {
            from: enclosure.dir().to_owned(),
            to: WAYS.to_owned(),
            writable: true,
        }));
        Ok(ContainerSpec {
            node: node.to_owned(),
            container: self.named(&format!("node-{node}")),
            image: self.images.of(self.spec.release(node))?.clone(),
            major: self.spec.major,
            release: self.spec.release(node),
            labels,
            manage: match reach {
                Reach::Socket => NO_NETWORK.to_owned(),
                Reach::Address | Reach::PublishedPort => self.named("manage"),
            },
            reach,
            volumes,
            disks,
            clock: self.spec.clock(node, SHARED),
            binds,
        })
    }

    async fn network(&self, what: &str, internal: bool, peers: bool) -> Result<String> {
        self.open()?;
        let (daemon, name) = (&self.shared.daemon, self.named(what));
        let options = [("com.docker.network.bridge.enable_icc".to_owned(), peers.to_string())];
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".to_owned()),
            internal: Some(internal),
            options: Some(options.into()),
            labels: Some(labels::of(&self.spec, &self.shared.settings.owner)),
            ..Default::default()
        };
        daemon.call(&format!("making the network {name}"), MAKE, daemon.docker.create_network(request)).await?;
        Ok(name)
    }

    /// Makes a node's container. `turn` is given back when it has started.
    async fn node(&self, node: &str, reach: Reach, turn: Turn, networks: Networks) -> Result<Arc<DockerHost>> {
        self.open()?;
        let daemon = &self.shared.daemon;
        let spec = self.container(node, reach)?;
        let facts = container::start(daemon, &spec).await?;
        drop(turn);
        let mut joined = vec![];
        for (network, mut coming) in networks {
            if network.nodes.iter().any(|other| other == node) {
                let network = come(&mut coming).await?;
                self.open()?;
                networks::connect(daemon, &spec.container, node, &network).await?;
                joined.push(network);
            }
        }
        if spec.release.is_none() {
            self.version.get_or_init(|| facts.version);
        }
        self.shared.learn(&spec.image.id, facts.version);
        let host = DockerHost::new(Arc::clone(&self.shared), spec, joined, facts, self.enclosure.clone());
        host.sees_this_machine().await?;
        Ok(Arc::new(host))
    }
}

/// What stands for the network of the containers of a drill if they are to have none; else why they
/// have one.
fn cut_off(spec: &LabSpec, daemon: &str) -> Result<(Option<Enclosure>, String)> {
    let elsewhere = !(cfg!(target_os = "linux") && daemon.starts_with("unix://"));
    let impossible = match () {
        () if elsewhere => format!("the daemon at {daemon} may run on another machine"),
        () if !spec.cuts.is_empty() => "the drill cuts a network between its containers".to_owned(),
        () => String::new(),
    };
    match spec.isolation {
        Isolation::Needless => Ok((None, "nothing in this drill is anybody else's".to_owned())),
        Isolation::Demanded if impossible.is_empty() => {
            no_socket_in(&spec.mounts)?;
            Ok((Some(Enclosure::make(spec)?), String::new()))
        }
        Isolation::Refused if spec.mounts.is_empty() => Ok((None, "the scenario says `network: open`".to_owned())),
        Isolation::Refused => Err(HostError::new("containers with somebody else's data have no network")
            .help("leave `network: open` out, or take `--backend local`")),
        Isolation::Demanded => {
            let title = format!("the containers of this drill cannot do without a network: {impossible}");
            let open =
                if spec.mounts.is_empty() { ", or `network: open` in the scenario, at your own risk" } else { "" };
            Err(HostError::new(title).help(format!("`--backend local`{open}")))
        }
    }
}

/// Fails if somebody listens at a Unix socket below a path that containers are given: that it is
/// mounted read-only keeps nobody from connecting.
fn no_socket_in(mounts: &[PathBuf]) -> Result<()> {
    if mounts.is_empty() {
        return Ok(());
    }
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    for socket in sockets::listening()?.iter().map(|socket| real(socket)) {
        if let Some(mount) = mounts.iter().find(|mount| socket.starts_with(real(mount))) {
            let (socket, mount) = (socket.display(), mount.display());
            let title = format!("what runs in a container could connect to {socket}, which lies below {mount}");
            return Err(HostError::new(title).help("name a directory without it, or take `--backend local`"));
        }
    }
    Ok(())
}

/// Waits for what a task makes.
async fn come<T: Clone>(coming: &mut Coming<T>) -> Result<T> {
    match coming.wait_for(Option::is_some).await.as_deref() {
        Ok(Some(made)) => made.clone(),
        _ => Err(HostError::new("it was not made, since drillyard is ending")),
    }
}

impl DockerLab {
    /// Begins to make everything, and returns at once.
    ///
    /// # Errors
    /// If its containers cannot be cut off from the network, and have to be.
    pub(super) fn begin(shared: Arc<Shared>, spec: LabSpec, images: Images) -> Result<Self> {
        let (enclosure, why_open) = cut_off(&spec, shared.daemon.address())?;
        let tasks = TaskTracker::new();
        let known = shared.known(&images.usual.id).map_or_else(OnceLock::new, OnceLock::from);
        let closing = AtomicBool::new(false);
        let (mut nodes, mut makers) = (BTreeMap::new(), vec![]);
        for node in &spec.nodes {
            let (maker, coming) = watch::channel(None);
            nodes.insert(node.clone(), coming);
            makers.push((node.clone(), maker));
        }
        let enclosure = enclosure.map(Arc::new);
        let common = Arc::new(Common { shared, spec, images, version: known, enclosure, why_open, closing });
        tasks.spawn(make_all(Arc::clone(&common), makers, tasks.clone()));
        Ok(DockerLab { common, nodes, tasks, destroyed: AtomicBool::new(false) })
    }

    /// The network of a connection that can be cut, and the container and the node that is taken
    /// off it: the same one, whichever is named first.
    fn cut_at(&self, a: &str, b: &str) -> Result<(String, String, String)> {
        let network = networks::of_cut(&self.common.spec, a, b);
        let network = network.ok_or_else(|| HostError::new(format!("`{a}` and `{b}` have no network of their own")))?;
        let end = a.min(b);
        Ok((self.common.named(&network), self.common.named(&format!("node-{end}")), end.to_owned()))
    }

    fn removal(&self) -> (Daemon, String, usize) {
        (self.common.shared.daemon.clone(), self.common.spec.run.clone(), self.common.spec.drill)
    }
}

/// Makes the networks and then the containers, in the order of the nodes. A start keeps a processor
/// busy for 200 ms and more: all of them at once would all be late, so each waits for its turn, and
/// the first nodes are ready first.
async fn make_all(common: Arc<Common>, makers: Vec<(String, Making<Arc<DockerHost>>)>, tasks: TaskTracker) {
    if common.enclosure.is_some() {
        return make_nodes(&common, makers, &tasks, (Reach::Socket, vec![])).await;
    }
    // On this one only drillyard talks to the nodes, on the others only they do to each other: a
    // node that is cut off its peers finds no way around.
    let manage = match common.network("manage", false, false).await {
        Ok(manage) => manage,
        Err(error) => {
            for (_, maker) in makers {
                maker.send_replace(Some(Err(error.clone())));
            }
            return;
        }
    };
    let peers = networks::all(&common.spec).into_iter().map(|network| {
        let (maker, coming) = watch::channel(None);
        let (also, name) = (Arc::clone(&common), network.name.clone());
        tasks.spawn(async move { maker.send_replace(Some(also.network(&name, true, true).await)) });
        (network, coming)
    });
    let peers: Networks = peers.collect();
    let reach = common.reach(&manage).await;
    make_nodes(&common, makers, &tasks, (reach, peers)).await;
}

/// Makes the containers.
async fn make_nodes(
    common: &Arc<Common>,
    makers: Vec<(String, Making<Arc<DockerHost>>)>,
    tasks: &TaskTracker,
    (reach, peers): (Reach, Networks),
) {
    for (node, maker) in makers {
        // The semaphore is never closed.
        let turn = Arc::clone(&common.shared.turns).acquire_owned().await.ok();
        let (common, peers) = (Arc::clone(common), peers.clone());
        tasks.spawn(async move { maker.send_replace(Some(common.node(&node, reach, turn, peers).await)) });
    }
}

#[async_trait]
impl Lab for DockerLab {
    fn version(&self) -> Version {
        let unknown = Version { major: self.common.spec.major, minor: 0 };
        self.common.version.get().copied().or(self.common.images.usual.version).unwrap_or(unknown)
    }

    async fn host(&self, node: &str) -> Result<Arc<dyn Host>> {
        let mut coming = self
            .nodes
            .get(node)
            .cloned()
            .ok_or_else(|| HostError::new(format!("no node `{node}` was asked for when the lab was made")))?;
        let host: Arc<dyn Host> = come(&mut coming).await?;
        Ok(host)
    }

    fn network(&self) -> Network {
        match &self.common.enclosure {
            Some(_) => Network::Isolated,
            None => Network::Open(self.common.why_open.clone()),
        }
    }

    fn repo(&self, repo: &str) -> String {
        format!("{REPOS}/{repo}")
    }

    async fn cut(&self, a: &str, b: &str) -> Result<()> {
        let (network, container, _) = self.cut_at(a, b)?;
        networks::disconnect(&self.common.shared.daemon, &container, &network).await
    }

    async fn heal(&self, a: &str, b: &str) -> Result<()> {
        let (network, container, node) = self.cut_at(a, b)?;
        networks::connect(&self.common.shared.daemon, &container, &node, &network).await
    }

    fn keep(&self) {
        self.destroyed.store(true, Ordering::Release);
    }

    async fn destroy(&self) -> Result<()> {
        self.common.closing.store(true, Ordering::Release);
        self.destroyed.store(true, Ordering::Release);
        // What is being made must be there before it can be found by its labels.
        self.tasks.close();
        self.tasks.wait().await;
        let (daemon, run, drill) = self.removal();
        let left = match removal::remove_drill(&daemon, &run, drill).await {
            Ok(left) if left.is_empty() => return Ok(()),
            Ok(left) => format!("left are: {}", left.join(", ")),
            Err(error) => error.message,
        };
        let error = HostError::new(format!("drill {drill} of run {run} could not be removed from Docker; {left}"));
        Err(error.help(format!("when the daemon works again: {}", removal::by_hand(&run))))
    }
}

impl Drop for DockerLab {
    /// The last resort, for a lab that nobody destroyed or kept (a panic): a thread of its own
    /// removes what is there.
    fn drop(&mut self) {
        if self.destroyed.load(Ordering::Acquire) {
            return;
        }
        self.common.closing.store(true, Ordering::Release);
        let (daemon, run, _) = self.removal();
        let drill = self.common.spec.drill;
        let address = daemon.address().to_owned();
        let last = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                // Connections belong to the runtime that opened them.
                if let Ok(daemon) = Daemon::connect(Some(&address)).await {
                    removal::remove_drill(&daemon, &run, drill).await.ok();
                }
            });
        });
        last.join().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_container_is_given_a_socket_of_somebody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let (given, beside) = (dir.path().join("given"), dir.path().join("beside"));
        for dir in [&given, &beside] {
            std::fs::create_dir(dir).unwrap();
        }
        let _listener = std::os::unix::net::UnixListener::bind(beside.join("socket")).unwrap();
        no_socket_in(std::slice::from_ref(&given)).unwrap();
        let why = no_socket_in(&[given, dir.path().to_owned()]).unwrap_err().message;
        assert!(why.contains("beside/socket, which lies below "), "{why}");
    }
}
