//! One container as the steps see it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use testcontainers::bollard::query_parameters::InspectContainerOptionsBuilder;

use super::container::{DATA, Facts, LOG, PORT, Reach, SHARED, SOCKETS};
use super::daemon::ASK;
use super::exec::Setting;
use super::image::Image;
use super::standing::StandingShell;
use super::{Shared, archive, initdb};
use crate::host::{Endpoint, Host, HostError, Output, Paths, Program, Result};

/// A container that one server lives in.
pub struct DockerHost {
    pub(super) backend: Arc<Shared>,
    pub(super) node: String,
    /// The container's id.
    pub(super) container: String,
    /// The container's name.
    pub(super) container_name: String,
    pub(super) image: Image,
    pub(super) cache: PathBuf,
    manage: String,
    reach: Reach,
    paths: Paths,
    setting: Setting,
    facts: Facts,
    endpoint: Mutex<Option<Endpoint>>,
    shell: StandingShell,
}

impl DockerHost {
    pub(super) fn new(
        backend: Arc<Shared>,
        spec: super::container::ContainerSpec,
        container: String,
        facts: Facts,
    ) -> Self {
        let env = vec![
            format!("PATH={}:{}", facts.bin, facts.path),
            format!("HOME={}", facts.home),
            "LANG=C.UTF-8".to_owned(),
        ];
        DockerHost {
            cache: backend.options.cache.clone(),
            backend,
            node: spec.node,
            container,
            container_name: spec.name,
            image: spec.image,
            manage: spec.manage,
            reach: spec.reach,
            paths: Paths {
                data: format!("{DATA}/pgdata"),
                log: format!("{LOG}/postgresql.log"),
                sockets: SOCKETS.to_owned(),
                shared: SHARED.to_owned(),
            },
            setting: Setting { user: "postgres".to_owned(), env },
            facts,
            endpoint: Mutex::new(None),
            shell: StandingShell::default(),
        }
    }

    /// Forgets how the server is reached. To be called by whatever starts the container again or joins it to a network:
    /// its address and the published port may be others then.
    pub fn moved(&self) {
        *self.endpoint.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
    }

    async fn look_up(&self) -> Result<Endpoint> {
        let doing = format!("asking how {} is reached", self.node);
        let daemon = &self.backend.daemon;
        let options = InspectContainerOptionsBuilder::new().build();
        let seen = daemon.call(&doing, ASK, daemon.docker.inspect_container(&self.container, Some(options))).await?;
        let network = seen.network_settings.unwrap_or_default();
        let own = network
            .networks
            .as_ref()
            .and_then(|all| all.get(&self.manage)?.ip_address.as_ref()?.parse::<IpAddr>().ok());
        if let (Reach::Address, Some(address)) = (self.reach, own) {
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
        &self.node
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

    fn peer_endpoint(&self) -> Endpoint {
        Endpoint::Tcp { host: self.node.clone(), port: PORT }
    }

    fn settings(&self) -> Vec<(String, String)> {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        vec![
            pair("listen_addresses", "*"),
            pair("port", &PORT.to_string()),
            pair("unix_socket_directories", &self.paths.sockets),
        ]
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

    async fn run(&self, program: Program) -> Result<Output> {
        self.shell.run(&self.backend.daemon, &self.container, &self.node, &self.setting, program).await
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
                false => Err(HostError::new(format!("writing {path} on {}: {}", self.node, output.stderr.trim()))),
            };
        }
        archive::write(&self.backend.daemon, &self.container, &self.node, self.facts.ids, path, contents).await
    }

    async fn read(&self, path: &str, offset: u64) -> Result<Vec<u8>> {
        // tail counts from 1.
        let script = r#"if [ -e "$1" ]; then exec tail -c "+$2" "$1"; fi"#;
        let output = self.run(Program::script(script, [path.to_owned(), offset.saturating_add(1).to_string()])).await?;
        if output.success() {
            return Ok(output.stdout);
        }
        Err(HostError::new(format!("reading {path} on {}: {}", self.node, output.stderr.trim())))
    }

    async fn initdb(&self, options: &[&str]) -> Result<String> {
        initdb::initdb(self, &self.cache, options).await
    }

    fn shell(&self, program: &Program) -> Vec<String> {
        let mut argv: Vec<String> = ["docker", "exec", "-it", "-u", "postgres", "-w", "/"].map(str::to_owned).into();
        let added = program.env.iter().map(|(key, value)| format!("{key}={value}"));
        for entry in self.setting.env.iter().cloned().chain(added) {
            argv.extend(["-e".to_owned(), entry]);
        }
        argv.push(self.container_name.clone());
        argv.push(program.name.clone());
        argv.extend(program.args.iter().cloned());
        argv
    }
}
