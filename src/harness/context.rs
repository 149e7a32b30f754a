//! What steps work with: the drill's servers, and what earlier steps left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::data::{Catalog, Generator, RowSum, RowsSnapshot};
use crate::host::Lab;
use crate::journal::{Cause, Event, Facts, Journal, TrafficCount};
use crate::ledger::{Asked, Tally, Verdict};
use crate::node::{Config, Node, Purpose, ServerState, SqlError, is_in_recovery, lineage, moment, wait_until};
use crate::pg::{Lineage, Mark, Moment, TableName, Xid};
use crate::repo::{Label, Repo};
use crate::source::{Source, Span, Spanned};
use crate::traffic::{Pool, Reason, Workload};

use crate::harness::{Finding, Kind, LossWindow, Role, SequenceFloor, StepResult};

/// A node as the scenario describes it.
#[derive(Debug, Clone, Default)]
pub struct NodeSpec {
    /// The repo that it archives to.
    pub archive_to: Option<String>,
    /// The node that it follows.
    pub follows: Option<String>,
    /// Lines for postgresql.conf.
    pub settings: Vec<(String, String)>,
    /// Where the name of each of them stands.
    pub setting_places: Vec<Span>,
    /// Where its name stands.
    pub place: Span,
    /// The connection string of a server that drillyard did not make.
    pub external: Option<String>,
}

impl NodeSpec {
    /// Its configuration, as far as the scenario says.
    pub fn config(&self, repos: &BTreeMap<String, Repo>) -> Config {
        let repo = self.archive_to.as_ref().and_then(|repo| repos.get(repo));
        Config { archiving: repo.map(Repo::archiving), settings: self.settings.clone(), ..Config::default() }
    }

    /// The setting that a server's complaint names first, and where it stands.
    pub fn blamed(&self, complaint: &str) -> Option<(&str, Span)> {
        let complaint = complaint.to_lowercase();
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let named = |name: &str| {
            let all = complaint.match_indices(name);
            let whole = |at: usize| {
                let before = complaint[..at].chars().next_back();
                let after = complaint[at + name.len()..].chars().next();
                !before.is_some_and(is_word) && !after.is_some_and(|c| is_word(c) && c != '.')
            };
            all.map(|(at, _)| at).find(|at| whole(*at))
        };
        let found = self.settings.iter().zip(&self.setting_places);
        let found = found.filter_map(|((name, _), place)| Some((named(&name.to_lowercase())?, name.as_str(), *place)));
        found.min_by_key(|(at, ..)| *at).map(|(_, name, place)| (name, place))
    }

    /// How late it is to apply what it has received, where it is to be late on purpose.
    pub fn delay(&self) -> Option<&str> {
        let delays = self.settings.iter().filter(|(name, _)| name.eq_ignore_ascii_case("recovery_min_apply_delay"));
        let zero = |value: &str| value.trim_matches(|c: char| c.is_alphabetic() || c == ' ') == "0";
        delays.map(|(_, value)| value.as_str()).next_back().filter(|value| !zero(value))
    }
}

/// A base backup.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The repo that it was taken to.
    pub repo: String,
    /// What the repo calls it.
    pub label: Label,
}

/// A dump, in the directory that all hosts share.
#[derive(Debug, Clone)]
pub struct Dump {
    /// The SQL files, in the order in which they are run, as every host sees them.
    pub files: Vec<String>,
    /// The node that it was made of.
    pub node: String,
    /// The tables that were asked for.
    pub tables: Vec<TableName>,
    /// The schemas that were asked for.
    pub schemas: Vec<String>,
}

/// What a `snapshot` step remembers.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The rows of each table; none with `catalog_only`.
    pub rows: Vec<(TableName, Arc<RowsSnapshot>)>,
    /// What the tables looked like.
    pub catalog: Catalog,
    /// The tables, in the step's order.
    pub tables: Vec<TableName>,
    /// How far their sequences had come when something happened later.
    pub sequence_floors: Vec<SequenceFloor>,
    /// The database that they are in, where it is not the node's own one.
    pub database: Option<String>,
}

