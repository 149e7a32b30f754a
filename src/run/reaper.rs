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

/// What the run tells its reaper before it makes anything on a Docker daemon.
const ON_DOCKER: u8 = b'd';

/// The run's hold on its reaper.
pub struct Reaper {
    child: Child,
}

/// What a reaper has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Nothing: the run has cleaned up by itself.
    Nothing,
    /// The run has died, and has made nothing on a daemon.
    Local,
    /// The run has died, and may have made something on a daemon.
    Docker,
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

    /// From now on the daemon is looked at, too.
    ///
    /// # Errors
    /// Where the reaper is gone: then nobody would clean up after a run that is killed.
    pub fn watch_docker(&mut self) -> Result<()> {
        let gone = |why: String| HostError::new(format!("the reaper has ended: {why}"));
        let pipe = self.child.stdin.as_mut().ok_or_else(|| gone("its pipe is closed".to_owned()))?;
        pipe.write_all(&[ON_DOCKER]).map_err(|e| gone(e.to_string()))
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

/// The reaper's own part: waits for the run's end and says what there is to clean up.
pub fn reap() -> Task {
    let mut words = Vec::new();
    // An error of the pipe means that the run is gone, too.
    let _ = std::io::stdin().lock().read_to_end(&mut words);
    if words.ends_with(&[DONE]) {
        Task::Nothing
    } else if words.contains(&ON_DOCKER) {
        Task::Docker
    } else {
        Task::Local
    }
}
