//! The commands of a recovery: what a runbook is made of.

use serde::{Deserialize, Serialize};

/// A command that a step has run, as a person gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRun {
    /// What it does, in a few words: `` restore backup `nightly` ``.
    pub about: String,
    /// The node on whose host it is run, or in whose database.
    pub node: String,
    /// What it is written in.
    pub language: Language,
    /// The command, with placeholders in the place of what is different elsewhere.
    pub text: String,
    /// Whether it is the very one that was run.
    pub form: Form,
    /// How long it took, if that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What to look at before the next one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// The placeholders in its text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placeholders: Vec<Placeholder>,
}

/// What a command is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// For `sh`.
    Shell,
    /// For `psql`.
    Sql,
}

impl Language {
    /// The tag of its code blocks in Markdown.
    pub fn tag(self) -> &'static str {
        match self {
            Language::Shell => "sh",
            Language::Sql => "sql",
        }
    }
}

/// Whether a command is the one that was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// It is.
    Exact,
    /// drillyard did the same in a way of its own.
    Equivalent,
}

/// A variable that stands for a path, a host or the like of the drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placeholder {
    /// Its name, without the `$`.
    pub name: String,
    /// What it was in the drill; empty for a password.
    pub value: String,
    /// What it is.
    pub about: String,
}
