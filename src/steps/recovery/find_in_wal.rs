//! `find_in_wal`

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, IdInfo, MarkKind, NodeId, Output, Ran, Recovers, RepoRef, Resolved, Role, Scope, Step,
    StepKind, StepRef, StepResult, if_given,
};
use crate::node::{DATABASE, Node};
use crate::pg::{Lineage, Lsn, Mark, Moment, TableName};
use crate::repo::{Ability, Deed, Found, Repo};
use crate::source::{RepoName, Spanned, StepName};
use crate::steps::recovery::find_by_hand::by_hand;
use crate::steps::recovery::known_table::{Lookup, Start};
use crate::steps::recovery::recreated::Reader;

/// Finds a mistake in the archived WAL, for when nobody knows when it happened.
///
/// ```yaml
/// - id: accident
///   find_in_wal: { repo: onsite, dropped: shop.orders }
/// - id: accident
///   find_in_wal: { repo: onsite, since: nightly, truncated: shop.orders }
/// - id: accident
///   find_in_wal: { repo: onsite, changed: shop.orders }
/// ```
///
/// With an `id` the step is a mark: `recover` with `until: { before: accident }` stops just before
/// the transaction that was found.
///
/// WAL does not contain the names of tables. So the newest base backup in the repo that has the
/// table is asked what the table was called on disk: a copy is recovered to the backup's end with a
/// single-user server, beside the archive, and removed again. From there on pg_waldump reads the
/// archived segments, on the host of a running node, and the table is followed through them.
/// `since` is a backup, or another mark: then the newest backup before it is asked, and what was
/// done before the mark does not count.
///
/// - `dropped`: the transaction that dropped the table. It is followed by its row in pg_class, so
///   that a TRUNCATE, VACUUM FULL or ALTER TABLE in between does not hide it, and a DROP of another
///   table is not mistaken for it. If it was created again under its name (a migration drops the
///   predecessor) and dropped again, the last DROP counts, and a warning says so.
/// - `truncated`: the last TRUNCATE of the table; of a partitioned one, the last that emptied the
///   most partitions.
/// - `changed`: of all transactions that updated or deleted rows of the table, the one with the
///   most rows. Rows that a TRUNCATE took are not counted, nor are inserts. If two have equally
///   many, nobody can say which it was, and the step fails.
///
/// It cannot find a table that was created after the backup, if there was none of that name (its
/// name is not in the WAL), or one that went with its whole database. It cannot count rows in a
/// file that the same transaction created, or follow a table if pg_class itself was rewritten
/// (VACUUM FULL pg_class).
///
/// With several timelines, the newest one that descends from the backup's is followed, as in
/// `recover`; the facts say which. Times are the server's. The users' ledger has drillyard's times,
/// and the two clocks are assumed to agree.
///
/// It passes if the transaction was found. Otherwise it fails, and reports what was read: which
/// segments, the times that they cover, and where the archive has a gap.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindInWalSpec {
    /// The repo with the archived WAL, and a backup.
    #[serde(default)]
    repo: Option<RepoName>,
    /// A backup, or another mark: nothing earlier counts.
    #[serde(default)]
    since: Option<StepName>,
    /// The database that the table is in.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// The table that was dropped.
    #[serde(default)]
    dropped: Option<Spanned<TableName>>,
    /// The table that was truncated.
    #[serde(default)]
    truncated: Option<Spanned<TableName>>,
    /// The table whose rows were updated or deleted.
    #[serde(default)]
    changed: Option<Spanned<TableName>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct FindInWal {
    /// The repo with the archived WAL, and a backup.
    repo: RepoRef,
    /// Look no earlier than this mark.
    since: Option<StepRef>,
    /// What is looked for.
    mistake: Mistake,
    /// The table that it happened to.
    table: Spanned<TableName>,
    /// The database that it is in.
    database: Option<Spanned<String>>,
}

impl StepKind for FindInWalSpec {
    type Step = FindInWal;

