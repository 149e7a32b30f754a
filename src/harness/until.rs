//! The words of `recover`: where it stops, how the target is handed over, and what happens then.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Finding, MarkKind, Scope, Shift};
use crate::pg::{Mark, RecoveryTarget, Xid};
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
    /// With `before`: this much earlier, as a time; how people guess.
    #[serde(default)]
    pub minus: Option<Spanned<Duration>>,
}

impl Until {
    /// Checks what can be checked without a server; `span` is where it stands.
    pub(crate) fn resolve(&self, scope: &mut Scope<'_>, span: Span, by: Option<&Spanned<By>>) {
        let given = [
            self.word.as_ref().map(|w| w.span),
            self.before.as_ref().map(|m| m.entry),
            self.after.as_ref().map(|m| m.entry),
            self.mark.as_ref().map(|m| m.entry),
            self.time.as_ref().map(|t| t.entry),
            self.lsn.as_ref().map(|l| l.entry),
            self.xid.as_ref().map(|x| x.entry),
        ];
        let given: Vec<_> = given.into_iter().flatten().collect();
        match given.as_slice() {
            [_] => {}
            [] => scope.error_help(
                span,
                "`until` has no target",
                "until when?",
                "`latest`, `end_of_backup`, or one of `{ before, after, mark, time, lsn, xid }`",
            ),
            [_, second, ..] => {
                scope.error(*second, "`until` takes one target", "this is the second one");
            }
        }
        for mark in [&self.before, &self.after].into_iter().flatten() {
            scope.mark(mark);
        }
        if let Some(mark) = &self.mark {
            scope.restore_point(mark);
        }
        if let Some(lsn) = &self.lsn
            && lsn.value.parse::<crate::pg::Lsn>().is_err()
        {
            let help = "write it as PostgreSQL prints it, such as `0/3000028`";
            scope.error_help(lsn.span, format!("`{}` is not an LSN", lsn.value), "not a position in the WAL", help);
        }
        if let Some(minus) = &self.minus {
            if self.before.is_none() && !given.is_empty() {
                scope.error(minus.entry, "`minus` goes with `before`", "earlier than which mark?");
            }
            if let Some(by) = by.filter(|by| by.value != By::Time) {
                scope.error(by.entry, "`minus` makes the target a time", "leave `by` out, or write `by: time`");
            }
        }
        if let Some(by) = by {
            self.resolve_by(scope, by);
        }
    }

    fn resolve_by(&self, scope: &mut Scope<'_>, by: &Spanned<By>) {
        let Some(mark) = self.named() else {
            scope.error(by.entry, "`by` says how a mark is handed over", "there is no mark in `until`");
            return;
        };
        let Some(info) = scope.ids.get(mark.as_str()).cloned() else { return };
        let Some(kind) = info.kind else { return };
        let wrong = match by.value {
            By::Name if kind.mark != MarkKind::RestorePoint => "only `mark` steps make a restore point with a name",
            By::Xid if kind.mark != MarkKind::Transaction => "this step is no transaction: use `lsn` or `time`",
            By::Xid | By::Lsn | By::Time if self.mark.is_some() => {
                "`{ mark: ... }` is a restore point, found by its name: use `before` or `after`"
            }
            _ => return,
        };
        let title = format!("`{}` cannot be handed over so", mark.value);
        scope.error_related(by.span, title, wrong, (info.span, format!("a {} step", kind.name)));
    }

    /// The mark that it names.
    pub(crate) fn named(&self) -> Option<&Spanned<Name>> {
        self.before.as_ref().or(self.after.as_ref()).or(self.mark.as_ref())
    }

