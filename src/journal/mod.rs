//! The journal of a run is its truth: owned, serialisable facts with their time, written as they
//! happen.
//!
//! Reports, the terminal, the exit code and `--events` are all made from these events and from
//! nothing else.

mod budget;
mod event;
mod outcome;
mod outline;
mod problem;
mod proof;
mod redact;
mod step;
mod texts;
mod writer;

pub use budget::{Budget, BudgetName};
pub use event::{Command, Entry, Event, Facts, PastRun, TrafficCount};
pub use outcome::{ExitCode, Outcome};
pub use outline::{BreakOutline, NodeOutline, PlanOutline, RpoOutline, RtoOutline, StepOutline};
pub use problem::{Cause, Note, Place, Problem};
pub use proof::{BreakHead, BreakVerdict, Sign};
pub use redact::Redactor;
pub use step::StepHead;
pub use writer::{Heard, Journal, Listener, Written};
