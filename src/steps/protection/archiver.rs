//! Watching a server's archiver, for the steps that wait for it, break it and mend it.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::harness::{Finding, NodeField, NodeRef, Ran, RepoId, Scope};
use crate::node::{Node, moment};
use crate::pg::Segment;
use crate::repo::Repo;

/// The node and the repo that it archives to, by the scenario; an error if it archives nothing, and
/// `so` what that comes to.
pub(crate) fn archive_of(scope: &mut Scope<'_>, node: &NodeField, so: &str) -> Option<(NodeRef, RepoId)> {
    let node = scope.own_node(node)?;
    let info = scope.node_info(&node)?;
    let (made, archive) = (info.span, info.archive_to.clone());
    if archive.is_none() {
        scope.error_related(
            node.entry().unwrap_or(scope.action),
            format!("node `{node}` archives nothing"),
            so,
            (made, "it has no `archive_to: REPO`".to_owned()),
        );
    }
    Some((node, archive?))
}

/// Finishes the WAL segment that is being written, so that it is archived, with a commit in it: a
/// recovery to a time ends with an error when no commit comes after that time.
pub(crate) async fn finish_segment(client: &Client) -> Result<Segment, Box<Finding>> {
    let size = segment_size(client).await?;
    client.batch_execute("SELECT pg_current_xact_id()").await?;
    let now = moment(client).await?;
    client.batch_execute("SELECT pg_switch_wal()").await?;
    Ok(Segment::before(now.lsn, now.timeline, size))
}

/// The size of the server's WAL segments.
pub(crate) async fn segment_size(client: &Client) -> Result<u64, Box<Finding>> {
    let query = "SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'";
    Ok(client.query_one(query, &[]).await?.get::<_, i64>(0).cast_unsigned())
}

/// What the server says of its archiver (`pg_stat_archiver`).
#[derive(Debug, Clone, Default)]
pub(crate) struct Archiver {
    /// The last file that archive_command returned 0 for, and when.
    last: Option<(String, String)>,
    /// How often it returned something else.
    failed: i64,
    last_failed: Option<(String, String)>,
    /// Whether that was after `last`, or there is no archiver at the moment: an archive_command
    /// that exits with more than 125 ends it.
    fails: bool,
    /// The first segment that it still has to archive.
    waits: Option<String>,
}

impl Archiver {
    pub(crate) async fn ask(client: &Client) -> Result<Self, Box<Finding>> {
        let row = client
            .query_one(
                "SELECT last_archived_wal, last_archived_time::text, failed_count, last_failed_wal, last_failed_time::text,
                   (SELECT min(left(name, 24)) FROM pg_ls_archive_statusdir() WHERE name ~ '^[0-9A-F]{24}[.]ready$'),
                   coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false)
                   OR NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'archiver')
                 FROM pg_stat_archiver",
                &[],
            )
            .await?;
        let text = |column| row.get::<_, Option<String>>(column);
        let (last, last_failed) = (text(0).zip(text(1)), text(3).zip(text(4)));
        Ok(Archiver { last, failed: row.get(2), last_failed, waits: text(5), fails: row.get(6) })
    }

    /// How often archive_command failed.
    pub(crate) fn failed(&self) -> i64 {
        self.failed
    }

    /// Whether it has failed, or ended, since it last archived something.
    pub(crate) fn fails(&self) -> bool {
        self.fails
    }

    /// The segment that it could not archive last, where that is one like this.
    pub(crate) fn last_failed(&self, like: Segment) -> Option<Segment> {
        Segment::parse(&self.last_failed.as_ref()?.0, like.end().0 - like.start().0)
    }

    /// Whether the server says that this segment is archived, and none before it waits for that.
    /// Names of history and backup files sort among the segments'.
    pub(crate) fn claims(&self, segment: Segment) -> bool {
        let (last, segment) = (self.last.as_ref().and_then(|(last, _)| last.get(..24)), segment.to_string());
        // A server that came up without WAL that it had written writes those segments anew.
        let waits = self.waits.as_ref().is_some_and(|first| *first <= segment);
        last.is_some_and(|last| last >= segment.as_str()) && !waits
    }
}

impl std::fmt::Display for Archiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.last {
            Some((wal, at)) => write!(f, "last archived, as the server says: {wal} at {at}")?,
            None => f.write_str("the server says that it has archived nothing")?,
        }
        if let Some((wal, at)) = &self.last_failed {
            write!(f, "; archive_command failed {} times, last for {wal} at {at}", self.failed)?;
        }
        Ok(())
    }
}

/// Makes the postmaster look after its archiver while somebody waits for it: it restarts one that
/// was lost when a session is opened, else once a minute.
pub(crate) struct ArchiverNudge(Instant);

impl ArchiverNudge {
    const PATIENCE: Duration = Duration::from_secs(1);

    pub(crate) fn new() -> Self {
        ArchiverNudge(Instant::now() + Self::PATIENCE)
    }

    /// Opens a session, if it is time to. Whatever comes of it.
    pub(crate) async fn nudge(&mut self, node: &Node) {
        if Instant::now() >= self.0 {
            self.0 = Instant::now() + Self::PATIENCE;
            drop(node.connect().await);
        }
    }
}

/// Finishing a segment and waiting for it, by a person who has psql.
pub(crate) fn by_hand<'a>(node: &'a Node, repo: &Repo) -> Ran<'a> {
    let text = "psql -Xqc \"SELECT pg_current_xact_id()\" >/dev/null\n\
                segment=$(psql -XAtqc \"SELECT pg_walfile_name(pg_switch_wal())\")\n\
                until [ \"$(psql -XAtqc \"SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver\")\" = t ]; do sleep 0.2; done";
    let ran =
        Ran::like(node, format!("finish the WAL segment of `{}`, and wait until it is archived", node.name()), text);
    ran.check(format!("the segment lies in repo `{}`: what archive_command acknowledged may not be there", repo.name))
}
