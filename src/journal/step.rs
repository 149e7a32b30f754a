//! What is told of a step before it runs.

use serde::{Deserialize, Serialize};

/// A step, as told before it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepHead {
    /// Its place in the drill, from 0; the steps of `finally` go on counting.
    pub index: usize,
    /// Its `id`.
    pub id: Option<String>,
    /// Its action: `drop_table`.
    pub kind: String,
    /// Its `name`, or a description made from its fields.
    pub name: String,
    /// Its line in its file.
    pub line: usize,
    /// The fragment whose step it is; none if it stands in the drill's own file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment: Option<Fragment>,
    /// Whether it is a part of the recovery: what people who look at durations want to see first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recovers: bool,
    /// Whether it is an incident: what the drill is about.
    #[serde(default, skip_serializing_if = "is_false")]
    pub incident: bool,
    /// Whether it is one of the steps that a runbook of the drill is made of: what people would do
    /// in their own way if they played it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_runbook: bool,
    /// For the lines of an `all`: the index of the `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<usize>,
    /// For the lines of a `team`, and those of an `all` in it: the index of the `team`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<usize>,
}

impl StepHead {
    /// The file that it stands in; `drill` is the drill's own.
    pub fn file<'a>(&'a self, drill: &'a str) -> &'a str {
        self.fragment.as_ref().map_or(drill, |fragment| &fragment.file)
    }

    /// Where it stands, for people who know which drill it is: `line 12`, or `lib/shop.yaml:7, used
    /// at drill.yaml:12`.
    pub fn place(&self) -> String {
        match &self.fragment {
            None => format!("line {}", self.line),
            Some(fragment) => format!("{}:{}, {fragment}", fragment.file, self.line),
        }
    }
}

/// A fragment of a drill, as one `use` line brings it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    /// Its file.
    pub file: String,
    /// The line that uses it, then the one that uses that file, up to the drill's own.
    pub used: Vec<FileLine>,
}

impl std::fmt::Display for Fragment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let used: Vec<String> = self.used.iter().map(|line| format!("used at {line}")).collect();
        f.write_str(&used.join(", "))
    }
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLine {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl std::fmt::Display for FileLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(yes: &bool) -> bool {
    !yes
}
