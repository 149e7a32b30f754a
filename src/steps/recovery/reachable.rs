//! A point in the WAL of an archive that a recovery has to reach, and whether it can.

use std::fmt;

use jiff::Timestamp;

use crate::harness::{Context, Finding};
use crate::pg::{Lsn, Segment};
use crate::repo::{Archive, Ends, Reach};
use crate::source::Span;
use crate::steps::recovery::backup_choice::Found;

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
        self.place(cx, found, archive, reach, from).await?
    }

    /// The same where it is no failure that nobody can tell: then that is what went wrong, and it
    /// says nothing of the point.
    pub(crate) async fn place(
        &self,
        cx: &mut Context<'_>,
        found: &Found,
        archive: &Archive,
        reach: &Reach,
        from: Lsn,
    ) -> Result<Result<Lsn, Box<Finding>>, Box<Finding>> {
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
        Ok(match self {
            Point::End => Ok(to),
            Point::Lsn(lsn, _) if (from..=to).contains(lsn) => Ok(*lsn),
            Point::Lsn(_, at) => Err(outside(*at, format!("from {from} to {to}"))),
            Point::Time(time, at) => {
                let last = last_commit(cx, found, archive, reach).await.map_err(|finding| finding.at(*at))?;
                let reached = *time <= last || last_end(found, archive, reach).await? >= Some(*time);
                match found.reaches_from <= *time && reached {
                    true => Ok(to),
                    false => Err(outside(*at, format!("from {} to {last}, the last commit", found.reaches_from))),
                }
            }
        })
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
    let newest = newest(archive, reach);
    let Some(last) = found.repo.last_end(found.host.as_ref(), &newest, Ends::Commits).await? else {
        let title = format!("nobody says how new the WAL in repo `{}` is", found.repo.name);
        let label = format!("no commit is in the newest {} segments", newest.len());
        return Err(Finding::errored(title).label(label));
    };
    cx.fact("last_commit", last.to_string());
    Ok(last)
}

/// When the last transaction ended there, also one that was rolled back: a recovery stops at that,
/// too.
async fn last_end(found: &Found, archive: &Archive, reach: &Reach) -> Result<Option<Timestamp>, Box<Finding>> {
    Ok(found.repo.last_end(found.host.as_ref(), &newest(archive, reach), Ends::All).await?)
}

/// The segments in which it is looked for, the newest first.
fn newest(archive: &Archive, reach: &Reach) -> Vec<Segment> {
    archive.all_segments(reach).into_iter().rev().take(LOOKED_AT).collect()
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
