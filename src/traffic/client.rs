//! One user: connects, tries one transaction after another, and writes down what became of each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::lookup::LookedUp;
use super::protocol::{Connection, ServerError, SessionError};
use super::session::{Answer, Session};
use super::statements::{KindPlan, Plan};
use super::users::{Failure, Reason, Users};
use crate::ledger::{CommitStatus, PrewriteCheck};

/// The shortest and the longest pause before the next try to connect.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// How long opening a session may take.
const CONNECT: Duration = Duration::from_secs(2);

/// How long a user waits for an answer before it looks for another node that accepts writes.
const PATIENCE: Duration = Duration::from_secs(1);

/// The pause after a rejection that was raised, so that a workload that cannot work does not fill
/// the log.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

/// How long a user leaves alone what the server said does not exist or is not allowed (class 42):
/// as with a page that shows an error, people go elsewhere and look again later.
const REST: Duration = Duration::from_millis(50);

/// One user.
pub(super) struct ClientTask {
    users: Arc<Users>,
    /// Its place among the users of its pool.
    index: usize,
    /// The node that it goes to.
    node: usize,
    random: fastrand::Rng,
    session: Session,
    prewrite: PrewriteCheck,
    /// Until when each kind of transaction is left alone.
    resting: Vec<Option<Instant>>,
    /// The sessions that it left although the server had not answered.
    left: Vec<Left>,
}

/// A session that a user left although the server had not answered.
struct Left {
    node: usize,
    pid: u32,
    at: Timestamp,
}

/// What an answer comes to.
struct Outcome {
    status: CommitStatus,
    /// Whether the session goes on.
    goes_on: bool,
    /// Whether a failure was raised.
    failed: bool,
}

