//! A directory in which the program is run, as a user would at a terminal.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::program::drillyard;

/// A directory of a test's own, removed at its end.
pub struct CliRunner {
    dir: tempfile::TempDir,
    /// The environment of the program.
    pub vars: Vec<(String, String)>,
}

impl CliRunner {
    pub fn new() -> Self {
        // A short path: there are sockets below it.
        let dir = tempfile::Builder::new().prefix("dy").rand_bytes(4).tempdir_in("/tmp").expect("a directory");
        let runner = CliRunner { dir, vars: vec![] };
        for part in [runner.work(), runner.path().join("state")] {
            std::fs::create_dir(&part).expect("a directory");
        }
        // Servers of another user work below it.
        for part in [runner.path(), &runner.work(), &runner.path().join("state")] {
            std::fs::set_permissions(part, PermissionsExt::from_mode(0o755)).expect("permissions");
        }
        runner
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where runs make their work directories.
    pub fn work(&self) -> PathBuf {
        self.path().join("w")
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// The program, to be run here with these arguments.
    pub fn drillyard<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = drillyard(self.path());
        command.args(args).env("TMPDIR", self.work()).env("DRILLYARD_STATE_DIR", self.path().join("state"));
        command.envs(self.vars.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it to its end.
    pub fn output<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        self.drillyard(args).output().expect("drillyard runs")
    }
}
