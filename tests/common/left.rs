//! A look at all that a run may leave behind.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::cli_runner::CliRunner;

/// Long enough for the slowest of machines; what is waited for is polled.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How soon nothing of a run may be left: 5 s are promised, and a busy machine gets a little more.
pub const CLEAN_WITHIN: Duration = Duration::from_secs(15);

impl CliRunner {
    /// Waits until nothing of a run is left, and says what there is where that does not come about.
    pub fn assert_nothing_left(&self, run: &str, when: &str) {
        let left = poll(CLEAN_WITHIN, || {
            let left = self.left(run);
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
        assert_eq!(left, Ok(()), "{when}");
    }

    /// All that is there of a run.
    pub fn left(&self, run: &str) -> Vec<String> {
        let work = self.work();
        let mut left: Vec<String> = std::fs::read_dir(&work)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().contains(run))
            .map(|entry| entry.path().display().to_string())
            .collect();
        let directory = work.join(format!("drillyard-{run}"));
        left.extend(processes_under(&directory).into_iter().map(|pid| format!("process {pid}")));
        if docker_answers() {
            let label = format!("label=drillyard.run={run}");
            for list in [&["ps", "-aq"][..], &["network", "ls", "-q"], &["volume", "ls", "-q"]] {
                let output =
                    Command::new("docker").args(list).args(["--filter", &label]).output().expect("docker runs");
                let lines = String::from_utf8_lossy(&output.stdout);
                left.extend(lines.lines().map(|id| format!("{} {id}", list[0])));
            }
        }
        left
    }
}

/// Tries every few milliseconds until it is right or time is up; then the last error is told.
pub fn poll<T, E>(within: Duration, mut attempt: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let end = Instant::now() + within;
    loop {
        match attempt() {
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            ended => return ended,
        }
    }
}

pub fn all_processes() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

pub fn processes_under(dir: &Path) -> Vec<i32> {
    let works_there = |pid: &i32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
    all_processes().into_iter().filter(works_there).collect()
}

/// Whether there is a daemon with an image of PostgreSQL 15 to test with.
pub fn docker_answers() -> bool {
    use std::sync::OnceLock;
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let image = ["image", "inspect", "drillyard/postgres:15"];
        Command::new("docker").args(image).output().is_ok_and(|output| output.status.success())
    })
}
