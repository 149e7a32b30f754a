//! A container as the host of one server.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use testcontainers::bollard::query_parameters::InspectContainerOptionsBuilder;

use super::container::{self, ContainerSpec, DATA, Facts, LOG, PORT, Reach, SHARED, SOCKETS, WAL};
use super::daemon::ASK;
use super::enclosure::{Enclosure, WAYS};
use super::exec::Setting;
use super::initdb::{NewCluster, initdb};
use super::shared::Shared;
use super::shell::Shell;
use super::{archive, lifecycle, networks};
use crate::host::lifecycle::Lifecycle;
use crate::host::{
    Endpoint, Host, HostError, Outlet, Output, Paths, Program, Result, Seen, ShellCommand, WAL_TAKES_SPACE,
};
use crate::pg::{SystemId, Version};

/// Looks for what may not be read.
const READABLE: &str = include_str!("scripts/readable.sh");

/// A container that one server lives in.
pub(super) struct DockerHost {
    shared: Arc<Shared>,
    /// What its container is, by whose name it is found.
    spec: ContainerSpec,
    /// The networks of the nodes that it is on.
    networks: Vec<String>,
    lifecycle: Lifecycle,
    /// Whether container and disk were removed.
    lost: AtomicBool,
    paths: Paths,
    setting: Setting,
    facts: Facts,
    endpoint: Mutex<Option<Endpoint>>,
    shell: Shell,
    /// What stands for its network, if it has none.
    enclosure: Option<Arc<Enclosure>>,
}

impl DockerHost {
    pub(super) fn new(
        shared: Arc<Shared>,
        spec: ContainerSpec,
        networks: Vec<String>,
        facts: Facts,
        enclosure: Option<Arc<Enclosure>>,
    ) -> Self {
        let sockets = match &enclosure {
            Some(_) => format!("{WAYS}/{}", spec.node),
            None => SOCKETS.to_owned(),
        };
        let env = vec![
            format!("PATH={}:{}", facts.bin, facts.path),
            format!("HOME={}", facts.home),
            "LANG=C.UTF-8".to_owned(),
        ];
        let wal = spec.disks.wal.then(|| WAL.to_owned());
        let clock = spec.clock.clone();
        DockerHost {
            shared,
            spec,
            networks,
            lifecycle: Lifecycle::default(),
            lost: AtomicBool::new(false),
            paths: Paths {
                data: format!("{DATA}/pgdata"),
                wal,
                clock,
                log: format!("{LOG}/postgresql.log"),
                sockets,
                shared: SHARED.to_owned(),
            },
            setting: Setting { user: "postgres".to_owned(), env },
            facts,
            endpoint: Mutex::new(None),
            shell: Shell::default(),
            enclosure,
        }
    }

