//! Directories in which servers live, and their end.

use std::path::Path;
use std::time::Duration;

use super::process::end_processes_under;
use super::{HostError, Result};

/// How long a wait sleeps before it looks again.
pub const POLL: Duration = Duration::from_millis(3);

/// What the name of a template begins with while it is made, in the cache: what a dead run has left
/// there is known by it.
pub const STAGED_TEMPLATE: &str = ".template-";

/// Ends every process that works below `dir`, then removes it. Nothing to do is no error.
pub fn remove_directory(dir: &Path) -> Result<()> {
    end_processes_under(dir)?;
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
