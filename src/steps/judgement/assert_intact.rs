//! `assert_intact`

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{join_all, try_join};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::data::{Amcheck, Checked, Damage, Moved, is_damage, is_damage_of_database};
use crate::harness::{
    Context, Finding, NodeField, NodeRef, Output, RepoId, Resolved, Role, Scope, Step, StepKind, StepRef, StepResult,
};
use crate::node::{Node, SqlError, TAKES_SESSIONS, is_in_recovery};
use crate::pg::error_message;
use crate::repo::{Ability, Verified};
use crate::source::{RepoName, StepName};
use crate::steps::judgement::checksums::read_checksums;
use crate::steps::recovery::upstream::upstream_of;

/// Checks whether a server's data, or a backup, is undamaged.
///
/// ```yaml
/// - assert_intact: { node: master }
/// - assert_intact: { backup: nightly }
/// - assert_intact: { backup: nightly, repo: offsite }
/// ```
///
/// For a server, the checksum of every page of every relation in every database is read from disk
/// (by a base backup that is discarded, so the server makes a checkpoint and switches to a new WAL
/// segment). In addition, the extension amcheck checks all tables, toast tables and B-tree indexes
/// of every database that accepts connections: each row with its toasted values, the order of each
/// index, and whether each row is in it (`heapallindexed`). amcheck is installed if it is missing;
/// for a standby, on its primary. Not checked are the contents of other kinds of indexes, WAL, and
/// what has no checksums: `pg_xact`, which says which transactions were committed, and its like.
/// Rows that vanish with those are noticed by whoever counts them (`assert_rows`, `assert_same`).
/// Before PostgreSQL 14 amcheck cannot check tables, and they are read instead. On an external
/// server only amcheck is used, and it must be installed there. A collation that has another
/// version than the data were made with (after a restore on another release of the operating
/// system) is told in a warning, and in the fact `collations`.
///
/// For a backup, pg_verifybackup compares every file with the manifest, and reads the WAL that the
/// backup needs, from the backup or, if it contains none, from the repo. In a repo of another kind
/// its own program verifies it (`pgbackrest verify`, `barman verify-backup`). None looks into
/// pages: damage from before the backup is not found.
///
/// It passes if nothing is damaged. It fails with the damaged table, index, block or file, and says
/// what to do: an index is rebuilt with REINDEX if only indexes are corrupted, a table has to be
/// restored. A server in recovery without amcheck and without a primary to install it on cannot be
/// checked.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertIntactSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// A backup instead.
    #[serde(default)]
    backup: Option<StepName>,
    /// The repo with that copy of the backup.
    #[serde(default)]
    repo: Option<RepoName>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub enum AssertIntact {
    /// A server.
    Node(NodeRef),
    /// A backup, in this repo.
    Backup(StepRef, RepoId),
}

impl StepKind for AssertIntactSpec {
    type Step = AssertIntact;

    const NAME: &'static str = "assert_intact";
    const DEADLINE: Duration = Duration::from_secs(600);
    const ROLE: Role = Role::Check;
    const FACTS: &'static str = "databases checked tables indexes checksums collations repo";

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertIntact> {
        let Some(backup) = &self.backup else {
            if let Some(repo) = &self.repo {
                scope.error(repo.entry, "`repo` goes with `backup`", "which backup in it?");
            }
            return scope.node(&self.node).map(AssertIntact::Node);
        };
        if let Some(span) = self.node.span() {
            scope.error(span, "`node` and `backup` exclude each other", "one of the two");
        }
        let made = scope.step_with(backup, &[Output::Backup]);
        let repo = match &self.repo {
            Some(repo) => scope.repo(repo).map(|repo| repo.id),
            None => scope.step_info(made.as_ref()?)?.repo.clone(),
        };
        if let Some(of) = &repo {
            scope.repo_can(of, Ability::Verify, self.repo.as_ref().map(|repo| repo.span));
        }
        let (made, repo) = (made?, repo?);
        scope.needs_backup(&made.id, &repo, Some(backup.span));
        Some(AssertIntact::Backup(made, repo))
    }
}

/// How many damages are shown.
const MOST: usize = 20;

#[async_trait(?Send)]
impl Step for AssertIntact {
    fn title(&self) -> String {
        match self {
            AssertIntact::Backup(backup, repo) => format!("backup {backup} in repo {repo} is intact"),
            AssertIntact::Node(node) => format!("{node} is intact"),
        }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        match self {
            AssertIntact::Backup(backup, repo) => check_backup(cx, backup, repo).await,
            AssertIntact::Node(node) => check_node(cx, node).await,
        }
    }
}

/// Has the repo's own program verify a backup.
async fn check_backup(cx: &mut Context<'_>, backup: &StepRef, repo: &RepoId) -> StepResult {
    let repo = cx.world.repo(repo)?.clone();
    let node = cx.world.any_host()?;
    cx.wait(repo.verify_program());
    let label = cx.world.label(backup);
    let lines = match repo.verify(node.host()?.as_ref(), &label).await? {
        Verified::Intact => {
            cx.fact("repo", repo.name.clone());
            return Ok(());
        }
        Verified::Damaged(lines) => lines,
    };
    let no_reason = || format!("{} gives no reason", repo.verify_program());
    Err(Finding::failed(format!("backup `{}` in repo `{}` is not intact", backup, repo.name))
        .at(backup.entry())
        .label(lines.first().cloned().unwrap_or_else(no_reason))
        .note("found", shown(lines.into_iter()))
        .help("take another backup, or its copy in another repo: what is damaged here cannot be mended"))
}

