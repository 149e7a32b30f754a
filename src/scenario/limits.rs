//! The budgets of a scenario.

use serde::Deserialize;

use crate::source::{Duration, Ratio, Spanned, StepName};

/// Limits that the drill must meet.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// Recovery time objective.
    #[serde(default)]
    pub rto: Option<Spanned<Rto>>,
    /// Recovery point objective.
    #[serde(default)]
    pub rpo: Option<Spanned<Rpo>>,
}

/// How long recovery may take.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rto {
    /// From the start of this step.
    pub from: StepName,
    /// To the end of this one.
    pub to: StepName,
    /// The longest that it may take.
    pub max: Spanned<Duration>,
    /// How many times as long as in the newest runs that passed: `1.5`. The history knows them.
    #[serde(default)]
    pub of_last: Option<Spanned<Ratio>>,
}

/// How much may be lost.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rpo {
    /// The users whose transactions count.
    pub traffic: StepName,
    /// The most acknowledged transactions that may be lost.
    #[serde(default)]
    pub max_lost: Option<Spanned<u64>>,
    /// The most acknowledged work that may be lost, as a time: from the first lost acknowledgement
    /// to the incident.
    #[serde(default)]
    pub max_time: Option<Spanned<Duration>>,
    /// Which transactions it is about: `acknowledged` (the default), so that it fails if some could
    /// not be checked, or only those that were `checked`.
    #[serde(default)]
    pub of: Option<Spanned<LossOf>>,
}

/// Which transactions a budget of loss is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LossOf {
    /// All that were acknowledged.
    #[default]
    Acknowledged,
    /// Those that an `assert_traffic` could look for.
    Checked,
}
