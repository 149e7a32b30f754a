//! The program as tests run it, and what it says.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program, to be run in `dir`, with nothing of this machine's settings.
pub fn drillyard(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drillyard"));
    command.current_dir(dir).stdin(Stdio::null());
    // What the caller of the tests has set for drills of his own.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DRILLYARD_")) {
        command.env_remove(name);
    }
    command.env_remove("CI").env_remove("NO_COLOR").env_remove("GITHUB_ACTIONS");
    // Templates of clusters are worth sharing: making one takes a second.
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    command.env("DRILLYARD_STATE_DIR", own.join("state")).env("DRILLYARD_CACHE_DIR", own.join("cache"));
    command
}

/// What was printed, standard output and error.
pub fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}
