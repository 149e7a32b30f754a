//! Runs drills with the real binary, and reads what a user would see.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A directory with scenarios, and the records of their runs.
pub struct CliRunner {
    dir: tempfile::TempDir,
    pub vars: Vec<(String, String)>,
}

/// What came out of a run.
pub struct Run {
    pub code: i32,
    /// What the terminal said, standard output and error.
    pub said: String,
    pub report: Value,
}

impl CliRunner {
    pub fn new() -> Self {
        CliRunner { dir: tempfile::tempdir().expect("a directory"), vars: vec![] }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// drillyard itself, with records of its own; templates of clusters are shared by all tests.
    pub fn drillyard(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drillyard"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        command.env("DRILLYARD_STATE_DIR", self.path().join("state"));
        command.env("DRILLYARD_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
        command.envs(self.vars.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs what `args` say.
    pub fn run(&self, args: &[&str]) -> Run {
        let json = self.path().join("report.json");
        let _ = std::fs::remove_file(&json);
        let path = json.display().to_string();
        let all: Vec<&str> =
            ["run", "--color", "never", "-v", "--report-json", &path].iter().chain(args).copied().collect();
        let output = self.drillyard(&all).output().expect("drillyard runs");
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        let report = std::fs::read_to_string(&json).ok().and_then(|text| serde_json::from_str(&text).ok());
        Run { code: output.status.code().unwrap_or(-1), said, report: report.unwrap_or_default() }
    }
}

impl Run {
    /// It passed, in every way of saying so.
    pub fn passed(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.said);
        assert_eq!(self.report["outcome"], "passed", "{}", self.said);
        self
    }
}

impl CliRunner {
    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Runs one scenario on local processes; what the file begins with is added.
    pub fn drill(&self, yaml: &str, args: &[&str]) -> Run {
        let path = self.write("drill.yaml", &format!("drillyard: 1\nname: drill\n{yaml}")).display().to_string();
        let all: Vec<&str> = ["--backend", "local", &path].iter().chain(args).copied().collect();
        self.run(&all)
    }
}

impl Run {
    /// It did not: `code`, and all of these were said.
    pub fn failed(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, code, "{}", self.said);
        assert_eq!(self.report["exit_code"], code, "{}", self.said);
        self.says(parts)
    }

    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.said.contains(part), "not said: {part}\n{}", self.said);
        }
        self
    }

    /// A step of the first drill, by its id.
    pub fn step(&self, id: &str) -> &Value {
        let steps = self.report["drills"][0]["steps"].as_array().expect("steps");
        steps.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("no step {id}: {}", self.said))
    }

    /// A fact of a step.
    pub fn fact(&self, id: &str, name: &str) -> &Value {
        &self.step(id)["facts"][name]
    }
}