    const NAME: &'static str = "find_in_wal";
    const DEADLINE: Duration = Duration::from_secs(600);
    const ROLE: Role = Role::Act;
    const FACTS: &'static str =
        "backup first_segment last_segment gap damage commits rows candidates runners_up made_anew";
    const MARK: MarkKind = MarkKind::Transaction;
    const RECOVERS: Recovers = Recovers::Always;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<FindInWal> {
        let repo = scope.repo_or_default(self.repo.as_ref());
        if let Some(repo) = &repo {
            scope.repo_can(repo, Ability::Archive, repo.span());
            scope.repo_can(repo, Ability::List, repo.span());
        }
        let since = if_given(self.since.as_ref(), |since| scope.mark(since));
        if let (Some(mark), Some(Some(_)), Some(repo)) = (&self.since, &since, &repo) {
            scope.mark_is_in_repo(mark, repo);
        }
        let given =
            [(Mistake::Dropped, self.dropped), (Mistake::Truncated, self.truncated), (Mistake::Changed, self.changed)];
        let mut given = given.into_iter().filter_map(|(mistake, table)| Some((mistake, table?)));
        let (first, second) = (given.next(), given.next());
        if first.is_none() {
            scope.error_help(
                scope.action,
                "`dropped`, `truncated` or `changed` is missing",
                "find what?",
                "write `dropped: shop.orders`, with the name of the table",
            );
        }
        if let Some((_, second)) = second {
            scope.error(second.entry, "one mistake is looked for at a time", "this is the second one");
        }
        let is_backup = |id: &&IdInfo| id.kind.is_some_and(|kind| kind.output == Some(Output::Backup));
        let mut backups = scope.ids.values().filter(|id| is_backup(id) || !id.decoded);
        if !backups.any(|id| id.index < scope.index) {
            scope.error_help(
                scope.action,
                "there is no backup to look the table up in",
                "WAL does not know it by its name",
                "take one with a `backup` step before",
            );
        }
        let (mistake, table) = first?;
        Some(FindInWal { repo: repo?, since: since?, mistake, table, database: self.database })
    }
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    Dropped,
    Truncated,
    Changed,
}

impl Mistake {
    /// As a noun, for messages.
    fn noun(self) -> &'static str {
        match self {
            Mistake::Dropped => "DROP",
            Mistake::Truncated => "TRUNCATE",
            Mistake::Changed => "UPDATE or DELETE",
        }
    }
}

#[async_trait(?Send)]
impl Step for FindInWal {
    fn title(&self) -> String {
        let table = &self.table.value;
        let what = match self.mistake {
            Mistake::Dropped => format!("the DROP of {table}"),
            Mistake::Truncated => format!("the TRUNCATE of {table}"),
            Mistake::Changed => format!("what changed {table}"),
        };
        format!("find {what} in the WAL of {}", self.repo)
    }

