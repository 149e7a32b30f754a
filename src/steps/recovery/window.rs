//! What lies between two servers that stand still in one cluster's WAL.

use tokio_postgres::Client;

use crate::harness::Finding;
use crate::journal::Cause;
use crate::node::{Node, SqlError, lineage};
use crate::pg::{Lsn, LsnError, TableName, TimelineId};
use crate::repo::{Archive, Commit, Reach, Writes};

/// The WAL between two servers in recovery.
#[derive(Debug)]
pub(crate) struct Window {
    /// Where the first one stands: no commit from here on is in it.
    pub from: Lsn,
    /// Where the second one stands.
    pub to: Lsn,
    /// From where on the first one has the WAL that it may need, and its timeline there.
    redo: (Lsn, TimelineId),
}

/// Where a server stands.
const STANDS: &str =
    "select case when pg_is_in_recovery() then pg_is_wal_replay_paused() end, pg_last_wal_replay_lsn()::text,
    redo_lsn::text, timeline_id from pg_control_checkpoint()";

/// The tables that hold the rows of one, and their files.
const FILES: &str = "with asked as (select to_regclass($1) as oid)
    select quote_ident(n.nspname) || '.' || quote_ident(c.relname),
        coalesce(nullif(c.reltablespace, 0), d.dattablespace)::text || '/' || d.oid || '/' || pg_relation_filenode(c.oid)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_database d on d.datname = current_database()
    where c.relkind = 'r' and c.oid in (select oid from asked union
        select relid from pg_partition_tree((select oid from asked)) where isleaf)
    order by 1";

impl Window {
    /// Between `good` and `bad`. Fails unless both stand still, in the WAL of one cluster.
    pub(crate) async fn between(good: (&Node, &Client), bad: (&Node, &Client)) -> Result<Self, Box<Finding>> {
        let (from, redo) = stands(good).await?;
        let (to, _) = stands(bad).await?;
        let (one, other) = (lineage(good.1).await?, lineage(bad.1).await?);
        let (good, bad) = (good.0.name(), bad.0.name());
        if one.system != other.system {
            return Err(Finding::failed(format!("`{good}` and `{bad}` are not of one cluster"))
                .label(format!("their system identifiers are {} and {}", one.system, other.system)));
        }
        if to < from {
            return Err(Finding::failed(format!("`{bad}` stands before `{good}`"))
                .label(format!("`{good}` was recovered up to {from}, `{bad}` up to {to}")));
        }
        Ok(Window { from, to, redo })
    }

    /// The tables that hold the rows of these, and their files. Fails where a table has another
    /// file on `bad`: no row of it can be followed.
    pub(crate) async fn files(
        &self,
        good: &Client,
        bad: &Client,
        tables: &[&TableName],
    ) -> Result<(Vec<String>, Vec<String>), Box<Finding>> {
        let mut found: Vec<(String, String)> = vec![];
        for table in tables {
            let (one, other) = (files(good, table).await?, files(bad, table).await?);
            for (name, file) in &one {
                if !other.iter().any(|(theirs, same)| theirs == name && same == file) {
                    return Err(Finding::failed(format!("who wrote the rows of {name} cannot be told"))
                        .label("between `good` and `bad` it was truncated, written anew, detached or dropped")
                        .help("rows are followed from place to place in one file: let `bad` stop before that"));
                }
            }
            found.extend(other);
        }
        Ok(found.into_iter().unzip())
    }

    /// What is to be read of an archive.
    pub(crate) async fn reach(
        &self,
        archive: &Archive,
        repo: &str,
        good: (&Node, &Client),
        bad: (&Node, &Client),
    ) -> Result<Reach, Box<Finding>> {
        let (from, mut timeline) = self.redo;
        // An old primary that lived on after a failover has archived beside the new one.
        if archive.newest_from(timeline, from) != timeline {
            timeline = self.timeline(archive, good, bad).await?;
        }
        let mut reach = archive.reach(from, self.redo.1, timeline);
        reach.stretches.retain(|stretch| stretch.from < self.to);
        for stretch in &mut reach.stretches {
            stretch.to = stretch.to.min(self.to);
        }
        if reach.stretches.last().is_some_and(|last| last.to == self.to) {
            return Ok(reach);
        }
        Err(Finding::failed(format!("repo `{repo}` lacks WAL between `good` and `bad`"))
            .because(Cause::Missing)
            .label(format!("{} is missing; it is read from {} to {}", reach.missing, self.redo.0, self.to)))
    }

