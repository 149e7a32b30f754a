//! What the tests of the program have in common.

use std::path::Path;
use std::process::{Command, Output};

/// The program, to be run in `dir`, with nothing of this shell's settings.
pub fn drillyard(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drillyard"));
    command.current_dir(dir);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DRILLYARD_") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1").env_remove("GITHUB_ACTIONS");
    command
}

/// The exit code, and what was said on stderr.
pub fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
