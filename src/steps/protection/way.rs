//! What has to be in the archive, and whether it is there.

use std::sync::Arc;

use crate::harness::{Finding, StepResult};
use crate::host::Host;
use crate::node::{Node, lineage};
use crate::pg::{Lineage, Lsn, Segment, TimelineId};
use crate::repo::{Archive, Repo, SegmentHeader};

/// What has to be in the archive.
pub(super) struct Way<'a> {
    pub repo: &'a Repo,
    pub host: &'a dyn Host,
    /// Whose WAL it is.
    pub whose: &'a Lineage,
    /// Where the last backup there ends; none where there is no backup.
    pub from: Option<Lsn>,
    /// The last segment.
    pub through: Segment,
}

/// What is not there.
pub(super) enum Missing {
    /// Segments, or those that are not whole.
    Segments(Vec<Segment>),
    /// The history file of a timeline.
    History(TimelineId),
}

impl Way<'_> {
    /// The segments that are needed and there, on every timeline on the way.
    pub fn look(&self, archive: &Archive) -> Result<Vec<Segment>, Missing> {
        let history = &self.whose.history;
        let first = archive.timeline(self.through.timeline()).next();
        let from = self.from.or(first.map(Segment::start)).unwrap_or(self.through.start());
        let size = self.through.end().0 - self.through.start().0;
        let (mut found, mut missing) = (vec![], vec![]);
        for alike in history.segments(from, self.through.end(), size) {
            match alike.iter().find(|one| archive.is_whole(**one)) {
                Some(one) => found.push(*one),
                None => missing.extend(alike.first()),
            }
        }
        if !missing.is_empty() {
            return Err(Missing::Segments(missing));
        }
        // What comes from a backup on one timeline to another one has to be told of the others.
        let start = history.at(Lsn(from.0.saturating_add(1)));
        let others = history.stretches().into_iter().map(|(timeline, _)| timeline).filter(|timeline| *timeline > start);
        match others.into_iter().find(|timeline| !archive.has_history(*timeline)) {
            Some(timeline) => Err(Missing::History(timeline)),
            None => Ok(found),
        }
    }

    /// Fails where a segment is not this cluster's, or not the one that its name says.
    pub async fn check_headers(&self, segments: &[Segment], nodes: &[Arc<Node>]) -> StepResult {
        if segments.is_empty() {
            return Ok(());
        }
        let headers = self.repo.headers(self.host, segments).await?;
        let own = |segment: &Segment, header: &SegmentHeader| {
            header.is_wal && header.system == self.whose.system && header.start == segment.start()
        };
        let wrong =
            segments.iter().zip(headers).find(|(segment, header)| !header.is_some_and(|header| own(segment, &header)));
        let Some((segment, header)) = wrong else { return Ok(()) };
        let Some(header) = header else { return Ok(()) };
        let repo = &self.repo.name;
        if !header.is_wal {
            return Err(Finding::failed(format!("segment {segment} in repo `{repo}` is not WAL"))
                .label("its first page does not begin as a page of WAL does: it was damaged, or something else was archived")
                .help("what is missing stays missing: take a new base backup, and look at what archive_command writes"));
        }
        if header.system == self.whose.system {
            return Err(Finding::failed(format!("segment {segment} in repo `{repo}` is another one"))
                .label(format!("by its first page it begins at {}", header.start))
                .help("it was renamed, or written over: take a new base backup"));
        }
        let mut owner = None;
        for node in nodes.iter().filter(|node| node.is_up() && !node.is_external()) {
            let theirs = match node.client().await {
                Ok(client) => lineage(&client).await.ok(),
                Err(_) => None,
            };
            if theirs.is_some_and(|theirs| theirs.system == header.system) {
                owner = Some(format!("the cluster of `{}`", node.name()));
                break;
            }
        }
        let owner = owner.unwrap_or_else(|| "no server of this drill".to_owned());
        Err(Finding::failed(format!("segment {segment} in repo `{repo}` is of another cluster"))
            .label(format!(
                "its first page has the system identifier {}: {owner}. This cluster's is {}",
                header.system, self.whose.system
            ))
            .help(
                "two clusters must not archive into one place: give each a repo of its own, and take a new base backup",
            ))
    }
}