impl ClientTask {
    pub(super) fn new(users: Arc<Users>, index: usize) -> Self {
        let client = users.histories.first_client + index as u64;
        let random = fastrand::Rng::with_seed(users.seed ^ client.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let session = Session::new(client, users.plan.statements);
        let resting = vec![None; users.plan.kinds.len()];
        let prewrite = PrewriteCheck::new(&users.histories.layout);
        ClientTask { users, index, node: 0, random, session, prewrite, resting, left: vec![] }
    }

    /// Until the users are stopped.
    pub(super) async fn run(mut self) {
        let mut back_off = BACK_OFF.0;
        let users = Arc::clone(&self.users);
        while !users.stopping() {
            let connected = tokio::select! {
                () = users.stopped() => return,
                connected = self.connect() => connected,
            };
            match connected {
                Ok(mut connection) => {
                    self.session.begin();
                    if self.work(&mut connection, &mut back_off).await {
                        connection.close().await;
                        return;
                    }
                }
                Err(error) => self.users.trouble(self.node, &error.to_string()),
            }
            self.node = (self.node + 1) % self.users.nodes.len();
            self.users.pause(back_off).await;
            back_off = (2 * back_off).min(BACK_OFF.1);
        }
    }

    /// Opens a session, once the node has ended those that this user has left there: what it does
    /// later must come later.
    async fn connect(&mut self) -> Result<Connection, SessionError> {
        let mut connection = self.users.connect(self.node, CONNECT).await?;
        let until = Instant::now() + CONNECT;
        while let Some(at) = self.left.iter().position(|left| left.node == self.node) {
            let Left { pid, at: since, .. } = self.left[at];
            // A process id may be somebody else's by now.
            let end = format!(
                "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity \
                 WHERE pid = {pid} AND backend_start <= '{since}' AND application_name = 'drillyard users'"
            );
            let late = || SessionError::Protocol("a session that a user has left does not end".to_owned());
            let left = until.saturating_duration_since(Instant::now());
            let going_on = tokio::time::timeout(left, connection.query(&end)).await.map_err(|_| late())??;
            match going_on.as_deref() {
                Some("0") => drop(self.left.swap_remove(at)),
                _ => self.users.pause(BACK_OFF.0).await,
            }
            if self.users.stopping() {
                break;
            }
        }
        Ok(connection)
    }

    /// One transaction after another. True when the users are stopped, false when the session is
    /// over.
    async fn work(&mut self, connection: &mut Connection, back_off: &mut Duration) -> bool {
        let users = Arc::clone(&self.users);
        loop {
            if let Some(until) = users.pace.slot() {
                users.pause_until(until).await;
                if let Some(error) = connection.ended() {
                    users.trouble(self.node, &error.to_string());
                    return false;
                }
            }
            if users.stopping() {
                return true;
            }
            let kind = match self.choose(&users.plan) {
                Ok(kind) => kind,
                Err(until) => {
                    users.pause_until(until).await;
                    continue;
                }
            };
            let plan = &users.plan.kinds[kind];
            let seq = users.attempt(self.index, kind);
            let answer = self.transaction(connection, plan, seq).await;
            let empty_sites = if let Answer::Acknowledged(empty_sites) = &answer { *empty_sites } else { 0 };
            let mut outcome = self.resolve(kind, seq, answer, empty_sites);
            if outcome.status == CommitStatus::Acknowledged {
                if users.lookups[kind].is_due() {
                    outcome.goes_on = self.look_up(connection, kind, seq, empty_sites).await;
                }
                *back_off = BACK_OFF.0;
            }
            if outcome.failed {
                users.pause(AFTER_FAILURE).await;
            }
            if !outcome.goes_on {
                return false;
            }
        }
    }

    /// Writes down what became of a transaction.
    fn resolve(&mut self, kind: usize, seq: u64, answer: Answer, empty_sites: u8) -> Outcome {
        let users = Arc::clone(&self.users);
        let plan = &users.plan.kinds[kind];
        if let Answer::Rejected(ServerError { state: Some(state), .. }) = &answer
            && state.class() == "42"
        {
            self.resting[kind] = Some(Instant::now() + REST);
        }
        let reason = match &answer {
            Answer::Rejected(ServerError { state: Some(state), .. })
            | Answer::RejectedAndDisconnected(ServerError { state: Some(state), .. }) => Reason::State(*state),
            Answer::RolledBack => Reason::RolledBack,
            _ => Reason::Unnamed,
        };
        let outcome = self.outcome(plan, seq, answer);
        users.resolve(self.index, outcome.status, empty_sites);
        if !plan.prewrite.is_empty()
            && let Some(mut history) = users.histories.history(self.index)
        {
            self.prewrite.compare(&mut history, &users.histories.layout, seq, &mut self.session.read);
        }
        if outcome.status == CommitStatus::Rejected {
            users.rejected(reason);
        }
        outcome
    }

    /// Looks for what was just acknowledged. False if the session is over.
    async fn look_up(&self, connection: &mut Connection, kind: usize, seq: u64, empty_sites: u8) -> bool {
        let (lookup, plan) = (&self.users.lookups[kind], &self.users.plan.kinds[kind]);
        match lookup.look(connection, (self.session.client, seq), empty_sites).await {
            LookedUp::Fine => true,
            LookedUp::Missing(message) => {
                let help = "the ledger's columns must hold `$client` and `$seq` themselves: look at what the INSERT, a trigger or a \
                            generated column writes there";
                self.fail(plan, seq, None, message, Some(help));
                true
            }
            LookedUp::Disconnected(error) => {
                self.users.trouble(self.node, &error.to_string());
                false
            }
        }
    }

    /// The kind that comes next, by its weight, of those that are not left alone; if all are, until
    /// when.
    fn choose(&mut self, plan: &Plan) -> Result<usize, Instant> {
        let chosen = plan.choose(&mut self.random);
        if self.resting[chosen].is_none() {
            return Ok(chosen);
        }
        let now = Instant::now();
        for rest in &mut self.resting {
            *rest = rest.filter(|until| *until > now);
        }
        // The others in the order after the chosen one, so that it takes no second throw of the
        // dice.
        let kinds = self.resting.len();
        let others = (0..kinds).map(|step| (chosen + step) % kinds).filter(|kind| plan.is_done(*kind));
        match others.clone().find(|kind| self.resting[*kind].is_none()) {
            Some(kind) => Ok(kind),
            None => Err(others.filter_map(|kind| self.resting[kind]).min().unwrap_or(now)),
        }
    }

    async fn transaction(&mut self, connection: &mut Connection, plan: &KindPlan, seq: u64) -> Answer {
        if self.users.nodes.len() == 1 {
            return self.session.transaction(connection, plan, seq).await;
        }
        let pid = connection.pid;
        let mut answer = std::pin::pin!(self.session.transaction(connection, plan, seq));
        loop {
            if let Ok(answer) = tokio::time::timeout(PATIENCE, &mut answer).await {
                return answer;
            }
            // A node that was cut off or frozen never answers. One that waits for a lock does,
            // sooner or later.
            if let Some(node) = self.users.writable_besides(self.node).await {
                let text = format!("no answer, while node `{node}` accepts writes");
                self.left.push(Left { node: self.node, pid, at: Timestamp::now() });
                return Answer::Disconnected(SessionError::Protocol(text));
            }
        }
    }

    fn outcome(&self, plan: &KindPlan, seq: u64, answer: Answer) -> Outcome {
        let outcome = |status, goes_on, failed| Outcome { status, goes_on, failed };
        match answer {
            Answer::Acknowledged(_) => outcome(CommitStatus::Acknowledged, true, false),
            Answer::RolledBack => outcome(CommitStatus::Rejected, true, false),
            // "cached plan must not change result type": prepared again, in a new session, as
            // applications' drivers do.
            Answer::Rejected(error) if error.routine == "RevalidateCachedQuery" => {
                outcome(CommitStatus::Rejected, false, false)
            }
            Answer::Rejected(error) => {
                let moves = self.moves_on(&error);
                let failed = !moves && self.raise(plan, seq, &error);
                outcome(CommitStatus::Rejected, !moves, failed)
            }
            Answer::RejectedAndDisconnected(error) => {
                let failed = !self.moves_on(&error) && self.raise(plan, seq, &error);
                outcome(CommitStatus::Rejected, false, failed)
            }
            Answer::Indeterminate(error) => {
                let failed = !self.moves_on(&error) && self.raise(plan, seq, &error);
                outcome(CommitStatus::Unknown, true, failed)
            }
            Answer::Unfinished(message) => {
                let help = "users need a transaction that ends by itself: with its last statement, or with COMMIT";
                self.fail(plan, seq, None, message.to_owned(), Some(help));
                outcome(CommitStatus::Rejected, false, true)
            }
            Answer::Unconfirmed => {
                self.users.unconfirmed();
                let cancelled = "a commit waited for a synchronous standby, and the wait was cancelled";
                self.users.trouble(self.node, cancelled);
                outcome(CommitStatus::Unknown, true, false)
            }
            Answer::Disconnected(error) => {
                self.users.trouble(self.node, &error.to_string());
                outcome(CommitStatus::Unknown, false, false)
            }
        }
    }

    /// Whether an error is part of a server's going down, so that a user just goes to the next one.
    fn moves_on(&self, error: &ServerError) -> bool {
        let Some(state) = error.state else { return false };
        let moves = state.class() == "08"
            || matches!(state.code(), "57P01" | "57P02" | "57P03" | "53300")
            || (state.code() == "25006" && self.users.nodes.len() > 1);
        if moves {
            self.users.trouble(self.node, &error.message);
        }
        moves
    }

    /// Raises a rejection that is not tolerated. Whether it was none of those.
    fn raise(&self, plan: &KindPlan, seq: u64, error: &ServerError) -> bool {
        if error.state.is_some_and(|state| plan.tolerate.contains(&state)) {
            return false;
        }
        if self.users.attended {
            return true;
        }
        self.fail(plan, seq, Some(error), error.message.clone(), None);
        true
    }

    fn fail(&self, plan: &KindPlan, seq: u64, error: Option<&ServerError>, message: String, help: Option<&str>) {
        self.users.fail(Failure {
            kind: plan.name.clone(),
            client: self.session.client,
            seq,
            node: self.users.node(self.node).to_owned(),
            sqlstate: error.and_then(|error| error.state),
            table: error.and_then(|error| error.table.clone()),
            message,
            help: help.map(str::to_owned),
            at: Timestamp::now(),
        });
    }
}
