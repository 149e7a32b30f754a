//! Someone who goes through a drill step by step.

use std::time::Instant;

use async_trait::async_trait;

use super::drill::Work;
use super::step::StepRun;
use crate::journal::StepHead;

/// Where a drill stands.
#[derive(Debug, Clone)]
pub struct Stop<'a> {
    /// Its name.
    pub drill: &'a str,
    /// The step that is next, or that has just failed.
    pub step: &'a StepHead,
    /// The nodes that a session can be opened on.
    pub nodes: Vec<String>,
}

/// What a person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The drill goes on.
    GoOn,
    /// The step is tried again.
    Retry,
    /// The run ends: it has been cancelled.
    Quit,
}

/// Someone who is asked before each step, and when one has failed.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Whether the drill goes on with this step.
    async fn before(&self, stop: &Stop<'_>) -> Answer;

    /// What to do about a step that did not pass, for this reason.
    async fn after(&self, stop: &Stop<'_>, why: &str) -> Answer;
}

impl StepRun<'_> {
    /// Whether the step is run. The drill's clock stands still meanwhile.
    pub(super) async fn may_begin(&self, gate: &dyn Gate) -> bool {
        let cancel = &self.work.env.cancel;
        // What tidies up is run whatever ends the drill.
        if self.step.finally && cancel.is_cancelled() {
            return true;
        }
        let stop = self.stop();
        let began = Instant::now();
        let answer = tokio::select! {
            biased;
            () = cancel.cancelled() => Answer::Quit,
            answer = gate.before(&stop) => answer,
        };
        self.work.stand_still(began);
        answer != Answer::Quit || self.step.finally
    }

    /// Whether a step that did not pass is tried again.
    pub(super) async fn is_tried_again(&self, gate: &dyn Gate, why: &str) -> bool {
        let stop = self.stop();
        let began = Instant::now();
        let answer = tokio::select! {
            biased;
            () = self.work.env.cancel.cancelled() => Answer::Quit,
            answer = gate.after(&stop, why) => answer,
        };
        self.work.stand_still(began);
        answer == Answer::Retry
    }

    fn stop(&self) -> Stop<'_> {
        let nodes = self.work.note_nodes(self.world);
        Stop { drill: &self.work.drill.plan.name, step: &self.step.head, nodes }
    }
}

impl Work<'_> {
    /// The drill's clock has stood still since then.
    pub(super) fn stand_still(&self, since: Instant) {
        *self.aside.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += since.elapsed();
    }
}