/// The users of a `traffic` step.
pub struct Users {
    /// The users themselves.
    pub pool: Pool,
    /// What they do.
    pub workload: Workload,
    /// The nodes that they go to.
    pub nodes: Vec<String>,
    /// What the last assertion that looked has found.
    pub judged: Mutex<Option<Judged>>,
    /// What the last one has found that looked at all of them, and not only at those before a mark.
    pub measured: Mutex<Option<Judged>>,
}

/// What an assertion has found out about users' transactions.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// The node that was looked at.
    pub node: String,
    /// What was asked.
    pub asked: Asked,
    /// How many were acknowledged by then.
    pub acknowledged: u64,
    /// The numbers.
    pub total: Tally,
    /// The kinds of transactions that could not be looked for, and how many of each were acknowledged.
    pub unchecked: Vec<(String, u64)>,
    /// How many milliseconds of acknowledged work are lost.
    pub lost_work_ms: u64,
}

impl Judged {
    /// What a verdict comes to.
    pub fn new(node: &str, asked: Asked, acknowledged: u64, verdict: &Verdict, lost_work_ms: u64) -> Self {
        let unchecked = verdict.kinds.iter();
        let unchecked = unchecked.map(|kind| (kind.kind.clone(), kind.tally.without_ledger + kind.tally.unresolved));
        let unchecked = unchecked.filter(|(_, number)| *number > 0).collect();
        Judged { node: node.to_owned(), asked, acknowledged, total: verdict.total, unchecked, lost_work_ms }
    }

    /// How many of so many acknowledged transactions nobody has looked for.
    pub fn not_checked(&self, acknowledged: u64) -> u64 {
        acknowledged.saturating_sub(self.total.checked + self.total.wrote_nothing).max(self.total.without_ledger)
    }

    /// What budgets count as lost: acknowledged, and not there, in whole or in part.
    pub fn lost(&self) -> u64 {
        self.total.lost + self.total.acknowledged_halves
    }
}

impl Users {
    /// What the last assertion that looked has found.
    pub fn judged(&self) -> Option<Judged> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What budgets go by: what the last assertion that looked at all of them has found.
    pub fn measured(&self) -> Option<Judged> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what an assertion has found.
    pub fn keep(&self, judged: Judged) {
        if judged.asked.before.is_none() {
            *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged.clone());
        }
        *self.judged.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
    }

    /// Why the server has not committed: `250 rejected: the transaction itself rolls back`; None where it always has.
    pub fn rejections(&self) -> Option<String> {
        let reasons: Vec<String> = self
            .pool
            .rejections()
            .into_iter()
            .map(|(reason, count)| {
                let why = match reason {
                    Reason::State(state) => state.to_string(),
                    Reason::RolledBack => "the transaction rolls itself back".to_owned(),
                    Reason::Unnamed => "without an SQLSTATE".to_owned(),
                };
                format!("{count} rejected: {why}")
            })
            .collect();
        (!reasons.is_empty()).then(|| reasons.join(", "))
    }

    /// What became of their transactions so far.
    pub fn count(&self, id: &str) -> TrafficCount {
        let counts = self.pool.counts();
        let judged = self.judged();
        let total = judged.as_ref().map(|judged| judged.total);
        let Tally { checked, without_ledger, wrote_nothing, .. } = total.unwrap_or_default();
        // One that is just being counted may have been looked for.
        let acknowledged = counts.acknowledged.max(checked + without_ledger + wrote_nothing);
        let not_checked = judged.as_ref().map_or(acknowledged, |judged| judged.not_checked(acknowledged));
        let code = |reason: Reason| match reason {
            Reason::State(state) => state.code().to_owned(),
            Reason::RolledBack => TrafficCount::ROLLED_BACK.to_owned(),
            Reason::Unnamed => "none".to_owned(),
        };
        let rejections = self.pool.rejections().into_iter();
        TrafficCount {
            id: id.to_owned(),
            acknowledged,
            in_doubt: counts.in_doubt,
            rejected: counts.rejected,
            unconfirmed: counts.unconfirmed,
            checked,
            not_checked,
            without_ledger,
            wrote_nothing,
            lost: total.filter(|total| total.checked > 0).map(|total| total.lost),
            duplicated: total.map(|total| total.duplicated),
            halves: total.map(|total| total.halves),
            unexpected: total.map(|total| total.unexpected),
            resurrected: total.map(|total| total.resurrected),
            lost_work_ms: judged.as_ref().map(|judged| judged.lost_work_ms),
            rejections: rejections.map(|(reason, count)| (code(reason), count)).collect(),
        }
    }
}

