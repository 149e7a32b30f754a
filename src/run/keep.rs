//! What `drillyard shell` needs to know of a kept run.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The nodes of a kept run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Kept {
    /// In the order of their drills.
    pub nodes: Vec<KeptNode>,
}

/// A server that was left running.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptNode {
    /// Its drill.
    pub drill: String,
    /// Its name.
    pub node: String,
    /// The words before a command's own that run it on the node, set up for a session there.
    pub prefix: Vec<String>,
    /// psql, as the node's host knows it.
    pub psql: String,
}

const FILE: &str = "nodes.json";

impl Kept {
    /// Reads what a run kept; nothing where it kept nothing.
    pub fn read(run_directory: &Path) -> Self {
        std::fs::read(run_directory.join(FILE))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// Adds nodes to what is written there.
    pub fn add(run_directory: &Path, nodes: Vec<KeptNode>) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let mut kept = Kept::read(run_directory);
        kept.nodes.extend(nodes);
        let path = run_directory.join(FILE);
        std::fs::write(&path, serde_json::to_vec_pretty(&kept)?)?;
        // There is a password in it.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
    }
}
