//! A report that exists only in tests: the outcome, and nothing else.

use super::format::{Format, Made};

pub(super) const FORMAT: Format = Format {
    name: "toy",
    option: "report-toy",
    value: "PATH",
    help: "Write the outcome",
    made: Made::Whole(|record| Ok(format!("{}\n", record.outcome()))),
};