    /// In a few words.
    pub(crate) fn text(&self) -> String {
        let minus = self.minus.as_ref().map(|m| format!(" minus {}", m.value)).unwrap_or_default();
        match self {
            Until { word: Some(word), .. } if word.value == UntilWord::Latest => "latest".to_owned(),
            Until { word: Some(_), .. } => "end of backup".to_owned(),
            Until { before: Some(mark), .. } => format!("before {}{minus}", mark.value),
            Until { after: Some(mark), .. } => format!("after {}", mark.value),
            Until { mark: Some(mark), .. } => format!("restore point {}", mark.value),
            Until { time: Some(time), .. } => format!("{}", time.value),
            Until { lsn: Some(lsn), .. } => format!("LSN {}", lsn.value),
            Until { xid: Some(xid), .. } => format!("transaction {}", xid.value),
            _ => "?".to_owned(),
        }
    }

    /// The target as PostgreSQL takes it.
    pub(crate) fn target(&self, cx: &Context<'_>, by: Option<By>) -> Result<RecoveryTarget, Box<Finding>> {
        if let Some(name) = &self.before {
            let mark = cx.world.mark(name.as_str())?;
            let by = self.minus.as_ref().map(|_| By::Time).or(by);
            let minus = self.minus.as_ref().map(|m| m.value.0).unwrap_or_default();
            return Ok(match handed_over_by(by, &mark) {
                By::Time => RecoveryTarget::Time { at: earlier(mark.before.at, minus)?, inclusive: false },
                By::Xid => RecoveryTarget::Xid { xid: transaction(&mark, name)?, inclusive: false },
                By::Lsn => RecoveryTarget::Lsn { lsn: mark.before.lsn, inclusive: false },
                By::Name => RecoveryTarget::Name(mark.id),
            });
        }
        if let Some(name) = &self.after {
            let mark = cx.world.mark(name.as_str())?;
            return Ok(match handed_over_by(by, &mark) {
                By::Time => RecoveryTarget::Time { at: mark.after.at, inclusive: true },
                By::Xid => RecoveryTarget::Xid { xid: transaction(&mark, name)?, inclusive: true },
                // The first record that begins at the mark's end is the first that does not belong to it.
                By::Lsn => RecoveryTarget::Lsn { lsn: mark.after.lsn, inclusive: false },
                By::Name => RecoveryTarget::Name(mark.id),
            });
        }
        Ok(match self {
            Until { word: Some(word), .. } if word.value == UntilWord::EndOfBackup => RecoveryTarget::EndOfBackup,
            Until { mark: Some(mark), .. } => RecoveryTarget::Name(mark.value.to_string()),
            Until { time: Some(time), .. } => RecoveryTarget::Time { at: time.value.0, inclusive: true },
            Until { lsn: Some(lsn), .. } => {
                let position = lsn.value.parse().map_err(|e| Finding::errored(format!("{e}")).at(lsn.span))?;
                RecoveryTarget::Lsn { lsn: position, inclusive: true }
            }
            Until { xid: Some(xid), .. } => RecoveryTarget::Xid { xid: Xid(xid.value), inclusive: true },
            _ => RecoveryTarget::Latest,
        })
    }

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

/// The targets that are a single word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UntilWord {
    /// At the end of the archived WAL.
    Latest,
    /// As soon as the backup is consistent.
    EndOfBackup,
}

/// Which kind of recovery target a mark becomes.
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
    /// It stays in recovery and answers queries.
    Pause,
    /// It is shut down; a later `recover` can go on from there.
    Shutdown,
    /// It becomes a standby of this node.
    Follow(Spanned<Name>),
}

/// What a mark is handed over by where the scenario does not say.
fn handed_over_by(by: Option<By>, mark: &Mark) -> By {
    by.unwrap_or(if mark.xid.is_some() { By::Xid } else { By::Lsn })
}

fn transaction(mark: &Mark, name: &Spanned<Name>) -> Result<Xid, Box<Finding>> {
    mark.xid.ok_or_else(|| {
        Finding::failed(format!("mark `{}` wrote nothing, and so has no transaction id", name.value))
            .at(name.span)
            .help("hand it over as a position: `by: lsn`")
    })
}

fn earlier(at: jiff::Timestamp, minus: std::time::Duration) -> Result<jiff::Timestamp, Box<Finding>> {
    at.checked_sub(minus).map_err(|e| Finding::errored(format!("the target time is out of range: {e}")))
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
