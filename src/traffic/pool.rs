//! The users of one `traffic` step: a thread of their own, and what the rest of the program may ask about them.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::client::ClientTask;
use super::lookup::Lookup;
use super::protocol::{Connection, WireError};
use super::statements::Plan;
use super::{LoginSource, TrafficError, Workload};
use crate::ledger::Proven;
use crate::ledger::history::{CommitStatus, Histories, Ledger};
use crate::pg::SqlState;

/// What became of the transactions by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// The server acknowledged the commit.
    pub acknowledged: u64,
    /// The connection was lost before the answer.
    pub in_doubt: u64,
    /// The server refused, whether that is tolerated or not.
    pub rejected: u64,
    /// Of those in doubt, the ones that were committed locally while the wait for the synchronous standbys was cancelled.
    pub unconfirmed: u64,
}

/// Why the server did not commit a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// An error, by what the server called it.
    State(SqlState),
    /// The transaction ends with a ROLLBACK of its own.
    RolledBack,
    /// An error without an SQLSTATE.
    Unnamed,
}

/// Something that should not have happened to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The name of the transaction's kind; empty where it is no transaction's.
    pub kind: String,
    /// The user's number, from 1; 0 where it is nobody's.
    pub client: u64,
    /// The transaction's `$seq`.
    pub seq: u64,
    /// The node that the user was connected to.
    pub node: String,
    /// What the server called it.
    pub sqlstate: Option<SqlState>,
    /// What the server said, or what is wrong.
    pub message: String,
    /// What to do, where it is no error of the server.
    pub help: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What the users share.
pub(crate) struct Users {
    pub(crate) plan: Plan,
    pub(crate) nodes: Vec<(String, LoginSource)>,
    pub(crate) seed: u64,
    pub(crate) books: Arc<Histories>,
    start: Instant,
    counts: [AtomicU64; 3],
    /// How often the server said no, by what it called it.
    rejections: Mutex<BTreeMap<Reason, u64>>,
    /// How many commits are in doubt since the wait for synchronous standbys was cancelled.
    unconfirmed: AtomicU64,
    /// What is known of each kind's ledger.
    pub(crate) proofs: Vec<Lookup>,
    failure: Mutex<Option<Failure>>,
    trouble: Mutex<Option<String>>,
    pace: Pace,
    stopping: AtomicBool,
    stop: CancellationToken,
}

/// When the next transaction may begin.
struct Pace {
    /// The time between two transactions, where the workload gives a rate.
    period: Option<Duration>,
    next: Mutex<Instant>,
    /// How many want the users to hold back right now.
    held_back: AtomicUsize,
}

/// How many transactions a second users without a rate do while they hold back. A drill measures the recovery and not the load: on
/// a small machine users at full speed make everything that runs beside them three times as slow.
const HELD_BACK_RATE: f64 = 1000.0;

impl Pace {
    fn new(rate: Option<f64>, start: Instant) -> Self {
        // More than a nanosecond and less than a year, whatever the rate is.
        let period = rate.map(|rate| Duration::from_secs_f64((1.0 / rate).clamp(1e-9, 3e7)));
        Pace { period, next: Mutex::new(start), held_back: AtomicUsize::new(0) }
    }

    /// None: at once.
    fn slot(&self) -> Option<Instant> {
        let period = match self.period {
            Some(period) => period,
            None if self.held_back.load(Ordering::Relaxed) == 0 => return None,
            None => Duration::from_secs_f64(1.0 / HELD_BACK_RATE),
        };
        let mut next = lock(&self.next);
        let now = Instant::now();
        let slot = (*next).max(now.checked_sub(CATCH_UP).unwrap_or(now));
        *next = slot + period;
        Some(slot)
    }
}

/// Users without a rate of their own hold back until this is dropped.
pub struct HeldBack<'a>(&'a AtomicUsize);

impl Drop for HeldBack<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whatever is behind a lock here is whole between any two calls.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How much of a delay is made up for: what a timer of one millisecond takes, and no more.
const CATCH_UP: Duration = Duration::from_millis(10);

impl Users {
    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Returns when the users are stopped.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    pub(crate) fn node(&self, index: usize) -> &str {
        self.nodes.get(index).map_or("", |(name, _)| name)
    }

    /// Waits, unless the users are stopped.
    pub(crate) async fn pause(&self, time: Duration) {
        self.pause_until(Instant::now() + time).await;
    }

