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

/// All complete installations, the newest first, one for each major version: `named` directories
/// win over those found in PATH, those over those below `roots`; if there is none, the one that
/// `pg_config` names.
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
            && !found.iter().any(|one| one.version.major == version.major)
        {
            found.push(Installation { version, place: dir.display().to_string() });
        }
    }
    found.sort_by_key(|one| std::cmp::Reverse(one.version));
    found
}

fn candidates(named: &[PathBuf], roots: &[PathBuf], path: &OsStr) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = named.iter().flat_map(|dir| [dir.clone(), dir.join("bin")]).collect();
    dirs.extend(std::env::split_paths(path));
    for root in roots {
        let versions = std::fs::read_dir(root).into_iter().flatten().flatten();
        let is_postgres =
            |name: &str| root.ends_with("postgresql") || name.starts_with("pgsql") || name.starts_with("postgresql");
        dirs.extend(versions.filter(|e| e.file_name().to_str().is_some_and(is_postgres)).map(|e| e.path().join("bin")));
    }
    dirs
}

async fn version(dir: &Path) -> Option<Version> {
    let output = Command::new(dir.join("postgres")).arg("--version").output().await.ok()?;
    String::from_utf8_lossy(&output.stdout).parse().ok()
}
