//! Someone who goes through a drill step by step.

use async_trait::async_trait;

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