    /// Waits, unless the users are stopped.
    pub(crate) async fn pause_until(&self, until: Instant) {
        if until > Instant::now() {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    /// When the asking user may begin its next transaction. None: at once.
    pub(crate) fn slot(&self) -> Option<Instant> {
        self.pace.slot()
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn attempt(&self, index: usize, kind: usize) -> u64 {
        let micros = self.micros();
        // Plans have at most 256 kinds.
        let kind = u8::try_from(kind).unwrap_or(u8::MAX);
        self.books.book(index).map_or(0, |mut book| book.attempt(kind, micros))
    }

    /// Notes what became of a user's last transaction, and which of its parts wrote no row.
    pub(crate) fn resolve(&self, index: usize, fate: CommitStatus, hollow: u8) {
        let micros = self.micros();
        if let Some(mut book) = self.books.book(index) {
            book.resolve(fate, micros, hollow);
        }
        let count = match fate {
            CommitStatus::Acknowledged => &self.counts[0],
            CommitStatus::InDoubt => &self.counts[1],
            CommitStatus::Rejected => &self.counts[2],
            CommitStatus::Pending => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a rejection by its reason.
    pub(crate) fn rejected(&self, reason: Reason) {
        *lock(&self.rejections).entry(reason).or_default() += 1;
    }

    /// Counts a commit that no synchronous standby has confirmed.
    pub(crate) fn unconfirmed(&self) {
        self.unconfirmed.fetch_add(1, Ordering::Relaxed);
    }

    /// Users who were made to leave did not hear the answer.
    fn give_up(&self) {
        for index in 0..self.books.clients() {
            if self.books.book(index).is_some_and(|book| book.pending()) {
                self.resolve(index, CommitStatus::InDoubt, 0);
            }
        }
    }

    /// The first failure is kept.
    pub(crate) fn fail(&self, failure: Failure) {
        lock(&self.failure).get_or_insert(failure);
    }

    pub(crate) fn trouble(&self, node: usize, message: &str) {
        *lock(&self.trouble) = Some(format!("node `{}`: {message}", self.node(node)));
    }

    /// Opens a session on a node; where there are several, on one that accepts writes.
    pub(crate) async fn connect(&self, node: usize, within: Duration) -> Result<Connection, WireError> {
        let login = self.nodes.get(node).and_then(|(_, login)| login());
        let login = login.ok_or_else(|| WireError::Protocol("it has no way in at the moment".to_owned()))?;
        let open = async {
            let mut connection = Connection::open(&login).await?;
            if self.nodes.len() > 1 {
                let ask = "SELECT pg_catalog.pg_is_in_recovery() \
                           OR pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool";
                if connection.query(ask).await?.as_deref() != Some("f") {
                    return Err(WireError::Protocol("it does not accept writes".to_owned()));
                }
            }
            Ok(connection)
        };
        let late = || WireError::Protocol(format!("no answer within {} s", within.as_secs()));
        tokio::time::timeout(within, open).await.unwrap_or_else(|_| Err(late()))
    }

    /// Another node that accepts writes now.
    pub(crate) async fn writable_besides(&self, node: usize) -> Option<&str> {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if let Ok(connection) = self.connect(other, Duration::from_secs(1)).await {
                connection.close().await;
                return Some(self.node(other));
            }
        }
        None
    }
}

/// Users at work, on a thread of their own.
///
/// [`Pool::stop`] ends them in peace. Dropping the pool ends them at once; what they were waiting for is in doubt.
pub struct Pool {
    users: Arc<Users>,
    abort: CancellationToken,
    done: CancellationToken,
}

impl Pool {
    /// Starts the users and returns at once. `id` is the traffic step's, and names their thread; with several nodes they
    /// go to whichever accepts writes.
    pub fn start(id: &str, workload: Workload, nodes: Vec<(String, LoginSource)>) -> Result<Pool, TrafficError> {
        if nodes.is_empty() {
            return Err(TrafficError::Nothing("a node to go to"));
        }
        let mut plan = Plan::new(&workload)?;
        let layout = std::mem::take(&mut plan.layout);
        let proofs = layout.kinds.iter().map(|kind| Lookup::new(&layout, kind)).collect();
        let start = Instant::now();
        let users = Arc::new(Users {
            plan,
            nodes,
            seed: workload.seed,
            books: Arc::new(Histories::new(layout, workload.first_client, workload.clients, Timestamp::now())),
            start,
            counts: Default::default(),
            rejections: Mutex::default(),
            unconfirmed: AtomicU64::new(0),
            proofs,
            failure: Mutex::default(),
            trouble: Mutex::default(),
            pace: Pace::new(workload.rate, start),
            stopping: AtomicBool::new(false),
            stop: CancellationToken::new(),
        });
        let pool = Pool { users: Arc::clone(&users), abort: CancellationToken::new(), done: CancellationToken::new() };
        let (abort, done) = (pool.abort.clone(), pool.done.clone().drop_guard());
        let thread = move || {
            // Cancelled when the thread ends, however it ends.
            let _done = done;
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    let worked = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(work(&users, &abort))));
                    if worked.is_err() {
                        users.fail(nobodys("the users' thread broke down".to_owned()));
                    } else if !users.stopping() && !abort.is_cancelled() {
                        users.fail(nobodys("no user is left, and nobody stopped them".to_owned()));
                    }
                }
                Err(error) => users.fail(nobodys(format!("the users' thread cannot run: {error}"))),
            }
            users.give_up();
        };
        let name = format!("users {id}");
        std::thread::Builder::new()
            .name(name)
            .spawn(thread)
            .map_err(|error| TrafficError::Thread(error.to_string()))?;
        Ok(pool)
    }

