//! A mistake of many transactions among users' own: which transactions it was, and which rows they
//! have written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::harness::{Context, Finding, IdInfo, Later, Places, Recovers, RepoId, Resolved, Scope, StepRef, all_now};
use crate::node::{Node, lineage};
use crate::pg::{Lsn, TableName, Xid, error_message};
use crate::repo::{Ability, Commit, RowDeed, RowPlace, WritesSearch};
use crate::source::{Late, Span, Spanned, Sql, StepName};
use crate::steps::data::placeholders::{Given, check as check_placeholders};
use crate::steps::recovery::row_writers::{There, Turn, Writers};
use crate::steps::recovery::window::Window;

/// Which transactions were the mistake: one of `xids`, `query` and `between`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MistakeSpec {
    /// Their numbers, as pg_current_xact_id() gives them.
    #[serde(default)]
    xids: Option<Spanned<Vec<Late<u64>>>>,
    /// A query on `into` that returns their numbers: of a table in which they were noted, say.
    #[serde(default)]
    query: Option<Spanned<Sql>>,
    /// Two marks: all transactions from the first one to the second one.
    #[serde(default)]
    between: Option<Spanned<Vec<StepName>>>,
    /// Cannot be had: the WAL does not say which role wrote.
    #[serde(default)]
    #[schemars(skip)]
    role: Option<Spanned<String>>,
    /// Cannot be had: the WAL does not say which application wrote.
    #[serde(default)]
    #[schemars(skip)]
    application: Option<Spanned<String>>,
}

/// The same, every name in it looked up.
#[derive(Debug)]
pub struct Mistake {
    which: Which,
    /// Where it is said.
    pub(super) at: Span,
    /// The repo that has the WAL.
    pub(super) repo: RepoId,
}

#[derive(Debug)]
enum Which {
    Xids(Vec<Later<u64>>),
    Query(Spanned<Sql>),
    Between(Box<[StepRef; 2]>),
}

impl MistakeSpec {
    /// Looks every name up; `repo` is where `good` has its WAL from.
    pub(crate) fn resolve(self, at: Span, repo: Option<RepoId>, scope: &mut Scope<'_>) -> Resolved<Mistake> {
        for (word, given) in [("role", &self.role), ("application", &self.application)] {
            if let Some(given) = given {
                let help = "name the transactions: `xids`; or `query`, which returns their numbers from a table in which the application \
                            or a trigger has noted them (pg_current_xact_id())";
                scope.error_help(given.entry, format!("a mistake cannot be told by its {word}"), UNKNOWN, help);
            }
        }
        if let Some(repo) = &repo {
            scope.repo_can(repo, Ability::Archive, Some(at));
            scope.repo_can(repo, Ability::List, Some(at));
        }
        let xids = self.xids.map(|xids| {
            if xids.value.is_empty() {
                scope.error(xids.entry, "`xids` is empty", "which transactions were the mistake?");
            }
            (xids.entry, scope.all_later(xids.value, Places::Nowhere).map(Which::Xids))
        });
        if let Some(query) = &self.query {
            check_placeholders(scope, query, Given::NOTHING);
        }
        let query = self.query.map(|query| (query.entry, Some(Which::Query(query))));
        let between = self.between.map(|marks| {
            let entry = marks.entry;
            let found: Vec<Option<StepRef>> = marks.value.iter().map(|mark| scope.mark(mark)).collect();
            if found.len() != 2 {
                scope.error(entry, "`between` takes two marks", "from which one to which one?");
            }
            let found: Option<Vec<StepRef>> = found.into_iter().collect();
            if let Some([first, second]) = found.as_deref() {
                check_order(first, second, entry, scope);
            }
            (entry, found.and_then(|found| <[StepRef; 2]>::try_from(found).ok()).map(|two| Which::Between(two.into())))
        });
        let mut given = [xids, query, between].into_iter().flatten();
        let (first, second) = (given.next(), given.next());
        if first.is_none() && self.role.is_none() && self.application.is_none() {
            let help = "`mistake: { xids: [...] }`, `{ query: SELECT ... }` or `{ between: [MARK, MARK] }`";
            scope.error_help(at, "`mistake` names no transaction", "which ones was it?", help);
        }
        if let Some((entry, _)) = second {
            scope.error(entry, "a mistake is told in one way", "this is the second one");
        }
        Some(Mistake { which: first?.1?, at, repo: repo? })
    }
}

/// Tells of two marks of which the first comes later. One that is looked for in the WAL may lie
/// anywhere, and one that happens during a step lies within that.
fn check_order(first: &StepRef, second: &StepRef, at: Span, scope: &mut Scope<'_>) {
    let is_in_turn = |info: &&IdInfo| !info.strikes && info.kind.is_some_and(|kind| kind.recovers != Recovers::Always);
    let index = |mark: &StepRef| scope.step_info(mark).filter(is_in_turn).map(|info| info.index);
    if let (Some(from), Some(to)) = (index(first), index(second))
        && from > to
    {
        let label = format!("`{second}` is before `{first}`");
        let help = format!("`between: [{second}, {first}]`");
        scope.error_help(at, "`between` goes from the earlier mark to the later one", label, help);
    }
}

