//! What a backup holds.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackupKind {
    /// All files.
    Full,
    /// What was changed since another backup of whatever kind.
    Incremental,
    /// What was changed since a full one.
    Differential,
}

impl fmt::Display for BackupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BackupKind::Full => "full",
            BackupKind::Incremental => "incremental",
            BackupKind::Differential => "differential",
        })
    }
}
