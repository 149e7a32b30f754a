//! What is told of a step before it runs.

use serde::{Deserialize, Serialize};

/// A step, as told before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepHead {
    /// Its place in the drill, from 0; the steps of `finally` go on counting.
    pub index: usize,
    /// Its `id`.
    pub id: Option<String>,
    /// Its action: `drop_table`.
    pub kind: String,
    /// Its `name`, or a description made from its fields.
    pub name: String,
    /// Its line in the file.
    pub line: usize,
    /// Whether it is a part of the recovery: what people who look at durations want to see first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recovers: bool,
    /// For the lines of an `all`: the index of the `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<usize>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(yes: &bool) -> bool {
    !yes
}