    fn effects(&self) -> Effects {
        Effects::reads()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let (mistake, table) = (self.mistake, &self.table);
        let repo = cx.world.repo(&self.repo)?.clone();
        let node = reader(cx, &repo)?;
        let since = self.since.as_ref();
        let database = self.database.as_ref().map_or(DATABASE, |database| database.as_str());
        let lookup = Lookup { node: &node, repo: &repo, repo_at: self.repo.span(), since, table, database };
        let start = lookup.start(cx).await?;
        cx.fact("backup", start.backup.clone());
        let read = start.archive.segments_of(&start.reach);
        if let Some((first, last)) = &read {
            cx.fact("first_segment", first.clone());
            cx.fact("last_segment", last.clone());
        }
        if let Some(gap) = start.gap() {
            cx.fact("gap", gap);
        }
        self.check_cluster(&node, &repo, &start).await?;
        cx.wait("pg_waldump");
        let table_name = table.value.to_string();
        let reader = Reader {
            node: &node,
            repo: &repo,
            backup: &start.backup,
            label: cx.world.label(&start.backup),
            archive: &start.archive,
            timeline: start.timeline,
            count: mistake == Mistake::Changed,
            since: start.since,
            table: &table.value,
            database,
            scratch: format!("{}/look-up-{}", node.host()?.paths().shared, cx.index),
        };
        let began = Instant::now();
        let (mut found, complaints) = reader.search(&start.known).await?;
        match mistake {
            Mistake::Dropped => reader.last_drop(cx, &table_name, &mut found).await?,
            Mistake::Truncated | Mistake::Changed => reader.successors(cx, &table_name, &mut found).await?,
        }
        cx.fact("commits", found.commits);
        let damage = damage(&complaints);
        if let Some(damage) = &damage {
            cx.fact("damage", damage.clone());
        }
        let deed = match choose(mistake, &found, start.since) {
            Ok(deed) => deed,
            Err(also) => return Err(self.not_found(&start, &found, also, damage)),
        };
        if mistake == Mistake::Changed {
            cx.fact("rows", deed.rows);
            cx.fact("candidates", found.candidates);
            let others: Vec<String> = found.changed.iter().skip(1).map(told).collect();
            cx.fact("runners_up", others);
        }
        self.tell_command(cx, &start, (&reader, deed), began.elapsed());
        mark(cx, &start, deed);
        Ok(())
    }
}

impl FindInWal {
    /// Tells how a person looks for it.
    fn tell_command(&self, cx: &Context<'_>, start: &Start, (reader, deed): (&Reader<'_>, &Deed), took: Duration) {
        let Some((first, last)) = start.archive.segments_of(&start.reach) else { return };
        let segments = start.archive.all_segments(&start.reach);
        let by_rows = self.mistake == Mistake::Changed;
        let text = by_hand(reader.repo, &reader.scratch, &segments, (&first, &last), by_rows);
        let what = format!("find the {} of {} in the WAL", self.mistake.noun(), self.table.value);
        let ran = Ran::like(reader.node, what, text).took(took);
        cx.ran(ran.check(format!("the mistake is among them: transaction {} in the drill, {}", deed.xid, deed.at)));
    }

    /// Fails where a segment that is to be read is another cluster's.
    async fn check_cluster(&self, node: &Node, repo: &Repo, start: &Start) -> StepResult {
        let segments = start.archive.all_segments(&start.reach);
        let headers = repo.headers(node.host()?.as_ref(), &segments).await?;
        let foreign = segments.iter().zip(headers).find_map(|(segment, header)| {
            // What is no WAL at all is found as damage.
            header
                .filter(|header| header.is_wal && header.system != start.system)
                .map(|header| (segment, header.system))
        });
        let Some((segment, system)) = foreign else { return Ok(()) };
        Err(Finding::failed(format!("segment {segment} in repo `{}` is of another cluster", repo.name))
            .label(format!(
                "its first page has the system identifier {system}, and backup `{}` has {}",
                start.backup, start.system
            ))
            .help("two clusters must not archive into one place: nothing behind that segment can be followed"))
    }

    fn not_found(&self, start: &Start, found: &Found, also: Vec<String>, damage: Option<String>) -> Box<Finding> {
        let (noun, table) = (self.mistake.noun(), &self.table);
        let title = match also.is_empty() {
            true => format!("there is no {noun} of {} in the archived WAL", table.value),
            false => format!("nobody can say which {noun} of {} it was", table.value),
        };
        let (first, last) = start.archive.segments_of(&start.reach).unwrap_or_default();
        let times = match found.times {
            Some((first, last)) => format!("{} commits from {first} to {last}", found.commits),
            None => "no commit".to_owned(),
        };
        let elsewhere = [("dropped", &found.dropped), ("truncated", &found.truncated)];
        let elsewhere: Vec<String> = elsewhere
            .iter()
            .filter_map(|(what, deeds)| {
                Some(format!("it was {what} by transaction {}, {}", deeds.last()?.xid, deeds.last()?.at))
            })
            .collect();
        Finding::failed(title)
            .at(table.entry)
            .label(format!("followed from backup `{}` on", start.backup))
            .note("alike", also.join("\n"))
            .note("read", format!("{first} to {last}, timeline {}: {times}", start.timeline))
            .note("but", elsewhere.join("\n"))
            .note("gap", start.gap().unwrap_or_default())
            .note("damage", damage.unwrap_or_default())
            .help("is everything archived? `wait_archived` sees to it; an unfinished segment is not in the archive")
    }
}

