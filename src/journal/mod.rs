//! The journal of a run is its truth: owned, serialisable facts with their time, written as they
//! happen.
//!
//! Reports, the terminal, the exit code and `--events` are all made from these events and from
//! nothing else.

mod budget;
mod command_run;
mod event;
mod firedrill;
mod outcome;
mod outline;
mod problem;
mod proof;
mod redact;
mod step;
mod texts;
mod writer;

pub use budget::{Budget, BudgetName};
pub use command_run::{CommandRun, Form, Language, Placeholder};
pub use event::{Command, Entry, Event, Facts, PastRun, TrafficCount};
pub use firedrill::{Ending, Firedrill, ScorePart, Speaker};
pub use outcome::{ExitCode, Outcome};
pub use outline::{
    BreakOutline, HintOutline, InjectOutline, NodeOutline, PeopleOutline, PlanOutline, RpoOutline, RtoOutline,
    StepOutline, TrapOutline,
};
pub use problem::{Cause, Note, Place, Problem};
pub use proof::{BreakHead, BreakVerdict, Sign};
pub use redact::Redactor;
pub use step::{FileLine, Fragment, StepHead};
pub use writer::{Heard, Journal, Listener, Written};
