//! The Unix sockets of this machine at which somebody listens.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{HostError, Result};

/// Where somebody listens, in every network namespace into which drillyard may look: the kernel
/// lists each namespace's by itself (manual page unix(7)), and paths lead from one to the other.
///
/// # Errors
/// If that cannot be known.
pub(super) fn listening() -> Result<BTreeSet<PathBuf>> {
    let own = Path::new("/proc/self");
    let mut sockets = BTreeSet::new();
    for path in listed(own)? {
        if !path.starts_with('/') {
            let why = format!("somebody listens at the Unix socket {path}, and it cannot be known in which directory");
            return Err(HostError::new(why));
        }
        sockets.insert(PathBuf::from(path));
    }
    let mut seen = BTreeSet::from_iter(std::fs::read_link(own.join("ns/net")));
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path()) {
        let Ok(namespace) = std::fs::read_link(process.join("ns/net")) else { continue };
        if !seen.contains(&namespace)
            && let Ok(paths) = listed(&process)
        {
            seen.insert(namespace);
            // Elsewhere a path may be one of another tree of files.
            sockets.extend(paths.into_iter().map(PathBuf::from).filter(|path| path.is_absolute()));
        }
    }
    Ok(sockets)
}

/// The paths at which somebody listens in the network namespace of a process.
fn listed(process: &Path) -> Result<Vec<String>> {
    let table = process.join("net/unix");
    let text = std::fs::read(&table).map_err(|e| {
        HostError::new(format!("the Unix sockets of this machine are not known: {}: {e}", table.display()))
    })?;
    Ok(String::from_utf8_lossy(&text).lines().filter_map(listens_at).map(str::to_owned).collect())
}

/// The path at which somebody listens, by a line of /proc/net/unix (manual page proc(5)).
fn listens_at(line: &str) -> Option<&str> {
    /// `__SO_ACCEPTCON`.
    const LISTENS: &str = "00010000";
    let words: Vec<&str> = line.splitn(7, ' ').collect();
    // The number of the inode is padded.
    let (_, path) = words.get(6)?.trim_start().split_once(' ')?;
    // Those that begin with @ have no file, and belong to the network namespace.
    (words[3] == LISTENS && !path.starts_with('@')).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_told_from_others() {
        let at = "0000000000000000: 00000002 00000000 00010000 0001 01 27233 /run/postgresql/.s.PGSQL.5432";
        assert_eq!(listens_at(at), Some("/run/postgresql/.s.PGSQL.5432"));
        let connected = at.replace("00010000", "00000000");
        assert_eq!(listens_at(&connected), None);
        let line = |path: &str| format!("0000000000000000: 00000002 00000000 00010000 0001 01   233 {path}");
        assert_eq!(listens_at(&line("@/abstract")), None);
        for path in ["/a b", "/run/pgbouncer@1/.s.PGSQL.6432", "./.s.PGSQL.5432"] {
            assert_eq!(listens_at(&line(path)), Some(path));
        }
        assert_eq!(listens_at("0000000000000000: 00000002 00000000 00010000 0001 01   233"), None);
        assert_eq!(listens_at("Num       RefCount Protocol Flags    Type St Inode Path"), None);
    }

    #[test]
    fn a_socket_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("at@1");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(listening().unwrap().contains(&path));
    }
}
