//! What a drill will do, as told before anything is started.

use serde::{Deserialize, Serialize};

use super::StepHead;

/// A plan as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOutline {
    /// The drill's name.
    pub name: String,
    /// Its file, as the user named it.
    pub file: String,
    /// What it is about.
    pub about: String,
    /// The major versions that it is meant for; none: the newest one that is installed.
    pub postgres: Vec<u32>,
    /// How long the whole drill may take, in milliseconds.
    pub timeout_ms: u64,
    /// Its nodes: those that run before the first step, then those that steps make.
    pub nodes: Vec<NodeOutline>,
    /// Its repos, and what each is a copy of.
    pub repos: Vec<(String, Option<String>)>,
    /// Its steps, those of `all` and `finally` in line.
    pub steps: Vec<StepOutline>,
    /// What people do in its `team` step, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<PeopleOutline>,
    /// The budget of recovery time.
    pub rto: Option<RtoOutline>,
    /// The budget of loss.
    pub rpo: Option<RpoOutline>,
    /// The ways in which a proof breaks it.
    pub breaks: Vec<BreakOutline>,
    /// Whether it checks anything: a drill that does not will fail.
    pub checks: bool,
}

/// A node of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeOutline {
    /// Its name.
    pub name: String,
    /// The node that it streams from.
    pub follows: Option<String>,
    /// The repo that it archives to.
    pub archive_to: Option<String>,
    /// Whether drillyard does not make it, and only reads from it.
    pub external: bool,
    /// The releases that it runs, one of each major version, if the scenario says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<String>,
    /// Its settings.
    pub settings: Vec<(String, String)>,
    /// The index of the step that makes it.
    pub made_by: Option<usize>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOutline {
    /// The step.
    #[serde(flatten)]
    pub head: StepHead,
    /// How long it may take, in milliseconds.
    pub within_ms: u64,
    /// The same as it is written, where it is known only when the step begins; `within_ms` is then
    /// what steps of its kind have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// What its failure must match, if it must fail.
    pub fails: Option<String>,
    /// The versions that it is for.
    pub when: Option<String>,
    /// Whether it stands in `finally`.
    pub finally: bool,
    /// What it refers to.
    pub refers: Vec<String>,
    /// Of a line of a `team`: the part of it, as `auto` or `trap 1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
}

/// What people do in a drill that is played as a firedrill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeopleOutline {
    /// What they are told at the start; none: it is made from the drill.
    pub brief: Option<String>,
    /// How long they have, in milliseconds; none: as the command line says.
    pub within_ms: Option<u64>,
    /// The steps that an ordinary run does in their place; without any, it cannot run the drill.
    pub auto: Vec<usize>,
    /// The checks that say when they are done.
    pub judge: Vec<usize>,
    /// The servers that they may make.
    pub adopt: Vec<String>,
    /// Hints that can be bought.
    pub hints: Vec<HintOutline>,
    /// What comes in between.
    pub injects: Vec<InjectOutline>,
    /// Second accidents.
    pub traps: Vec<TrapOutline>,
}

/// A hint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintOutline {
    /// What it says.
    pub text: String,
    /// What it costs, in points.
    pub costs: u32,
    /// How long after the incident it can be bought, in milliseconds.
    pub after_ms: u64,
}

/// Something that comes in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InjectOutline {
    /// How long after the incident it comes, in milliseconds.
    pub after_ms: Option<u64>,
    /// The step that waits for its moment.
    pub when: Option<usize>,
    /// What people are told.
    pub say: Option<String>,
    /// The steps that are run.
    pub steps: Vec<usize>,
}

/// A second accident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrapOutline {
    /// What it is called.
    pub name: String,
    /// The step that waits for it.
    pub when: usize,
    /// What it costs, in points.
    pub costs: u32,
}

/// A budget of recovery time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RtoOutline {
    /// The id of the step at whose start the clock starts.
    pub from: String,
    /// The id of the step at whose end it stops.
    pub to: String,
    /// The limit, in milliseconds.
    pub max_ms: u64,
    /// How many times what the newest runs took that passed: `1.5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_last: Option<String>,
}

/// A budget of loss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpoOutline {
    /// The id of the traffic step.
    pub traffic: String,
    /// The most transactions that may be lost.
    pub max_lost: Option<u64>,
    /// The most work that may be lost, in milliseconds.
    pub max_time_ms: Option<u64>,
    /// Whether it is only about those that can be checked.
    pub only_checked: bool,
}

/// A way in which a proof breaks the drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakOutline {
    /// `left-out recover:rescue`.
    pub name: String,
    /// Why the scenario says that it makes no difference.
    pub ignored: Option<String>,
}
