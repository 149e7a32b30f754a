//! The words of `recover`: where it stops, how the target is handed over, and what happens then.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Shift;
use crate::source::{Duration, Name, Span, Spanned, Time};

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

impl Until {
    /// A target before or behind this one, as near as can be had without asking a server. None where there is none: nothing is
    /// later than `latest`, and only a recovery that begins with a backup can stop at its end.
    pub fn moved(&self, shift: Shift, from_backup: bool) -> Option<Until> {
        let is = |word| self.word.as_ref().is_some_and(|own| own.value == word);
        match (shift, &self.before, &self.after) {
            (Shift::Later, Some(mark), _) => Some(Until { after: Some(mark.clone()), ..Until::none() }),
            (Shift::Earlier, _, Some(mark)) => Some(Until { before: Some(mark.clone()), ..Until::none() }),
            (Shift::Later, ..) if is(UntilWord::Latest) => None,
            (Shift::Later, ..) => Some(Until::word(UntilWord::Latest)),
            (Shift::Earlier, ..) if is(UntilWord::EndOfBackup) || !from_backup => None,
            (Shift::Earlier, ..) => Some(Until::word(UntilWord::EndOfBackup)),
        }
    }

    fn none() -> Self {
        Until { word: None, before: None, after: None, mark: None, time: None, lsn: None, xid: None, minus: None }
    }

    fn word(word: UntilWord) -> Self {
        let word = Spanned { value: word, span: Span::default(), entry: Span::default() };
        Until { word: Some(word), ..Until::none() }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<Spanned<Name>> {
        let value = Name::new(text).ok()?;
        Some(Spanned { value, span: Span::default(), entry: Span::default() })
    }

    /// As in the scenario.
    fn shown(until: Option<Until>) -> String {
        let Some(until) = until else { return "none".to_owned() };
        match (until.word, until.before, until.after) {
            (Some(word), None, None) => format!("{:?}", word.value),
            (None, Some(mark), None) => format!("before {}", mark.value),
            (None, None, Some(mark)) => format!("after {}", mark.value),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn targets_are_moved_to_either_side() {
        let before = Until { before: name("x"), ..Until::none() };
        let after = Until { after: name("x"), ..Until::none() };
        let mark = Until { mark: name("x"), ..Until::none() };
        let latest = Until::word(UntilWord::Latest);
        let end = Until::word(UntilWord::EndOfBackup);
        let both =
            |until: &Until, backup| [Shift::Earlier, Shift::Later].map(|shift| shown(until.moved(shift, backup)));
        assert_eq!(both(&before, true), ["EndOfBackup", "after x"]);
        assert_eq!(both(&before, false), ["none", "after x"]);
        assert_eq!(both(&after, true), ["before x", "Latest"]);
        assert_eq!(both(&after, false), ["before x", "Latest"]);
        assert_eq!(both(&mark, true), ["EndOfBackup", "Latest"]);
        assert_eq!(both(&mark, false), ["none", "Latest"]);
        assert_eq!(both(&latest, true), ["EndOfBackup", "none"]);
        assert_eq!(both(&latest, false), ["none", "none"]);
        assert_eq!(both(&end, true), ["none", "Latest"]);
    }
}