/// Checks every database of a server, and every page.
async fn check_node(cx: &mut Context<'_>, name: &NodeRef) -> StepResult {
    let node = cx.world.node(name)?;
    let databases = databases(cx, &node).await?;
    bring_amcheck(cx, &node, &databases).await?;
    cx.wait("amcheck and a base backup to read everything");
    let patience = cx.left().mul_f32(0.8).as_millis().max(1);
    let all = async {
        let each = databases.iter().map(|database| check_database(&node, database, patience));
        join_all(each).await.into_iter().collect::<Result<Vec<Checked>, Box<Finding>>>()
    };
    let pages = async { if node.is_external() { Ok(vec![]) } else { read_checksums(cx, &node).await } };
    let (checked, mut damage) = try_join(all, pages).await?;
    cx.fact("databases", databases.len());
    let each = databases.iter().zip(&checked);
    let each = each.map(|(name, one)| format!("{name}: {} tables, {} indexes", one.tables, one.indexes));
    cx.fact("checked", each.collect::<Vec<String>>());
    cx.fact("tables", checked.iter().map(|one| one.tables).sum::<usize>());
    cx.fact("indexes", checked.iter().map(|one| one.indexes).sum::<usize>());
    cx.fact("checksums", if node.is_external() { "not read: an external server" } else { "read" });
    tell_moved(cx, &node, databases.iter().zip(&checked));
    damage.extend(checked.into_iter().flat_map(|one| one.damage));
    let Some(first) = damage.first() else { return Ok(()) };
    let told = |damage: &Damage| format!("{}: {}", damage.relation, damage.what);
    let finding = Finding::failed(format!("`{}` is not intact", name)).label(told(first));
    let finding = finding.note("found", shown(damage.iter().map(told)));
    let finding = finding.help(remedy(cx, &node, &damage).await);
    Err(finding.at(name.entry()))
}

/// Warns of collations that have another version here: no damage by itself.
fn tell_moved<'a>(cx: &mut Context<'_>, node: &Node, each: impl Iterator<Item = (&'a String, &'a Checked)>) {
    let all: Vec<(&String, &Moved)> =
        each.flat_map(|(name, one)| one.moved.iter().map(move |moved| (name, moved))).collect();
    for (database, moved) in &all {
        cx.world.warn(format!(
            "on `{}`, in database {database}, {moved}: text may sort in another way. Every B-tree index was checked in the order that it has \
             here; other indexes, constraints and partitions were not. REINDEX what sorts text, then `{}`",
            node.name(),
            moved.noted
        ));
    }
    if !all.is_empty() {
        cx.fact(
            "collations",
            all.iter().map(|(database, moved)| format!("{database}: {moved}")).collect::<Vec<String>>(),
        );
    }
}

/// What to do: an index is rebuilt from its table, if that is intact.
async fn remedy(cx: &Context<'_>, node: &Node, damage: &[Damage]) -> String {
    const RESTORE: &str = "restore it from a backup from before the damage: `recover`, and check that server, too";
    let mut statements: Vec<&str> = damage.iter().filter_map(|damage| damage.reindex.as_deref()).collect();
    statements.sort_unstable();
    statements.dedup();
    if statements.is_empty() || damage.iter().any(|damage| damage.reindex.is_none()) {
        return RESTORE.to_owned();
    }
    let what = match statements.len() {
        1 => "only an index is corrupted, and its table is intact: rebuild it",
        _ => "only indexes are corrupted, and their tables are intact: rebuild them",
    };
    let recovering = match cx.client(node).await {
        Ok(client) => is_in_recovery(&client).await.unwrap_or(false),
        Err(_) => false,
    };
    let place = if recovering { " on its primary" } else { "" };
    let most = statements.len().min(MOST);
    let more = if statements.len() > most { format!("; and {} more", statements.len() - most) } else { String::new() };
    format!(
        "{what}{place} with `{}`{more}; unless a function or a collation was changed, look for what damaged it, such as the disk",
        statements[..most].join("; ")
    )
}

/// The databases that take sessions.
async fn databases(cx: &Context<'_>, node: &Node) -> Result<Vec<String>, Box<Finding>> {
    let query = format!("SELECT datname FROM pg_database WHERE {TAKES_SESSIONS} ORDER BY oid");
    let corrupted = |error: &tokio_postgres::Error| {
        Finding::failed(format!("`{}` is not intact", node.name())).label(error_message(error))
    };
    // So damaged that it takes no sessions any more.
    if let Err(SqlError::Postgres(error)) = node.client().await
        && is_damage_of_database(&error)
    {
        return Err(corrupted(&error));
    }
    match cx.client(node).await?.query(&query, &[]).await {
        Ok(rows) => Ok(rows.iter().map(|row| row.get(0)).collect()),
        // So damaged that the databases are not known.
        Err(error) if is_damage(&error) => Err(corrupted(&error)),
        Err(error) => Err(error.into()),
    }
}

