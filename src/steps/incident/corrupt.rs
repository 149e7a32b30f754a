//! `corrupt`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Finding, MarkKind, NodeField, NodeId, NodeRef, Output, RepoId, Resolved, Role, Scope, Step, StepKind,
    StepRef, StepResult,
};
use crate::node::Node;
use crate::pg::{ShutdownMode, TableName, error_message};
use crate::repo::{Ability, BrokenWal, Damaged, Where, damage_file};
use crate::source::{RepoName, Spanned, StepName, WhichWal};
use crate::steps::incident::repo_damage::{find_segment, marked_by, resolve_below, resolve_wal};

/// Damages a page of a table, a WAL segment in an archive, or a file of a backup.
///
/// ```yaml
/// - corrupt: { node: master, table: shop.orders }
/// - corrupt: { node: master, index: shop.orders_pkey }
/// - corrupt: { node: master, table: shop.orders, toast: true }
/// - corrupt: { repo: onsite, wal: last }
/// - corrupt: { repo: onsite, wal: last, how: short }
/// - corrupt: { repo: onsite, wal: history, how: empty }
/// - corrupt: { repo: onsite, backup: nightly }
/// - corrupt: { repo: onsite, backup: nightly, file: global/pg_control }
/// ```
///
/// 512 bytes, a disk's sector, are overwritten with nonsense. With `table` they are in the first
/// page of the table, with `toast: true` of its toast table; with `index` in the first page after
/// the index's metapage. So that the damage is on disk and nowhere else, the server is stopped
/// (`fast`), the file damaged, and the server started again, which then reads the page from disk:
/// users lose their sessions for a moment.
///
/// With `wal` they are in the second page of a segment in the repo (in the first, if the WAL in it
/// ends there): `first`, `last`, a segment's name, or a mark's id, or another file, as in
/// `lose_wal`. In a repo of kind `directory` `how` says what becomes of the whole file instead:
/// `short`, its second half is gone, as if a copy had broken off; `empty`, it has no bytes;
/// `garbage`, it is as long as before and full of random bytes; `foreign`, another cluster's
/// segment of the same name lies in its place. With `backup` they are in the backup's largest
/// table, or in `file`, relative to the backup's directory; `repo` is where that copy of the backup
/// is, by default where it was taken to. With an `id` the step is a mark; for a repo, by the clock
/// of the server that archives there.
///
/// It passes if the file has changed, and reports which, and where in it. It fails if there is
/// nothing to damage: an empty table, an index without entries, a segment that does not exist.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CorruptSpec {
    /// The server, for a table or an index.
    #[serde(default)]
    node: NodeField,
    /// The table.
    #[serde(default)]
    table: Option<Spanned<TableName>>,
    /// Its toast table instead.
    #[serde(default)]
    toast: Option<Spanned<bool>>,
    /// The index.
    #[serde(default)]
    index: Option<Spanned<TableName>>,
    /// The database that table or index is in.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// The repo, for a WAL segment or a backup.
    #[serde(default)]
    repo: Option<RepoName>,
    /// The WAL segment.
    #[serde(default)]
    wal: Option<Spanned<WhichWal>>,
    /// What becomes of that segment as a whole.
    #[serde(default)]
    how: Option<Spanned<BrokenWal>>,
    /// The backup.
    #[serde(default)]
    backup: Option<StepName>,
    /// Its file.
    #[serde(default)]
    file: Option<Spanned<String>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub enum Corrupt {
    /// A page of a table or an index on a server.
    Relation {
        /// The server.
        node: NodeRef,
        /// The table or index.
        name: Spanned<TableName>,
        /// The database that it is in.
        database: Option<Spanned<String>>,
        /// Which of its pages.
        part: Part,
    },
    /// Something in a repo.
    InRepo {
        /// The repo.
        repo: RepoId,
        /// What.
        what: Stored,
        /// Whose mark the step is.
        archivers: Vec<NodeId>,
    },
}

/// Which pages of a relation are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The table's own.
    Table,
    /// Those of its toast table.
    Toast,
    /// The index's.
    Index,
}

