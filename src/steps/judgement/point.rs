//! A point in the WAL of an archive that a recovery would have to reach.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, FactOf, Finding, Later, Places, Resolved, Scope};
use crate::pg::{Lsn, Mark};
use crate::source::{Late, Span, Spanned, Time};
use crate::steps::recovery::reachable::Point;
use crate::steps::recovery::until::{LSN_PATTERN, position};

/// A point that has to be reached: `latest`, `{ lsn: L }` or `{ time: T }`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointSpec {
    /// `latest`: the end of the archive.
    #[serde(default, rename = "$word")]
    word: Option<Spanned<PointWord>>,
    /// At this time: RFC 3339 with an offset.
    #[serde(default)]
    time: Option<Spanned<Late<Time>>>,
    /// At this position.
    #[serde(default)]
    #[schemars(extend("pattern" = LSN_PATTERN))]
    lsn: Option<Spanned<Late<String>>>,
}

/// The points that are a single word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PointWord {
    /// The end of the WAL in the archive.
    Latest,
}

/// A point that has to be reached, as a step has it that has not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The end of the WAL in the archive.
    End,
    /// This position.
    Lsn(Later<Lsn>, Span),
    /// This time.
    Time(Later<Time>, Span),
}

impl Target {
    /// The point, when the step begins.
    pub(crate) async fn now(&self, cx: &Context<'_>) -> Result<Point, Box<Finding>> {
        Ok(match self {
            Target::End => Point::End,
            Target::Lsn(lsn, at) => Point::Lsn(lsn.now(cx, None).await?, *at),
            Target::Time(time, at) => Point::Time(time.now(cx, None).await?.0, *at),
        })
    }
}

impl Target {
    /// The mark of the step that has found the position out; none if it comes from anywhere else.
    pub(crate) fn mark(&self, cx: &Context<'_>) -> Option<Mark> {
        let Target::Lsn(lsn, _) = self else { return None };
        let (step, of) = lsn.found_by()?;
        cx.world.outputs().marks.get(step).filter(|_| of != FactOf::Scenario).cloned()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::End => Point::End.fmt(f),
            Target::Lsn(lsn, _) => lsn.fmt(f),
            Target::Time(time, _) => time.fmt(f),
        }
    }
}

impl PointSpec {
    /// The point; `whole` is where all of it stands.
    pub(crate) fn resolve(&self, whole: &Spanned<PointSpec>, scope: &mut Scope<'_>) -> Resolved<Target> {
        if self.word.is_some() {
            return Some(Target::End);
        }
        match (&self.time, &self.lsn) {
            (Some(time), None) => Some(Target::Time(scope.later(time.value.clone(), Places::Nowhere)?, time.span)),
            (None, Some(lsn)) => Some(Target::Lsn(position(scope, lsn)?, lsn.span)),
            (Some(_), Some(lsn)) => {
                scope.error(lsn.entry, "`time` and `lsn` exclude each other", "one of the two");
                None
            }
            (None, None) => {
                let help = "`{ time: T }` or `{ lsn: L }`; leave `until` out for the end of the archive";
                scope.error_help(whole.span, "`until` has no target", "until when?", help);
                None
            }
        }
    }
}
