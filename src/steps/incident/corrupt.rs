//! `corrupt`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, MarkKind, NodeField, NodeId, Output, RepoId, Resolved, Role, Scope, Step, StepKind,
    StepResult,
};
use crate::node::Node;
use crate::pg::{ShutdownMode, TableName, error_message};
use crate::repo::{Ability, Damaged, Where, damage_file};
use crate::source::{Name, Spanned, WhichWal};
use crate::steps::incident::repo_damage::{archivers, find_segment, marked_by, resolve_below, resolve_wal};

/// Damages a page of a table, a WAL segment in an archive, or a file of a backup.
///
/// ```yaml
/// - corrupt: { node: master, table: shop.orders }
/// - corrupt: { node: master, index: shop.orders_pkey }
/// - corrupt: { node: master, table: shop.orders, toast: true }
/// - corrupt: { repo: onsite, wal: last }
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
/// ends there): `first`, `last`, a segment's name, or a mark's id, as in `lose_wal`. With `backup`
/// they are in the backup's largest table, or in `file`, relative to the backup's directory; `repo`
/// is where that copy of the backup is, by default where it was taken to. With an `id` the step is
/// a mark; for a repo, by the clock of the server that archives there.
///
/// It passes if the file has changed, and reports which file and where it is damaged. It fails if
/// there is nothing to damage: an empty table, an index without entries, a segment that does not
/// exist.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Corrupt {
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
    /// The repo, for a WAL segment or a backup.
    #[serde(default)]
    repo: Option<Spanned<Name>>,
    /// The WAL segment.
    #[serde(default)]
    wal: Option<Spanned<WhichWal>>,
    /// The backup.
    #[serde(default)]
    backup: Option<Spanned<Name>>,
    /// Its file.
    #[serde(default)]
    file: Option<Spanned<String>>,
    /// The repo, resolved.
    #[serde(skip)]
    of: Option<RepoId>,
    /// Whose mark the step is.
    #[serde(skip)]
    archivers: Vec<NodeId>,
}

impl StepKind for Corrupt {
    type Step = Self;

    const NAME: &'static str = "corrupt";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Incident;
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(mut self, scope: &mut Scope<'_>) -> Resolved<Self> {
        self.look_up(scope);
        Some(self)
    }
}

impl Corrupt {
    fn look_up(&mut self, scope: &mut Scope<'_>) {
        let targets = [
            self.table.as_ref().map(|target| target.entry),
            self.index.as_ref().map(|target| target.entry),
            self.wal.as_ref().map(|target| target.entry),
            self.backup.as_ref().map(|target| target.entry),
        ];
        let given: Vec<_> = targets.into_iter().flatten().collect();
        let help = "`{ node, table }`, `{ node, index }`, `{ repo, wal }` or `{ repo, backup }`";
        match given.as_slice() {
            [_] => {}
            [] => return scope.error_help(scope.action, "`corrupt` has nothing to damage", "damage what?", help),
            [_, second, ..] => {
                scope.error_help(*second, "`corrupt` damages one thing", "this is the second one", help);
            }
        }
        let in_server = self.table.is_some() || self.index.is_some();
        let in_repo = self.wal.is_some() || self.backup.is_some();
        let misplaced = [
            (self.node.span(), in_server, "`node` goes with `table` or `index`", "what lies in a repo is no server's"),
            (
                self.repo.as_ref().map(|r| r.entry),
                in_repo,
                "`repo` goes with `wal` or `backup`",
                "a server has no repo in it",
            ),
            (
                self.toast.as_ref().map(|t| t.entry),
                self.table.is_some(),
                "`toast` goes with `table`",
                "the toast table of what?",
            ),
            (
                self.file.as_ref().map(|f| f.entry),
                self.backup.is_some(),
                "`file` goes with `backup`",
                "a file of what?",
            ),
        ];
        for (entry, fits, title, label) in misplaced {
            if let (Some(entry), false) = (entry, fits) {
                scope.error(entry, title, label);
            }
        }
        if in_server && !in_repo {
            self.node.look_up_own(scope);
        }
        if let Some(file) = &self.file {
            resolve_below(scope, file, "the backup");
        }
        if let Some(which) = &self.wal {
            resolve_wal(scope, which);
        }
        let taken_to = self.backup.as_ref().and_then(|backup| {
            let made = scope.step_with(backup, &[Output::Backup])?;
            scope.step_info(&made)?.repo.clone()
        });
        if in_repo {
            let repo = match (&self.repo, taken_to) {
                (None, Some(repo)) => Some(repo),
                // Of a backup that is not known nothing more is said.
                (None, None) if self.backup.is_some() => None,
                (repo, _) => scope.repo_or_default(repo.as_ref()).map(|repo| repo.id),
            };
            if let Some(repo) = repo {
                let ability = if self.wal.is_some() { Ability::DamageWal } else { Ability::DamageBackup };
                scope.repo_can(&repo, ability, self.repo.as_ref().map(|repo| repo.span));
                self.archivers = archivers(scope, &repo);
                self.of = Some(repo);
            }
        }
    }
}

