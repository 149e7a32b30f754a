//! Processes on this machine.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::host::Programs;
use super::installations;
use super::lab::LocalLab;
use super::owner::Owner;
use crate::host::{Backend, HostError, Installation, Lab, LabSpec, Result, available};

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

    fn recommendation(&self, installations: &[Installation]) -> String {
        format!("{} installed on this machine", available(installations))
    }

    async fn lab(&self, spec: LabSpec) -> Result<Arc<dyn Lab>> {
        let installation = self.installation(spec.major).await?;
        let programs = Programs::new(&installation, &self.path, self.owner, self.cache.clone());
        Ok(Arc::new(LocalLab::make(&spec, programs).await?))
    }
}
