//! What is told of steps that run while people are at work.

use std::time::Duration;

use crate::journal::{Event, Outcome};

/// What is told of a step that ran while people were at work, and that began after this time on the
/// drill's clock.
pub(super) fn overtaken(event: Event, since: Duration) -> Event {
    let since = since.as_millis() as u64;
    match event {
        Event::StepStarted { drill, index, started_ms } => {
            Event::StepStarted { drill, index, started_ms: since + started_ms }
        }
        Event::StepFinished { drill, index, outcome, started_ms, duration_ms, message, problem, facts } => {
            let (outcome, message, problem) = match outcome.is_bad() {
                true => {
                    let why = message.unwrap_or_default();
                    (Outcome::Skipped, Some(format!("people were at work meanwhile: {why}")), None)
                }
                false => (outcome, message, problem),
            };
            let started_ms = since + started_ms;
            Event::StepFinished { drill, index, outcome, started_ms, duration_ms, message, problem, facts }
        }
        other => other,
    }
}
