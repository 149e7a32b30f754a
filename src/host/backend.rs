//! Somewhere that servers can be run.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Lab, LabSpec, Result, Sweeper};
use crate::pg::Version;

/// Somewhere that servers can be run.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The name of its kind, as reports have it.
    fn name(&self) -> &'static str;

    /// The versions that are installed, and where each was found (an image, a directory of
    /// programs): the newest major version first, and of several releases of it first the one that
    /// servers run if nobody names one.
    async fn installations(&self) -> Result<Vec<Installation>>;

    /// The programs of a major version, fetched if they can be; the error says what is installed
    /// instead.
    async fn installation(&self, major: u32) -> Result<Installation>;

    /// The programs of one release, fetched if they can be; the error says what is installed
    /// instead.
    async fn release(&self, release: Version) -> Result<Installation>;

    /// Why a run may choose it, with these installations: `a daemon answers, with images for 17,
    /// 15`.
    fn recommendation(&self, installations: &[Installation]) -> String;

    /// Makes the hosts of a drill. Those that take time are made in the background; [`Lab::host`]
    /// waits for them.
    async fn lab(&self, spec: LabSpec) -> Result<Arc<dyn Lab>>;

    /// What it needs besides PostgreSQL, and the version of it; None if there is nothing, or it
    /// does not say.
    async fn tool(&self) -> Option<(String, String)> {
        None
    }

    /// What removes all that runs leave outside their directories; None if there is no such thing.
    fn sweeper(&self) -> Option<Arc<dyn Sweeper>> {
        None
    }
}

/// PostgreSQL's programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Their version; an image's minor version is 0 as long as it is not known.
    pub version: Version,
    /// The image's name or the programs' directory.
    pub place: String,
}

impl Installation {
    /// Its version as far as it is known: `17.2`, or `17` for an image that does not say its minor
    /// version.
    pub fn known_version(&self) -> String {
        match self.version.minor {
            0 => self.version.major.to_string(),
            _ => self.version.to_string(),
        }
    }
}

/// Which versions are available, for messages: `15.18, 17.2 are`.
pub fn available(installations: &[Installation]) -> String {
    let versions: Vec<String> = installations.iter().map(Installation::known_version).collect();
    match versions.as_slice() {
        [] => "no version is".to_owned(),
        [one] => format!("{one} is"),
        many => format!("{} are", many.join(", ")),
    }
}
