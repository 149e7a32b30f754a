//! Containers: one for each node, on any image that has PostgreSQL's programs and a user `postgres`.
//!
//! A container sleeps; servers are started and stopped in it by exec, like those on a machine. Two networks join it, one for
//! drillyard and one for its peers; volumes hold its data, the repos, and what the drill shares.

mod archive;
mod container;
mod daemon;
mod exec;
mod image;
mod initdb;
mod lab;
mod labels;
mod lifecycle;
mod networks;
mod node;
mod shell;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use daemon::{CLEAN_UP, DEFAULT_HOST, Daemon};
pub use lab::DockerLab;
pub use labels::{Leftover, by_hand, leftovers, remove_run};
pub use node::DockerHost;

use super::{Backend, BackendKind, HostError, Installation, Lab, LabSpec, Result};
use crate::pg::{SUPPORTED_MAJORS, Version};
use image::Image;

/// What a person may choose.
#[derive(Debug, Clone)]
pub struct DockerOptions {
    /// Where the daemon listens, as DOCKER_HOST has it; None is the default socket.
    pub host: Option<String>,
    /// The image, with `{version}` where the major version belongs; None is `drillyard/postgres:N`, else `postgres:N`.
    pub image: Option<String>,
    /// A directory where new clusters are kept for the next time. It is made when it is needed.
    pub cache: PathBuf,
    /// Who makes all this, in the caller's own words; they come back in [`Leftover::owner`].
    pub owner: String,
}

/// What labs and hosts need of their backend.
struct Shared {
    daemon: Daemon,
    options: DockerOptions,
    /// The versions that images turned out to hold, by their ids.
    versions: Mutex<HashMap<String, Version>>,
    /// Held while a new cluster is made that is not kept yet.
    initdb: tokio::sync::Mutex<()>,
    /// How many containers may start at once, in all labs.
    turns: Arc<Semaphore>,
}

impl Shared {
    fn known(&self, image: &str) -> Option<Version> {
        self.versions.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(image).copied()
    }

    fn learn(&self, image: &str, version: Version) {
        self.versions.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(image.to_owned(), version);
    }

    fn installation(&self, image: &Image, major: u32) -> Installation {
        let unknown = Version { major, minor: 0 };
        let said = image.version.filter(|version| version.major == major);
        Installation { version: self.known(&image.id).or(said).unwrap_or(unknown), place: image.name.clone() }
    }
}

/// Runs drills in containers.
pub struct DockerBackend {
    shared: Arc<Shared>,
}

impl DockerBackend {
    /// Connects to the daemon. Fails within 3 seconds where none answers, and says where it was looked for.
    pub async fn connect(options: DockerOptions) -> Result<Self> {
        let daemon = Daemon::connect(options.host.as_deref()).await?;
        let turns = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        let shared = Shared {
            daemon,
            options,
            versions: Mutex::default(),
            initdb: tokio::sync::Mutex::default(),
            turns: Arc::new(Semaphore::new(turns)),
        };
        Ok(DockerBackend { shared: Arc::new(shared) })
    }

    /// The daemon, for [`remove_run`] and [`leftovers`].
    pub fn daemon(&self) -> &Daemon {
        &self.shared.daemon
    }

    /// The image of a major version, which is pulled where it is not here. A registry that does not answer within 10 seconds
    /// is an error that says what else can be done.
    pub async fn ensure(&self, major: u32) -> Result<Installation> {
        let image = self.image(major).await?;
        Ok(self.shared.installation(&image, major))
    }

    async fn local(&self, major: u32) -> Result<Option<Image>> {
        for name in image::candidates(self.shared.options.image.as_deref(), major) {
            match image::find(&self.shared.daemon, &name).await? {
                // A name without `{version}` is the same for all; it says itself which it is.
                Some(image) if image.version.is_none_or(|version| version.major == major) => return Ok(Some(image)),
                _ => {}
            }
        }
        Ok(None)
    }

    async fn image(&self, major: u32) -> Result<Image> {
        if let Some(image) = self.local(major).await? {
            return Ok(image);
        }
        // Nobody publishes the first of the two; ci/image makes it.
        let names = image::candidates(self.shared.options.image.as_deref(), major);
        let name = names.last().ok_or_else(|| HostError::new(format!("no image is known for PostgreSQL {major}")))?;
        let pulled = image::pull(&self.shared.daemon, name).await;
        pulled.map_err(|error| HostError {
            help: error.help.map(|help| help.replace("ci/image VERSION", &format!("ci/image {major}"))),
            ..error
        })
    }
}

#[async_trait]
impl Backend for DockerBackend {
    fn kind(&self) -> BackendKind {
        BackendKind::Docker
    }

    async fn installations(&self) -> Result<Vec<Installation>> {
        let mut looks = JoinSet::new();
        for major in SUPPORTED_MAJORS {
            let backend = DockerBackend { shared: Arc::clone(&self.shared) };
            looks.spawn(async move {
                let found = backend.local(major).await?;
                Ok::<_, HostError>(found.map(|image| backend.shared.installation(&image, major)))
            });
        }
        let mut found = vec![];
        while let Some(look) = looks.join_next().await {
            let look = look.map_err(|error| HostError::new(format!("looking for images: {error}")))?;
            found.extend(look?);
        }
        found.sort_by_key(|installation| std::cmp::Reverse(installation.version));
        Ok(found)
    }

    async fn installation(&self, major: u32) -> Result<Installation> {
        self.ensure(major).await
    }

    async fn lab(&self, spec: LabSpec) -> Result<Arc<dyn Lab>> {
        let image = self.image(spec.major).await?;
        Ok(Arc::new(DockerLab::begin(Arc::clone(&self.shared), spec, image)))
    }
}
