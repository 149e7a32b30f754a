//! The drills of a run, some of them at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::drill::{self, Drill};
use super::kept_drill::KeptDrill;
use super::work::Env;
use crate::journal::{ExitCode, Outcome};

/// How the drills of a run are gone through.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// How many at once; at least 1.
    pub jobs: usize,
    /// Whether the first one that does not pass is the last one.
    pub fail_fast: bool,
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Finished {
    /// How each drill came out; those that were not begun are missing.
    pub outcomes: Vec<Outcome>,
    /// What could not be removed.
    pub left: Vec<String>,
    /// The drills whose servers were left running.
    pub kept: Vec<Arc<KeptDrill>>,
    /// How long it took to remove what the drills had made.
    pub removal: Duration,
}

impl Finished {
    /// Whether there is something left for the reaper to do.
    pub fn left_behind(&self) -> bool {
        !self.left.is_empty() && self.kept.is_empty()
    }

    /// The exit code: of several, the first of 4, 1, 6.
    pub fn exit_code(&self) -> ExitCode {
        match Outcome::worst(self.outcomes.iter().copied()) {
            Outcome::Errored => ExitCode::Lab,
            Outcome::Failed => ExitCode::Failed,
            _ if !self.left.is_empty() => ExitCode::Unclean,
            _ => ExitCode::Passed,
        }
    }
}

/// Runs drills, `jobs` at once, in their order. `first` is the number of the first one in the run.
pub async fn run_all(env: Arc<Env>, drills: Vec<Drill>, order: Order, first: usize) -> Finished {
    let mut finished = Finished::default();
    let mut waiting = drills.into_iter().enumerate();
    let mut running = FuturesUnordered::new();
    let mut stop = false;
    loop {
        while running.len() < order.jobs.max(1) && !stop && !env.cancel.is_cancelled() {
            let Some((index, drill)) = waiting.next() else { break };
            let env = &env;
            running.push(async move { drill::run(env, &drill, first + index).await });
        }
        let Some(verdict) = running.next().await else { break };
        stop |= order.fail_fast && verdict.outcome != Outcome::Passed;
        finished.outcomes.push(verdict.outcome);
        finished.left.extend(verdict.left);
        finished.kept.extend(verdict.kept);
        finished.removal += verdict.removal;
    }
    let reason = match env.cancel.is_cancelled() {
        true => "not begun: interrupted",
        false => "not begun: an earlier drill did not pass (--fail-fast)",
    };
    for (index, drill) in waiting {
        drill::skip(&env, &drill, first + index, reason);
    }
    if env.cancel.is_cancelled() {
        finished.outcomes.push(Outcome::Errored);
    }
    finished
}