    /// The timeline of `bad`, on whose way `good` has to be.
    async fn timeline(
        &self,
        archive: &Archive,
        good: (&Node, &Client),
        bad: (&Node, &Client),
    ) -> Result<TimelineId, Box<Finding>> {
        let (of_good, of_bad) = (replayed(good).await?, replayed(bad).await?);
        if archive.history(of_good).shares(&archive.history(of_bad), self.from) {
            return Ok(of_bad);
        }
        let (good, bad) = (good.0.name(), bad.0.name());
        Err(Finding::failed(format!("`{good}` is no part of the past of `{bad}`"))
            .label(format!(
                "it stands at {} on timeline {of_good}, and timeline {of_bad} has never been there",
                self.from
            ))
            .help("recover both on one timeline: `timeline` of `recover` says which"))
    }

    /// Fails unless all that was written by transactions that count has been read.
    pub(crate) fn check_read(&self, writes: &Writes, complaints: &str) -> Result<(), Box<Finding>> {
        let unreadable =
            |label: String| Finding::errored("the WAL between `good` and `bad` could not be read").label(label);
        if let Some(error) = complaints.lines().find(|line| line.contains("error:")) {
            return Err(unreadable(error.trim_start_matches("pg_waldump: error: ").to_owned()));
        }
        let Some((oldest, next)) = writes.begun else {
            return Err(unreadable(format!("from {} on it does not say which transactions were running", self.redo.0)));
        };
        // Numbers go round: what is meant is the difference.
        let running = next.0.wrapping_sub(oldest.0);
        let mut all = writes.commits.iter().flat_map(Commit::xids);
        match all.find(|xid| xid.0.wrapping_sub(oldest.0) < running) {
            None => Ok(()),
            Some(early) => {
                Err(unreadable(format!("transaction {early} began before {}, from where on it is read", self.redo.0))
                    .help("recover `good` from an earlier backup"))
            }
        }
    }

    /// Whether a commit at this place is between the servers.
    pub(crate) fn holds(&self, lsn: Lsn) -> bool {
        (self.from..self.to).contains(&lsn)
    }

    /// Where the servers stand, in words.
    pub(crate) fn words(&self) -> String {
        format!("`good` stands at {}, `bad` at {}", self.from, self.to)
    }
}

/// How far a server was recovered, and from where on it has the WAL that it may need.
async fn stands((node, client): (&Node, &Client)) -> Result<(Lsn, (Lsn, TimelineId)), Box<Finding>> {
    let row = client.query_one(STANDS, &[]).await.map_err(SqlError::from)?;
    if row.get::<_, Option<bool>>(0) != Some(true) {
        return Err(Finding::failed(format!("`{}` does not stand still in recovery", node.name()))
            .label("where it stopped is a part of what tells the mistake from others")
            .help("recover it with `then: pause`"));
    }
    let lsn = |at: usize| row.get::<_, Option<&str>>(at).unwrap_or_default().parse::<Lsn>();
    let answer = |error: LsnError| SqlError::Answer(error.to_string());
    let timeline = TimelineId(row.get::<_, i32>(3).cast_unsigned());
    Ok((lsn(1).map_err(answer)?, (lsn(2).map_err(answer)?, timeline)))
}

/// The timeline that a server replays which stands still. Its control file names that of the last
/// restartpoint; a checkpoint notes how far it has come.
async fn replayed((node, client): (&Node, &Client)) -> Result<TimelineId, Box<Finding>> {
    const NOTED: &str =
        "select min_recovery_end_lsn >= pg_last_wal_replay_lsn(), min_recovery_end_timeline from pg_control_recovery()";
    // The first one may be a restartpoint, and note nothing beyond it.
    for _ in 0..2 {
        client.batch_execute("checkpoint").await.map_err(SqlError::from)?;
        let row = client.query_one(NOTED, &[]).await.map_err(SqlError::from)?;
        if row.get(0) {
            return Ok(TimelineId(row.get::<_, i32>(1).cast_unsigned()));
        }
    }
    Err(Finding::errored(format!("`{}` does not tell on which timeline it stands", node.name())))
}

async fn files(client: &Client, table: &TableName) -> Result<Vec<(String, String)>, SqlError> {
    let rows = client.query(FILES, &[&table.quoted()]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
