//! A firedrill: what people are told as it goes on, and the debrief.

mod compare;
mod debrief;
mod html;
mod lines;
mod markdown;
mod picture;

pub use compare::compare_firedrills;
pub(super) use html::FORMAT as HTML;
pub use lines::{FiredrillLines, score_lines};
pub(super) use markdown::FORMAT as MARKDOWN;
