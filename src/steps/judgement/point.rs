//! A point in the WAL of an archive that a recovery would have to reach.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, Finding, Later, Places, Resolved, Scope};
use crate::pg::{Lsn, Segment};
use crate::repo::{Archive, Reach};
use crate::source::{Late, Span, Spanned, Time};
use crate::steps::recovery::backup_choice::Found;
use crate::steps::recovery::until::position;

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
    lsn: Option<Spanned<Late<String>>>,
}

/// The points that are a single word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PointWord {
    /// The end of the WAL in the archive.
    Latest,
}

/// A point that has to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Point {
    /// The end of the WAL in the archive.
    End,
    /// This position.
    Lsn(Lsn, Span),
    /// This time.
    Time(Timestamp, Span),
}

/// The same, as a step has it that has not begun.
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

/// In how many of the newest segments a commit is looked for.
const LOOKED_AT: usize = 8;

impl Point {
    /// Checks that it lies within what can be read from `from` on, where the backup is consistent.
    /// The WAL before the position that is returned is needed for it.
    pub(crate) async fn check(
        &self,
        cx: &mut Context<'_>,
        found: &Found,
        archive: &Archive,
        reach: &Reach,
        from: Lsn,
    ) -> Result<Lsn, Box<Finding>> {
        let to = end(reach);
        let outside = |at: Span, window: String| {
            let finding = Finding::failed(format!("{self} is not in the window that can be recovered"));
            let finding = finding.at(at).label(format!("backup `{}` can be recovered {window}", found.label));
            match &reach.beyond {
                Some((next, last)) => {
                    finding.note("gap", format!("segment {} is missing; {next} to {last} lie behind it", reach.missing))
                }
                None => finding,
            }
        };
        match self {
            Point::End => Ok(to),
            Point::Lsn(lsn, _) if (from..=to).contains(lsn) => Ok(*lsn),
            Point::Lsn(_, at) => Err(outside(*at, format!("from {from} to {to}"))),
            Point::Time(time, at) => {
                let last = last_commit(cx, found, archive, reach).await.map_err(|finding| finding.at(*at))?;
                match found.reaches_from <= *time && *time <= last {
                    true => Ok(to),
                    false => Err(outside(*at, format!("from {} to {last}, the last commit", found.reaches_from))),
                }
            }
        }
    }
}

/// When the last transaction was committed that can be read in the newest WAL, with pg_waldump.
pub(crate) async fn last_commit(
    cx: &mut Context<'_>,
    found: &Found,
    archive: &Archive,
    reach: &Reach,
) -> Result<Timestamp, Box<Finding>> {
    cx.wait("the last commit in the newest WAL");
    let newest: Vec<Segment> = archive.all_segments(reach).into_iter().rev().take(LOOKED_AT).collect();
    let Some(last) = found.repo.last_commit(found.host.as_ref(), &newest).await? else {
        let title = format!("nobody says how new the WAL in repo `{}` is", found.repo.name);
        let label = format!("no commit is in the newest {} segments", newest.len());
        return Err(Finding::errored(title).label(label));
    };
    cx.fact("last_commit", last.to_string());
    Ok(last)
}

/// The end of what can be read.
pub(crate) fn end(reach: &Reach) -> Lsn {
    reach.stretches.last().map_or(Lsn(0), |stretch| stretch.to)
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::End => f.write_str("the end of its WAL"),
            Point::Lsn(lsn, _) => lsn.fmt(f),
            Point::Time(time, _) => time.fmt(f),
        }
    }
}
