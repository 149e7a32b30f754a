//! One user: connects, tries one transaction after another, and writes down what became of each.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use super::lookup::LookedUp;
use super::observe::{Values, field, number};
use super::pool::{Failure, Reason, Users};
use super::protocol::{Connection, ServerError, WireError, put_number};
use super::statements::{Effect, KindPlan, Plan, PrewriteQuery};
use crate::ledger::history::CommitStatus;
use crate::ledger::prewrite_check::{PrewriteCheck, PrewriteRow};
use crate::pg::sql::UserParameter;

/// The shortest and the longest pause before the next try to connect.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// How long opening a session may take.
const CONNECT: Duration = Duration::from_secs(2);

/// How long a user waits for an answer before it looks for another node that accepts writes.
const PATIENCE: Duration = Duration::from_secs(1);

/// The pause after a rejection that was raised, so that a workload that can't work does not fill the log.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

/// How long a user leaves alone what the server said is not there or not allowed (class 42): as with a page that shows an error,
/// people go elsewhere and look again later.
const REST: Duration = Duration::from_millis(50);

/// What became of a transaction.
enum Answer {
    /// With the parts that wrote no row, a bit for each.
    Acknowledged(u8),
    /// The server has committed it by itself and stopped waiting for the synchronous standbys: whether it survives a failover,
    /// nobody knows. The session goes on.
    Unconfirmed,
    /// The session goes on.
    Rejected(ServerError),
    /// The session is over, but the transaction was certainly not committed.
    RejectedAndLost(ServerError),
    /// The statements do not make a whole transaction.
    Unfinished(&'static str),
    /// The workload itself asked for it.
    RolledBack,
    /// The session goes on, and nobody knows.
    Doubtful(ServerError),
    /// The session is over, and nobody knows.
    Lost(WireError),
}

/// One user.
pub(crate) struct ClientTask {
    users: Arc<Users>,
    /// Its place among the users of its pool.
    index: usize,
    /// The node that it goes to.
    node: usize,
    random: fastrand::Rng,
    session: Session,
    witness: PrewriteCheck,
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

/// What a user knows about its session's prepared statements.
struct Session {
    client: u64,
    prepared: Vec<bool>,
    /// Those whose Parse is under way.
    parsing: Vec<usize>,
    /// What the last transaction's looks have found.
    readings: Vec<PrewriteRow>,
}

impl ClientTask {
    pub(crate) fn new(users: Arc<Users>, index: usize) -> Self {
        let client = users.books.first_client + index as u64;
        let random = fastrand::Rng::with_seed(users.seed ^ client.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let prepared = vec![false; users.plan.statements];
        let session = Session { client, prepared, parsing: vec![], readings: vec![] };
        let resting = vec![None; users.plan.kinds.len()];
        let witness = PrewriteCheck::new(&users.books.layout);
        ClientTask { users, index, node: 0, random, session, witness, resting, left: vec![] }
    }

    /// Until the users are stopped.
    pub(crate) async fn run(mut self) {
        let mut back_off = BACK_OFF.0;
        let users = Arc::clone(&self.users);
        while !users.stopping() {
            let connected = tokio::select! {
                () = users.stopped() => return,
                connected = self.connect() => connected,
            };
            match connected {
                Ok(mut connection) => {
                    self.session.prepared.fill(false);
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

    /// Opens a session, once nothing goes on there that it has left unanswered: what this user does later must come later.
    async fn connect(&mut self) -> Result<Connection, WireError> {
        let mut connection = self.users.connect(self.node, CONNECT).await?;
        let until = Instant::now() + CONNECT;
        while let Some(at) = self.left.iter().position(|left| left.node == self.node) {
            let Left { pid, at: since, .. } = self.left[at];
            // A process id may be somebody else's by now.
            let end = format!(
                "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity \
                 WHERE pid = {pid} AND backend_start <= '{since}' AND application_name = 'drillyard users'"
            );
            let late = || WireError::Protocol("a session that a user has left does not end".to_owned());
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

    /// One transaction after another. True when the users are stopped, false when the session is over.
    async fn work(&mut self, connection: &mut Connection, back_off: &mut Duration) -> bool {
        loop {
            if let Some(until) = self.users.slot() {
                self.users.pause_until(until).await;
                if let Some(error) = connection.ended() {
                    self.users.trouble(self.node, &error.to_string());
                    return false;
                }
            }
            if self.users.stopping() {
                return true;
            }
            let users = Arc::clone(&self.users);
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
            if let Answer::Rejected(ServerError { state: Some(state), .. }) = &answer
                && state.class() == "42"
            {
                self.resting[kind] = Some(Instant::now() + REST);
            }
            let (reason, hollow) = match &answer {
                Answer::Acknowledged(hollow) => (Reason::Unnamed, *hollow),
                Answer::Rejected(ServerError { state: Some(state), .. })
                | Answer::RejectedAndLost(ServerError { state: Some(state), .. }) => (Reason::State(*state), 0),
                Answer::RolledBack => (Reason::RolledBack, 0),
                _ => (Reason::Unnamed, 0),
            };
            let (fate, mut goes_on, failed) = self.judge(plan, seq, answer);
            users.resolve(self.index, fate, hollow);
            if !plan.looks.is_empty()
                && let Some(mut book) = users.books.book(self.index)
            {
                self.witness.compare(&mut book, &users.books.layout, seq, &mut self.session.readings);
            }
            if fate == CommitStatus::Rejected {
                users.rejected(reason);
            }
            if fate == CommitStatus::Acknowledged && users.proofs[kind].is_due() {
                goes_on = self.prove(connection, kind, seq, hollow).await;
            }
            if fate == CommitStatus::Acknowledged {
                *back_off = BACK_OFF.0;
            }
            if failed {
                users.pause(AFTER_FAILURE).await;
            }
            if !goes_on {
                return false;
            }
        }
    }

    /// Looks for what was just acknowledged. False if the session is over.
    async fn prove(&self, connection: &mut Connection, kind: usize, seq: u64, hollow: u8) -> bool {
        let (proof, plan) = (&self.users.proofs[kind], &self.users.plan.kinds[kind]);
        match proof.look(connection, (self.session.client, seq), hollow).await {
            LookedUp::Fine => true,
            LookedUp::Missing(message) => {
                let help = "the ledger's columns must hold `$client` and `$seq` themselves: look at what the INSERT, a trigger or a \
                            generated column writes there";
                self.fail(plan, seq, None, message, Some(help));
                true
            }
            LookedUp::Lost(error) => {
                self.users.trouble(self.node, &error.to_string());
                false
            }
        }
    }

    /// The kind that comes next, by its weight, of those that are not left alone; where all are, until when.
    fn choose(&mut self, plan: &Plan) -> Result<usize, Instant> {
        let chosen = plan.choose(&mut self.random);
        if self.resting[chosen].is_none() {
            return Ok(chosen);
        }
        let now = Instant::now();
        for rest in &mut self.resting {
            *rest = rest.filter(|until| *until > now);
        }
        // The others in the order after the chosen one, so that it takes no second throw of the dice.
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
            // A node that was cut off or frozen never answers. One that waits for a lock does, sooner or later.
            if let Some(node) = self.users.writable_besides(self.node).await {
                let text = format!("no answer, while node `{node}` accepts writes");
                self.left.push(Left { node: self.node, pid, at: Timestamp::now() });
                return Answer::Lost(WireError::Protocol(text));
            }
        }
    }

    /// The fate, whether the session goes on, and whether a failure was raised.
    fn judge(&mut self, plan: &KindPlan, seq: u64, answer: Answer) -> (CommitStatus, bool, bool) {
        match answer {
            Answer::Acknowledged(_) => (CommitStatus::Acknowledged, true, false),
            Answer::RolledBack => (CommitStatus::Rejected, true, false),
            Answer::Rejected(error) => {
                // "cached plan must not change result type": prepared again, in a new session, as applications' drivers do.
                if error.routine == "RevalidateCachedQuery" {
                    return (CommitStatus::Rejected, false, false);
                }
                let moves = self.moves_on(&error);
                let failed = !moves && self.raise(plan, seq, &error);
                (CommitStatus::Rejected, !moves, failed)
            }
            Answer::RejectedAndLost(error) => {
                let failed = !self.moves_on(&error) && self.raise(plan, seq, &error);
                (CommitStatus::Rejected, false, failed)
            }
            Answer::Doubtful(error) => {
                let failed = !self.moves_on(&error) && self.raise(plan, seq, &error);
                (CommitStatus::InDoubt, true, failed)
            }
            Answer::Unfinished(message) => {
                let help = "users need a transaction that ends by itself: with its last statement, or with COMMIT";
                self.fail(plan, seq, None, message.to_owned(), Some(help));
                (CommitStatus::Rejected, false, true)
            }
            Answer::Unconfirmed => {
                self.users.unconfirmed();
                let told = "a commit waited for a synchronous standby, and the wait was cancelled";
                self.users.trouble(self.node, told);
                (CommitStatus::InDoubt, true, false)
            }
            Answer::Lost(error) => {
                self.users.trouble(self.node, &error.to_string());
                (CommitStatus::InDoubt, false, false)
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

    /// Raises a rejection that is not tolerated. Whether it did.
    fn raise(&self, plan: &KindPlan, seq: u64, error: &ServerError) -> bool {
        if error.state.is_some_and(|state| plan.tolerate.contains(&state)) {
            return false;
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
            message,
            help: help.map(str::to_owned),
            at: Timestamp::now(),
        });
    }
}

impl Session {
    /// Sends a transaction in one piece, and waits for what the server says at its end.
    async fn transaction(&mut self, connection: &mut Connection, plan: &KindPlan, seq: u64) -> Answer {
        self.readings.clear();
        self.readings.resize(plan.looks.len(), PrewriteRow::default());
        if let Err(error) = self.write(connection, plan, seq) {
            // Nothing was sent.
            connection.out.clear();
            let message = error.to_string();
            let (routine, state) = (String::new(), None);
            return Answer::Rejected(ServerError { fatal: false, panic: false, state, message, routine });
        }
        if let Err(error) = connection.send().await {
            return self.last_words(connection, plan, error).await;
        }
        self.answer(connection, plan).await
    }

    /// Parse where it is needed, Bind and Execute for each statement, and one Sync: what has no BEGIN is one transaction,
    /// committed at the Sync. Looks go first, each with a Sync of its own, so that none is a part of the transaction.
    fn write(&mut self, connection: &mut Connection, plan: &KindPlan, seq: u64) -> io::Result<()> {
        let out = &mut connection.out;
        let too_many = |_| io::Error::new(io::ErrorKind::InvalidInput, "the statement has too many parameters");
        for look in &plan.looks {
            if !self.prepared[look.index] {
                frontend::parse(&look.name, &look.sql, [], out)?;
            }
            let values = [Some(self.client), look.back.map(|back| seq.saturating_sub(back))];
            let value = |value: u64, out: &mut bytes::BytesMut| {
                put_number(value, out);
                Ok(IsNull::No)
            };
            frontend::bind("", &look.name, [], values.into_iter().flatten(), value, [], out).map_err(too_many)?;
            frontend::execute("", 0, out)?;
            frontend::sync(out);
        }
        self.parsing.clear();
        for statement in &plan.statements {
            if !self.prepared[statement.index] {
                frontend::parse(&statement.name, &statement.sql, [], out)?;
                self.parsing.push(statement.index);
            }
            let client = self.client;
            // As text, which every type can be read from.
            let value = |parameter: &UserParameter, out: &mut bytes::BytesMut| {
                put_number(if *parameter == UserParameter::Client { client } else { seq }, out);
                Ok(IsNull::No)
            };
            frontend::bind("", &statement.name, [], &statement.parameters, value, [], out).map_err(too_many)?;
            frontend::execute("", 0, out)?;
        }
        frontend::sync(out);
        Ok(())
    }

    /// The server may have said why before it closed the session in our face.
    async fn last_words(&mut self, connection: &mut Connection, plan: &KindPlan, error: io::Error) -> Answer {
        match self.answer(connection, plan).await {
            Answer::Lost(_) => Answer::Lost(WireError::Io(error)),
            answer => answer,
        }
    }

    /// What a look has found. An error that ends the session: the transaction behind it was not begun.
    async fn look(&mut self, connection: &mut Connection, look: &PrewriteQuery, at: usize) -> Result<(), Answer> {
        let Some(reading) = self.readings.get_mut(at) else { return Ok(()) };
        loop {
            let message = connection.receive().await.map_err(|lost| Answer::Lost(WireError::Io(lost)))?;
            match message.tag {
                b'1' => self.prepared[look.index] = true,
                b'D' => {
                    let value = message.body.get(2..).and_then(|mut body| field(&mut body)).flatten();
                    let seq = number(value, Values::Text).and_then(|seq| u64::try_from(seq).ok());
                    reading.rows.push(seq.unwrap_or(0));
                }
                // CommandComplete
                b'C' => reading.whole = true,
                b'E' => {
                    let told = message.error();
                    if told.fatal {
                        return Err(if told.panic {
                            Answer::Lost(WireError::Server(told))
                        } else {
                            Answer::RejectedAndLost(told)
                        });
                    }
                }
                b'Z' => return Ok(()),
                _ => {}
            }
        }
    }

    async fn answer(&mut self, connection: &mut Connection, plan: &KindPlan) -> Answer {
        for (at, look) in plan.looks.iter().enumerate() {
            if let Err(answer) = self.look(connection, look, at).await {
                return answer;
            }
        }
        let (mut parsed, mut completed) = (0, 0);
        let mut hollow = plan.counted;
        let (mut rolled_back, mut unconfirmed) = (false, false);
        let mut error: Option<ServerError> = None;
        loop {
            let message = match connection.receive().await {
                Ok(message) => message,
                Err(lost) => return Answer::Lost(WireError::Io(lost)),
            };
            match message.tag {
                // ParseComplete
                b'1' => {
                    if let Some(index) = self.parsing.get(parsed) {
                        self.prepared[*index] = true;
                    }
                    parsed += 1;
                }
                // CommandComplete
                b'C' => {
                    let statement = plan.statements.get(completed);
                    if let Some(statement) = statement
                        && !message.body.ends_with(b" 0\0")
                    {
                        hollow &= !statement.counts;
                    }
                    let effect = statement.map(|statement| statement.effect);
                    if message.body == b"ROLLBACK\0" && matches!(effect, Some(Effect::Commit | Effect::Rollback)) {
                        rolled_back = true;
                        if effect == Some(Effect::Commit) {
                            error.get_or_insert_with(commit_refused);
                        }
                    }
                    completed += 1;
                }
                // EmptyQueryResponse
                b'I' => completed += 1,
                b'E' => {
                    let told = message.error();
                    if told.fatal {
                        // The commit comes after the last statement that is needed for it, and its answer comes later.
                        return match completed < plan.safe && !told.panic {
                            true => Answer::RejectedAndLost(told),
                            false => Answer::Lost(WireError::Server(told)),
                        };
                    }
                    error.get_or_insert(told);
                }
                // A notice: most are of no concern to users.
                b'N' => unconfirmed |= message.is_cancelled_wait(),
                b'Z' => {
                    let status = message.status();
                    let acknowledged = if unconfirmed { Answer::Unconfirmed } else { Answer::Acknowledged(hollow) };
                    return ended(connection, plan, status, error, completed, rolled_back, acknowledged).await;
                }
                // COPY FROM STDIN, COPY BOTH: the server waits for rows that no user has.
                b'G' | b'W' => return Answer::Unfinished("it waits for rows of COPY, which users do not send"),
                _ => {}
            }
        }
    }
}

fn commit_refused() -> ServerError {
    ServerError {
        fatal: false,
        panic: false,
        state: None,
        message: "COMMIT was answered by ROLLBACK".to_owned(),
        routine: String::new(),
    }
}

/// What a ReadyForQuery means after all that was said before it.
async fn ended(
    connection: &mut Connection,
    plan: &KindPlan,
    status: u8,
    error: Option<ServerError>,
    completed: usize,
    rolled_back: bool,
    acknowledged: Answer,
) -> Answer {
    match (status, error) {
        (b'I', None) if rolled_back => Answer::RolledBack,
        (b'I', None) => acknowledged,
        // An explicit COMMIT went through before the error.
        (_, Some(error)) if completed > plan.safe && !rolled_back => {
            if status != b'I' {
                let _ = connection.query("ROLLBACK").await;
            }
            Answer::Doubtful(error)
        }
        (b'I', Some(error)) => Answer::Rejected(error),
        (b'T', None) => Answer::Unfinished("its transaction is still open at the end: a COMMIT is missing"),
        (_, Some(error)) => match connection.query("ROLLBACK").await {
            Ok(_) => Answer::Rejected(error),
            Err(_) => Answer::RejectedAndLost(error),
        },
        (_, None) => Answer::Unfinished("its transaction is still open, and failed, at the end"),
    }
}
