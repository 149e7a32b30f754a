//! When an incident happens that has no turn of its own.

use serde::Deserialize;

use crate::source::{Duration, Late, Spanned, StepName};

/// While which step an incident happens.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct During {
    /// The step, just before or after the incident in the file.
    pub step: StepName,
    /// How long after that step's start; at once if it does not say.
    #[serde(default)]
    pub after: Option<Spanned<Late<Duration>>>,
}