/// Sees to it that every database has amcheck.
async fn bring_amcheck(cx: &mut Context<'_>, node: &Arc<Node>, databases: &[String]) -> StepResult {
    let mut missing = Vec::new();
    for database in databases {
        match amcheck(node, database).await {
            Ok(Some(_)) => {}
            Ok(None) => missing.push(database.clone()),
            // What is so damaged is found by the check itself.
            Err(SqlError::Postgres(error)) if is_damage_of_database(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(", ");
    let cannot = |why: &str, help: &str| {
        Finding::errored(format!("`{}` cannot be checked: {why}", node.name()))
            .label(format!("amcheck is not installed in {names}"))
            .help(help)
    };
    if node.is_external() {
        return Err(cannot("a drill only reads from an external server", "CREATE EXTENSION amcheck there"));
    }
    let Some(primary) = primary_of(cx, node).await? else {
        let help = "`assert_intact` on its primary before the backup installs it, and so does `sql` with CREATE EXTENSION amcheck";
        return Err(cannot("it is in recovery, and its primary is not known", help));
    };
    if primary.is_external() {
        return Err(cannot("its primary is external", "CREATE EXTENSION amcheck there"));
    }
    for database in &missing {
        let client = primary.connect_to(database).await?;
        let installed = Amcheck::install(&client).await;
        installed.map_err(|error| {
            cannot(&error_message(&error), "the package with PostgreSQL's contrib modules has amcheck")
        })?;
    }
    let mut left = missing.clone();
    cx.until("amcheck to arrive from its primary", async |seen| {
        while let Some(database) = left.last() {
            if amcheck(node, database).await?.is_none() {
                *seen = format!("it is not in {database} yet");
                return Ok(None);
            }
            left.pop();
        }
        Ok(Some(()))
    })
    .await
}

async fn amcheck(node: &Node, database: &str) -> Result<Option<Amcheck>, SqlError> {
    Ok(Amcheck::find(&node.connect_to(database).await?).await?)
}

/// What amcheck says of a database. One that cannot even be entered is damaged, too.
async fn check_database(node: &Node, database: &str, patience: u128) -> Result<Checked, Box<Finding>> {
    let check = async {
        let client = node.connect_to(database).await?;
        // A recovery that is paused in the middle of a transaction holds its locks for ever.
        client.batch_execute(&format!("SET lock_timeout = {patience}")).await?;
        match Amcheck::find(&client).await? {
            Some(amcheck) => Ok(amcheck.check(&client).await?),
            None => Err(SqlError::Answer(format!("amcheck was dropped from {database} meanwhile"))),
        }
    };
    match check.await {
        Err(SqlError::Postgres(error)) if is_damage_of_database(&error) => {
            let what = error_message(&error);
            let damage = Damage { relation: format!("database {database}"), what, reindex: None };
            Ok(Checked { damage: vec![damage], ..Checked::default() })
        }
        Ok(checked) if database == crate::node::DATABASE => Ok(checked),
        Ok(mut checked) => {
            for damage in &mut checked.damage {
                damage.relation = format!("{} in database {database}", damage.relation);
                damage.reindex = damage.reindex.take().map(|statement| format!("{statement} in database {database}"));
            }
            Ok(checked)
        }
        Err(error) => Err(error.into()),
    }
}

/// The primary that a server is fed by: itself, where it is one. None where no server of the drill
/// knows it as a standby.
async fn primary_of(cx: &Context<'_>, node: &Arc<Node>) -> Result<Option<Arc<Node>>, Box<Finding>> {
    let others: Vec<Arc<Node>> = cx.world.outputs().nodes.values().cloned().collect();
    let mut at = node.clone();
    for _ in 0..=others.len() {
        let client = cx.client(&at).await?;
        if !is_in_recovery(&client).await? {
            return Ok(Some(at));
        }
        let upstream = match upstream_of(cx, &at).await {
            Some((upstream, _)) => Some(upstream),
            None => sender_to(&others, &at).await,
        };
        match upstream {
            Some(upstream) => at = upstream,
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// The server that knows a server as a standby that it sends to.
async fn sender_to(others: &[Arc<Node>], standby: &Node) -> Option<Arc<Node>> {
    for other in others.iter().filter(|other| other.is_up() || other.is_external()) {
        let Ok(client) = other.client().await else { continue };
        let query = "SELECT FROM pg_stat_replication WHERE application_name = $1";
        if let Ok(Some(_)) = client.query_opt(query, &[&other.knows_as(standby.name())]).await {
            return Some(other.clone());
        }
    }
    None
}

/// A list for a message: not more lines than one cares to read.
fn shown(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    match lines.len() {
        0 | 1 => String::new(),
        len if len <= MOST => lines.join("\n"),
        len => format!("{}\nand {} more", lines[..MOST].join("\n"), len - MOST),
    }
}
