//! Removing what runs left behind, by their ids alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::{RunState, run_directories, state};
use crate::host::{STAGED_TEMPLATE, Sweeper, remove_directory};

/// What was removed, and what could not be.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Leftovers {
    /// The runs that were removed.
    pub removed: Vec<String>,
    /// What could not be removed, and why.
    pub failed: Vec<String>,
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

/// Removes what runs left in these directories, and elsewhere. A run that is alive is never
/// touched, nor is anything of another owner.
pub async fn sweep(parents: &[PathBuf], sweepers: &[Arc<dyn Sweeper>], which: &Which) -> Leftovers {
    let mut result = Leftovers::default();
    // Before the directories, since these say which runs are alive.
    for sweeper in sweepers {
        sweep_outside(&**sweeper, which, &mut result).await;
    }
    let directories = parents.iter().flat_map(|parent| run_directories(parent));
    for (run, path, state) in directories.filter(|(run, _, state)| which.takes(run, *state)).collect::<Vec<_>>() {
        debug_assert!(state != RunState::Alive);
        remove_work(&run, &path, &mut result).await;
    }
    result.removed.sort();
    result.removed.dedup();
    result
}

/// Removes what runs left outside their directories.
async fn sweep_outside(sweeper: &dyn Sweeper, which: &Which, result: &mut Leftovers) {
    let found = match sweeper.remains().await {
        Ok(found) => found,
        Err(error) => return result.failed.push(error.to_string()),
    };
    // If the work directory is gone, nobody can be at work in it.
    for remains in found.into_iter().filter(|remains| which.takes(&remains.run, state(&remains.dir))) {
        match sweeper.remove(&remains.run).await {
            Ok(()) => result.removed.push(remains.run),
            Err(error) => result.failed.push(format!("run {}: {error}", remains.run)),
        }
    }
}

async fn remove_work(run: &str, path: &Path, result: &mut Leftovers) {
    let dir = path.to_owned();
    match tokio::task::spawn_blocking(move || remove_directory(&dir)).await {
        Ok(Ok(())) => result.removed.push(run.to_owned()),
        Ok(Err(error)) => result.failed.push(format!("run {run}: {error}")),
        Err(error) => result.failed.push(format!("run {run}: {error}")),
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
    use super::*;

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
