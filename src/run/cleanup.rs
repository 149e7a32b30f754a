//! Removing what runs left behind, by their ids alone.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use super::directory::{RunState, remove_run, run_directories, state};
use crate::host::{HostError, STAGED_TEMPLATE, Sweeper};

/// What was removed, and what could not be.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Leftovers {
    /// The runs that were removed.
    pub removed: BTreeSet<String>,
    /// What could not be removed, and why.
    pub failed: Vec<String>,
    /// The runs whose removal has begun and not ended.
    pub begun: BTreeSet<String>,
}

/// What is being removed: it can be told although one run's remains keep the rest waiting, as a
/// network does that the daemon will not let go of.
#[derive(Debug, Default, Clone)]
pub struct Sweep(Arc<Mutex<Leftovers>>);

impl Sweep {
    /// How far it has come.
    pub fn so_far(&self) -> Leftovers {
        self.leftovers().clone()
    }

    fn leftovers(&self) -> MutexGuard<'_, Leftovers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the removal of a run's remains.
    async fn remove<E: Display>(&self, run: String, removal: impl Future<Output = Result<(), E>>) {
        self.leftovers().begun.insert(run.clone());
        let removed = removal.await;
        let mut leftovers = self.leftovers();
        leftovers.begun.remove(&run);
        match removed {
            Ok(()) => _ = leftovers.removed.insert(run),
            Err(error) => leftovers.failed.push(format!("run {run}: {error}")),
        }
    }

    /// Removes what runs left in these directories, and elsewhere. A run that is alive is never
    /// touched, nor is anything of another owner.
    pub async fn work(&self, parents: &[PathBuf], sweepers: &[Arc<dyn Sweeper>], which: &Which) {
        // Before the directories, since these say which runs are alive.
        join_all(sweepers.iter().map(|sweeper| self.outside(&**sweeper, which))).await;
        let directories = parents.iter().flat_map(|parent| run_directories(parent));
        for (run, path, state) in directories.filter(|(run, _, state)| which.takes(run, *state)).collect::<Vec<_>>() {
            debug_assert!(state != RunState::Alive);
            self.remove(run, remove_work(path)).await;
        }
    }

    /// Removes what runs left outside their directories; one does not wait for the other.
    async fn outside(&self, sweeper: &dyn Sweeper, which: &Which) {
        let found = match sweeper.remains().await {
            Ok(found) => found,
            Err(error) => return self.leftovers().failed.push(error.to_string()),
        };
        // If the work directory is gone, nobody can be at work in it.
        let taken = found.into_iter().filter(|remains| which.takes(&remains.run, state(&remains.dir)));
        join_all(taken.map(|remains| {
            let run = remains.run.clone();
            self.remove(remains.run, async move { sweeper.remove(&run).await })
        }))
        .await;
    }
}

async fn remove_work(path: PathBuf) -> Result<(), HostError> {
    let removal = tokio::task::spawn_blocking(move || remove_run(&path)).await;
    removal.unwrap_or_else(|error| Err(HostError::new(error.to_string())))
}

/// Which runs' remains are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// What dead runs left behind.
    Dead,
    /// That, and what runs kept on purpose.
    Kept,
    /// Both, of the runs whose ids begin so.
    Of(Vec<String>),
}

impl Which {
    fn takes(&self, run: &str, state: RunState) -> bool {
        match (self, state) {
            (_, RunState::Alive) => false,
            (Which::Dead, state) => state == RunState::Dead,
            (Which::Kept, _) => true,
            (Which::Of(runs), _) => runs.iter().any(|begin| run.starts_with(begin.as_str())),
        }
    }
}

/// How old a half-made template must be before it counts as left behind: making one takes seconds.
const HALF_MADE: std::time::Duration = std::time::Duration::from_secs(600);

/// Removes from the cache what runs had begun to make there when they died.
pub fn sweep_cache(cache: &Path) {
    for entry in std::fs::read_dir(cache).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let staged = name.starts_with(STAGED_TEMPLATE);
        let modified = entry.metadata().and_then(|meta| meta.modified());
        let old = modified.is_ok_and(|since| since.elapsed().is_ok_and(|age| age > HALF_MADE));
        if staged && old {
            let path = entry.path();
            // One that cannot be removed costs disk space and nothing else; the next run tries
            // again.
            let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::host::{Recipe, Remains};

    /// Things outside directories, of which one run's cannot be removed for a long time.
    struct Held;

    #[async_trait]
    impl Sweeper for Held {
        async fn remains(&self) -> crate::host::Result<Vec<Remains>> {
            let gone = PathBuf::from("/nonexistent");
            Ok(["held", "free"].map(|run| Remains { run: run.to_owned(), dir: gone.clone() }).to_vec())
        }

        async fn remove(&self, run: &str) -> crate::host::Result<()> {
            if run == "held" { std::future::pending().await } else { Ok(()) }
        }

        fn recipe(&self) -> Recipe {
            Recipe::new("held", &())
        }
    }

    #[tokio::test]
    async fn what_is_not_removed_yet_keeps_nothing_else_waiting_and_is_told() {
        let sweep = Sweep::default();
        let sweepers: [Arc<dyn Sweeper>; 1] = [Arc::new(Held)];
        let removed = async {
            while sweep.so_far().removed.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = sweep.work(&[], &sweepers, &Which::Dead) => {}
            () = removed => {}
        }
        let one = |run: &str| BTreeSet::from([run.to_owned()]);
        assert_eq!(sweep.so_far(), Leftovers { removed: one("free"), failed: vec![], begun: one("held") });
    }

    #[test]
    fn half_made_templates_go_when_they_are_old() -> std::io::Result<()> {
        let cache = tempfile::tempdir()?;
        let old = std::time::SystemTime::now() - 2 * HALF_MADE;
        for name in [".template-a", ".template-new", "made-15.1-0", "made-x.cluster"] {
            std::fs::create_dir(cache.path().join(name))?;
            if name != ".template-new" {
                std::fs::File::open(cache.path().join(name))?.set_modified(old)?;
            }
        }
        sweep_cache(cache.path());
        let mut left: Vec<_> = std::fs::read_dir(cache.path())?.flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, [".template-new", "made-15.1-0", "made-x.cluster"]);
        Ok(())
    }
}