    /// What became of the transactions by now. Cheap.
    pub fn counts(&self) -> Counts {
        let [acknowledged, in_doubt, rejected] =
            self.users.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        Counts { acknowledged, in_doubt, rejected, unconfirmed: self.users.unconfirmed.load(Ordering::Relaxed) }
    }

    /// How often the server did not commit, by the reason.
    pub fn rejections(&self) -> BTreeMap<Reason, u64> {
        lock(&self.users.rejections).clone()
    }

    /// How many transactions were acknowledged at `since` or later, by this machine's clock. Cheap enough to be polled.
    pub fn acknowledged_since(&self, since: Timestamp) -> u64 {
        self.users.books.acknowledged_since(since)
    }

    /// Makes users without a rate of their own hold back, to 1000 transactions a second.
    pub fn hold_back(&self) -> HeldBack<'_> {
        self.users.pace.held_back.fetch_add(1, Ordering::Relaxed);
        HeldBack(&self.users.pace.held_back)
    }

    /// The first rejection that is not tolerated, or what else should not have happened.
    pub fn failure(&self) -> Option<Failure> {
        lock(&self.users.failure).clone()
    }

    /// Why a user could not connect, or lost its connection, the last time that happened.
    pub fn last_trouble(&self) -> Option<String> {
        lock(&self.users.trouble).clone()
    }

    /// Returns when each kind of transaction was tried once more, and its answer is there; or when the users have failed, or are stopped.
    /// The caller bounds its time: users with a low rate take theirs.
    pub async fn every_kind_once_more(&self) {
        const BETWEEN: Duration = Duration::from_millis(2);
        let books = &self.users.books;
        let begun: Vec<u64> =
            (0..books.clients()).map(|index| books.book(index).map_or(0, |book| book.tried())).collect();
        let kinds = (0..self.users.plan.kinds.len()).filter(|kind| self.users.plan.is_done(*kind));
        let mut missing: BTreeSet<usize> = kinds.collect();
        let mut looked_at = begun;
        while !missing.is_empty() && self.failure().is_none() && !self.users.stopping() && self.at_work() {
            for (index, looked_at) in looked_at.iter_mut().enumerate() {
                let Some(book) = books.book(index) else { continue };
                while let Some(entry) = book.entry(*looked_at + 1).filter(|entry| entry.fate() != CommitStatus::Pending)
                {
                    missing.remove(&usize::from(entry.kind()));
                    *looked_at += 1;
                }
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }

    /// Stops the users and waits for the answers that they are waiting for; afterwards the counts are final. A server that
    /// never answers makes it wait for ever: the caller bounds its time.
    pub async fn stop(&self) {
        self.users.stopping.store(true, Ordering::Relaxed);
        self.users.stop.cancel();
        self.done.cancelled().await;
    }

    /// What is known of each kind's ledger, in the workload's order.
    pub fn proven(&self) -> Vec<Proven> {
        self.users.proofs.iter().map(Lookup::proven).collect()
    }

    /// Whether the users are at work, or still have answers to come.
    pub fn at_work(&self) -> bool {
        !self.done.is_cancelled()
    }

    /// The ledger as it is now.
    pub fn ledger(&self) -> Ledger {
        self.users.books.snapshot()
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("clients", &self.users.books.clients()).field("counts", &self.counts()).finish()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Not joined: a way in that is being asked for may need what the dropping thread holds.
        self.abort.cancel();
    }
}

fn nobodys(message: String) -> Failure {
    Failure {
        kind: String::new(),
        client: 0,
        seq: 0,
        node: String::new(),
        sqlstate: None,
        message,
        help: None,
        at: Timestamp::now(),
    }
}

/// All users, until they have ended or must.
async fn work(users: &Arc<Users>, abort: &CancellationToken) {
    let mut tasks = JoinSet::new();
    for index in 0..users.books.clients() {
        tasks.spawn(ClientTask::new(Arc::clone(users), index).run());
    }
    loop {
        tokio::select! {
            () = abort.cancelled() => return,
            ended = tasks.join_next() => match ended {
                None => return,
                Some(Err(error)) => users.fail(nobodys(format!("a user broke down: {error}"))),
                Some(Ok(())) => {}
            },
        }
    }
}
