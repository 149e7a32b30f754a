//! Finding and ending processes by the directory that they work in.
//!
//! Every process of a PostgreSQL server works in PGDATA (`ChangeToDataDir`), and everything else
//! that drillyard runs works in the node's directory: the working directory is the label that
//! survives whatever happens to drillyard.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::{HostError, Result};

/// A process group that is killed when this is dropped before the group's leader ended.
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The group that a child with `process_group(0)` leads.
    pub(super) fn of(child: Option<u32>) -> Self {
        Group(child.and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    /// The leader has ended: there is nothing to kill any more.
    pub(super) fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Already gone is as good.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

/// The processes whose working directory is `dir` or lies below it, this one excepted.
pub(super) fn processes_under(dir: &Path) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return vec![] };
    let me = std::process::id().cast_signed();
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != me)
        .filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir)))
        .map(Pid::from_raw)
        .collect()
}

/// Ends every process below `dir`: PostgreSQL's by an immediate shutdown, so that shared memory is
/// given back, and after a second whatever is left by SIGKILL.
pub(super) fn end_processes_under(dir: &Path) -> Result<()> {
    let start = Instant::now();
    let mut asked = false;
    loop {
        let left = processes_under(dir);
        if left.is_empty() {
            break;
        }
        let signal = match (asked, start.elapsed()) {
            (false, _) => Some(Signal::SIGQUIT),
            (true, elapsed) if elapsed > Duration::from_secs(1) => Some(Signal::SIGKILL),
            (true, _) => None,
        };
        if let Some(signal) = signal {
            for pid in &left {
                // A stopped process hears only SIGKILL and SIGCONT.
                let _ = kill(*pid, signal);
                let _ = kill(*pid, Signal::SIGCONT);
            }
            asked = true;
        }
        if start.elapsed() > Duration::from_secs(4) {
            let left: Vec<String> = left.iter().map(ToString::to_string).collect();
            return Err(HostError::new(format!("processes {} in {} do not end", left.join(", "), dir.display())));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    remove_shared_memory(dir);
    Ok(())
}

/// Kills every process below `dir` with SIGKILL.
pub(super) fn kill_processes_under(dir: &Path) -> Result<()> {
    until_none_is_left(dir, "are not killed", |pid| {
        let _ = kill(pid, Signal::SIGKILL);
        true
    })
}

/// Stops every process below `dir`: they are there and do nothing.
pub(super) fn freeze_processes_under(dir: &Path) -> Result<()> {
    until_none_is_left(dir, "do not stop", |pid| {
        let stopped = state(pid).is_none_or(|state| matches!(state, 'T' | 'Z' | 'X'));
        if !stopped {
            let _ = kill(pid, Signal::SIGSTOP);
        }
        !stopped
    })
}

/// Lets every process below `dir` go on.
pub(super) fn thaw_processes_under(dir: &Path) -> Result<()> {
    until_none_is_left(dir, "do not go on", |pid| {
        let stopped = state(pid) == Some('T');
        if stopped {
            let _ = kill(pid, Signal::SIGCONT);
        }
        stopped
    })
}

/// Does something with the processes below `dir` until there are none to do it with; those that one
/// of them starts meanwhile, too. `act` says whether there was anything to do.
fn until_none_is_left(dir: &Path, problem: &str, act: impl Fn(Pid) -> bool) -> Result<()> {
    let start = Instant::now();
    loop {
        let left: Vec<Pid> = processes_under(dir).into_iter().filter(|pid| act(*pid)).collect();
        if left.is_empty() {
            return Ok(());
        }
        if start.elapsed() > Duration::from_secs(4) {
            let left: Vec<String> = left.iter().map(ToString::to_string).collect();
            return Err(HostError::new(format!("processes {} in {} {problem}", left.join(", "), dir.display())));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A process's state, as /proc has it: `T` for one that is stopped, `Z` for one that has ended.
fn state(pid: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may have brackets in it.
    stat.rsplit_once(") ")?.1.chars().next()
}

/// A postmaster that was killed leaves its postmaster.pid, and in it the id of a System V segment
/// that lives on.
pub(super) fn remove_shared_memory(dir: &Path) {
    // As seen from the run's directory, run/drill/node/data; initdb's own server works in
    // run/drill/node/template/data.
    const DEPTH: usize = 4;
    let mut ids = Vec::new();
    segments_of(dir, DEPTH, &mut ids);
    if ids.is_empty() {
        return;
    }
    // A segment that somebody is attached to is another server's, which was given the same number
    // after ours had gone.
    let table = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let free = |id: &String| {
        let row = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        row.into_iter().any(|row| row.get(1) == Some(&id.as_str()) && row.get(6) == Some(&"0"))
    };
    for id in ids.iter().filter(|id| free(id)) {
        // If the program is missing or the segment is gone, there is nothing more to do.
        let _ = Command::new("ipcrm").args(["-m", id]).stderr(std::process::Stdio::null()).status();
    }
}

/// The segments named in the postmaster.pid of every data directory below `dir`.
fn segments_of(dir: &Path, depth: usize, ids: &mut Vec<String>) {
    if let Ok(pid_file) = std::fs::read_to_string(dir.join("postmaster.pid")) {
        // The seventh line (`LOCK_FILE_LINE_SHMEM_KEY` in PostgreSQL's pidfile.h): the key and the
        // id.
        ids.extend(pid_file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)).map(str::to_owned));
    }
    if depth == 0 || dir.join("PG_VERSION").exists() {
        return;
    }
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            segments_of(&entry.path(), depth - 1, ids);
        }
    }
}
