//! Where drillyard keeps things on this machine, and who it is there.

use std::path::{Path, PathBuf};

use crate::host::Surroundings;

/// Templates of new clusters: `$XDG_CACHE_HOME/drillyard`.
pub fn cache() -> PathBuf {
    base("DRILLYARD_CACHE_DIR", "XDG_CACHE_HOME", ".cache")
}

/// Records of past runs: `$XDG_STATE_HOME/drillyard/runs`.
pub fn records() -> PathBuf {
    base("DRILLYARD_STATE_DIR", "XDG_STATE_HOME", ".local/state").join("runs")
}

/// The history of all runs, if nobody names another.
pub fn history() -> PathBuf {
    base("DRILLYARD_STATE_DIR", "XDG_STATE_HOME", ".local/state").join("history.sqlite")
}

/// What this machine knows of evidence that it wrote: `$XDG_STATE_HOME/drillyard/evidence`.
pub fn evidence() -> PathBuf {
    base("DRILLYARD_STATE_DIR", "XDG_STATE_HOME", ".local/state").join("evidence")
}

fn base(own: &str, xdg: &str, below_home: &str) -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = var(own) {
        return absolute(dir);
    }
    let parent = var(xdg).filter(|dir| dir.is_absolute()).or_else(|| var("HOME").map(|home| home.join(below_home)));
    // A user without a home still has a temporary directory; the id keeps users apart.
    let fallback = || std::env::temp_dir().join(format!("drillyard-of-{}", nix::unistd::Uid::effective()));
    absolute(parent.map_or_else(fallback, |parent| parent.join("drillyard")))
}

fn absolute(dir: PathBuf) -> PathBuf {
    std::path::absolute(&dir).unwrap_or(dir)
}

/// The directory in which runs make their work directories. A socket's path has at most 107 bytes,
/// so that a long TMPDIR cannot be used.
pub fn work() -> PathBuf {
    const LONGEST: usize = 30;
    let dir = absolute(std::env::temp_dir());
    if dir.as_os_str().len() <= LONGEST && !dir.to_string_lossy().contains([' ', '\'', '"']) {
        dir
    } else {
        PathBuf::from("/tmp")
    }
}

/// All the directories in which runs may have left something.
pub fn all_work() -> Vec<PathBuf> {
    let mut dirs = vec![work(), PathBuf::from("/tmp")];
    dirs.dedup();
    dirs
}

/// This machine's name.
pub fn host() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whose what is found outside the work directories is: this machine's and this process
/// namespace's, so that a container that uses its host's daemon never takes the host's runs for its
/// own. Another machine with the same name and id would be the same owner: only a copy of this
/// machine is one.
fn owner() -> String {
    let read = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let host = host();
    let namespace = std::fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
    format!("{host} {} {namespace} {}", read("/etc/machine-id"), nix::unistd::Uid::effective())
}

/// What backends may know of this machine.
pub fn surroundings() -> Surroundings {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    Surroundings { cache: cache(), owner: owner(), variable }
}

/// Removes the oldest records, so that the newest `keep` are left.
pub fn prune_records(records: &Path, keep: usize) {
    let entries = std::fs::read_dir(records).into_iter().flatten().flatten();
    let mut runs: Vec<_> = entries.filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path()))).collect();
    runs.sort();
    let surplus = runs.len().saturating_sub(keep);
    for (_, path) in runs.into_iter().take(surplus) {
        // One that cannot be removed is no reason not to run.
        let _ = std::fs::remove_dir_all(path);
    }
}

/// Where secrets lie in files of their own, if somewhere.
pub fn secrets() -> Option<PathBuf> {
    std::env::var_os("DRILLYARD_SECRETS_DIR").map(PathBuf::from)
}
