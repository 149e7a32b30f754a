//! How a terminal looks: how much it says, in which colours.

use crate::journal::Outcome;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// What went wrong, and the summary.
    Quiet,
    /// A line and what was measured, for each drill.
    Normal,
    /// A line for each step as well.
    Verbose,
}

/// How the run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalOptions {
    /// Colours; without them no escape code is written to the output.
    pub color: bool,
    /// Live lines on stderr: for when that is a terminal.
    pub progress: bool,
    /// How much is said.
    pub verbosity: Verbosity,
    /// The terminal's width in columns. Only what may lose its end is cut to it.
    pub width: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Color {
    Bold,
    Green,
    Red,
    Yellow,
}

pub(super) fn paint(text: &str, color: Color, on: bool) -> String {
    let code = match color {
        Color::Bold => "1",
        Color::Green => "1;32",
        Color::Red => "1;31",
        Color::Yellow => "1;33",
    };
    if on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

pub(super) fn color_of(outcome: Outcome) -> Color {
    match outcome {
        Outcome::Passed => Color::Green,
        Outcome::Failed | Outcome::Errored => Color::Red,
        Outcome::Skipped => Color::Yellow,
    }
}

pub(super) fn word_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "PASS",
        Outcome::Failed => "FAIL",
        Outcome::Errored => "ERROR",
        Outcome::Skipped => "SKIP",
    }
}