/// A node on whose host the archive can be read: one that archives there, if it runs.
fn reader(cx: &Context<'_>, repo: &Repo) -> Result<Arc<Node>, Box<Finding>> {
    let state = cx.world.outputs();
    let archives =
        |name: &str| cx.world.specs.get(name).is_some_and(|spec| spec.archive_to.as_deref() == Some(&repo.name));
    let mut nodes: Vec<(&NodeId, &Arc<Node>)> = state.nodes.iter().filter(|(_, node)| node.host().is_ok()).collect();
    nodes.sort_by_key(|(name, node)| (!node.is_up(), !archives(name)));
    let node = nodes.first().map(|(_, node)| (*node).clone());
    node.ok_or_else(|| Finding::errored("there is no host to read the archive on: every node is external"))
}

/// The transaction that is meant, or those that are alike.
fn choose(mistake: Mistake, found: &Found, since: Lsn) -> Result<&Deed, Vec<String>> {
    let later = |deed: &&Deed| deed.commit >= since;
    match mistake {
        Mistake::Dropped => found.dropped.iter().rev().filter(later).find(|deed| deed.table == 0).ok_or_else(Vec::new),
        Mistake::Truncated => {
            let tables = |deed: &Deed| found.truncated.iter().filter(|other| other.xid == deed.xid).count();
            // The last of those with the most.
            found.truncated.iter().filter(later).max_by_key(|deed| tables(deed)).ok_or_else(Vec::new)
        }
        Mistake::Changed => match found.changed.as_slice() {
            [] => Err(vec![]),
            [first, second, ..] if first.rows == second.rows => {
                Err(found.changed.iter().filter(|deed| deed.rows == first.rows).map(told).collect())
            }
            [first, ..] => Ok(first),
        },
    }
}

fn told(deed: &Deed) -> String {
    let rows = if deed.rows == 1 { "1 row".to_owned() } else { format!("{} rows", deed.rows) };
    format!("transaction {} changed {rows}, {}", deed.xid, deed.at)
}

/// What pg_waldump complained of, except for the end of the WAL that it was given.
fn damage(said: &str) -> Option<String> {
    let natural = |line: &&str| !line.contains("could not find file") && !line.contains("first record is after");
    said.lines()
        .filter(|line| line.contains("error:"))
        .find(natural)
        .map(|line| line.trim_start_matches("pg_waldump: error: ").to_owned())
}

/// Remembers the transaction as a mark: recovery to just before it stops at its commit.
fn mark(cx: &mut Context<'_>, start: &Start, deed: &Deed) {
    let stretch = start.reach.stretches.iter().find(|stretch| deed.commit < stretch.to);
    let timeline = stretch.map_or(start.timeline, |stretch| stretch.timeline);
    cx.fact("before", deed.commit.to_string());
    cx.fact("lsn", deed.end.to_string());
    cx.fact("timeline", timeline.0);
    cx.fact("at", deed.at.to_string());
    cx.fact("xid", deed.xid.0);
    if let Some(id) = cx.id {
        let moment = |lsn| Moment { asked: deed.at, floor: lsn, at: deed.at, lsn, timeline, seen: deed.at };
        let lineage = Lineage { system: start.system, history: start.archive.history(timeline), birth: None };
        let (before, after) = (moment(deed.commit), moment(deed.end));
        let mark = Mark {
            id: id.to_string(),
            lineage,
            before,
            xid: Some(deed.xid),
            after,
            incident: true,
            restore_point: None,
            dropped: None,
        };
        cx.world.outputs().marks.insert(id.clone(), mark);
    }
}
