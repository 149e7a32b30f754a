//! Metrics for Prometheus, as a file for the textfile collector of node_exporter: OpenMetrics, of
//! which nothing is used that the older text format does not read in the same way.
//!
//! A file is replaced by each run. What it said of drills that this run did not run is kept, so
//! that the age of the last pass of a drill that nobody runs any more is seen to grow.

mod families;
mod file;
mod samples;

use std::io;

use super::collect::RunRecord;
use super::format::{Format, Made};
use file::{Sample, parse, text};
use samples::samples;

pub(super) const FORMAT: Format = Format {
    name: "metrics",
    option: "metrics",
    value: "FILE",
    help: "Write metrics for Prometheus (OpenMetrics) into FILE; what it has of other drills stays",
    made: Made::Continued(render),
};

/// The file as text, `before` being what it was.
pub(super) fn render(record: &RunRecord, before: &str) -> io::Result<String> {
    let before = parse(before);
    let mut now = samples(record, &before);
    let is_said = |old: &Sample| now.iter().any(|sample| sample.is_about_what(old));
    let kept: Vec<Sample> = before.into_iter().filter(|old| old.outlives_its_run() && !is_said(old)).collect();
    now.extend(kept);
    Ok(text(&now))
}

#[cfg(test)]
mod tests;