/// What lies in a repo.
#[derive(Debug)]
pub enum Stored {
    /// A file of WAL, and what becomes of the whole of it, if not only a part is damaged.
    Wal(Spanned<WhichWal>, Option<BrokenWal>),
    /// A file of a backup; its largest table if none is named.
    Backup(StepRef, Option<Spanned<String>>),
}

/// The forms that the fields can take.
const FORMS: &str = "`{ node, table }`, `{ node, index }`, `{ repo, wal }` or `{ repo, backup }`";

impl StepKind for CorruptSpec {
    type Step = Corrupt;

    const NAME: &'static str = "corrupt";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Incident;
    const FACTS: &'static str = "relation file block offset bytes mark";
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Corrupt> {
        self.check_company(scope);
        if let Some(file) = &self.file {
            resolve_below(scope, file, "the backup");
        }
        let entries = [
            self.table.as_ref().map(|target| target.entry),
            self.index.as_ref().map(|target| target.entry),
            self.wal.as_ref().map(|target| target.entry),
            self.backup.as_ref().map(|target| target.entry),
        ];
        if let Some(second) = entries.into_iter().flatten().nth(1) {
            if let Some(which) = &self.wal {
                resolve_wal(scope, which, self.repo.as_ref());
            }
            scope.error_help(second, "`corrupt` damages one thing", "this is the second one", FORMS);
            return None;
        }
        let toast = self.toast.is_some_and(|toast| toast.value);
        match (self.table, self.index, self.wal, self.backup) {
            (Some(name), ..) => {
                let part = if toast { Part::Toast } else { Part::Table };
                Some(Corrupt::Relation { node: scope.own_node(&self.node)?, name, database: self.database, part })
            }
            (_, Some(name), ..) => {
                let (database, part) = (self.database, Part::Index);
                Some(Corrupt::Relation { node: scope.own_node(&self.node)?, name, database, part })
            }
            (_, _, Some(which), _) => {
                let repo = resolve_wal(scope, &which, self.repo.as_ref())?;
                let how = self.how.as_ref().map(|how| how.value);
                let whole = how.is_some() || !which.value.is_segment();
                scope.repo_can(&repo, if whole { Ability::WalFiles } else { Ability::DamageWal }, repo.span());
                let repo = repo.id;
                Some(Corrupt::InRepo { archivers: scope.archivers(&repo), repo, what: Stored::Wal(which, how) })
            }
            (.., Some(backup)) => {
                let made = scope.step_with(&backup, &[Output::Backup]);
                let repo = match &self.repo {
                    Some(repo) => scope.repo(repo)?.id,
                    None => scope.step_info(made.as_ref()?)?.repo.clone()?,
                };
                scope.repo_can(&repo, Ability::DamageBackup, self.repo.as_ref().map(|repo| repo.span));
                let made = made?;
                scope.damages(&made.id, &repo, backup.span);
                let what = Stored::Backup(made, self.file);
                Some(Corrupt::InRepo { archivers: scope.archivers(&repo), repo, what })
            }
            (None, None, None, None) => {
                scope.error_help(scope.action, "`corrupt` has nothing to damage", "damage what?", FORMS);
                None
            }
        }
    }
}

