//! Directories in which servers live, and their end.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::clock::forget_clocks;
use super::process::end_processes_under;
use super::{HostError, Result};

/// How long a wait sleeps before it looks again.
pub const POLL: Duration = Duration::from_millis(3);

/// What the name of a template begins with while it is made, in the cache: what a dead run has left
/// there is known by it.
pub const STAGED_TEMPLATE: &str = ".template-";

/// What small disks are mounted from: nothing else is ever unmounted.
pub const SMALL_DISK: &str = "vdisk";
/// The setting of a server on one: its segments of WAL take their space when they are made, as
/// everywhere where drillyard has not set it otherwise.
pub const WAL_TAKES_SPACE: (&str, &str) = ("wal_init_zero", "on");

/// The small disks that are mounted at or below a directory, the innermost first.
fn mounted_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(dir) = dir.canonicalize() else { return vec![] };
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut all: Vec<PathBuf> = table.lines().filter_map(mount_point).filter(|path| path.starts_with(&dir)).collect();
    all.sort_by_key(|path| std::cmp::Reverse(path.as_os_str().len()));
    all
}

/// Where a small disk is mounted, by a line of mountinfo (proc(5)).
fn mount_point(line: &str) -> Option<PathBuf> {
    let (place, rest) = line.split_once(" - ")?;
    (rest.split(' ').nth(1)? == SMALL_DISK).then_some(())?;
    let escaped = place.split(' ').nth(4)?;
    Some(PathBuf::from(escaped.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")))
}

/// Whether a small disk is mounted at this very directory.
pub fn is_mounted(dir: &Path) -> bool {
    dir.canonicalize().is_ok_and(|path| mounted_below(dir).contains(&path))
}

/// Takes the small disks at or below a directory away, with all that is on them.
pub fn unmount_below(dir: &Path) {
    for path in mounted_below(dir) {
        // What cannot be unmounted cannot be removed either, and that is told.
        let _ = Command::new("umount").arg("-l").arg(path).stdin(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Ends every process that works below `dir`, then removes it. Nothing to do is no error.
pub fn remove_directory(dir: &Path) -> Result<()> {
    end_processes_under(dir)?;
    unmount_below(dir);
    forget_clocks(dir);
    // A process may make a file between our listing and its end: look again.
    for _ in 0..20 {
        match std::fs::remove_dir_all(dir) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !dir.exists() => return Ok(()),
            Err(_) => std::thread::sleep(POLL),
        }
    }
    match std::fs::remove_dir_all(dir) {
        // Somebody else has removed it meanwhile: a reaper, or another `clean`.
        Err(e) if e.kind() != std::io::ErrorKind::NotFound || dir.exists() => {
            Err(HostError::new(format!("cannot remove {}: {e}", dir.display())))
        }
        _ => Ok(()),
    }
}

/// Tells the file system that the subdirectories of `dir` are independent of each other (`chattr
/// +T`). ext4 then puts each of them into a block group of its own: a server's thousand files are
/// made in 40 ms. In the group in which another server's thousand files have just been deleted it
/// takes 300 ms and more if there is no journal (`recently_deleted` in the kernel's
/// fs/ext4/ialloc.c). Other file systems refuse, and need no such hint.
pub fn spread(dir: &Path) {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    if let Ok(dir) = std::fs::File::open(dir)
        && let Ok(flags) = ioctl_getflags(&dir)
    {
        let _ = ioctl_setflags(&dir, flags | IFlags::TOPDIR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_disks_are_found() {
        let own = r"36 35 0:31 / /tmp/a\040b/repos/onsite rw,relatime shared:1 - tmpfs vdisk rw,size=64m";
        assert_eq!(mount_point(own), Some(PathBuf::from("/tmp/a b/repos/onsite")));
        assert_eq!(mount_point("22 1 0:20 / /tmp rw - tmpfs tmpfs rw"), None);
        assert_eq!(mount_point(""), None);
    }
}
