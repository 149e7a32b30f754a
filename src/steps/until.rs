//! The words of `recover`: where it stops, how the target is handed over, and what happens then.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::{Duration, Name, Spanned, Time};

/// Where a recovery stops: `latest`, `end_of_backup`, or a point.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// One of the two words.
    #[serde(default, rename = "$word")]
    pub word: Option<Spanned<UntilWord>>,
    /// Just before this mark.
    #[serde(default)]
    pub before: Option<Spanned<Name>>,
    /// Just after this mark.
    #[serde(default)]
    pub after: Option<Spanned<Name>>,
    /// At this restore point, made by a `mark` step.
    #[serde(default)]
    pub mark: Option<Spanned<Name>>,
    /// At this time: RFC 3339 with an offset.
    #[serde(default)]
    pub time: Option<Spanned<Time>>,
    /// At this position.
    #[serde(default)]
    pub lsn: Option<Spanned<String>>,
    /// At this transaction.
    #[serde(default)]
    pub xid: Option<Spanned<u32>>,
    /// With `before`: so much earlier, as a time, as people guess it.
    #[serde(default)]
    pub minus: Option<Spanned<Duration>>,
}

/// The targets that need no more than a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UntilWord {
    /// At the end of the WAL that can be had.
    Latest,
    /// As soon as the backup is consistent.
    EndOfBackup,
}

/// How a mark is handed to PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// `recovery_target_time`: the server's clock just before or after the mark.
    Time,
    /// `recovery_target_xid`: the exact transaction.
    Xid,
    /// `recovery_target_lsn`.
    Lsn,
    /// `recovery_target_name`: `mark` steps only.
    Name,
}

/// What happens when the target is reached.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The server becomes a primary on a new timeline.
    Promote,
    /// It stays in recovery, and answers questions.
    Pause,
    /// It is shut down; a later `recover` can go on from there.
    Shutdown,
    /// It becomes a standby of this node.
    Follow(Spanned<Name>),
}
