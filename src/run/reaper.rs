//! What cleans up when nobody else can: a process of its own, that outlives the run by the time it
//! needs.
//!
//! Nothing in a killed process runs its destructors. So the program starts itself again as a
//! reaper, in a process group of its own, which holds the reading end of a pipe: when the run's end
//! of it closes without a word, the run has died.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::host::{HostError, Recipe, Result};

/// The line that a run writes to its reaper before it ends in order. Every other line is a recipe.
const DONE: &str = "done";

/// The line by which a run says that what it has made is to outlive it.
const SPARE: &str = "spare";

/// The run's hold on its reaper.
pub struct Reaper {
    child: Child,
}

/// What a reaper has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Nothing: the run has cleaned up by itself.
    Nothing,
    /// The run has died, and what it has made is to stay: it was kept on purpose.
    Spare,
    /// The run has died: its directory is to be removed, and what these find of it elsewhere.
    CleanUp(Vec<Recipe>),
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

    /// From now on it removes what this finds, too. To be called before anything is made there.
    ///
    /// # Errors
    /// If the reaper is gone: then nobody would clean up after a run that is killed.
    pub fn watch(&mut self, recipe: &Recipe) -> Result<()> {
        let line = serde_json::to_string(recipe).map_err(|e| HostError::new(format!("for the reaper: {e}")))?;
        self.tell(&line).map_err(|e| HostError::new(format!("the reaper has ended: {e}")))
    }

    /// From now on what the run has made is kept, however it ends.
    ///
    /// # Errors
    /// If the reaper is gone.
    pub fn spare(&mut self) -> Result<()> {
        self.tell(SPARE).map_err(|e| HostError::new(format!("the reaper has ended: {e}")))
    }

    /// There is nothing left to do for it.
    pub fn dismiss(mut self) {
        // One that is gone already need not know.
        let _ = self.tell(DONE);
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }

    fn tell(&mut self, line: &str) -> std::io::Result<()> {
        let pipe = self.child.stdin.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        pipe.write_all(format!("{line}\n").as_bytes())
    }
}

/// The reaper's own part: waits for the run's end and says what there is to clean up.
pub fn reap() -> Task {
    let mut lines = String::new();
    // An error of the pipe means that the run is gone, too.
    let _ = std::io::stdin().lock().read_to_string(&mut lines);
    task(&lines)
}

fn task(lines: &str) -> Task {
    match lines.lines().last() {
        Some(DONE) => Task::Nothing,
        _ if lines.lines().any(|line| line == SPARE) => Task::Spare,
        // A line that is not complete was being written when the run died: it had made nothing
        // there yet.
        _ => Task::CleanUp(lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_ends_without_a_word_is_cleaned_up_after() {
        let recipe = Recipe::new("moon", &["crater"]);
        let line = serde_json::to_string(&recipe).expect("JSON");
        assert_eq!(task(""), Task::CleanUp(vec![]));
        assert_eq!(task(&line[..9]), Task::CleanUp(vec![]));
        assert_eq!(task(&format!("{line}\n")), Task::CleanUp(vec![recipe]));
        assert_eq!(task(&format!("{line}\ndone\n")), Task::Nothing);
    }

    #[test]
    fn what_is_kept_outlives_a_run_that_is_killed() {
        let line = serde_json::to_string(&Recipe::new("moon", &["crater"])).expect("JSON");
        assert_eq!(task(&format!("{line}\nspare\n")), Task::Spare);
        assert_eq!(task(&format!("spare\n{line}\n")), Task::Spare);
        assert_eq!(task(&format!("{line}\nspare\ndone\n")), Task::Nothing);
    }
}
