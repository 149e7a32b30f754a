//! Choosing where servers are run.

use std::sync::Arc;

use super::args::{BackendArgs, BackendChoice};
use super::{Result, Stop, dirs};
use crate::host::docker::{Daemon, DockerBackend, DockerOptions};
use crate::host::local::LocalBackend;
use crate::host::{Backend, Installation};
use crate::pg::SUPPORTED_MAJORS;

/// A backend, and why it is this one.
pub struct Chosen {
    pub backend: Arc<dyn Backend>,
    pub reason: String,
    /// What it has at hand.
    pub installations: Vec<Installation>,
}

/// The processes of this machine.
pub fn local(args: &BackendArgs) -> Result<LocalBackend> {
    let pg_bin = &args.pg_bin;
    for dir in pg_bin {
        if !dir.is_dir() {
            return Err(Stop::usage(format!("--pg-bin {}: there is no such directory", dir.display())));
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(LocalBackend::new(pg_bin.clone(), args.pg_roots.clone(), dirs::cache(), path)?)
}

/// The Docker daemon's containers.
pub async fn docker(image: Option<&str>) -> crate::host::Result<DockerBackend> {
    DockerBackend::connect(DockerOptions {
        host: dirs::docker_host(),
        image: image.map(str::to_owned),
        cache: dirs::cache(),
        owner: dirs::owner(),
    })
    .await
}

/// The daemon, where one answers.
pub async fn daemon() -> Option<Daemon> {
    Daemon::connect(dirs::docker_host().as_deref()).await.ok()
}

fn majors(installations: &[Installation]) -> String {
    installations.iter().map(|one| one.version.major.to_string()).collect::<Vec<_>>().join(", ")
}

/// Chooses. `wanted` are the major versions that will be asked for; none: any.
pub async fn choose(args: &BackendArgs, wanted: &[u32]) -> Result<Chosen> {
    match args.backend {
        BackendChoice::Docker => {
            let backend = docker(args.image.as_deref()).await?;
            let mut installations = backend.installations().await?;
            if installations.is_empty() && wanted.is_empty() {
                // Nothing is here and nothing was asked for: the newest that is published.
                installations.push(backend.installation(PULLED).await?);
            }
            chosen(Arc::new(backend), "asked for".to_owned(), installations)
        }
        BackendChoice::Local => {
            let backend = local(args)?;
            let installations = backend.installations().await?;
            if installations.is_empty() {
                let help = "apt-get install postgresql, or name a directory with its programs: --pg-bin DIR; `drillyard doctor` \
                            shows what is here";
                return Err(Stop::lab("there is no PostgreSQL on this machine").help(help));
            }
            chosen(Arc::new(backend), "asked for".to_owned(), installations)
        }
        BackendChoice::Auto => auto(args, wanted).await,
    }
}

/// The version that is pulled where no image is there and no version was asked for: the newest stable one at this writing.
const PULLED: u32 = 18;

fn chosen(backend: Arc<dyn Backend>, reason: String, installations: Vec<Installation>) -> Result<Chosen> {
    Ok(Chosen { backend, reason, installations })
}

async fn auto(args: &BackendArgs, wanted: &[u32]) -> Result<Chosen> {
    let here = match local(args) {
        Ok(backend) => {
            let installations = backend.installations().await?;
            (!installations.is_empty()).then_some((backend, installations))
        }
        Err(stop) if !args.pg_bin.is_empty() => return Err(stop),
        Err(_) => None,
    };
    if !args.pg_bin.is_empty()
        && let Some((backend, installations)) = here
    {
        return chosen(Arc::new(backend), "--pg-bin names its programs".to_owned(), installations);
    }
    let no_docker = match docker(args.image.as_deref()).await {
        Ok(backend) => {
            let mut installations = backend.installations().await?;
            let needed: Vec<u32> = match wanted {
                [] if installations.is_empty() => vec![PULLED],
                wanted => wanted.to_vec(),
            };
            let mut missing = None;
            for major in needed.into_iter().filter(|major| SUPPORTED_MAJORS.contains(major)) {
                if installations.iter().any(|one| one.version.major == major) {
                    continue;
                }
                match backend.installation(major).await {
                    Ok(pulled) => installations.push(pulled),
                    Err(error) => missing = Some(error),
                }
            }
            let can_all = missing.is_none();
            let here_can = here.as_ref().is_some_and(|(_, found)| {
                wanted.iter().all(|major| found.iter().any(|one| one.version.major == *major))
            });
            if can_all || (!installations.is_empty() && !here_can) {
                let reason = format!("a daemon answers, with images for {}", majors(&installations));
                return chosen(Arc::new(backend), reason, installations);
            }
            missing.map_or_else(|| "no image is there".to_owned(), |error| error.to_string())
        }
        Err(error) => error.to_string(),
    };
    match here {
        Some((backend, installations)) => chosen(Arc::new(backend), no_docker, installations),
        None => Err(Stop::lab("there is nowhere to run PostgreSQL: no Docker, and no installation on this machine")
            .help(format!(
                "Docker: {no_docker}\nlocal: apt-get install postgresql; `drillyard doctor` shows what is here"
            ))),
    }
}