/// Why neither a role nor an application tells a mistake.
const UNKNOWN: &str =
    "the WAL does not say who wrote, and the server's log does not say which transaction a statement was";

/// The mistake's transactions and others between `good` and `bad`, and which rows they wrote.
pub(crate) struct Told {
    pub writers: Writers,
    commits: Vec<Commit>,
    mistakes: Vec<bool>,
}

/// The servers that are merged, each with a session of the step's own.
pub(crate) struct Sides<'a> {
    pub good: (&'a Node, &'a Client),
    pub bad: (&'a Node, &'a Client),
    pub into: (&'a Node, &'a Client),
}

impl Mistake {
    /// Reads the WAL between `good` and `bad`, and tells the mistake's rows from those of others.
    pub(crate) async fn tell(
        &self,
        cx: &mut Context<'_>,
        sides: &Sides<'_>,
        tables: &[&TableName],
    ) -> Result<Told, Box<Finding>> {
        let window = Window::between(sides.good, sides.bad).await.map_err(|finding| finding.at(self.at))?;
        let repo = cx.world.repo(&self.repo)?.clone();
        cx.wait("pg_waldump");
        let (names, files) = window.files(sides.good.1, sides.bad.1, tables).await?;
        let node = sides.bad.0;
        let host = node.host()?;
        let archive = repo.archive(host.as_ref()).await?;
        let reach = window.reach(&archive, &repo.name, sides.good, sides.bad).await?;
        let search = WritesSearch {
            repo: &*repo,
            host: host.as_ref(),
            major: node.version().major,
            files: &files,
            from: window.from,
            stretches: &reach.stretches,
            segments: &archive.all_segments(&reach),
            scratch: format!("{}/written-{}-wal", host.paths().shared, cx.index),
        };
        let (writes, complaints) = search.run().await?;
        window.check_read(&writes, &complaints)?;
        let commits = writes.commits;
        let mistakes = self.mistakes(cx, sides, &window, &commits).await?;
        let there = there(sides.good.1, &names, &commits).await?;
        let told = Told { writers: Writers::of(&names, &commits, &mistakes, there), commits, mistakes };
        told.tell(cx);
        match told.writers.gone.first() {
            None => Ok(told),
            Some(story) => Err(Finding::failed("the mistake has deleted rows that others had added")
                .at(self.at)
                .label("neither `good` nor `bad` has them; nothing was changed")
                .note("who wrote one of them", told.story(*story))
                .help(told.apart([*story]))),
        }
    }

    /// Of each commit whether it is the mistake's.
    async fn mistakes(
        &self,
        cx: &Context<'_>,
        sides: &Sides<'_>,
        window: &Window,
        commits: &[Commit],
    ) -> Result<Vec<bool>, Box<Finding>> {
        let mut by_xid: HashMap<Xid, usize> = HashMap::new();
        for (at, commit) in commits.iter().enumerate() {
            by_xid.extend(commit.xids().map(|xid| (xid, at)));
        }
        let xids = match &self.which {
            Which::Xids(xids) => all_now(cx, xids, None).await?,
            Which::Query(query) => self.asked(sides.into, query).await?,
            Which::Between(marks) => {
                let mut ends = [Lsn(0); 2];
                let system = lineage(sides.bad.1).await?.system;
                for (at, mark) in marks.iter().enumerate() {
                    let known = cx.world.mark(mark)?;
                    if known.lineage.system != system {
                        return Err(Finding::failed(format!("`{}` is not between `good` and `bad`", known.id))
                            .at(mark.entry())
                            .label("it was made on another cluster"));
                    }
                    let commit = known.xid.and_then(|xid| by_xid.get(&xid)).map(|at| commits[*at].lsn);
                    let place = [known.before.lsn, Lsn(known.after.lsn.0.saturating_sub(1))][at];
                    ends[at] = commit.unwrap_or(place);
                    if known.xid.is_some() && commit.is_none() || !window.holds(ends[at]) {
                        return Err(Finding::failed(format!("`{}` is not between `good` and `bad`", known.id))
                            .at(mark.entry())
                            .label(format!("it is at {place}; {}", window.words()))
                            .help(
                                "recover `good` to before the first of the marks, and `bad` to after the second one",
                            ));
                    }
                }
                return self.some(commits.iter().map(|commit| (ends[0]..=ends[1]).contains(&commit.lsn)).collect());
            }
        };
        let mut mistakes = vec![false; commits.len()];
        let mut missing = vec![];
        for xid in xids.into_iter().map(Xid::from_full) {
            match by_xid.get(&xid) {
                Some(at) => mistakes[*at] = true,
                None => missing.push(xid.to_string()),
            }
        }
        if missing.is_empty() {
            return self.some(mistakes);
        }
        let (more, shown) = (missing.len().saturating_sub(10), missing.iter().take(10).cloned().collect::<Vec<_>>());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Err(Finding::failed(format!("no transaction {}{more} was committed between `good` and `bad`", shown.join(", ")))
            .at(self.at)
            .label(window.words())
            .help("recover `good` to just before the first of the mistake's transactions, and `bad` to just after the last one"))
    }

