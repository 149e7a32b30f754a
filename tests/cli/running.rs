//! Runs at work.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cli_runner::CliRunner;
use crate::left::{PATIENCE, all_processes};
pub use crate::left::{docker_answers, poll};

/// A drill with a server, users and a backup, that ends by itself after a second or two.
pub const QUICK: &str = "
drillyard: 1
name: quick
nodes: { master: {} }
steps:
  - sql: { node: master, query: CREATE TABLE t AS SELECT 1 AS a }
  - assert_rows: { node: master, query: SELECT a FROM t, equals: [[1]] }
";

/// A drill that stays in mid-traffic until somebody ends it.
pub const ENDLESS: &str = "
drillyard: 1
name: endless
repos: { onsite: {} }
nodes:
  master: { archive_to: onsite }
  standby: { follows: master }
steps:
  - sql: { node: master, query: 'CREATE TABLE t (client int, seq bigint)' }
  - id: users
    traffic:
      node: master
      clients: 2
      transactions:
        one: { sql: 'INSERT INTO t VALUES ($client, $seq)', ledger: { table: t, client: client, seq: seq } }
  - wait_for: { node: master, query: SELECT false, equals: true }
    within: 10m
  - assert_traffic: { traffic: users, node: master, lost: 0 }
";

/// A run at work.
pub struct Run {
    pub child: Child,
    pub id: String,
    events: PathBuf,
    said: PathBuf,
}

impl CliRunner {
    /// Begins a run and waits until its first event has told its id.
    pub fn begin(&self, scenario: &Path, backend: &str) -> Run {
        self.begin_with(scenario, backend, |_| {})
    }

    /// The same with what `more` does to the command.
    pub fn begin_with(&self, scenario: &Path, backend: &str, more: impl FnOnce(&mut Command)) -> Run {
        let events = self.path().join(format!("{}.events", scenario.display().to_string().replace('/', "_")));
        let mut command = self.drillyard(["run", "--backend", backend, "--events"]);
        command.arg(&events).arg("--report-json").arg(self.path().join("report.json")).arg(scenario);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let said = events.with_extension("said");
        let file = std::fs::File::create(&said).expect("a file");
        more(command.stdout(file.try_clone().expect("a file")).stderr(file));
        let child = command.spawn().expect("drillyard starts");
        let mut run = Run { child, id: String::new(), events, said };
        let started = run.wait_event("run_started");
        run.id = started["run"].as_str().expect("an id").to_owned();
        run
    }

    pub fn report(&self) -> serde_json::Value {
        let text = std::fs::read(self.path().join("report.json")).expect("a JSON report");
        serde_json::from_slice(&text).expect("JSON")
    }
}

impl Run {
    /// Waits for an event of this kind and returns it.
    pub fn wait_event(&mut self, kind: &str) -> serde_json::Value {
        self.wait_for(kind, |event| event["event"] == kind)
    }

    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let seen = poll(PATIENCE, || {
            let text = std::fs::read_to_string(&self.events).unwrap_or_default();
            let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let ended = self.child.try_wait().expect("a child").is_some();
            match lines.into_iter().find(|event| wanted(event)) {
                Some(event) => Ok(Some(event)),
                None if ended => Ok(None),
                None => Err(text),
            }
        });
        seen.expect("in time").unwrap_or_else(|| panic!("the run ended before {what}"))
    }

    /// What it has printed.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.said).expect("text")
    }

    /// Waits until it has printed this so often.
    pub fn wait_said(&self, words: &str, times: usize) {
        let said = poll(PATIENCE, || match self.said() {
            said if said.matches(words).count() >= times => Ok(()),
            said => Err(said),
        });
        assert_eq!(said, Ok(()), "{words:?} was not said {times} times");
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("a signal");
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        let ended = poll(PATIENCE, || self.child.try_wait().expect("a child").ok_or("it does not end"));
        ended.expect("the run's end").code()
    }

    /// The reaper: the run's child that was started with its id.
    pub fn reaper(&self) -> Pid {
        let is_it = |pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|b| *b == 0).collect();
            words.get(1) == Some(&b"reap".as_slice()) && words.contains(&self.id.as_bytes())
        };
        let pid = poll(PATIENCE, || all_processes().into_iter().find(is_it).ok_or("no reaper"));
        Pid::from_raw(pid.expect("a reaper"))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // A test that failed: the reaper removes what is there.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The ids of the System V segments that nobody is attached to.
pub fn orphaned_segments() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(6) == Some(&"0")).filter_map(|row| row.get(1).map(|id| (*id).to_owned())).collect()
}

/// The segment of the server in this data directory.
pub fn segment_of(data: &Path) -> Option<String> {
    let pid_file = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    Some(pid_file.lines().nth(6)?.split_whitespace().nth(1)?.to_owned())
}

/// The backends to test on.
pub fn backends() -> Vec<&'static str> {
    if docker_answers() { vec!["local", "docker"] } else { vec!["local"] }
}
