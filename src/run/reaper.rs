//! What cleans up when nobody else can: a process of its own, that outlives the run by the time it needs.
//!
//! Nothing in a killed process runs its destructors. So the program starts itself again as a reaper, in a process group of its
//! own, which holds the reading end of a pipe: when the run's end of it closes without a word, the run has died.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::host::{HostError, Result};

/// What the run tells its reaper before it ends in order.
const DONE: u8 = b'.';

/// The run's hold on its reaper.
pub struct Reaper {
    child: Child,
}

impl Reaper {
    /// Starts `program reap ARGS`; `program` is drillyard itself.
    pub fn start<S: AsRef<std::ffi::OsStr>>(program: &Path, args: impl IntoIterator<Item = S>) -> Result<Self> {
        let child = Command::new(program)
            .arg("reap")
            .args(args)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|e| HostError::new(format!("cannot start the reaper, {}: {e}", program.display())))?;
        Ok(Reaper { child })
    }

    /// There is nothing left to do for it.
    pub fn dismiss(mut self) {
        if let Some(mut pipe) = self.child.stdin.take() {
            // One that is gone already needs no word.
            let _ = pipe.write_all(&[DONE]);
        }
        let _ = self.child.wait();
    }
}

/// The reaper's own part: waits for the run's end and says whether there is something to clean up.
pub fn reap() -> bool {
    let mut word = Vec::new();
    // An error of the pipe means that the run is gone, too.
    let _ = std::io::stdin().lock().read_to_end(&mut word);
    word != [DONE]
}
