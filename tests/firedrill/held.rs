//! A firedrill that is held, and the teams that play in it.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::cli_runner::CliRunner;
use crate::left::{PATIENCE, all_processes, poll};
use crate::program::said;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// A firedrill at work. Its servers are gone with it.
pub struct Held<'a> {
    runner: &'a CliRunner,
    child: Child,
    /// The run's id.
    pub id: String,
    /// Where its handout is.
    pub handout: PathBuf,
}

/// Where a server of its own is.
pub struct Host<'a> {
    runner: &'a CliRunner,
    node: String,
}

/// One that has ended.
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it has printed.
    pub said: String,
    /// Its JSON report.
    pub report: Value,
    /// Its debrief, as Markdown.
    pub debrief: String,
}

/// A drill that ships.
pub fn shipped(name: &str) -> String {
    format!("{PROJECT}/scenarios/{name}.yaml")
}

impl CliRunner {
    /// Holds a firedrill on local processes, and waits until people have their handout.
    pub fn hold(&self, args: &[&str]) -> Held<'_> {
        self.hold_on("local", args)
    }

    /// Holds it on another backend.
    pub fn hold_on(&self, backend: &str, args: &[&str]) -> Held<'_> {
        let handout = self.path().join("handout");
        let said = std::fs::File::create(self.path().join("said")).expect("a file");
        let mut command = self.drillyard(["firedrill", "--backend", backend, "--color", "never", "--handout"]);
        command.arg(&handout).arg("--events").arg(self.path().join("events"));
        command.arg("--report-json").arg(self.path().join("report.json"));
        command.arg("--report-debrief-md").arg(self.path().join("debrief.md")).args(args);
        command.stdout(said.try_clone().expect("a file")).stderr(said).stdin(Stdio::piped()).process_group(0);
        let child = command.spawn().expect("drillyard starts");
        let mut held = Held { runner: self, child, id: String::new(), handout };
        held.wait_said("handout: ");
        held.id = held.line("run ");
        held
    }
}

impl<'a> Held<'a> {
    /// Where a node's server is, in this run and in no other.
    pub fn host(&self, node: &str) -> Host<'a> {
        Host { runner: self.runner, node: format!("{}/{node}", self.id) }
    }
}

impl Host<'_> {
    /// Runs a command there; what it prints.
    pub fn run(&self, command: &[&str]) -> Output {
        self.runner.output(["shell", &self.node, "--"].iter().chain(command))
    }

    /// What a query returns there.
    pub fn psql(&self, query: &str) -> String {
        said(&self.run(&["psql", "-XAtqc", query])).trim().to_owned()
    }
}

