//! Findings with their first cause in front.

use crate::harness::Finding;
use crate::journal::{Cause, Outcome};

/// The same failure with its first cause as its title; what it was called before becomes its label.
/// Nothing is said twice.
pub fn first(mut finding: Box<Finding>, title: String, help: Option<String>) -> Box<Finding> {
    if finding.title == title {
        return finding;
    }
    let before = std::mem::replace(&mut finding.title, title);
    finding.label = match finding.label.as_str() {
        "" => before,
        label => format!("{before}: {label}"),
    };
    match help {
        Some(help) => finding.help(help),
        None => finding,
    }
}

/// The same, as something that could not be judged since the lab is in trouble.
pub fn errored(mut finding: Box<Finding>) -> Box<Finding> {
    finding.outcome = Outcome::Errored;
    finding.because(Cause::Lab)
}
