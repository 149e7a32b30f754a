//! What a drill does to a whole container: killed, removed with its disk, started again, paused.

use std::time::Duration;

use testcontainers::bollard::query_parameters::{
    KillContainerOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder, StartContainerOptions,
};

use super::container::{ContainerSpec, DATA};
use super::daemon::{Daemon, MAKE};
use crate::host::{HostError, POLL, Result};

/// Ends the container, whose file system stays.
pub(super) async fn kill(daemon: &Daemon, name: &str) -> Result<()> {
    let doing = format!("killing the container {name}");
    let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
    daemon.call(&doing, MAKE, daemon.docker.kill_container(name, Some(options))).await
}

/// Waits until a container that was killed is gone: the daemon answers before it is.
pub(super) async fn gone(daemon: &Daemon, name: &str) -> Result<()> {
    let doing = format!("killing the container {name}");
    let end = std::time::Instant::now() + MAKE;
    loop {
        let seen = daemon.call(&doing, MAKE, daemon.docker.inspect_container(name, None)).await?;
        if !seen.state.and_then(|state| state.running).unwrap_or(false) {
            return Ok(());
        }
        if std::time::Instant::now() >= end {
            return Err(HostError::new(format!("{doing}: it still runs")));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Removes the container.
pub(super) async fn remove(daemon: &Daemon, name: &str) -> Result<()> {
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    let removal = daemon.docker.remove_container(name, Some(options));
    daemon.call(&format!("removing the container {name}"), MAKE, removal).await
}

/// Removes the volume that was a removed container's own.
pub(super) async fn remove_data(daemon: &Daemon, spec: &ContainerSpec) -> Result<()> {
    for (volume, _) in spec.volumes.iter().filter(|(_, target)| target == DATA) {
        let options = RemoveVolumeOptionsBuilder::new().force(true).build();
        let removal = daemon.docker.remove_volume(volume, Some(options));
        daemon.call(&format!("removing the volume {volume}"), MAKE, removal).await?;
    }
    Ok(())
}

/// Starts a container again that was killed.
pub(super) async fn start(daemon: &Daemon, name: &str) -> Result<()> {
    let start = daemon.docker.start_container(name, None::<StartContainerOptions>);
    daemon.call(&format!("starting the container {name}"), MAKE, start).await
}

/// How often a container is paused that cannot be frozen.
const PAUSES: usize = 5;

/// Stops all processes of the container. While one of them is being made, and the machine is busy,
/// runc 1.1 gives up (`unable to freeze`) and lets them run.
pub(super) async fn pause(daemon: &Daemon, name: &str) -> Result<()> {
    let doing = format!("pausing the container {name}");
    let mut paused = Ok(());
    for _ in 0..PAUSES {
        paused = daemon.call(&doing, MAKE, daemon.docker.pause_container(name)).await;
        match &paused {
            Err(error) if error.message.contains("unable to freeze") => {
                tokio::time::sleep(Duration::from_millis(100)).await
            }
            _ => break,
        }
    }
    paused
}

/// Lets them go on.
pub(super) async fn unpause(daemon: &Daemon, name: &str) -> Result<()> {
    daemon.call(&format!("unpausing the container {name}"), MAKE, daemon.docker.unpause_container(name)).await
}
