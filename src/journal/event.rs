//! The events of a run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BreakHead, BreakVerdict, Budget, CommandRun, Firedrill, Outcome, PlanOutline, Problem, StepHead};

/// What a step found out and reports: names and values, in the order in which they were added.
pub type Facts = serde_json::Map<String, serde_json::Value>;

/// An event with its time: one line of `--events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was written.
    pub at: Timestamp,
    /// Since the run's start.
    pub elapsed_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What became of a traffic step's transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficCount {
    /// The traffic step's id.
    pub id: String,
    /// The server acknowledged the commit.
    pub acknowledged: u64,
    /// The acknowledgement never came.
    pub in_doubt: u64,
    /// The server said no.
    pub rejected: u64,
    /// Of those in doubt, the ones that were committed locally while the wait for the synchronous
    /// standbys was cancelled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unconfirmed: u64,
    /// Acknowledged and looked for by the last assertion that looked.
    #[serde(default)]
    pub checked: u64,
    /// Acknowledged and not looked for: whether they are there, nobody knows.
    #[serde(default)]
    pub not_checked: u64,
    /// Of those not looked for, those that have no ledger to be looked for by.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub without_ledger: u64,
    /// Acknowledged ones that wrote nothing, so that there is nothing to lose, in the last
    /// assertion that looked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wrote_nothing: u64,
    /// Acknowledged, looked for and absent, in the last assertion that looked; `None` where nothing
    /// was checked.
    pub lost: Option<u64>,
    /// Present more than once, in the last assertion that looked; `None` where nothing looked.
    pub duplicated: Option<u64>,
    /// There in part, in the last assertion that looked.
    #[serde(rename = "halves", default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<u64>,
    /// Rows that nobody wrote, in the last assertion that looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexpected: Option<u64>,
    /// Rejected and there, in the last assertion that looked.
    #[serde(rename = "resurrected", default, skip_serializing_if = "Option::is_none")]
    pub rejected_present: Option<u64>,
    /// How many milliseconds of acknowledged work are lost, in the last assertion that looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_work_ms: Option<u64>,
    /// How often the server said no, by SQLSTATE; [`TrafficCount::ROLLED_BACK`] where the
    /// transaction itself rolled back, `none` where there was no code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rejections: BTreeMap<String, u64>,
}

impl TrafficCount {
    /// Among the rejections: those of transactions that end with a ROLLBACK of their own.
    pub const ROLLED_BACK: &'static str = "rolled_back";

    /// Whether an assertion has looked for them.
    pub fn was_judged(&self) -> bool {
        self.duplicated.is_some()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How a drill came out in an earlier run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastRun {
    /// The run's id.
    pub run: String,
    /// When the drill began.
    pub at: Timestamp,
    /// How it came out.
    pub outcome: Outcome,
    /// How long it took.
    pub duration_ms: u64,
    /// What its budget `rto` measured.
    pub rto_ms: Option<u64>,
    /// How long the steps of its recovery took.
    pub recovery_ms: Option<u64>,
}

/// What a run does with its drills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Runs them.
    #[default]
    Run,
    /// Breaks them on purpose, and checks that they notice.
    Prove,
    /// Has people play one.
    Firedrill,
}

impl Command {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_run(&self) -> bool {
        *self == Command::Run
    }
}

/// One fact of a run. `drill` is the drill's place in the run, from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "docs/reports.md has a table of the fields")]
pub enum Event {
    /// The run begins. `backend_reason` says why that backend.
    RunStarted {
        run: String,
        version: String,
        #[serde(default, skip_serializing_if = "Command::is_run")]
        command: Command,
        drills: usize,
        backend: String,
        backend_reason: String,
        seed: u64,
    },
    /// A drill begins: its servers are being made. `settings` is what it was told beside its file,
    /// `releases` the nodes that run another release than `postgres`, and which.
    DrillStarted {
        drill: usize,
        name: String,
        file: String,
        about: String,
        postgres: String,
        backend: String,
        seed: u64,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        settings: Vec<String>,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        releases: BTreeMap<String, String>,
        steps: Vec<StepHead>,
    },
    /// A program that the run, or a drill of it, works with, in its own words.
    ToolFound { drill: Option<usize>, name: String, version: String },
    /// A server is up.
    NodeReady { drill: usize, node: String, duration_ms: u64 },
    /// A step begins.
    StepStarted { drill: usize, index: usize, started_ms: u64 },
    /// What a running step waits for and what it saw last. For people's eyes only.
    StepWaiting { drill: usize, index: usize, waiting_for: String },
    /// A step has run a command of the recovery, as a person gives it.
    CommandRun { drill: usize, index: usize, command: Box<CommandRun> },
    /// A step has ended. `message` is the problem in one line, or the reason of a skip.
    StepFinished {
        drill: usize,
        index: usize,
        outcome: Outcome,
        started_ms: u64,
        duration_ms: u64,
        message: Option<String>,
        problem: Option<Problem>,
        facts: Facts,
    },
    /// Users at work, about once a second.
    TrafficRate { drill: usize, count: TrafficCount, per_second: u64 },
    /// Users have stopped, or were judged again.
    TrafficFinished { drill: usize, count: TrafficCount },
    /// A budget was judged at the drill's end.
    BudgetJudged { drill: usize, budget: Budget, problem: Option<Problem> },
    /// A kept server, and the command that opens a session on it.
    NodeKept { drill: usize, node: String, shell: String },
    /// Something to know that changes no verdict.
    Warned { drill: Option<usize>, message: String },
    /// A drill has ended. `problem` is there when it ended outside its steps (its servers did not
    /// start, it was interrupted, it judged nothing). `again` is the command that runs it again.
    DrillFinished {
        drill: usize,
        outcome: Outcome,
        duration_ms: u64,
        message: Option<String>,
        problem: Option<Problem>,
        again: String,
        kept: bool,
    },
    /// A drill is about to be proved. It runs unbroken first: what follows up to its end is about
    /// that.
    ProofStarted { drill: usize, name: String, file: String, breaks: Vec<BreakHead> },
    /// A break was tried. One that is never told of could not be made: there was nothing to break.
    BreakTried {
        drill: usize,
        #[serde(rename = "break")]
        name: String,
        verdict: BreakVerdict,
    },
    /// A proof has ended.
    ProofFinished { drill: usize, outcome: Outcome, duration_ms: u64 },
    /// A plan was made. Nothing is run.
    PlanMade { plan: Box<PlanOutline> },
    /// How a drill came out in earlier runs, the oldest first.
    DrillTrend { drill: usize, runs: Vec<PastRun> },
    /// Something happened while people play a drill.
    Firedrill {
        drill: usize,
        #[serde(flatten)]
        what: Firedrill,
    },
    /// Clean-up has ended; `left` names what could not be removed.
    CleanedUp { left: Vec<String>, duration_ms: u64 },
    /// The run has ended.
    RunFinished { outcome: Outcome, exit_code: u8, duration_ms: u64 },
}
