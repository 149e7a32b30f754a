//! What a drill does to a whole container: its power, its disk, its place on the networks.

use testcontainers::bollard::models::{EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest};
use testcontainers::bollard::query_parameters::{
    KillContainerOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder, StartContainerOptions,
};

use super::container::{self, DATA};
use super::daemon::{Daemon, MAKE};
use super::node::DockerHost;
use crate::host::{HostError, Result};

impl DockerHost {
    /// Ends the container, which a killed host's file system outlives.
    pub(super) async fn end(&self) -> Result<()> {
        let (daemon, name) = (&self.backend.daemon, &self.spec.name);
        self.power.off();
        self.moved();
        let doing = format!("killing the container {name}");
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
        daemon.call(&doing, MAKE, daemon.docker.kill_container(name, Some(options))).await?;
        self.shell.forget().await;
        // The daemon answers before it is gone.
        let gone = std::time::Instant::now() + MAKE;
        loop {
            let seen = daemon.call(&doing, MAKE, daemon.docker.inspect_container(name, None)).await?;
            if !seen.state.and_then(|state| state.running).unwrap_or(false) {
                return Ok(());
            }
            if std::time::Instant::now() >= gone {
                return Err(HostError::new(format!("{doing}: it still runs")));
            }
            tokio::time::sleep(crate::host::POLL).await;
        }
    }

    /// Removes the container and its own volume.
    pub(super) async fn destroy(&self) -> Result<()> {
        let (daemon, name) = (&self.backend.daemon, &self.spec.name);
        self.power.off();
        self.moved();
        let doing = format!("removing the container {name}");
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        daemon.call(&doing, MAKE, daemon.docker.remove_container(name, Some(options))).await?;
        self.shell.forget().await;
        for (volume, _) in self.spec.volumes.iter().filter(|(_, target)| target == DATA) {
            let doing = format!("removing the volume {volume}");
            let options = RemoveVolumeOptionsBuilder::new().force(true).build();
            daemon.call(&doing, MAKE, daemon.docker.remove_volume(volume, Some(options))).await?;
        }
        self.lost.store(true, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    }

    /// Starts the container again; one that was removed is made anew.
    pub(super) async fn start_again(&self) -> Result<()> {
        if !self.power.is_off() {
            return Ok(());
        }
        let (daemon, name) = (&self.backend.daemon, &self.spec.name);
        if self.lost.swap(false, std::sync::atomic::Ordering::SeqCst) {
            container::start(daemon, &self.spec).await?;
            for wire in &self.wires {
                container::join(daemon, &self.spec, wire).await?;
            }
        } else {
            let doing = format!("starting the container {name}");
            daemon.call(&doing, MAKE, daemon.docker.start_container(name, None::<StartContainerOptions>)).await?;
        }
        self.moved();
        self.power.on();
        Ok(())
    }

    /// Pauses the container.
    pub(super) async fn pause(&self) -> Result<()> {
        let (daemon, name) = (&self.backend.daemon, &self.spec.name);
        self.power.frozen();
        daemon.call(&format!("pausing the container {name}"), MAKE, daemon.docker.pause_container(name)).await
    }

    /// Lets the container go on.
    pub(super) async fn unpause(&self) -> Result<()> {
        let (daemon, name) = (&self.backend.daemon, &self.spec.name);
        daemon.call(&format!("unpausing the container {name}"), MAKE, daemon.docker.unpause_container(name)).await?;
        self.power.on();
        Ok(())
    }
}

/// Takes a node's container off a network: what is sent to it there arrives nowhere.
pub(super) async fn disconnect(daemon: &Daemon, container: &str, network: &str) -> Result<()> {
    let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
    let doing = format!("taking {container} off the network {network}");
    daemon.call(&doing, MAKE, daemon.docker.disconnect_network(network, request)).await
}

/// Puts it on again. Its name there is lost on the way and given anew.
pub(super) async fn connect(daemon: &Daemon, container: &str, node: &str, network: &str) -> Result<()> {
    let request = NetworkConnectRequest {
        container: container.to_owned(),
        endpoint_config: Some(EndpointSettings { aliases: Some(vec![node.to_owned()]), ..Default::default() }),
    };
    let doing = format!("joining {node} to the network {network}");
    daemon.call(&doing, MAKE, daemon.docker.connect_network(network, request)).await
}