/// What earlier steps of the drill left.
#[derive(Default, Clone)]
pub struct Outputs {
    /// The servers that exist.
    pub nodes: BTreeMap<String, Arc<Node>>,
    /// Marks, by the id of their step.
    pub marks: BTreeMap<String, Mark>,
    /// Base backups.
    pub backups: BTreeMap<String, Backup>,
    /// Dumps.
    pub dumps: BTreeMap<String, Dump>,
    /// Snapshots.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// What `create_data` steps generated, with the sum of its rows.
    pub generated: BTreeMap<String, (Generator, RowSum)>,
    /// How far nodes were recovered, by their name.
    pub recovered: BTreeMap<String, LossWindow>,
    /// The nodes whose dumps were imported, by the node that they were imported into.
    pub imported: BTreeMap<String, Vec<String>>,
    /// Users, by the id of their step.
    pub users: BTreeMap<String, Arc<Users>>,
    /// How long the server's log was when a mark was made: (mark, node) to bytes.
    pub log_offsets: BTreeMap<(String, String), u64>,
    /// The logs of servers whose disks were lost, by their nodes' names: evidence of the drill, not of the servers.
    pub lost_logs: BTreeMap<String, String>,
    /// The pairs of nodes that are cut off from each other.
    pub cut: BTreeSet<(String, String)>,
    /// The repos that were lost with their site.
    pub lost_repos: Vec<String>,
    /// When a command of the drill's ran last on a node's host: it may do there what it likes.
    pub commands: BTreeMap<String, Instant>,
    /// The servers that were gone soon after such a command: as far as anybody can tell it has stopped them.
    pub felled: BTreeSet<String>,
    /// The servers whose files a step has removed.
    pub wiped: BTreeSet<String>,
    /// How long the server's log was when its archive_command was broken, by the node.
    pub broken_archives: BTreeMap<String, u64>,
    /// What catalogs hold and nobody can set, as it was reported: once in a drill is enough.
    pub not_compared: BTreeSet<String>,
}

/// One drill's world: its lab, and what its steps have made in it.
pub struct World {
    /// Where the hosts are.
    pub lab: Arc<dyn Lab>,
    /// The scenario's text.
    pub source: Source,
    /// Where events go.
    pub journal: Journal,
    /// The drill's number in the run.
    pub drill: usize,
    /// What everything that is random begins with.
    pub seed: u64,
    /// The superuser's password on every server of the drill.
    pub password: String,
    /// The directories in which files named in the scenario are looked for, in order.
    pub file_roots: Vec<PathBuf>,
    /// The nodes, as the scenario describes them.
    pub specs: BTreeMap<String, NodeSpec>,
    /// The repos.
    pub repos: BTreeMap<String, Repo>,
    /// What steps have left so far.
    pub outputs: Arc<Mutex<Outputs>>,
}

impl World {
    /// The same world for somebody who tries something in it: what happens is told to another journal.
    pub fn telling(&self, journal: Journal) -> World {
        World {
            lab: self.lab.clone(),
            source: self.source.clone(),
            journal,
            drill: self.drill,
            seed: self.seed,
            password: self.password.clone(),
            file_roots: self.file_roots.clone(),
            specs: self.specs.clone(),
            repos: self.repos.clone(),
            outputs: self.outputs.clone(),
        }
    }

