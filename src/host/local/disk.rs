//! Small disks, in memory: what a drill fills is never this machine's own.

use std::path::Path;
use std::process::{Command, Stdio};

use super::owner::Owner;
use crate::host::{HostError, Result, SMALL_DISK, is_mounted};

/// Mounts a small disk at a directory of the servers' user's, unless one is there.
///
/// # Errors
/// Only root can.
pub(super) fn mount(dir: &Path, size: u64, owner: Owner) -> Result<()> {
    if is_mounted(dir) {
        return Ok(());
    }
    let trouble = |why: &str| {
        HostError::new(format!("no disk of its own can be mounted at {}: {why}", dir.display()))
            .help("`fill_disk` fills no disk that others use: run drillyard as root, or take `--backend docker`")
    };
    let Owner::Other(uid, gid) = owner else { return Err(trouble("only root can")) };
    let options = format!("size={size},mode=0700,uid={uid},gid={gid}");
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", &options, SMALL_DISK]).arg(dir).stdin(Stdio::null());
    let done = command.output().map_err(|e| trouble(&e.to_string()))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(trouble(String::from_utf8_lossy(&done.stderr).trim())),
    }
}

/// Removes a directory with all that is in it, but leaves the small disks in it mounted, empty: one
/// that is mounted anew may not be seen by servers that are cut off.
pub(super) fn remove_around(dir: &Path) -> std::io::Result<()> {
    let mut disks = vec![];
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let (path, is_dir) = (entry.path(), entry.file_type()?.is_dir());
        match is_dir {
            true if is_mounted(&path) => disks.push(path),
            true => std::fs::remove_dir_all(&path)?,
            false => std::fs::remove_file(&path)?,
        }
    }
    for disk in &disks {
        remove_around(disk)?;
    }
    // A place where something is mounted stays.
    match disks.is_empty() && !is_mounted(dir) {
        true => std::fs::remove_dir(dir),
        false => Ok(()),
    }
}
