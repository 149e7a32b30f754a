//! A node's container: made by testcontainers, and what was found in its image.

use std::collections::HashMap;
use std::mem;
use std::path::{Path, PathBuf};

use testcontainers::bollard::models::{
    HostConfigLogConfig, Mount, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig, PortBinding,
};
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt};

use super::daemon::{ASK, Daemon, MAKE, is_missing};
use super::disks::Disks;
use super::image::{Image, holds_another};
use crate::host::{HostError, Result, SMALL_DISK, Seen};
use crate::pg::Version;

/// The directories of a container.
pub(super) const DATA: &str = "/drillyard/data";
/// The directory of a small disk for pg_wal.
pub(super) const WAL: &str = "/drillyard/wal";
pub(super) const REPOS: &str = "/drillyard/repos";
pub(super) const SHARED: &str = "/drillyard/shared";
pub(super) const LOG: &str = "/drillyard/log";
pub(super) const SOCKETS: &str = "/drillyard/run";

/// PostgreSQL's port in every container.
pub(super) const PORT: u16 = 5432;

/// Parallel queries take their memory from /dev/shm, where Docker gives 64 MB.
const SHARED_MEMORY: u64 = 256 << 20;

/// The end of what [`PREPARE`] prints.
const READY: &str = "drillyard: ready";

/// What a container does at every start, before it sleeps. Done here it costs no exec.
const PREPARE: &str = include_str!("scripts/prepare.sh");

/// What an image holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// The directory of PostgreSQL's programs.
    pub bin: String,
    /// PATH as the image has it.
    pub path: String,
    /// The server's user's home.
    pub home: String,
    /// The server's user and group, as numbers.
    pub ids: (u32, u32),
    /// The version of `postgres`.
    pub version: Version,
}

/// How drillyard reaches a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// By its address: the network's bridge is on this machine.
    Address,
    /// By a port that the daemon publishes on 127.0.0.1, which costs a proxy and rules of the
    /// firewall for each container.
    PublishedPort,
    /// By a socket in a directory of this machine: it has no network.
    Socket,
}

/// What a container is to be.
#[derive(Debug, Clone)]
pub(super) struct ContainerSpec {
    /// The node that lives in it.
    pub node: String,
    /// Its own name.
    pub container: String,
    pub image: Image,
    pub major: u32,
    /// The release that it has to be of, if it matters.
    pub release: Option<Version>,
    pub labels: HashMap<String, String>,
    /// The network by which drillyard reaches it.
    pub manage: String,
    /// How.
    pub reach: Reach,
    /// Volumes and where they are mounted.
    pub volumes: Vec<(String, String)>,
    /// Those of the volumes that are in memory.
    pub disks: Disks,
    /// The file that sets its server's clock, if it has one of its own.
    pub clock: Option<String>,
    /// What is mounted of this machine.
    pub binds: Vec<Bind>,
}

/// A file or directory of this machine that a container sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bind {
    /// On this machine.
    pub from: PathBuf,
    /// In the container.
    pub to: String,
    /// Whether it can be written there.
    pub writable: bool,
}

/// Makes and starts a container, and waits until it has prepared itself. It is found by its name
/// from then on.
pub(super) async fn start(daemon: &Daemon, spec: &ContainerSpec) -> Result<Facts> {
    let doing = format!("starting a container of {} for {}", spec.image.name, spec.node);
    let (name, tag) = spec.image.name.rsplit_once(':').unwrap_or((&spec.image.name, "latest"));
    let (manage, labels, reach) = (spec.manage.clone(), spec.labels.clone(), spec.reach);
    let volumes = spec
        .volumes
        .iter()
        .map(|(volume, target)| mount(volume, target, spec.disks.sizes.get(volume).copied(), &labels));
    let mounts: Vec<Mount> = volumes.chain(spec.binds.iter().map(Bind::mount)).collect();
    let request = GenericImage::new(name, tag)
        .with_exposed_port(PORT.tcp())
        .with_entrypoint("/bin/sh")
        .with_wait_for(WaitFor::message_on_stdout(READY))
        .with_cmd(["-c", PREPARE, "drillyard", &spec.major.to_string()])
        .with_user("root")
        .with_container_name(&spec.container)
        .with_labels(spec.labels.clone())
        .with_shm_size(SHARED_MEMORY)
        .with_startup_timeout(MAKE)
        .with_host_config_modifier(move |host| {
            // Without an init a killed postmaster stays a zombie, and the server can't start again.
            host.init = Some(true);
            // Named here, testcontainers takes it as given, and does not look for it under a lock.
            host.network_mode = Some(manage.clone());
            host.mounts = Some(mounts.clone());
            host.publish_all_ports = Some(false);
            if reach == Reach::PublishedPort {
                let here = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: None };
                host.port_bindings = Some(HashMap::from([(format!("{PORT}/tcp"), Some(vec![here]))]));
            }
            // The daemon's own choice of driver may be one whose logs can't be read.
            host.log_config = Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: None });
        });
    let started = tokio::time::timeout(MAKE, request.start())
        .await
        .map_err(|_| HostError::new(format!("{doing}: not done after {} seconds", MAKE.as_secs())))?;
    let container = started.map_err(|error| daemon.explain_container(&doing, &error))?;
    let printed = container.stdout_to_vec().await;
    // The labels decide when it is removed. Its Drop would block, and panic without a runtime.
    mem::forget(container);
    let printed = printed.map_err(|error| daemon.explain_container(&doing, &error))?;
    read_facts(&String::from_utf8_lossy(&printed), spec)
}