/// A relation whose file is to be damaged.
struct Relation {
    /// In words: `toast table of notes`.
    what: String,
    /// Its file, below the data directory.
    file: String,
    /// The page.
    block: u64,
    block_size: u64,
}

#[async_trait(?Send)]
impl Step for Corrupt {
    fn title(&self) -> String {
        let toast = if self.wants_toast() { "the toast table of " } else { "" };
        match (&self.table, &self.index, &self.wal, &self.backup) {
            (Some(table), ..) => format!("damage {toast}{} on {}", table.value, self.node),
            (_, Some(index), ..) => format!("damage index {} on {}", index.value, self.node),
            (_, _, Some(which), _) => format!("damage {} of repo {}", which.value, self.of()),
            (.., Some(backup)) => format!("damage backup {} in repo {}", backup.value, self.of()),
            _ => "damage".to_owned(),
        }
    }

    fn effects(&self) -> Effects {
        Effects::anything()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        match (&self.wal, &self.backup) {
            (Some(which), _) => self.run_wal(cx, which).await,
            (_, Some(backup)) => self.run_backup(cx, backup).await,
            _ => self.run_relation(cx).await,
        }
    }
}

impl Corrupt {
    fn of(&self) -> &str {
        self.of.as_deref().unwrap_or_default()
    }

    fn wants_toast(&self) -> bool {
        self.toast.as_ref().is_some_and(|toast| toast.value)
    }

    async fn run_relation(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(self.node.as_str())?;
        let relation = self.find(cx, &node).await?;
        let deadline = cx.deadline;
        cx.inject(&node, async |cx| {
            cx.wait("the server to stop");
            node.stop(ShutdownMode::Fast, deadline).await?;
            let file = format!("{}/{}", node.host()?.paths().data, relation.file);
            // In the second half of the page, where a table has its rows.
            let at = relation.block * relation.block_size + relation.block_size / 2;
            let damaged = damage_file(node.host()?.as_ref(), &file, &relation.file, Where::At(at)).await;
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
    async fn find(&self, cx: &Context<'_>, node: &Node) -> Result<Relation, Box<Finding>> {
        const FIND: &str = "
            SELECT CASE WHEN $2 AND c.reltoastrelid <> 0 THEN c.reltoastrelid ELSE c.oid END, c.relkind::text, c.reltoastrelid <> 0
            FROM pg_catalog.pg_class c WHERE c.oid = $1::text::regclass";
        const FILE: &str = "
            SELECT pg_catalog.pg_relation_filepath($1::oid), pg_catalog.pg_relation_size($1::oid), current_setting('block_size')::bigint";
        let (name, is_index) = match (&self.index, &self.table) {
            (Some(index), _) => (index, true),
            (None, Some(table)) => (table, false),
            (None, None) => return Err(Finding::errored("a corrupt step with nothing to damage")),
        };
        let nothing = |label: String| Finding::failed("the incident did nothing").at(name.span).label(label);
        let client = cx.client(node).await?;
        let found = client.query_one(FIND, &[&name.quoted(), &self.wants_toast()]).await;
        let row = found.map_err(|error| nothing(error_message(&error)))?;
        let (oid, kind, has_toast): (u32, String, bool) = (row.get(0), row.get(1), row.get(2));
        let what = match (is_index, kind.as_str()) {
            (true, "i") => format!("index {}", name.value),
            (true, _) => return Err(nothing(format!("{} is no index with pages of its own", name.value))),
            (false, "r" | "m" | "t") if self.wants_toast() && !has_toast => {
                return Err(nothing(format!("{} has no toast table: its rows are too short for one", name.value)));
            }
            (false, "r" | "m" | "t") if self.wants_toast() => format!("toast table of {}", name.value),
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

    async fn run_wal(&self, cx: &mut Context<'_>, which: &Spanned<WhichWal>) -> StepResult {
        let repo = cx.world.repo(self.of())?.clone();
        let node = cx.world.any_host()?;
        let host = node.host()?.as_ref();
        let archive = repo.archive(host).await?;
        let segment = find_segment(cx, &repo, &archive, which)?;
        marked_by(cx, &self.archivers, async |cx| {
            report(cx, &repo.damage_wal(host, &segment).await?);
            Ok(())
        })
        .await
    }

    async fn run_backup(&self, cx: &mut Context<'_>, backup: &Spanned<Name>) -> StepResult {
        let repo = cx.world.repo(self.of())?.clone();
        let label = cx.world.label(backup.as_str());
        let node = cx.world.any_host()?;
        let file = self.file.as_ref().map(|file| file.value.as_str());
        let at = self.file.as_ref().map_or(backup.span, |file| file.span);
        let damaged = marked_by(cx, &self.archivers, async |cx| {
            report(cx, &repo.damage_backup(node.host()?.as_ref(), &label, file).await?);
            Ok(())
        });
        damaged.await.map_err(|finding| finding.at(at))
    }
}

fn report(cx: &mut Context<'_>, damaged: &Damaged) {
    cx.fact("file", damaged.file.clone());
    cx.fact("offset", damaged.offset);
    cx.fact("bytes", damaged.bytes);
}