impl CorruptSpec {
    /// Fields that go with others alone.
    fn check_company(&self, scope: &mut Scope<'_>) {
        let in_server = self.table.is_some() || self.index.is_some();
        let in_repo = self.wal.is_some() || self.backup.is_some();
        if !in_server && !in_repo {
            return;
        }
        let repo = self.repo.as_ref().map(|repo| repo.entry);
        let toast = self.toast.as_ref().map(|toast| toast.entry);
        let file = self.file.as_ref().map(|file| file.entry);
        let database = self.database.as_ref().map(|database| database.entry);
        for (entry, fits, title, label) in [
            (self.node.span(), in_server, "`node` goes with `table` or `index`", "what lies in a repo is no server's"),
            (repo, in_repo, "`repo` goes with `wal` or `backup`", "a server has no repo in it"),
            (
                self.how.as_ref().map(|how| how.entry),
                self.wal.is_some(),
                "`how` goes with `wal`",
                "what it does is for WAL",
            ),
            (toast, self.table.is_some(), "`toast` goes with `table`", "the toast table of what?"),
            (database, in_server, "`database` goes with `table` or `index`", "what lies in a repo is in no database"),
            (file, self.backup.is_some(), "`file` goes with `backup`", "a file of what?"),
        ] {
            if let (Some(entry), false) = (entry, fits) {
                scope.error(entry, title, label);
            }
        }
        if let (Some(how), Some(Spanned { value: WhichWal::History(_), .. })) = (&self.how, &self.wal)
            && how.value == BrokenWal::Foreign
        {
            scope.error(
                how.span,
                "a history file cannot be told to be of another cluster",
                "`short`, `empty` or `garbage`",
            );
        }
    }
}

/// A relation whose file is to be damaged.
struct Relation {
    /// In words: `toast table of notes`.
    what: String,
    /// Its file, below the data directory.
    file: String,
    block: u64,
    block_size: u64,
}

#[async_trait(?Send)]
impl Step for Corrupt {
    fn title(&self) -> String {
        match self {
            Corrupt::Relation { node, name, part: Part::Table, .. } => format!("damage {} on {node}", name.value),
            Corrupt::Relation { node, name, part: Part::Toast, .. } => {
                format!("damage the toast table of {} on {node}", name.value)
            }
            Corrupt::Relation { node, name, part: Part::Index, .. } => format!("damage index {} on {node}", name.value),
            Corrupt::InRepo { repo, what: Stored::Wal(which, how), .. } => {
                let how = how.map(|how| format!(" ({})", how.word())).unwrap_or_default();
                format!("damage {} of repo {repo}{how}", which.value)
            }
            Corrupt::InRepo { repo, what: Stored::Backup(backup, _), .. } => {
                format!("damage backup {backup} in repo {repo}")
            }
        }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        match self {
            Corrupt::Relation { node, name, database, part } => {
                damage_relation(cx, node, (name, database.as_ref()), *part).await
            }
            Corrupt::InRepo { repo, what: Stored::Wal(which, how), archivers } => {
                damage_wal(cx, repo, (which, *how), archivers).await
            }
            Corrupt::InRepo { repo, what: Stored::Backup(backup, file), archivers } => {
                damage_backup(cx, repo, backup, file.as_ref(), archivers).await
            }
        }
    }
}

async fn damage_relation(
    cx: &mut Context<'_>,
    node: &NodeRef,
    name: (&Spanned<TableName>, Option<&Spanned<String>>),
    part: Part,
) -> StepResult {
    let node = cx.world.node(node)?;
    let relation = find(cx, &node, name, part).await?;
    let deadline = cx.deadline;
    cx.struck.slow = true; // the server goes down first, which damages nothing
    cx.inject(&node, async |cx| {
        cx.wait("the server to stop");
        node.stop(ShutdownMode::Fast, deadline).await?;
        let file = format!("{}/{}", node.host()?.paths().data, relation.file);
        // In the second half of the page, where a table has its rows.
        let at = Where::At(relation.block * relation.block_size + relation.block_size / 2);
        let damaged = damage_file(node.host()?.as_ref(), &file, &relation.file, at).await.inspect(|_| cx.has_struck());
        // Whatever became of it: the step has stopped the server, and nobody else will start it.
        cx.wait("the server to start");
        node.start(None, deadline).await?;
        let damaged = damaged?;
        cx.fact("relation", relation.what.clone());
        cx.fact("file", damaged.file);
        cx.fact("block", relation.block);
        cx.fact("offset", damaged.offset);
        cx.fact("bytes", damaged.bytes);
        Ok(())
    })
    .await
}