    /// What steps have left so far. Never held over an await.
    pub fn outputs(&self) -> MutexGuard<'_, Outputs> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks up the users who are there, from anywhere and at any time.
    pub fn shared_users(&self) -> impl Fn() -> Vec<(String, Arc<Users>)> + Send + 'static {
        let state = self.outputs.clone();
        move || {
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.users.iter().map(|(id, users)| (id.clone(), users.clone())).collect()
        }
    }

    /// A node that exists.
    pub fn node(&self, name: &str) -> Result<Arc<Node>, Box<Finding>> {
        let found = self.outputs().nodes.get(name).cloned();
        found.ok_or_else(|| {
            Finding::missing(format!("node `{name}` does not exist: the step that makes it did not run"))
        })
    }

    /// A node as the scenario describes it; one that a step makes is described by nothing.
    pub fn spec(&self, name: &str) -> NodeSpec {
        self.specs.get(name).cloned().unwrap_or_default()
    }

    /// A repo that is there.
    pub fn repo(&self, name: &str) -> Result<&Repo, Box<Finding>> {
        if self.outputs().lost_repos.iter().any(|lost| lost == name) {
            return Err(Finding::failed(format!("repo `{name}` is gone"))
                .label("it was lost with its site")
                .help("use a repo at another site"));
        }
        self.repos.get(name).ok_or_else(|| Finding::errored(format!("there is no repo `{name}`")))
    }

    /// What a repo calls the backup of a step; of one that was not taken, what it would most likely be.
    pub fn label(&self, backup: &str) -> Label {
        let taken = self.outputs().backups.get(backup).map(|backup| backup.label.clone());
        taken.unwrap_or_else(|| Label::new(backup))
    }

    /// A node on whose host programs can be run now.
    pub fn any_host(&self) -> Result<Arc<Node>, Box<Finding>> {
        let is_on = |node: &&Arc<Node>| node.host().is_ok_and(|host| host.is_on());
        let found = self.outputs().nodes.values().find(is_on).cloned();
        found.ok_or_else(|| Finding::errored("there is no node on whose host a repo could be reached"))
    }

    /// A mark that an earlier step made.
    pub fn mark(&self, id: &str) -> Result<Mark, Box<Finding>> {
        let found = self.outputs().marks.get(id).cloned();
        found.ok_or_else(|| {
            Finding::missing(format!(
                "`{id}` is no mark: its step did not run, or there was no primary to ask for its position"
            ))
        })
    }

    /// How long a node's log was when a mark was made; the whole log counts for marks of other nodes.
    pub fn log_offset(&self, mark: &str, node: &str) -> u64 {
        self.outputs().log_offsets.get(&(mark.to_owned(), node.to_owned())).copied().unwrap_or(0)
    }

    /// The users of a traffic step.
    pub fn users(&self, id: &str) -> Result<Arc<Users>, Box<Finding>> {
        let found = self.outputs().users.get(id).cloned();
        found.ok_or_else(|| Finding::missing(format!("traffic `{id}` was not started: its step did not run")))
    }

    /// Whether a user has met an error that nobody tolerates.
    fn users_failed(&self) -> bool {
        self.outputs().users.values().any(|users| users.pool.failure().is_some())
    }

    /// Reads a file that the scenario names, relative to the scenario's directory or one above it.
    pub fn read_file(&self, path: &str) -> Result<String, Box<Finding>> {
        for root in &self.file_roots {
            let candidate = root.join(path);
            if candidate.is_file() {
                let bytes = std::fs::read(&candidate)
                    .map_err(|e| Finding::errored(format!("cannot read {}: {e}", candidate.display())))?;
                let text = String::from_utf8(bytes)
                    .map_err(|_| Finding::failed(format!("{path} is not UTF-8")).help("save it as UTF-8"))?;
                // Some editors begin a file with a mark of the order of its bytes.
                return Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text));
            }
        }
        Err(Finding::errored(format!("there is no file {path}")))
    }
}

/// What a step waits for, as far as it knows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// That a standby replays what its primary writes.
    Replay,
    /// That a server's WAL is archived.
    Archive,
    /// That the users of a server get on.
    Users,
    /// The end of something that the scenario wrote, and that may do with the server what it likes.
    Command,
}

