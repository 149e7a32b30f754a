//! What all labs and hosts of a backend have in common.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use super::daemon::Daemon;
use super::image::Image;
use crate::host::{Installation, Result};
use crate::pg::Version;

/// Which daemon, which image, and for whom.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Where the daemon listens, as DOCKER_HOST has it; None is the default socket.
    pub host: Option<String>,
    /// The image, with `{version}` for the major version; None is `drillyard/postgres:N`, else
    /// `postgres:N`.
    pub image: Option<String>,
    /// Where templates of new clusters are kept from run to run. It is made when it is needed.
    pub cache: PathBuf,
    /// Who makes all this: a label.
    pub owner: String,
}

/// What labs and hosts need of their backend.
pub(super) struct Shared {
    pub daemon: Daemon,
    pub settings: Settings,
    /// The versions that images turned out to hold, by their ids.
    versions: Mutex<HashMap<String, Version>>,
    /// Held while the template of a new cluster is made.
    pub initdb: tokio::sync::Mutex<()>,
    /// How many containers may start at once, in all labs.
    pub turns: Arc<Semaphore>,
}

impl Shared {
    /// Connects to the daemon. Fails within 3 seconds if none answers, and says where it was looked
    /// for.
    pub(super) async fn connect(settings: Settings) -> Result<Self> {
        let daemon = Daemon::connect(settings.host.as_deref()).await?;
        let turns = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        Ok(Shared {
            daemon,
            settings,
            versions: Mutex::default(),
            initdb: tokio::sync::Mutex::default(),
            turns: Arc::new(Semaphore::new(turns)),
        })
    }

    pub(super) fn known(&self, image: &str) -> Option<Version> {
        self.versions.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(image).copied()
    }

    pub(super) fn learn(&self, image: &str, version: Version) {
        self.versions.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(image.to_owned(), version);
    }

    pub(super) fn installation(&self, image: &Image, major: u32) -> Installation {
        let unknown = Version { major, minor: 0 };
        let said = image.version.filter(|version| version.major == major);
        Installation { version: self.known(&image.id).or(said).unwrap_or(unknown), place: image.name.clone() }
    }
}
