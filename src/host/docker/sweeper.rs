//! What runs have left on a daemon.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::daemon::{CLEAN_UP, Daemon};
use super::removal::{by_hand, leftovers, remove_run};
use crate::host::{HostError, Recipe, Remains, Result, Sweeper};

/// The name of the backend's kind.
pub(super) const NAME: &str = "docker";

/// Removes what is labelled on a daemon.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DockerSweeper {
    /// Where the daemon listens, as DOCKER_HOST has it; None is the default socket.
    pub host: Option<String>,
    /// Whose remains are listed.
    pub owner: String,
}

impl DockerSweeper {
    /// That of a recipe.
    pub(super) fn from_recipe(recipe: &Recipe) -> Result<Arc<dyn Sweeper>> {
        Ok(Arc::new(recipe.read::<DockerSweeper>()?))
    }
}

#[async_trait]
impl Sweeper for DockerSweeper {
    async fn remains(&self) -> Result<Vec<Remains>> {
        let Ok(daemon) = Daemon::connect(self.host.as_deref()).await else { return Ok(vec![]) };
        let found = leftovers(&daemon).await;
        let found = found.map_err(|error| HostError::new(format!("containers of earlier runs: {error}")))?;
        let own = found.into_iter().filter(|left| left.owner == self.owner);
        Ok(own.map(|left| Remains { run: left.run, dir: left.dir }).collect())
    }

    async fn remove(&self, run: &str) -> Result<()> {
        let removed = match Daemon::connect_within(self.host.as_deref(), CLEAN_UP).await {
            Ok(daemon) => remove_run(&daemon, run).await,
            Err(error) => Err(error),
        };
        let left = match removed {
            Ok(left) if left.is_empty() => return Ok(()),
            Ok(left) => left.join(", "),
            Err(error) => error.message,
        };
        Err(HostError::new(format!("{left}; when the daemon works again: {}", by_hand(run))))
    }

    fn recipe(&self) -> Recipe {
        Recipe::new(NAME, self)
    }
}
