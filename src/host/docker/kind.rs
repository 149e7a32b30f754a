//! The kind of backend that needs a Docker daemon.

use std::sync::Arc;

use async_trait::async_trait;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::backend::DockerBackend;
use super::collations::sorting;
use super::shared::Settings;
use super::sweeper::{DockerSweeper, NAME};
use crate::host::{
    Backend, BackendKind, Check, Checkup, HostError, Recipe, Result, Sight, Sorting, Surroundings, Sweeper,
};

/// Containers.
#[derive(Debug)]
pub struct Docker;

/// The options that only this kind has.
#[derive(Debug, Clone, Args)]
struct DockerOptions {
    /// The image to run, with {version} for the version
    #[arg(long, value_name = "NAME:{version}", env = "DRILLYARD_IMAGE", help_heading = "Where")]
    image: Option<String>,
}

/// Where the daemon listens, if the environment says so.
fn daemon(surroundings: &Surroundings) -> Option<String> {
    (surroundings.variable)("DOCKER_HOST").map(|host| host.to_string_lossy().into_owned())
}

async fn connect(options: &ArgMatches, surroundings: &Surroundings) -> Result<DockerBackend> {
    let own = DockerOptions::from_arg_matches(options).map_err(|e| HostError::new(e.to_string()))?;
    DockerBackend::connect(Settings {
        host: daemon(surroundings),
        image: own.image,
        cache: surroundings.cache.clone(),
        owner: surroundings.owner.clone(),
    })
    .await
}

#[async_trait]
impl BackendKind for Docker {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "Containers, if a daemon answers and an image is there or can be pulled"
    }

    fn options(&self, command: Command) -> Command {
        DockerOptions::augment_args(command)
    }

    fn sight(&self, surroundings: &Surroundings) -> Sight {
        match daemon(surroundings).filter(|host| !host.starts_with("unix://")) {
            Some(host) => Sight::Nothing(format!("the daemon at {host} may run on another machine")),
            None => Sight::Given,
        }
    }

    async fn open(&self, options: &ArgMatches, surroundings: &Surroundings) -> Result<Arc<dyn Backend>> {
        Ok(Arc::new(connect(options, surroundings).await?))
    }

    async fn examine(&self, options: &ArgMatches, surroundings: &Surroundings) -> Checkup {
        let title = "Docker";
        let backend = match connect(options, surroundings).await {
            Ok(backend) => backend,
            Err(error) => {
                return Checkup { title, checks: vec![Check::missing(error)], usable: false, sorting: vec![] };
            }
        };
        let mut checks = vec![Check::Ok(format!("a daemon answers at {}", backend.address()))];
        let installations = backend.installations().await.unwrap_or_default();
        let usable = !installations.is_empty();
        checks.extend(Check::installations(&installations));
        let sorting = sorting(&installations, &surroundings.owner).await;
        checks.extend(Sorting::told(&sorting).into_iter().map(Check::Ok));
        if !usable {
            checks.push(Check::Missing("no image with PostgreSQL".to_owned(), None));
        }
        let how = "docker pull postgres:17, or ci/image 17 if no registry answers";
        checks.push(Check::ToGet(how.to_owned()));
        Checkup { title, checks, usable, sorting }
    }

    fn sweeper(&self, surroundings: &Surroundings) -> Option<Arc<dyn Sweeper>> {
        Some(Arc::new(DockerSweeper { host: daemon(surroundings), owner: surroundings.owner.clone() }))
    }

    fn sweeper_from(&self, recipe: &Recipe) -> Result<Arc<dyn Sweeper>> {
        DockerSweeper::from_recipe(recipe)
    }
}