impl Held<'_> {
    /// What it has printed so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.runner.path().join("said")).expect("text")
    }

    /// The rest of the first line that begins so.
    pub fn line(&self, beginning: &str) -> String {
        let said = self.said();
        let rest = said.lines().find_map(|line| line.strip_prefix(beginning));
        rest.unwrap_or_else(|| panic!("no {beginning:?} in {said}")).to_owned()
    }

    /// Types a line where it was started, as the facilitator does.
    pub fn types(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("its input");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("typed");
    }

    /// Waits until it has printed this.
    pub fn wait_said(&mut self, words: &str) {
        let seen = poll(PATIENCE, || match self.said() {
            said if said.contains(words) => Ok(Some(())),
            _ if self.has_ended() => Ok(None),
            said => Err(said),
        });
        assert_eq!(seen, Ok(Some(())), "{words:?} was not said: {}", self.said());
    }

    /// Waits for something that happens in it, by its `what`.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let seen = poll(PATIENCE, || {
            let events = self.events();
            match events.iter().find(|event| event["what"] == what && wanted(event)) {
                Some(event) => Ok(Some(event.clone())),
                None if self.has_ended() => Ok(None),
                None => Err(events),
            }
        });
        seen.expect("in time").unwrap_or_else(|| panic!("it ended before {what}: {}", self.said()))
    }

    /// Everything that has happened in it so far.
    pub fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.runner.path().join("events")).unwrap_or_default();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["event"] == "firedrill").collect()
    }

    /// Whether the program has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Has a team play: one of the scripts in `teams`.
    pub fn team(&self, script: &str) -> Output {
        let teams = Path::new(PROJECT).join("tests/firedrill/teams");
        self.script(&teams.join(script))
    }

    /// Has a script play. It is given the handout.
    pub fn script(&self, script: &Path) -> Output {
        let program = self.runner.drillyard([""; 0]);
        let mut team = Command::new("timeout");
        team.arg("110").arg("sh").arg(script).arg(&self.handout).env("DRILLYARD", program.get_program());
        team.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        team.current_dir(self.runner.path()).stdin(Stdio::null()).output().expect("the team plays")
    }

    /// Says something, as people do from any terminal: `["done", "--give-up"]`.
    pub fn say(&self, words: &[&str]) -> Output {
        self.runner.output(words.iter().chain([&self.id.as_str()]))
    }

    /// Says it, and demands that it is accepted.
    pub fn ask(&self, words: &[&str]) -> String {
        let output = self.say(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", said(&output));
        said(&output)
    }

    /// The process that keeps it, beside the one at the terminal.
    pub fn keeper(&self) -> Pid {
        let parent = |pid: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
        };
        let found = all_processes().into_iter().find(|pid| parent(pid) == Some(self.child.id()));
        Pid::from_raw(found.expect("a keeper"))
    }

    /// Takes it up again, or follows it, from another terminal.
    pub fn resume(&self) -> Output {
        self.runner.output(["firedrill", "--resume", &self.id])
    }

    /// The same, while it goes on: returns when it follows it. What it prints is in `followed`.
    pub fn follow(&self) -> Child {
        let path = self.runner.path().join("followed");
        let mut command = self.runner.drillyard(["firedrill", "--resume", &self.id]);
        let child = command.stdout(std::fs::File::create(&path).expect("a file")).spawn().expect("drillyard starts");
        let followed = poll(PATIENCE, || match std::fs::read_to_string(&path).unwrap_or_default() {
            told if told.contains("the clock: ") => Ok(()),
            told => Err(told),
        });
        assert_eq!(followed, Ok(()));
        child
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("a signal");
    }

    /// Waits for its end.
    pub fn exit_code(&mut self) -> Option<i32> {
        let ended = poll(PATIENCE, || self.child.try_wait().expect("a child").ok_or_else(|| self.said()));
        ended.expect("its end").code()
    }

    /// Waits for its end, and reads what it leaves: nothing but its reports.
    pub fn end(mut self) -> Ended {
        let code = self.exit_code();
        self.runner.assert_nothing_left(&self.id, "after the firedrill");
        let read = |name: &str| std::fs::read_to_string(self.runner.path().join(name)).expect("a report");
        let report = serde_json::from_str(&read("report.json")).expect("JSON");
        Ended { code, said: self.said(), report, debrief: read("debrief.md") }
    }

    /// Gives up.
    pub fn give_up(self) -> Ended {
        self.ask(&["done", "--give-up"]);
        self.end()
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.has_ended() {
            // A test that failed: the reaper removes what is there.
            let _ = self.child.kill();
            let _ = self.child.wait();
            let _ = self.runner.output(["clean", &self.id]);
            let _ = poll(Duration::from_secs(10), || match self.runner.left(&self.id).is_empty() {
                true => Ok(()),
                false => Err(()),
            });
        }
    }
}

impl Ended {
    /// Demands that it ended so.
    pub fn with(self, code: i32, outcome: &str) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.said);
        assert_eq!(self.report["exit_code"], code, "{}", self.said);
        assert_eq!(self.report["outcome"], outcome, "{}", self.said);
        self
    }

    /// Demands that all of this is on the terminal.
    pub fn says(self, words: &[&str]) -> Self {
        for part in words {
            assert!(self.said.contains(part), "no {part:?} in {}", self.said);
        }
        self
    }

    /// Demands that all of this is in the debrief.
    pub fn debriefs(self, words: &[&str]) -> Self {
        for part in words {
            assert!(self.debrief.contains(part), "no {part:?} in {}", self.debrief);
        }
        self
    }

    /// The points in all.
    pub fn points(&self) -> u32 {
        let score = self.said.lines().find_map(|line| line.strip_prefix("score: ")).expect("a score");
        score.split(' ').next().and_then(|points| points.parse().ok()).expect("points")
    }
}