    /// Fails if there is no transaction at all.
    fn some(&self, mistakes: Vec<bool>) -> Result<Vec<bool>, Box<Finding>> {
        match mistakes.contains(&true) {
            true => Ok(mistakes),
            false => {
                Err(Finding::failed("there is no transaction of the mistake").at(self.at).label("none is named here"))
            }
        }
    }

    /// What the query returns.
    async fn asked(&self, (into, client): (&Node, &Client), query: &Spanned<Sql>) -> Result<Vec<u64>, Box<Finding>> {
        let wrong = |label: String| {
            let title = format!("`query` does not say on `{}` which transactions were the mistake", into.name());
            Finding::failed(title).at(query.span).label(label)
        };
        let refused = |error| wrong(error_message(&error));
        client.batch_execute("begin read only").await.map_err(refused)?;
        let said = client.simple_query(query.as_str()).await;
        client.batch_execute("rollback").await.map_err(refused)?;
        let mut xids = vec![];
        for message in said.map_err(refused)? {
            let SimpleQueryMessage::Row(row) = message else { continue };
            if row.len() != 1 {
                return Err(wrong(format!("its rows have {} columns, and one with the number is expected", row.len())));
            }
            let text = row.get(0);
            let number = text.and_then(|text| text.parse().ok());
            xids.push(number.ok_or_else(|| wrong(format!("`{}` is no transaction's number", text.unwrap_or("NULL"))))?);
        }
        Ok(xids)
    }
}

impl Told {
    /// How many transactions there were.
    fn tell(&self, cx: &mut Context<'_>) {
        let others =
            self.commits.iter().zip(&self.mistakes).filter(|(commit, mistake)| !**mistake && !commit.rows.is_empty());
        cx.fact("mistake_transactions", self.mistakes.iter().filter(|mistake| **mistake).count());
        cx.fact("other_transactions", others.count());
    }

    fn turns(&self, story: usize) -> &[Turn] {
        self.writers.stories.get(story).map_or(&[], Vec::as_slice)
    }

    /// Who wrote a row, one after the other.
    pub(crate) fn story(&self, story: usize) -> String {
        let turn = |turn: &Turn| {
            let who = if turn.mistake { "the mistake" } else { "others" };
            let (first, last) = (&self.commits[turn.first], &self.commits[turn.last]);
            match turn.first == turn.last {
                true => format!("{who} in transaction {}, {}", first.xid, first.at),
                false => format!("{who} in transactions {} to {}, from {} on", first.xid, last.xid, first.at),
            }
        };
        self.turns(story).iter().map(turn).collect::<Vec<_>>().join("; then ")
    }

    /// What to do about rows that both have written: the fewest places at which to stop, so that
    /// between two of them no row is written by both.
    pub(crate) fn apart(&self, stories: impl IntoIterator<Item = usize>) -> String {
        let stories: Vec<usize> = stories.into_iter().collect();
        let mut gaps: Vec<(usize, usize)> = stories
            .iter()
            .flat_map(|story| self.turns(*story).windows(2).map(|two| (two[0].last, two[1].first)))
            .collect();
        gaps.sort_unstable_by_key(|(from, to)| (*to, *from));
        let mut stops: Vec<usize> = vec![];
        for (from, to) in gaps {
            if stops.last().is_none_or(|stop| *stop <= from) {
                stops.push(to);
            }
        }
        let shown: Vec<String> = stops.iter().take(10).map(|stop| self.commits[*stop].xid.to_string()).collect();
        let more = if stops.len() > 10 { " ..." } else { "" };
        format!(
            "take it back in pieces, so that in none of them both have written a row: `bad` stops before transaction {}{more}, and the next \
             piece begins there",
            shown.join(", ")
        )
    }
}

/// Where rows lay on `good`, in blocks to which rows were added nobody knows where.
async fn there(good: &Client, names: &[String], commits: &[Commit]) -> Result<There, Box<Finding>> {
    let mut blocks: BTreeMap<usize, BTreeSet<i64>> = BTreeMap::new();
    for (file, deed) in commits.iter().flat_map(|commit| &commit.rows) {
        if let RowDeed::Somewhere(block) = deed {
            blocks.entry(*file).or_default().insert(i64::from(*block));
        }
    }
    let mut there = There::new();
    for (file, blocks) in blocks {
        let Some(name) = names.get(file) else { continue };
        let query = format!(
            "select p[0]::bigint, p[1]::int from (select ctid::text::point as p from only {name}) q where p[0]::bigint = any($1)"
        );
        let blocks: Vec<i64> = blocks.into_iter().collect();
        for row in good.query(&query, &[&blocks]).await? {
            let (block, offset) = (u32::try_from(row.get::<_, i64>(0)), u16::try_from(row.get::<_, i32>(1)));
            there.extend(block.ok().zip(offset.ok()).map(|(block, offset)| (file, RowPlace { block, offset })));
        }
    }
    Ok(there)
}