/// The relation, and which of its pages.
async fn find(
    cx: &Context<'_>,
    node: &Node,
    (name, database): (&Spanned<TableName>, Option<&Spanned<String>>),
    part: Part,
) -> Result<Relation, Box<Finding>> {
    const FIND: &str = "
        SELECT CASE WHEN $2 AND c.reltoastrelid <> 0 THEN c.reltoastrelid ELSE c.oid END, c.relkind::text, c.reltoastrelid <> 0
        FROM pg_catalog.pg_class c WHERE c.oid = $1::text::regclass";
    const FILE: &str = "
        SELECT pg_catalog.pg_relation_filepath($1::oid), pg_catalog.pg_relation_size($1::oid), current_setting('block_size')::bigint";
    let (wants_toast, is_index) = (part == Part::Toast, part == Part::Index);
    let nothing = |label: String| Finding::failed("the incident did nothing").at(name.span).label(label);
    let client = cx.client_in(node, database).await?;
    let found = client.query_one(FIND, &[&name.quoted(), &wants_toast]).await;
    let row = found.map_err(|error| nothing(error_message(&error)))?;
    let (oid, kind, has_toast): (u32, String, bool) = (row.get(0), row.get(1), row.get(2));
    let what = match (is_index, kind.as_str()) {
        (true, "i") => format!("index {}", name.value),
        (true, _) => return Err(nothing(format!("{} is no index with pages of its own", name.value))),
        (false, "r" | "m" | "t") if wants_toast && !has_toast => {
            return Err(nothing(format!("{} has no toast table: its rows are too short for one", name.value)));
        }
        (false, "r" | "m" | "t") if wants_toast => format!("toast table of {}", name.value),
        (false, "r" | "m" | "t") => format!("table {}", name.value),
        (false, "p") => {
            return Err(nothing(format!("{} is partitioned: its rows are in its partitions", name.value)));
        }
        (false, _) => return Err(nothing(format!("{} is no table", name.value))),
    };
    let row = client.query_one(FILE, &[&oid]).await?;
    let (file, size, block_size) = (row.get::<_, Option<String>>(0), row.get::<_, i64>(1), row.get::<_, i64>(2));
    let block = u64::from(is_index);
    let (size, block_size) = (size.cast_unsigned(), block_size.cast_unsigned());
    match file {
        Some(file) if size > block * block_size => Ok(Relation { what, file, block, block_size }),
        _ => Err(nothing(format!("the {what} is empty"))),
    }
}

async fn damage_wal(
    cx: &mut Context<'_>,
    repo: &RepoId,
    (which, how): (&Spanned<WhichWal>, Option<BrokenWal>),
    archivers: &[NodeId],
) -> StepResult {
    let repo = cx.world.repo(repo)?.clone();
    let node = cx.world.any_host()?;
    let host = node.host()?.as_ref();
    let archive = repo.archive(host).await?;
    let segment = find_segment(cx, &repo, host, &archive, which).await?;
    marked_by(cx, archivers, async |cx| {
        let damaged = match how {
            Some(how) => repo.break_wal(host, &segment, how).await?,
            None => repo.damage_wal(host, &segment).await?,
        };
        report(cx, &damaged);
        Ok(())
    })
    .await
}

async fn damage_backup(
    cx: &mut Context<'_>,
    repo: &RepoId,
    backup: &StepRef,
    file: Option<&Spanned<String>>,
    archivers: &[NodeId],
) -> StepResult {
    let repo = cx.world.repo(repo)?.clone();
    let label = cx.world.label(backup);
    let node = cx.world.any_host()?;
    let at = file.map(|file| file.span).or(backup.span());
    let file = file.map(|file| file.value.as_str());
    let damaged = marked_by(cx, archivers, async |cx| {
        report(cx, &repo.damage_backup(node.host()?.as_ref(), &label, file).await?);
        Ok(())
    });
    damaged.await.map_err(|finding| finding.at(at))
}

fn report(cx: &mut Context<'_>, damaged: &Damaged) {
    cx.fact("file", damaged.file.clone());
    cx.fact("offset", damaged.offset);
    cx.fact("bytes", damaged.bytes);
}
