//! Finding PostgreSQL's programs on this machine.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::host::Installation;
use crate::pg::Version;

/// The programs that a drill needs. A directory without them is a client's or half an installation.
const NEEDED: &[&str] = &["postgres", "initdb", "pg_ctl", "pg_basebackup", "pg_dump", "psql"];

/// Where distributions and people put installations.
pub(super) const ROOTS: [&str; 5] = ["/usr/lib/postgresql", "/usr/local", "/opt", "/opt/homebrew/opt", "/usr"];

/// All complete installations, one for each release, the newest major version first. Of one major
/// version `named` directories come before those found in PATH, those before those below `roots`.
/// If there is none, the one that `pg_config` names.
pub(super) async fn find(named: &[PathBuf], roots: &[PathBuf], path: &OsStr) -> Vec<Installation> {
    let found = complete(candidates(named, roots, path)).await;
    if !found.is_empty() {
        return found;
    }
    // Asked last: it takes as long as looking at an installation does.
    match Command::new("pg_config").arg("--bindir").output().await {
        Ok(output) => complete(vec![PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())]).await,
        Err(_) => found,
    }
}

/// The complete installations among directories.
async fn complete(dirs: Vec<PathBuf>) -> Vec<Installation> {
    let mut seen = BTreeSet::new();
    let mut found: Vec<Installation> = Vec::new();
    for dir in dirs {
        let Ok(dir) = dir.canonicalize() else { continue };
        if !seen.insert(dir.clone()) || !NEEDED.iter().all(|program| dir.join(program).is_file()) {
            continue;
        }
        if let Some(version) = version(&dir).await
            && !found.iter().any(|one| one.version == version)
        {
            found.push(Installation { version, place: dir.display().to_string() });
        }
    }
    found.sort_by_key(|one| std::cmp::Reverse(one.version.major));
    found
}

fn candidates(named: &[PathBuf], roots: &[PathBuf], path: &OsStr) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = named.iter().flat_map(|dir| [dir.clone(), dir.join("bin")]).collect();
    dirs.extend(std::env::split_paths(path));
    for root in roots {
        let mut versions: Vec<_> = std::fs::read_dir(root).into_iter().flatten().flatten().collect();
        // A directory has no order of its own: `15` comes before `15.18`.
        versions.sort_by_key(std::fs::DirEntry::file_name);
        let is_postgres =
            |name: &str| root.ends_with("postgresql") || name.starts_with("pgsql") || name.starts_with("postgresql");
        dirs.extend(
            versions.iter().filter(|e| e.file_name().to_str().is_some_and(is_postgres)).map(|e| e.path().join("bin")),
        );
    }
    dirs
}

async fn version(dir: &Path) -> Option<Version> {
    let output = Command::new(dir.join("postgres")).arg("--version").output().await.ok()?;
    String::from_utf8_lossy(&output.stdout).parse().ok()
}
