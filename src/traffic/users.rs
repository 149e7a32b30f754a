//! What the users of a pool share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::lookup::Lookup;
use super::pace::Pace;
use super::protocol::{Connection, SessionError};
use super::statements::Plan;
use super::workload::{LoginSource, TrafficError, Workload};
use crate::ledger::{CommitStatus, Histories};
use crate::pg::{SqlState, TableName};

/// What became of the transactions by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// The server acknowledged the commit.
    pub acknowledged: u64,
    /// The connection was lost before the answer.
    pub in_doubt: u64,
    /// The server refused, whether that is tolerated or not.
    pub rejected: u64,
    /// Of those in doubt, the ones that were committed locally while the wait for the synchronous
    /// standbys was cancelled.
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
    /// The name of the transaction's kind; empty if it is about no transaction.
    pub kind: String,
    /// The user's number, from 1; 0 if it is about all of them.
    pub client: u64,
    /// The transaction's `$seq`.
    pub seq: u64,
    /// The node that the user was connected to.
    pub node: String,
    /// What the server called it.
    pub sqlstate: Option<SqlState>,
    /// The table that the server's error is about, with its schema, if it is about one.
    pub table: Option<TableName>,
    /// What the server said, or what is wrong.
    pub message: String,
    /// What to do, if it is no error of the server.
    pub help: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Failure {
    /// One that is about all users.
    pub(super) fn of_all(message: String) -> Self {
        let (kind, node) = (String::new(), String::new());
        Failure {
            kind,
            client: 0,
            seq: 0,
            node,
            sqlstate: None,
            table: None,
            message,
            help: None,
            at: Timestamp::now(),
        }
    }
}

/// What the users of a pool share.
pub(super) struct Users {
    pub(super) plan: Plan,
    pub(super) nodes: Vec<(String, LoginSource)>,
    pub(super) seed: u64,
    /// Whether people work on the servers meanwhile.
    pub(super) attended: bool,
    pub(super) histories: Arc<Histories>,
    /// What is known of each kind's ledger.
    pub(super) lookups: Vec<Lookup>,
    pub(super) pace: Pace,
    start: Instant,
    counts: [AtomicU64; 3],
    /// How often the server rejected a transaction, by the reason.
    rejections: Mutex<BTreeMap<Reason, u64>>,
    /// How many commits are in doubt since the wait for synchronous standbys was cancelled.
    unconfirmed: AtomicU64,
    failure: Mutex<Option<Failure>>,
    trouble: Mutex<Option<String>>,
    stopping: AtomicBool,
    stop: CancellationToken,
}

/// Whatever is behind a lock here is whole between any two calls.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Users {
    pub(super) fn new(workload: &Workload, nodes: Vec<(String, LoginSource)>) -> Result<Self, TrafficError> {
        let mut plan = Plan::new(workload)?;
        let layout = std::mem::take(&mut plan.layout);
        let lookups = layout.kinds.iter().map(|kind| Lookup::new(&layout, kind)).collect();
        let start = Instant::now();
        Ok(Users {
            plan,
            nodes,
            seed: workload.seed,
            attended: workload.attended,
            histories: Arc::new(Histories::new(layout, workload.first_client, workload.clients, Timestamp::now())),
            lookups,
            pace: Pace::new(workload.rate, start),
            start,
            counts: Default::default(),
            rejections: Mutex::default(),
            unconfirmed: AtomicU64::new(0),
            failure: Mutex::default(),
            trouble: Mutex::default(),
            stopping: AtomicBool::new(false),
            stop: CancellationToken::new(),
        })
    }

    pub(super) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Makes every user stop after the transaction that it is doing.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.stop.cancel();
    }

    /// Returns when the users are stopped.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    pub(super) fn node(&self, index: usize) -> &str {
        self.nodes.get(index).map_or("", |(name, _)| name)
    }

    /// Waits, unless the users are stopped.
    pub(super) async fn pause(&self, time: Duration) {
        self.pause_until(Instant::now() + time).await;
    }

    /// Waits, unless the users are stopped.
    pub(super) async fn pause_until(&self, until: Instant) {
        if until > Instant::now() {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Notes that a user tries a transaction, and returns its `$seq`.
    pub(super) fn attempt(&self, index: usize, kind: usize) -> u64 {
        let micros = self.micros();
        // Plans have at most 256 kinds.
        let kind = u8::try_from(kind).unwrap_or(u8::MAX);
        self.histories.history(index).map_or(0, |mut history| history.attempt(kind, micros))
    }

    /// Notes what became of a user's last transaction, and at which of its sites it wrote no row.
    pub(super) fn resolve(&self, index: usize, status: CommitStatus, empty_sites: u8) {
        let micros = self.micros();
        if let Some(mut history) = self.histories.history(index) {
            history.resolve(status, micros, empty_sites);
        }
        let count = match status {
            CommitStatus::Acknowledged => &self.counts[0],
            CommitStatus::Unknown => &self.counts[1],
            CommitStatus::Rejected => &self.counts[2],
            CommitStatus::Pending => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        let [acknowledged, in_doubt, rejected] = self.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        Counts { acknowledged, in_doubt, rejected, unconfirmed: self.unconfirmed.load(Ordering::Relaxed) }
    }

    /// Counts a rejection by its reason.
    pub(super) fn rejected(&self, reason: Reason) {
        *lock(&self.rejections).entry(reason).or_default() += 1;
    }

    pub(super) fn rejections(&self) -> BTreeMap<Reason, u64> {
        lock(&self.rejections).clone()
    }

    /// Counts a commit that no synchronous standby has confirmed.
    pub(super) fn unconfirmed(&self) {
        self.unconfirmed.fetch_add(1, Ordering::Relaxed);
    }

    /// Users who were made to leave did not receive the answer.
    pub(super) fn give_up(&self) {
        for index in 0..self.histories.clients() {
            if self.histories.history(index).is_some_and(|history| history.pending()) {
                self.resolve(index, CommitStatus::Unknown, 0);
            }
        }
    }

    /// The first failure is kept.
    pub(super) fn fail(&self, failure: Failure) {
        lock(&self.failure).get_or_insert(failure);
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        lock(&self.failure).clone()
    }

    pub(super) fn trouble(&self, node: usize, message: &str) {
        *lock(&self.trouble) = Some(format!("node `{}`: {message}", self.node(node)));
    }

    pub(super) fn last_trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// Opens a session on a node; if there are several nodes, on one that accepts writes.
    pub(super) async fn connect(&self, node: usize, within: Duration) -> Result<Connection, SessionError> {
        let login = self.nodes.get(node).and_then(|(_, login)| login());
        let login = login.ok_or_else(|| SessionError::Protocol("it has no way in at the moment".to_owned()))?;
        let open = async {
            let mut connection = Connection::open(&login, self.attended).await?;
            if self.nodes.len() > 1 {
                let ask = "SELECT pg_catalog.pg_is_in_recovery() \
                           OR pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool";
                if connection.query(ask).await?.as_deref() != Some("f") {
                    return Err(SessionError::Protocol("it does not accept writes".to_owned()));
                }
            }
            Ok(connection)
        };
        let late = || SessionError::Protocol(format!("no answer within {} s", within.as_secs()));
        tokio::time::timeout(within, open).await.unwrap_or_else(|_| Err(late()))
    }

    /// Another node that accepts writes now.
    pub(super) async fn writable_besides(&self, node: usize) -> Option<&str> {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if let Ok(connection) = self.connect(other, Duration::from_secs(1)).await {
                connection.close().await;
                return Some(self.node(other));
            }
        }
        None
    }
}
