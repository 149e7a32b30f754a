//! The users of one `traffic` step: a thread of their own, and what the rest of the program may
//! ask.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::client::ClientTask;
use super::lookup::Lookup;
use super::pace::HeldBack;
use super::users::{Counts, Failure, Reason, Users};
use super::workload::{LoginSource, TrafficError, Workload};
use crate::ledger::{CommitStatus, Ledger, LookupSummary};

/// Users at work, on a thread of their own.
///
/// [`Pool::stop`] ends them in peace. Dropping the pool ends them at once; what they were waiting
/// for is in doubt.
pub struct Pool {
    users: Arc<Users>,
    abort: CancellationToken,
    done: CancellationToken,
}

impl Pool {
    /// Starts the users and returns at once. `id` is the traffic step's, and names their thread;
    /// with several nodes they go to whichever accepts writes.
    pub fn start(id: &str, workload: Workload, nodes: Vec<(String, LoginSource)>) -> Result<Pool, TrafficError> {
        if nodes.is_empty() {
            return Err(TrafficError::Nothing("a node to go to"));
        }
        let users = Arc::new(Users::new(&workload, nodes)?);
        let pool = Pool { users: Arc::clone(&users), abort: CancellationToken::new(), done: CancellationToken::new() };
        let (abort, done) = (pool.abort.clone(), pool.done.clone().drop_guard());
        let thread = move || {
            // Cancelled when the thread ends, however it ends.
            let _done = done;
            run(&users, &abort);
            users.give_up();
        };
        let thread = std::thread::Builder::new().name(format!("users {id}")).spawn(thread);
        thread.map_err(|error| TrafficError::Thread(error.to_string()))?;
        Ok(pool)
    }

    /// What became of the transactions by now. Cheap.
    pub fn counts(&self) -> Counts {
        self.users.counts()
    }

    /// How often the server did not commit, by the reason.
    pub fn rejections(&self) -> BTreeMap<Reason, u64> {
        self.users.rejections()
    }

    /// How many transactions were acknowledged at `since` or later, by this machine's clock. Cheap
    /// enough to be polled.
    pub fn acknowledged_since(&self, since: Timestamp) -> u64 {
        self.users.histories.acknowledged_since(since)
    }

    /// Makes users without a rate of their own hold back, to 1000 transactions a second.
    pub fn hold_back(&self) -> HeldBack<'_> {
        self.users.pace.hold_back()
    }

    /// The first rejection that is not tolerated, or what else should not have happened.
    pub fn failure(&self) -> Option<Failure> {
        self.users.failure()
    }

    /// Why a user could not connect, or lost its connection, the last time that happened.
    pub fn last_trouble(&self) -> Option<String> {
        self.users.last_trouble()
    }

    /// Returns when each kind of transaction was tried once more, and its answer is there; or when
    /// the users have failed, or are stopped. The caller bounds its time: users with a low rate
    /// take theirs.
    pub async fn every_kind_once_more(&self) {
        const BETWEEN: Duration = Duration::from_millis(2);
        let histories = &self.users.histories;
        let tried = |index| histories.history(index).map_or(0, |history| history.tried());
        let mut looked_at: Vec<u64> = (0..histories.clients()).map(tried).collect();
        let kinds = (0..self.users.plan.kinds.len()).filter(|kind| self.users.plan.is_done(*kind));
        let mut missing: BTreeSet<usize> = kinds.collect();
        while !missing.is_empty() && self.failure().is_none() && !self.users.stopping() && self.at_work() {
            for (index, looked_at) in looked_at.iter_mut().enumerate() {
                let Some(history) = histories.history(index) else { continue };
                let answered = |seq| history.entry(seq).filter(|entry| entry.status() != CommitStatus::Pending);
                while let Some(entry) = answered(*looked_at + 1) {
                    missing.remove(&usize::from(entry.kind()));
                    *looked_at += 1;
                }
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }

    /// Stops the users and waits for the answers that they are waiting for; afterwards the counts
    /// are final. A server that never answers makes it wait for ever: the caller bounds its time.
    pub async fn stop(&self) {
        self.users.stop();
        self.done.cancelled().await;
    }

    /// What look-ups have shown of each kind's ledger, in the workload's order.
    pub fn lookups(&self) -> Vec<LookupSummary> {
        self.users.lookups.iter().map(Lookup::summary).collect()
    }

    /// Whether the users are at work, or still have answers to come.
    pub fn at_work(&self) -> bool {
        !self.done.is_cancelled()
    }

    /// The ledger as it is now.
    pub fn ledger(&self) -> Ledger {
        self.users.histories.snapshot()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients = self.users.histories.clients();
        f.debug_struct("Pool").field("clients", &clients).field("counts", &self.counts()).finish()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Not joined: a way in that is being asked for may need what the dropping thread holds.
        self.abort.cancel();
    }
}

/// The users' thread.
fn run(users: &Arc<Users>, abort: &CancellationToken) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return users.fail(Failure::of_all(format!("the users' thread cannot run: {error}"))),
    };
    let worked = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(work(users, abort))));
    if worked.is_err() {
        users.fail(Failure::of_all("the users' thread panicked".to_owned()));
    } else if !users.stopping() && !abort.is_cancelled() {
        users.fail(Failure::of_all("no user is left, though they were not stopped".to_owned()));
    }
}

/// All users, until they have ended or must.
async fn work(users: &Arc<Users>, abort: &CancellationToken) {
    let mut tasks = JoinSet::new();
    for index in 0..users.histories.clients() {
        tasks.spawn(ClientTask::new(Arc::clone(users), index).run());
    }
    loop {
        tokio::select! {
            () = abort.cancelled() => return,
            ended = tasks.join_next() => match ended {
                None => return,
                Some(Err(error)) => users.fail(Failure::of_all(format!("a user panicked: {error}"))),
                Some(Ok(())) => {}
            },
        }
    }
}
