//! Processes on this machine.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::installations;
use super::lab::LocalLab;
use super::owner::Owner;
use super::programs::Around;
use crate::host::{Backend, HostError, Installation, Lab, LabSpec, Result, available};
use crate::pg::Version;

/// The name of the backend's kind.
pub(super) const NAME: &str = "local";

/// Processes on this machine.
pub(super) struct LocalBackend {
    installations: Vec<Installation>,
    /// Where templates of new clusters are kept from run to run.
    cache: PathBuf,
    /// The PATH in which programs are looked for.
    path: OsString,
    owner: Owner,
}

impl LocalBackend {
    /// Finds PostgreSQL's programs: in `pg_bin`, in `path`, and below `roots`.
    pub(super) async fn find(pg_bin: &[PathBuf], roots: &[PathBuf], path: OsString, cache: PathBuf) -> Result<Self> {
        let owner = Owner::of_servers()?;
        let installations = installations::find(pg_bin, roots, &path).await;
        if installations.is_empty() {
            return Err(HostError::new("there is no PostgreSQL on this machine, with both server and client programs")
                .help("apt-get install postgresql, or name a directory with its programs: --pg-bin DIR"));
        }
        Ok(LocalBackend { installations, cache, path, owner })
    }
}

#[async_trait]
impl Backend for LocalBackend {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn installations(&self) -> Result<Vec<Installation>> {
        Ok(self.installations.clone())
    }

    async fn installation(&self, major: u32) -> Result<Installation> {
        let found = self.installations.iter().find(|one| one.version.major == major).cloned();
        found.ok_or_else(|| {
            let others = available(&self.installations);
            HostError::new(format!("PostgreSQL {major} is not installed on this machine ({others})")).help(format!(
                "install it (apt-get install postgresql-{major}) or name its directory: --pg-bin DIR; \
                 `drillyard doctor` shows what is here"
            ))
        })
    }

    async fn release(&self, release: Version) -> Result<Installation> {
        let found = self.installations.iter().find(|one| one.version == release).cloned();
        found.ok_or_else(|| {
            let others = available(&self.installations);
            HostError::new(format!("PostgreSQL {release} is not installed on this machine ({others})")).help(
                "unpack or install it and name its directory: --pg-bin DIR, which may be given several times; \
                 `drillyard doctor` shows what is here",
            )
        })
    }

    fn recommendation(&self, installations: &[Installation]) -> String {
        format!("{} installed on this machine", available(installations))
    }

    async fn lab(&self, spec: LabSpec) -> Result<Arc<dyn Lab>> {
        let mut installations = vec![self.installation(spec.major).await?];
        for release in spec.other_releases() {
            installations.push(self.release(release).await?);
        }
        let around = Around::new(self.owner, self.cache.clone(), self.path.clone());
        Ok(Arc::new(LocalLab::make(&spec, around, &installations).await?))
    }
}
