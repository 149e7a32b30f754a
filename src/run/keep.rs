//! What `drillyard shell` needs to know of a run, at work or kept.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::host::ShellCommand;

/// The nodes of a run.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// In the order of their drills.
    pub nodes: Vec<KeptNode>,
}

/// A server that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptNode {
    /// Its drill.
    pub drill: String,
    /// Its name.
    pub node: String,
    /// What runs a command on it, set up for a session there.
    pub shell: ShellCommand,
    /// The environment of these words: passwords are not in the words themselves, which every user
    /// of the machine can see.
    pub env: Vec<(String, String)>,
}

impl Kept {
    /// Reads what a run has; nothing if it has nothing.
    pub fn read(run_directory: &Path) -> Self {
        let drills = std::fs::read_dir(run_directory).into_iter().flatten().flatten();
        let number = |name: &str| name.strip_prefix("nodes-")?.strip_suffix(".json")?.parse::<usize>().ok();
        let mut files: Vec<(usize, PathBuf)> =
            drills.filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path()))).collect();
        files.sort();
        let nodes = files.into_iter().filter_map(|(_, path)| read_one(&path)).flatten().collect();
        Kept { nodes }
    }

    /// Notes the nodes that a drill of the run has now.
    ///
    /// # Errors
    /// If the run's directory cannot be written.
    pub fn write(run_directory: &Path, drill: usize, nodes: &[KeptNode]) -> std::io::Result<()> {
        let path = file(run_directory, drill);
        if read_one(&path).is_some_and(|known| known == nodes) {
            return Ok(());
        }
        // There is a password in it: a temporary file is for its owner alone, and it is read whole
        // or not at all.
        let mut written = tempfile::Builder::new().prefix(".nodes-").tempfile_in(run_directory)?;
        written.write_all(&serde_json::to_vec_pretty(nodes)?)?;
        written.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Forgets the nodes of a drill whose servers are removed.
    pub fn forget(run_directory: &Path, drill: usize) {
        // It goes with the directory in any case.
        let _ = std::fs::remove_file(file(run_directory, drill));
    }
}

fn file(run_directory: &Path, drill: usize) -> PathBuf {
    run_directory.join(format!("nodes-{drill}.json"))
}

fn read_one(path: &Path) -> Option<Vec<KeptNode>> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