/// What a running step has at hand.
pub struct Context<'a> {
    /// The drill's world.
    pub world: &'a World,
    /// The step's id.
    pub id: Option<&'a str>,
    /// The step's kind.
    pub kind: &'static Kind,
    /// The step's index in the drill.
    pub index: usize,
    /// When it has to be done.
    pub deadline: Instant,
    /// What it reports.
    pub facts: Facts,
    /// The last thing that it said it waits for.
    pub waiting: Arc<Mutex<String>>,
    /// Whether it waits on when users have failed, as the steps of `finally` do.
    pub finally: bool,
    /// Whether it keeps its deadline itself just now, and will tell what it saw last.
    pub tells: Arc<AtomicBool>,
    /// What it waits for, and on which node: for whoever looks for what holds it up.
    pub awaits: Arc<Mutex<Vec<(Awaited, String)>>>,
    /// Whether whoever watches it has seen that waiting is of no use.
    pub hopeless: Arc<AtomicBool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context<'_> {
    /// What is left until the deadline.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Reports a fact.
    pub fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    /// Tells what the step waits for.
    pub fn wait(&mut self, waiting_for: impl Into<String>) {
        let waiting_for = waiting_for.into();
        let before = std::mem::replace(&mut *lock(&self.waiting), waiting_for.clone());
        if waiting_for != before {
            let (drill, index) = (self.world.drill, self.index);
            self.world.journal.write(Event::StepWaiting { drill, index, waiting_for });
        }
    }

    /// Says what it waits for from now on, so that what holds it up can be found.
    pub fn awaits(&self, what: Awaited, node: &str) {
        lock(&self.awaits).push((what, node.to_owned()));
    }

    /// Notes that a command of the scenario's runs on a node's host now, or has ended.
    pub fn commanded(&self, node: &str) {
        self.world.outputs().commands.insert(node.to_owned(), Instant::now());
    }

    /// Looks every few milliseconds until `look` returns a value; fails when the step's deadline passes, telling what was
    /// seen last, which `look` leaves in the string that it is given.
    pub async fn until<T>(
        &mut self,
        what: &str,
        mut look: impl AsyncFnMut(&mut String) -> Result<Option<T>, Box<Finding>>,
    ) -> Result<T, Box<Finding>> {
        self.wait(what);
        // A little before the executor's own deadline, which has less to tell.
        let deadline = self.deadline.checked_sub(Duration::from_millis(20)).unwrap_or(self.deadline);
        let (world, finally, hopeless) = (self.world, self.finally, self.hopeless.clone());
        let in_vain = |seen: &str| {
            let seen = if seen.is_empty() { "nothing" } else { seen };
            Finding::failed(format!("waited in vain for {what}"))
                .because(Cause::NeverCame)
                .label(format!("seen last: {seen}"))
        };
        let look = async |seen: &mut String| {
            // What is waited for may never come when users have failed. The executor knows how.
            if !finally && world.users_failed() {
                return Err(Finding::failed("users have failed").because(Cause::UsersFailed));
            }
            match look(seen).await? {
                None if hopeless.load(Ordering::SeqCst) => Err(in_vain(seen)),
                found => Ok(found),
            }
        };
        self.tells.store(true, Ordering::SeqCst);
        let ended = wait_until(deadline, look).await?;
        self.tells.store(false, Ordering::SeqCst);
        ended.map_err(|seen| in_vain(&seen))
    }

    /// The step's own session on a node that is up and answers.
    pub async fn client(&self, node: &Node) -> Result<Arc<Client>, Box<Finding>> {
        must_answer(node).await?;
        let client = match node.client().await {
            Ok(client) => client,
            Err(error) => return Err(unanswered(node, error).await),
        };
        if node.is_external() {
            // There nobody else ends what takes too long.
            client.batch_execute(&format!("SET statement_timeout = {}", self.left().as_millis().max(1))).await?;
        }
        Ok(client)
    }

    /// Another session on it, which is clean; the caller ends it with [`discard`](crate::node::discard).
    pub async fn session(&self, node: &Node, purpose: Purpose) -> Result<Client, Box<Finding>> {
        must_answer(node).await?;
        match node.connect_for(purpose).await {
            Ok(client) => Ok(client),
            Err(error) => Err(unanswered(node, error).await),
        }
    }

    /// The same, in another of its databases where one is named: then in a session of the step's own.
    pub async fn client_in(
        &self,
        node: &Node,
        database: Option<&Spanned<String>>,
    ) -> Result<Arc<Client>, Box<Finding>> {
        let own = self.client(node).await?;
        let Some(database) = database else { return Ok(own) };
        let refused = |error: SqlError| {
            Finding::failed(format!("database `{}` cannot be reached on `{}`", database.value, node.name()))
                .at(database.span)
                .label(error.to_string())
        };
        let client = node.connect_to(&database.value).await.map_err(refused)?;
        // When the step's time is over nobody cancels what runs in this session but the server.
        client.batch_execute(&format!("SET statement_timeout = {}", self.left().as_millis().max(1))).await?;
        Ok(Arc::new(client))
    }

    /// Runs the deed of a step that may be a mark: notes time, LSN and timeline before and after it, and its transaction id.
    pub async fn marked(
        &mut self,
        node: &Node,
        deed: impl AsyncFnOnce(&Client, &mut Self) -> Result<Option<Xid>, Box<Finding>>,
    ) -> Result<(), Box<Finding>> {
        let client = self.client(node).await?;
        if self.kind.role == Role::Incident {
            self.note_sequence_floors(node, &self.when()).await;
        }
        let Some((before, whose)) = self.moment_before(node, &client).await? else {
            return deed(&client, self).await.map(drop);
        };
        match deed(&client, self).await {
            Ok(xid) => {
                let after = moment(&client).await?;
                let whose = if after.timeline == before.timeline { whose } else { lineage(&client).await? };
                self.remember(whose, before, xid, after);
                Ok(())
            }
            Err(finding) => {
                // A step that is expected to fail is a mark like any other: nothing happened between its two moments.
                let now = || (before.moved_to(Timestamp::now()), whose.clone());
                let (after, whose) = self.moment_of(node).await.unwrap_or_else(now);
                self.remember(whose, before, None, after);
                Err(finding)
            }
        }
    }

    /// The moment before a deed. None for a step on a standby that is to be no mark: it only asks.
    async fn moment_before(&self, node: &Node, client: &Client) -> Result<Option<(Moment, Lineage)>, Box<Finding>> {
        // With an id it is a mark all the same, by what the standby has replayed.
        if is_in_recovery(client).await? && self.id.is_none() {
            return Ok(None);
        }
        // First what takes its time: the moment before the deed must be as near to it as can be.
        if let (Some(id), false) = (self.id, node.is_external()) {
            // Asked of the server itself, which takes a fraction of a program in its container.
            let log = &node.host()?.paths().log;
            let row = client.query_opt("SELECT size FROM pg_stat_file($1, true)", &[log]).await?;
            let offset = row.and_then(|row| row.get::<_, Option<i64>>(0)).unwrap_or(0).cast_unsigned();
            self.world.outputs().log_offsets.insert((id.to_owned(), node.name().to_owned()), offset);
        }
        let whose = lineage(client).await?;
        Ok(Some((moment(client).await?, whose)))
    }

    /// Runs statements in one transaction of its own and returns its id. Whatever fails undoes it all.
    pub async fn in_transaction(
        &self,
        client: &Client,
        statements: &str,
    ) -> Result<Option<Xid>, tokio_postgres::Error> {
        client.batch_execute("BEGIN").await?;
        let run = async {
            client.batch_execute(statements).await?;
            let row = client.query_one("SELECT pg_current_xact_id_if_assigned()::text", &[]).await?;
            client.batch_execute("COMMIT").await?;
            Ok::<_, tokio_postgres::Error>(row.get::<_, Option<String>>(0))
        };
        match run.await {
            Ok(xid) => Ok(xid.and_then(|text| text.parse().ok()).map(Xid::from_full)),
            Err(error) => {
                let _ = client.batch_execute("ROLLBACK").await;
                Err(error)
            }
        }
    }

    /// Runs the deed of an incident that the server may not outlive, or of a step that may do anything. With an `id` the step is a mark all the same: what cannot be
    /// asked before or after is what could be asked on the other side.
    pub async fn inject(
        &mut self,
        node: &Node,
        deed: impl AsyncFnOnce(&mut Self) -> Result<(), Box<Finding>>,
    ) -> Result<(), Box<Finding>> {
        if self.kind.role == Role::Incident {
            self.note_sequence_floors(node, &self.when()).await;
        }
        let before = self.moment_of(node).await;
        if let Some(id) = self.id {
            let nodes: Vec<_> = self.world.outputs().nodes.values().cloned().collect();
            for node in nodes.iter().filter(|node| node.host().is_ok_and(|host| host.is_on())) {
                let offset = node.log_size().await?;
                self.world.outputs().log_offsets.insert((id.to_owned(), node.name().to_owned()), offset);
            }
        }
        let began = Timestamp::now();
        let done = deed(self).await;
        let ended = Timestamp::now();
        let after = self.moment_of(node).await;
        let (before, after) = match (before, after) {
            (Some((before, _)), Some(after)) => (before, after),
            (Some((before, whose)), None) => (before, (before.moved_to(ended), whose)),
            (None, Some((after, whose))) => (after.moved_to(began), (after, whose)),
            (None, None) => return done,
        };
        let (after, whose) = after;
        self.remember(whose, before, None, after);
        done
    }

    /// What a server says of itself now, where it can be asked.
    async fn moment_of(&self, node: &Node) -> Option<(Moment, Lineage)> {
        const PATIENCE: Duration = Duration::from_secs(2);
        if !node.should_answer() {
            return None;
        }
        let ask = async {
            let client = node.client().await.ok()?;
            let whose = lineage(&client).await.ok()?;
            Some((moment(&client).await.ok()?, whose))
        };
        tokio::time::timeout(PATIENCE.min(self.left()), ask).await.ok()?
    }

    /// Reports what a mark knows, and keeps it under the step's id.
    fn remember(&mut self, lineage: Lineage, before: Moment, xid: Option<Xid>, after: Moment) {
        self.fact("before", before.lsn.to_string());
        self.fact("lsn", after.lsn.to_string());
        self.fact("timeline", after.timeline.0);
        self.fact("at", after.at.to_string());
        if let Some(xid) = xid {
            self.fact("xid", xid.0);
        }
        if let Some(id) = self.id {
            let incident = self.kind.role == Role::Incident;
            let mark = Mark { id: id.to_owned(), lineage, before, xid, after, incident, restore_point: None };
            self.world.outputs().marks.insert(id.to_owned(), mark);
        }
    }

    /// Runs one statement with parameters in a transaction of its own. The rows that it changed, and the transaction's id.
    pub async fn statement(
        &self,
        client: &Client,
        statement: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<(u64, Option<Xid>), tokio_postgres::Error> {
        client.batch_execute("BEGIN").await?;
        let run = async {
            let rows = client.execute(statement, params).await?;
            let row = client.query_one("SELECT pg_current_xact_id_if_assigned()::text", &[]).await?;
            client.batch_execute("COMMIT").await?;
            Ok::<_, tokio_postgres::Error>((rows, row.get::<_, Option<String>>(0)))
        };
        match run.await {
            Ok((rows, xid)) => Ok((rows, xid.and_then(|text| text.parse().ok()).map(Xid::from_full))),
            Err(error) => {
                let _ = client.batch_execute("ROLLBACK").await;
                Err(error)
            }
        }
    }

    /// Runs a shell script on a node's host; a status other than 0 fails with what it wrote.
    pub async fn script<S: Into<String>>(
        &self,
        node: &Node,
        what: &str,
        script: &str,
        args: impl IntoIterator<Item = S>,
    ) -> StepResult {
        let output = node.host()?.run(crate::host::Program::script(script, args)).await?;
        match output.success() {
            true => Ok(()),
            false => Err(Finding::failed(format!("{what} failed (exit status {})", output.status))
                .note("said", output.stderr.trim())),
        }
    }
}

/// Fails where an earlier step has stopped or frozen a node.
async fn must_answer(node: &Node) -> StepResult {
    // A session with a server that is frozen is opened, and then nobody answers.
    let state = if node.is_external() { ServerState::Up } else { node.server_state() };
    match state {
        ServerState::Up => Ok(()),
        ServerState::Frozen => {
            Err(Finding::failed(format!("node `{}` does not answer: an earlier step paused it", node.name())))
        }
        ServerState::Down(why) => {
            let text = format!("node `{}` is not running: {why}, by an earlier step of the drill", node.name());
            Err(Finding::failed(text).note("log", node.log_tail().await))
        }
    }
}

/// What is said of a node that takes no session.
async fn unanswered(node: &Node, error: SqlError) -> Box<Finding> {
    match error {
        SqlError::Host(error) => error.into(),
        error => {
            let login = error.is_about_login();
            let finding = Finding::failed(format!("node `{}` does not answer: {error}", node.name()));
            match (node.is_external(), login) {
                (true, _) => finding,
                (false, true) => finding.help(
                    "a step has changed the role that drillyard logs in as, with a password of its own: leave it alone, and use another role",
                ),
                (false, false) => finding.note("log", node.log_tail().await),
            }
        }
    }
}