    /// Fails if the container does not see what it was given of this machine, or may not read it.
    pub(super) async fn sees_this_machine(&self) -> Result<()> {
        if let Some(enclosure) = &self.enclosure {
            let socket = format!("{WAYS}/{}", self.spec.node);
            let token = enclosure.sockets(&self.spec.node).join("here");
            // New: the other containers can write there, too.
            let there = std::fs::File::create_new(&token).is_ok()
                && self.run(Program::script(r#"test -e "$1/here""#, [socket])).await?.success();
            let _ = std::fs::remove_file(&token);
            if !there {
                return Err(HostError::new(
                    "containers do not see the files of this machine: the daemon runs elsewhere",
                )
                .help(match self.spec.binds.iter().all(|bind| bind.writable) {
                    true => "`network: open` in the scenario, or `--backend local`",
                    false => "`--backend local`",
                }));
            }
        }
        let paths = self.spec.binds.iter().filter(|bind| !bind.writable).map(|bind| bind.to.clone());
        let output = self.run(Program::script(READABLE, paths)).await?;
        match output.success() {
            true => Ok(()),
            false => Err(self.may_not_read(output.text().trim())),
        }
    }

    fn may_not_read(&self, path: &str) -> HostError {
        let (uid, _) = self.facts.ids;
        HostError::new(format!("the user postgres of the image (uid {uid}) may not read {path} of this machine"))
            .help(format!("let it read all of that (setfacl -R -m u:{uid}:rX {path}), or take `--backend local`"))
    }

    /// Forgets how the server is reached: when the container is started again or joined to a
    /// network, its address and the published port may change.
    fn moved(&self) {
        *self.endpoint.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
    }

    async fn look_up(&self) -> Result<Endpoint> {
        if let Some(enclosure) = &self.enclosure {
            return Ok(Endpoint::Socket { dir: enclosure.sockets(&self.spec.node), port: PORT });
        }
        let doing = format!("asking how {} is reached", self.spec.node);
        let daemon = &self.shared.daemon;
        let options = InspectContainerOptionsBuilder::new().build();
        let seen =
            daemon.call(&doing, ASK, daemon.docker.inspect_container(&self.spec.container, Some(options))).await?;
        let network = seen.network_settings.unwrap_or_default();
        let own = network
            .networks
            .as_ref()
            .and_then(|all| all.get(&self.spec.manage)?.ip_address.as_ref()?.parse::<IpAddr>().ok());
        if let (Reach::Address, Some(address)) = (self.spec.reach, own) {
            return Ok(Endpoint::Tcp { host: address.to_string(), port: PORT });
        }
        let published = network.ports.as_ref().and_then(|all| all.get(&format!("{PORT}/tcp"))?.as_ref()?.first());
        let port = published.and_then(|binding| binding.host_port.as_ref()?.parse().ok());
        let port = port.ok_or_else(|| {
            let state =
                seen.state.and_then(|state| state.status).map_or("unknown".to_owned(), |status| status.to_string());
            HostError::new(format!("{doing}: its container has no address and no published port (it is {state})"))
        })?;
        Ok(Endpoint::Tcp { host: "127.0.0.1".to_owned(), port })
    }
}

#[async_trait]
impl Host for DockerHost {
    fn name(&self) -> &str {
        &self.spec.node
    }

    fn version(&self) -> Version {
        self.facts.version
    }

    fn paths(&self) -> &Paths {
        &self.paths
    }

    async fn endpoint(&self) -> Result<Endpoint> {
        let known = self.endpoint.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        if let Some(endpoint) = known {
            return Ok(endpoint);
        }
        let endpoint = self.look_up().await?;
        *self.endpoint.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(endpoint.clone());
        Ok(endpoint)
    }

    fn peer_endpoint(&self, _from: &str) -> Endpoint {
        match &self.enclosure {
            Some(_) => Endpoint::Socket { dir: self.paths.sockets.clone().into(), port: PORT },
            None => Endpoint::Tcp { host: self.spec.node.clone(), port: PORT },
        }
    }

    /// It is a machine of its own.
    fn scratch_port(&self, _: u16) -> u16 {
        PORT
    }

    fn settings(&self) -> Vec<(String, String)> {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let mut settings = vec![
            pair("listen_addresses", if self.enclosure.is_some() { "" } else { "*" }),
            pair("port", &PORT.to_string()),
            pair("unix_socket_directories", &self.paths.sockets),
        ];
        if self.spec.disks.server {
            settings.push(pair(WAL_TAKES_SPACE.0, WAL_TAKES_SPACE.1));
        }
        settings
    }

    fn hba(&self) -> Vec<String> {
        let mut lines =
            vec!["local all all scram-sha-256".to_owned(), "local replication all scram-sha-256".to_owned()];
        for database in ["all", "replication"] {
            for network in ["0.0.0.0/0", "::/0"] {
                lines.push(format!("host {database} all {network} scram-sha-256"));
            }
        }
        lines
    }

    /// On this machine nobody else gets at the socket, and containers see their own drill's alone.
    fn open_hba(&self) -> Option<Vec<String>> {
        self.enclosure.as_ref()?;
        Some(["local all all trust", "local replication all trust"].map(str::to_owned).to_vec())
    }

    async fn outlet(&self) -> Result<Option<Outlet>> {
        self.enclosure.as_ref().map(|enclosure| enclosure.outlet()).transpose()
    }

    async fn run(&self, program: Program) -> Result<Output> {
        if !self.lifecycle.is_on() {
            return Err(HostError::new(format!(
                "nothing can be run for node `{}`: its host does not run",
                self.spec.node
            )));
        }
        self.shell.run(&self.shared.daemon, &self.spec.container, &self.spec.node, &self.setting, program).await
    }

    async fn write(&self, path: &str, contents: &[u8]) -> Result<()> {
        // A small text goes the short way; an argument has at most 128 KiB (MAX_ARG_STRLEN).
        const SMALL: usize = 100_000;
        if let Some(text) =
            std::str::from_utf8(contents).ok().filter(|text| text.len() <= SMALL && !text.contains('\0'))
        {
            let script = r#"umask 077; printf '%s' "$2" >"$1""#;
            let output = self.run(Program::script(script, [path, text])).await?;
            return match output.success() {
                true => Ok(()),
                false => Err(HostError::new(format!("writing {path} on {}: {}", self.spec.node, output.stderr.trim()))),
            };
        }
        archive::write(&self.shared.daemon, &self.spec.container, &self.spec.node, self.facts.ids, path, contents).await
    }

    async fn read(&self, path: &str, offset: u64) -> Result<Vec<u8>> {
        if !self.lifecycle.is_on() {
            if self.lost.load(Ordering::SeqCst) {
                return Ok(vec![]);
            }
            let whole = archive::read(&self.shared.daemon, &self.spec.container, &self.spec.node, path).await?;
            return Ok(whole.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default().to_vec());
        }
        // tail counts from 1.
        let script = r#"if [ -e "$1" ]; then exec tail -c "+$2" "$1"; fi"#;
        let output = self.run(Program::script(script, [path.to_owned(), offset.saturating_add(1).to_string()])).await?;
        if output.success() {
            return Ok(output.stdout);
        }
        Err(HostError::new(format!("reading {path} on {}: {}", self.spec.node, output.stderr.trim())))
    }

    async fn initdb(&self, options: &[&str], system: SystemId) -> Result<String> {
        let new = NewCluster {
            host: self,
            container: &self.spec.container,
            image: &self.spec.image.id,
            shared: &self.shared,
        };
        initdb(&new, options, system).await
    }

    fn shell(&self, env: &[(String, String)]) -> ShellCommand {
        // Without a value docker takes that of its own environment, which nobody else can see.
        let added = env.iter().map(|(key, _)| key.clone());
        let variables: Vec<String> =
            self.setting.env.iter().cloned().chain(added).flat_map(|entry| ["-e".to_owned(), entry]).collect();
        // docker refuses to connect a terminal if there is none.
        let words = |terminal: &str| {
            let exec = ["docker", "exec", terminal, "-u", &self.setting.user, "-w", "/"].map(str::to_owned);
            exec.into_iter().chain(variables.iter().cloned()).chain([self.spec.container.clone()]).collect()
        };
        ShellCommand { interactive: words("-it"), piped: words("-i") }
    }

    fn is_on(&self) -> bool {
        self.lifecycle.is_on()
    }

    async fn look(&self) -> Result<Seen> {
        let doing = format!("looking at the container of {}", self.spec.node);
        container::look(&self.shared.daemon, &doing, &self.spec.container).await
    }

    async fn kill(&self) -> Result<()> {
        self.spec.disks.may_end(&self.spec.node)?;
        self.lifecycle.set_off();
        self.moved();
        lifecycle::kill(&self.shared.daemon, &self.spec.container).await?;
        self.shell.forget().await;
        lifecycle::gone(&self.shared.daemon, &self.spec.container).await
    }

    async fn lose(&self) -> Result<()> {
        self.lifecycle.set_off();
        self.moved();
        lifecycle::remove(&self.shared.daemon, &self.spec.container).await?;
        self.shell.forget().await;
        lifecycle::remove_data(&self.shared.daemon, &self.spec).await?;
        self.lost.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn boot(&self) -> Result<()> {
        if !self.lifecycle.is_off() {
            return Ok(());
        }
        let (daemon, spec) = (&self.shared.daemon, &self.spec);
        if self.lost.swap(false, Ordering::SeqCst) {
            container::start(daemon, spec).await?;
            for network in &self.networks {
                networks::connect(daemon, &spec.container, &spec.node, network).await?;
            }
        } else {
            lifecycle::start(daemon, &spec.container).await?;
        }
        self.moved();
        if let Some(enclosure) = &self.enclosure {
            enclosure.clear(&self.spec.node);
        }
        self.lifecycle.set_on();
        Ok(())
    }

    async fn freeze(&self) -> Result<()> {
        self.lifecycle.set_frozen();
        lifecycle::pause(&self.shared.daemon, &self.spec.container).await
    }

    async fn thaw(&self) -> Result<()> {
        lifecycle::unpause(&self.shared.daemon, &self.spec.container).await?;
        self.lifecycle.set_on();
        Ok(())
    }
}
