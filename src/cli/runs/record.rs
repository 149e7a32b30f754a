//! The records of this machine's runs.

use std::path::{Path, PathBuf};

use crate::cli::dirs;
use crate::cli::stop::{Result, Stop};
use crate::journal::Entry;
use crate::report::RunRecord;

/// The file with the events of a run.
pub const EVENTS_FILE: &str = "events.jsonl";
/// The directory with the logs of its servers.
pub const LOGS: &str = "logs";

/// A run, as it was told, by the directory of its record.
pub fn heard(dir: &Path) -> RunRecord {
    let mut record = RunRecord::default();
    entries(dir).iter().for_each(|entry| record.hear(entry));
    record
}

/// The events of a run, by the directory of its record.
pub fn entries(dir: &Path) -> Vec<Entry> {
    let text = std::fs::read_to_string(dir.join(EVENTS_FILE)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The directories of the records, the newest first.
pub fn directories() -> Vec<PathBuf> {
    let found = std::fs::read_dir(dirs::records()).into_iter().flatten().flatten();
    let mut dirs: Vec<_> = found.filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path()))).collect();
    dirs.sort();
    dirs.into_iter().rev().map(|(_, path)| path).collect()
}

/// The directory of the record of the run whose id begins so; or of a recording that was made
/// anywhere, by its path.
pub fn record_of(run: &str) -> Result<PathBuf> {
    if Path::new(run).join(EVENTS_FILE).is_file() {
        return Ok(PathBuf::from(run));
    }
    let mut matching: Vec<_> = directories()
        .into_iter()
        .filter(|dir| dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with(run)))
        .collect();
    match (matching.pop(), matching.is_empty()) {
        (Some(dir), true) => Ok(dir),
        (last, _) => {
            let what = if last.is_none() { "there is no run" } else { "there are several runs" };
            Err(Stop::usage(format!("{what} `{run}`")).help("`drillyard runs` lists them"))
        }
    }
}
