//! Removing what runs left behind, from its label alone.

use std::path::{Path, PathBuf};

use super::directory::{RunState, run_directories};
use crate::host::docker::{Daemon, by_hand, leftovers, remove_run};
use crate::host::local::remove_directory;

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

/// Removes what runs left in these directories and on this daemon. A run that lives is never touched, nor is anything of another owner on the same daemon.
pub async fn sweep(parents: &[PathBuf], daemon: Option<&Daemon>, owner: &str, which: &Which) -> Leftovers {
    let mut result = Leftovers::default();
    if let Some(daemon) = daemon {
        match leftovers(daemon).await {
            Ok(found) => {
                // Where the work directory is gone, nobody can be at work in it.
                let dead = found
                    .into_iter()
                    .filter(|left| left.owner == owner && which.takes(&left.run, super::directory::state(&left.dir)));
                for left in dead {
                    remove_from_daemon(daemon, &left.run, &mut result).await;
                }
            }
            Err(error) => result.failed.push(format!("containers of earlier runs: {error}")),
        }
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

async fn remove_from_daemon(daemon: &Daemon, run: &str, result: &mut Leftovers) {
    let left = match remove_run(daemon, run).await {
        Ok(left) if left.is_empty() => return result.removed.push(run.to_owned()),
        Ok(left) => left.join(", "),
        Err(error) => error.message,
    };
    result.failed.push(format!("run {run}: {left}; when the daemon is well again: {}", by_hand(run)));
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
        // What a directory is made under before it gets its name, and what an image's cluster is written under.
        let staged = name.starts_with(".template-") || (name.starts_with("docker-") && name.contains(".new-"));
        let modified = entry.metadata().and_then(|meta| meta.modified());
        let old = modified.is_ok_and(|since| since.elapsed().is_ok_and(|age| age > HALF_MADE));
        if staged && old {
            let path = entry.path();
            // One that cannot be removed costs room and nothing else; the next run tries again.
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
        for name in [".template-a", ".template-new", "local-15.1-0", "docker-x.cluster", "docker-x.new-1-0"] {
            std::fs::create_dir(cache.path().join(name))?;
            if name != ".template-new" {
                std::fs::File::open(cache.path().join(name))?.set_modified(old)?;
            }
        }
        sweep_cache(cache.path());
        let mut left: Vec<_> = std::fs::read_dir(cache.path())?.flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, [".template-new", "docker-x.cluster", "local-15.1-0"]);
        Ok(())
    }
}
