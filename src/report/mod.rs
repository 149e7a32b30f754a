//! Reports: what people and programs read of a run. Each is a
//! [`Listener`](crate::journal::Listener) fed with the journal's entries and with nothing else.
//!
//! - [`FORMATS`]: the reports that are written to a path; most of them whole from a [`RunRecord`],
//!   so that they agree
//! - [`Terminal`]: the run as people follow it, with live lines on a terminal
//! - `github`: annotations, and the Markdown in the job's summary
//! - [`render`], [`render_warning`]: one problem with its line and a caret, as all of them show it
//!
//! A new format is one file with a `FORMAT`, its `mod` line, and a line in [`FORMATS`].

mod chart;
mod collect;
mod drill;
mod events;
mod facts;
mod failures;
mod file;
mod firedrill;
mod format;
mod github;
mod html;
mod json;
mod junit;
mod look;
mod markdown;
mod metrics;
mod open;
mod pipe;
mod plan;
mod progress;
mod proof;
mod proof_block;
mod queued;
mod runbook;
mod snippet;
mod terminal;
mod text;
#[cfg(test)]
#[path = "../../tests/toys/report.rs"]
mod toy;
mod trouble;

pub use collect::{Counts, RunRecord, explain_counts};
pub use drill::{DrillEnd, DrillRecord, StepEnd, StepRecord};
pub use failures::WriteFailures;
pub use firedrill::{FiredrillLines, compare_firedrills, score_lines};
pub use format::Format;
pub use html::STYLE;
pub use look::{TerminalOptions, Verbosity};
pub use markdown::escape as escape_markdown;
pub use open::{GithubOptions, ReportError, ReportOptions, Reports};
pub use pipe::{is_pipe, open_pipe};
pub use proof::{BreakRecord, ProofRecord, Score};
pub use runbook::{NoRunbook, RunbookOf};
pub use snippet::{render, render_warning};
pub use terminal::Terminal;
pub use text::{count, duration, escape_html, one_line, thousands};
pub use trouble::{Of, Trouble};

/// The formats, in the order in which they hear of an event: whatever breaks later, the events are
/// on the disk.
pub static FORMATS: &[Format] = &[
    events::FORMAT,
    json::FORMAT,
    junit::FORMAT,
    html::FORMAT,
    markdown::FORMAT,
    firedrill::HTML,
    firedrill::MARKDOWN,
    metrics::FORMAT,
    #[cfg(test)]
    toy::FORMAT,
];

/// The events themselves: what a run's own record consists of.
pub static EVENTS: &Format = &events::FORMAT;
/// The debrief of a firedrill as a page.
pub static DEBRIEF: &Format = &firedrill::HTML;
/// The debrief of a firedrill as Markdown.
pub static DEBRIEF_MARKDOWN: &Format = &firedrill::MARKDOWN;

#[cfg(test)]
mod tests;
