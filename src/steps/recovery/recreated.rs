//! Following a table in the WAL that was dropped and made anew under its name: the WAL has no
//! names, so that a copy of the backup is asked again, recovered to where the next one may begin or
//! end.

use crate::harness::{Context, Finding};
use crate::journal::Event;
use crate::node::Node;
use crate::pg::{Lsn, TableName, TimelineId};
use crate::repo::{Answer, Archive, Deed, Found, Known, Label, LookUp, Repo, Search};

/// Reads the WAL behind a backup, and asks copies of that backup.
pub(crate) struct Reader<'a> {
    pub node: &'a Node,
    pub repo: &'a Repo,
    pub backup: &'a str,
    /// What the repo calls it.
    pub label: Label,
    pub archive: &'a Archive,
    /// The timeline that is followed.
    pub timeline: TimelineId,
    /// Whether rows are counted, and from where on.
    pub count: bool,
    pub since: Lsn,
    /// What a copy is asked for.
    pub table: &'a TableName,
    /// The database that it is in.
    pub database: &'a str,
    /// Where it lies meanwhile.
    pub scratch: String,
}

/// The most drops of other tables that are looked into.
const MOST: usize = 8;

impl Reader<'_> {
    /// Searches from where `known` ends; what pg_waldump complained of, too.
    pub(crate) async fn search(&self, known: &Known) -> Result<(Found, String), Box<Finding>> {
        let history = self.archive.history(self.timeline);
        let reach = self.archive.reach(known.until, history.at(Lsn(known.until.0 + 1)), self.timeline);
        let search = Search {
            repo: &**self.repo,
            host: self.node.host()?.as_ref(),
            major: self.node.version().major,
            known,
            count: self.count,
            since: self.since,
            stretches: &reach.stretches,
            segments: &self.archive.all_segments(&reach),
            scratch: format!("{}-wal", self.scratch),
        };
        search.run().await.map_err(|error| match error.said() {
            Some(said) => Finding::errored("the WAL could not be searched").note("said", said),
            None => error.into(),
        })
    }

    /// What a copy knows of the table that has been recovered to just before `at`; none where there
    /// is no such table.
    async fn ask(&self, cx: &mut Context<'_>, at: Lsn) -> Result<Option<Known>, Box<Finding>> {
        cx.wait(format!("the answer of a copy of `{}` at {at}", self.backup));
        let look_up = LookUp {
            repo: &**self.repo,
            host: self.node.host()?.as_ref(),
            backup: &self.label,
            table: self.table,
            database: self.database,
            scratch: self.scratch.clone(),
        };
        let unanswered = |said: &str| {
            Finding::errored(format!("a copy of backup `{}` could not be recovered to {at}", self.backup))
                .note("said", said)
        };
        let known = match look_up.just_before(at, self.timeline).await? {
            Answer::Known(known) => known,
            Answer::NoBackup => return Err(unanswered("")),
            Answer::Unanswered(said) => return Err(unanswered(&said)),
        };
        Ok(Some(known).filter(|known| known.kind == "r" || known.kind == "p"))
    }

    /// Replaces a DROP that was followed by that of the last table of this name, where there are
    /// more.
    pub(crate) async fn last_drop(
        &self,
        cx: &mut Context<'_>,
        table: &str,
        found: &mut Found,
    ) -> Result<(), Box<Finding>> {
        let Some(first) = found.dropped.iter().rev().find(|deed| deed.table == 0).cloned() else { return Ok(()) };
        let mut later: Vec<(Deed, Lsn)> =
            found.others.iter().filter(|(other, _)| other.commit > first.commit).cloned().collect();
        let left = later.len().saturating_sub(MOST);
        for (other, began) in later.split_off(left).into_iter().rev() {
            // Just before its commit nobody sees what it did: the table is where it was when the
            // transaction began.
            let Some(known) = self.ask(cx, other.commit).await? else { continue };
            let known = Known { until: Lsn(began.0.saturating_sub(1)), ..known };
            let (again, _) = self.search(&known).await?;
            if let Some(last) = again.dropped.iter().find(|deed| deed.table == 0) {
                warn(
                    cx,
                    format!(
                        "{table} was dropped by transaction {} at {}, created again, and dropped again by transaction {} at {}: the last one is taken",
                        first.xid, first.at, last.xid, last.at
                    ),
                );
                found.dropped.push(last.clone());
                return Ok(());
            }
        }
        if left > 0 {
            warn(
                cx,
                format!(
                    "{table} was dropped by transaction {} at {}. {left} transactions later on dropped something else and were not looked \
                 into: one of them may have dropped a table of the same name",
                    first.xid, first.at
                ),
            );
        }
        Ok(())
    }

    /// Adds what was done to tables of this name that took the place of the one that was followed.
    pub(crate) async fn successors(
        &self,
        cx: &mut Context<'_>,
        table: &str,
        found: &mut Found,
    ) -> Result<(), Box<Finding>> {
        let mut dropped = found.dropped.iter().find(|deed| deed.table == 0).cloned();
        for _ in 0..MOST {
            let Some(gone) = dropped else { return Ok(()) };
            let Some(known) = self.ask(cx, gone.end).await? else {
                warn(
                    cx,
                    format!(
                        "{table} was dropped by transaction {} at {}: what was done to a table of the same name that was made later is not known",
                        gone.xid, gone.at
                    ),
                );
                return Ok(());
            };
            warn(
                cx,
                format!(
                    "{table} was created again by transaction {} at {}: the new table was followed, too",
                    gone.xid, gone.at
                ),
            );
            let (again, _) = self.search(&known).await?;
            dropped = again.dropped.iter().find(|deed| deed.table == 0).cloned();
            found.add(again);
        }
        Ok(())
    }
}

fn warn(cx: &mut Context<'_>, message: String) {
    cx.fact("made_anew", message.clone());
    cx.world.journal.write(Event::Warned { drill: Some(cx.world.drill), message });
}
