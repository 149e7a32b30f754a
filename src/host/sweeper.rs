//! What runs left behind outside their directories, found and removed by the run's id alone.

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{HostError, Result};

/// Removes what a backend made for runs outside their directories: containers, say. It needs no
/// memory of what was made, so that any process can clean up after any other one.
#[async_trait]
pub trait Sweeper: Send + Sync {
    /// All that is there and belongs to this owner, of live runs, too. Nothing if the place where
    /// it would be cannot be reached.
    async fn remains(&self) -> Result<Vec<Remains>>;

    /// Removes everything of a run, and waits a while for a place that cannot be reached. The error
    /// says what is left, and how to remove it by hand. Nothing to do is no error.
    async fn remove(&self, run: &str) -> Result<()>;

    /// What another process needs in order to do the same.
    fn recipe(&self) -> Recipe;
}

/// That there is something of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// The run's id.
    pub run: String,
    /// The run's work directory, whose lock says whether the run is alive.
    pub dir: PathBuf,
}

/// A [`Sweeper`] in writing, which a run hands over to its reaper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// The name of the backend's kind.
    pub backend: String,
    /// What that kind makes a sweeper of.
    pub with: serde_json::Value,
}

impl Recipe {
    /// The recipe of a backend's kind, which reads it back with [`Recipe::read`].
    pub fn new(backend: &str, with: &impl Serialize) -> Self {
        Recipe { backend: backend.to_owned(), with: serde_json::to_value(with).unwrap_or_default() }
    }

    /// What it was made of.
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        let with = T::deserialize(&self.with);
        with.map_err(|e| HostError::new(format!("the recipe of the backend {} is not understood: {e}", self.backend)))
    }
}
