//! A file system with little room.

use std::path::PathBuf;
use std::process::Command;

/// A small file system, unmounted at the end.
pub struct Small(pub PathBuf);

impl Small {
    /// Mounts one at `dir`, which is made; `size` as tmpfs takes it.
    pub fn mount(dir: PathBuf, size: &str) -> Self {
        std::fs::create_dir(&dir).expect("a directory");
        let options = format!("size={size},mode=755");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&dir).status();
        assert!(status.expect("mount runs").success());
        Small(dir)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
