//! The words of `recover`: where it stops, how PostgreSQL is given the target, and what happens
//! then.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Later, MarkFact, MarkKind, Places, Resolved, Scope, StepRef};
use crate::pg::{Lsn, Xid};
use crate::source::{Duration, Late, NodeName, Span, Spanned, StepName, Time};
use crate::steps::recovery::target::{Asked, GivenAs, Target};

/// The first number that a transaction of users can have (transam.h, `FirstNormalTransactionId`).
const FIRST_XID: u32 = 3;

/// A position in the WAL, or a reference to one, for the schema.
pub(crate) const LSN_PATTERN: &str = "^\\s*[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}\\s*$|\\$\\{";

/// Where a recovery stops: `latest`, `end_of_backup`, `random`, or a point.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UntilSpec {
    /// One of the words.
    #[serde(default, rename = "$word")]
    word: Option<Spanned<UntilWord>>,
    /// Just before this mark.
    #[serde(default)]
    before: Option<StepName>,
    /// Just after this mark.
    #[serde(default)]
    after: Option<StepName>,
    /// At this restore point, made by a `mark` step.
    #[serde(default)]
    mark: Option<StepName>,
    /// At this time: RFC 3339 with an offset.
    #[serde(default)]
    time: Option<Spanned<Late<Time>>>,
    /// At this position.
    #[serde(default)]
    #[schemars(extend("pattern" = LSN_PATTERN))]
    lsn: Option<Spanned<Late<String>>>,
    /// At this transaction.
    #[serde(default)]
    #[schemars(extend("minimum" = FIRST_XID))]
    xid: Option<Spanned<Late<u32>>>,
    /// This long ago, when the step begins.
    #[serde(default)]
    ago: Option<Spanned<Late<Duration>>>,
    /// With `before`: this much earlier, as a time; how people guess.
    #[serde(default)]
    minus: Option<Spanned<Late<Duration>>>,
}

impl UntilSpec {
    /// Whether it is the end of the WAL.
    pub(crate) fn is_latest(&self) -> bool {
        self.is(UntilWord::Latest)
    }

    /// `end_of_backup`, and where it stands.
    pub(crate) fn end_of_backup(&self) -> Option<Span> {
        self.place_of(UntilWord::EndOfBackup)
    }

    /// Where a word stands that only a recovery from a backup can have, with the word.
    pub(crate) fn needs_backup(&self) -> Option<(Span, &'static str)> {
        let end = self.end_of_backup().map(|at| (at, "end_of_backup"));
        end.or_else(|| Some((self.place_of(UntilWord::Random)?, "random")))
    }

    fn place_of(&self, word: UntilWord) -> Option<Span> {
        self.word.as_ref().filter(|own| own.value == word).map(|word| word.span)
    }

    fn is(&self, word: UntilWord) -> bool {
        self.word.as_ref().is_some_and(|own| own.value == word)
    }

    /// Checks what can be checked without a server; `span` is where it stands.
    pub(crate) fn resolve(&self, scope: &mut Scope<'_>, span: Span, by: Option<&Spanned<By>>) -> Resolved<Target> {
        let given = self.given();
        match given.as_slice() {
            [_] => {}
            [] => scope.error_help(
                span,
                "`until` has no target",
                "until when?",
                "`latest`, `end_of_backup`, `random`, or one of `{ before, after, mark, time, ago, lsn, xid }`",
            ),
            [_, second, ..] => {
                scope.error(*second, "`until` takes one target", "this is the second one");
            }
        }
        let before = self.before.as_ref().map(|mark| scope.mark(mark));
        let after = self.after.as_ref().map(|mark| scope.mark(mark));
        let point = self.mark.as_ref().map(|mark| scope.restore_point(mark));
        let lsn = self.lsn.as_ref().map(|lsn| position(scope, lsn));
        if let Some(minus) = &self.minus {
            if self.before.is_none() && !given.is_empty() {
                scope.error(minus.entry, "`minus` goes with `before`", "earlier than which mark?");
            }
            if let Some(by) = by.filter(|by| by.value != By::Time) {
                scope.error(by.entry, "`minus` makes the target a time", "leave `by` out, or write `by: time`");
            }
        }
        let given_as = match by {
            Some(by) => self.given_as(scope, by),
            None => Some(GivenAs::Exact),
        };
        let ([_], given_as) = (given.as_slice(), given_as?) else { return None };
        if let Some(mark) = before {
            let minus = scope.maybe_later(self.minus.clone());
            return Some(before_mark(mark?, given_as, minus?));
        }
        if let Some(mark) = after {
            return Some(Target::After { mark: mark?, given_as });
        }
        if let Some(mark) = point {
            return Some(Target::RestorePoint(mark?));
        }
        self.point(scope, lsn)
    }

    /// The target, if it is none that a mark gives; `lsn` is its position, if it is one.
    fn point(&self, scope: &mut Scope<'_>, lsn: Option<Resolved<Later<Lsn>>>) -> Resolved<Target> {
        if let Some(lsn) = lsn {
            return Some(asked(lsn?, Target::Lsn, Asked::Lsn));
        }
        if let Some(time) = &self.time {
            let time = scope.later(time.value.clone(), Places::Nowhere)?;
            return Some(asked(time, |time| Target::Time(time.0), Asked::Time));
        }
        if let Some(ago) = &self.ago {
            return Some(asked(scope.later(ago.value.clone(), Places::Nowhere)?, Target::Ago, Asked::Ago));
        }
        if let Some(xid) = &self.xid {
            if xid.value.known().is_some_and(|xid| *xid < FIRST_XID) {
                let label = format!("the first transaction of a cluster is {FIRST_XID}");
                scope.error(xid.span, "no user's transaction has this number", label);
            }
            let xid = scope.later(xid.value.clone(), Places::Nowhere)?;
            return Some(asked(xid, |xid| Target::Xid(Xid(xid)), Asked::Xid));
        }
        Some(match self.word.as_ref()?.value {
            UntilWord::Latest => Target::Latest,
            UntilWord::EndOfBackup => Target::EndOfBackup,
            UntilWord::Random => Target::Random,
        })
    }