/// A look at a container. A daemon that does not answer is an error.
pub(super) async fn look(daemon: &Daemon, doing: &str, name: &str) -> Result<Seen> {
    let answer = async {
        match daemon.docker.inspect_container(name, None).await {
            Err(error) if is_missing(&error) => Ok(None),
            answer => answer.map(Some),
        }
    };
    let Some(found) = daemon.call(doing, ASK, answer).await? else {
        return Ok(Seen::Off("its container was removed".to_owned()));
    };
    let state = found.state.unwrap_or_default();
    Ok(match (state.running, state.paused) {
        (_, Some(true)) => Seen::Frozen,
        (Some(true), _) => Seen::On,
        _ => {
            let status = state.exit_code.map(|code| format!(" with exit code {code}")).unwrap_or_default();
            let memory = if state.oom_killed == Some(true) { ", out of memory" } else { "" };
            Seen::Off(format!("its container has ended{status}{memory}"))
        }
    })
}

impl Bind {
    /// One at the same path as on this machine.
    pub(super) fn to_read(path: &Path) -> Self {
        // Docker would mount a link as what it leads to in the container.
        let from = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Bind { from, to: path.display().to_string(), writable: false }
    }

    fn mount(&self) -> Mount {
        Mount {
            typ: Some(MountType::BIND),
            source: Some(self.from.display().to_string()),
            target: Some(self.to.clone()),
            read_only: Some(!self.writable),
            ..Default::default()
        }
    }
}

/// A volume that the daemon makes with the container, labelled.
fn mount(volume: &str, target: &str, size: Option<u64>, labels: &HashMap<String, String>) -> Mount {
    let in_memory = |size: u64| {
        let options = [("type", "tmpfs".to_owned()), ("device", SMALL_DISK.to_owned()), ("o", format!("size={size}"))];
        let options = options.map(|(name, value)| (name.to_owned(), value)).into();
        MountVolumeOptionsDriverConfig { name: Some("local".to_owned()), options: Some(options) }
    };
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(volume.to_owned()),
        target: Some(target.to_owned()),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            labels: Some(labels.clone()),
            driver_config: size.map(in_memory),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Reads what [`PREPARE`] printed, at the last start.
fn read_facts(printed: &str, spec: &ContainerSpec) -> Result<Facts> {
    let image = &spec.image.name;
    let all: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix("drillyard: ")).collect();
    if let Some(lack) = all.iter().rev().find(|line| line.starts_with("lacks ")) {
        return Err(HostError::new(format!("the image {image} {lack}"))
            .help("any image with PostgreSQL's programs and a user postgres will do: ci/image VERSION makes one"));
    }
    let value = |key: &str| all.iter().rev().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    let unclear =
        || HostError::new(format!("the image {image} has started, but what it printed is not understood: {printed:?}"));
    let ids = value("ids").and_then(|ids| ids.split_once(':')).ok_or_else(unclear)?;
    let version: Version = value("version").and_then(|text| text.parse().ok()).ok_or_else(unclear)?;
    if version.major != spec.major {
        return Err(HostError::new(format!("the image {image} holds PostgreSQL {version}, not {}", spec.major))
            .help("put {version} into --image for the major version"));
    }
    if let Some(release) = spec.release.filter(|release| *release != version) {
        return Err(holds_another(image, version, release));
    }
    Ok(Facts {
        bin: value("bin").ok_or_else(unclear)?.to_owned(),
        path: value("path").unwrap_or("/usr/local/bin:/usr/bin:/bin").to_owned(),
        home: value("home").filter(|home| !home.is_empty()).unwrap_or("/var/lib/postgresql").to_owned(),
        ids: (ids.0.parse().map_err(|_| unclear())?, ids.1.parse().map_err(|_| unclear())?),
        version,
    })
}