    /// Where each of its targets stands.
    fn given(&self) -> Vec<Span> {
        let given = [
            self.word.as_ref().map(|w| w.span),
            self.before.as_ref().map(|m| m.entry),
            self.after.as_ref().map(|m| m.entry),
            self.mark.as_ref().map(|m| m.entry),
            self.time.as_ref().map(|t| t.entry),
            self.lsn.as_ref().map(|l| l.entry),
            self.xid.as_ref().map(|x| x.entry),
            self.ago.as_ref().map(|a| a.entry),
        ];
        given.into_iter().flatten().collect()
    }

    /// What PostgreSQL is given the mark as, if it can be.
    fn given_as(&self, scope: &mut Scope<'_>, by: &Spanned<By>) -> Resolved<GivenAs> {
        let Some(mark) = self.before.as_ref().or(self.after.as_ref()).or(self.mark.as_ref()) else {
            let title = "`by` says how a mark is given to PostgreSQL";
            scope.error(by.entry, title, "there is no mark in `until`");
            return None;
        };
        let info = scope.ids.get(mark.as_str()).cloned()?;
        let kind = info.kind?;
        let wrong = match by.value {
            By::Name if kind.mark != MarkKind::RestorePoint => "only `mark` steps make a restore point with a name",
            By::Xid if !kind.mark.has(MarkFact::Xid) => {
                kind.mark.why_not(MarkFact::Xid).unwrap_or("it is no transaction")
            }
            By::Xid | By::Lsn | By::Time if self.mark.is_some() => {
                "`{ mark: ... }` is a restore point, found by its name: use `before` or `after`"
            }
            By::Time => {
                if kind.mark == MarkKind::FilesFirst && self.before.is_some() {
                    let title = format!("`by: time` comes too late for `{}`", mark.value);
                    let label = "the files of the database go before the commit that a time is compared with";
                    let help = "leave `by` out: the position before the step is before it";
                    scope.warn(by.span, title, label, help);
                }
                return Some(GivenAs::Time);
            }
            By::Xid => return Some(GivenAs::Xid),
            By::Lsn => return Some(GivenAs::Lsn),
            By::Name => return Some(GivenAs::Name),
        };
        let title = format!("`{}` cannot be given to PostgreSQL by `{}`", mark.value, by.value.word());
        scope.error_related(by.span, title, wrong, (info.span, format!("a {} step", kind.name)));
        if by.value == By::Xid && self.mark.is_none() {
            let or = if kind.mark == MarkKind::FilesFirst { "" } else { ", or use `lsn` or `time`" };
            scope.help_last(format!("leave `by` out{or}"));
        }
        None
    }
}

fn before_mark(mark: StepRef, given_as: GivenAs, minus: Option<Spanned<Later<Duration>>>) -> Target {
    match minus.map(|minus| minus.value) {
        Some(Later::Known(minus)) => Target::Earlier { mark, minus },
        Some(minus) => Target::Asked(Asked::Earlier { mark, minus }),
        None => Target::Before { mark, given_as },
    }
}

/// A position in the WAL, or what it is made of later.
pub(crate) fn position(scope: &mut Scope<'_>, lsn: &Spanned<Late<String>>) -> Resolved<Later<Lsn>> {
    let text = match &lsn.value {
        Late::Known(text) => text,
        Late::Made(pieces) => return scope.later(Late::Made(pieces.clone()), Places::Nowhere),
    };
    let parsed = text.parse().ok();
    if parsed.is_none() {
        let help = "write it as PostgreSQL prints it, such as `0/3000028`";
        scope.error_help(lsn.span, format!("`{text}` is not an LSN"), "not a position in the WAL", help);
    }
    parsed.map(Later::Known)
}

/// The targets that are a single word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UntilWord {
    /// At the end of the archived WAL.
    Latest,
    /// As soon as the backup is consistent.
    EndOfBackup,
    /// Anywhere between the backup's end and the archive's, by the seed of the run.
    Random,
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

impl By {
    /// The word of the scenario.
    fn word(self) -> &'static str {
        match self {
            By::Time => "time",
            By::Xid => "xid",
            By::Lsn => "lsn",
            By::Name => "name",
        }
    }
}

/// What happens when the target is reached.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThenSpec {
    /// The server becomes a primary on a new timeline.
    Promote,
    /// It stays in recovery and answers queries.
    Pause,
    /// It is shut down; a later `recover` can go on from there.
    Shutdown,
    /// It becomes a standby of this node.
    Follow(NodeName),
}

/// A target that a value of the file gives, or one that is asked for when the step runs.
fn asked<T>(value: Later<T>, known: impl FnOnce(T) -> Target, made: fn(Later<T>) -> Asked) -> Target {
    match value {
        Later::Known(value) => known(value),
        value => Target::Asked(made(value)),
    }
}
