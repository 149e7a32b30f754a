//! One user's session: sends a transaction in one piece, and finds out what became of it.

use std::io;

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use super::effect::Effect;
use super::protocol::{Connection, Message, ServerError, SessionError, put_number};
use super::statements::{KindPlan, PrewriteQuery};
use super::values::{Values, field, number};
use crate::ledger::PrewriteRows;
use crate::pg::sql::UserParameter;

/// What became of a transaction.
pub(super) enum Answer {
    /// With the sites at which it wrote no row, a bit for each.
    Acknowledged(u8),
    /// The server has committed it by itself and stopped waiting for the synchronous standbys: it
    /// may or may not survive a failover. The session goes on.
    Unconfirmed,
    /// The session goes on.
    Rejected(ServerError),
    /// The session is over, but the transaction was certainly not committed.
    RejectedAndDisconnected(ServerError),
    /// The statements do not make a whole transaction.
    Unfinished(&'static str),
    /// The workload itself asked for it.
    RolledBack,
    /// In doubt. The session goes on.
    Indeterminate(ServerError),
    /// In doubt. The session is over.
    Disconnected(SessionError),
}

/// What a user knows about its session's prepared statements.
pub(super) struct Session {
    pub(super) client: u64,
    prepared: Vec<bool>,
    /// Those whose Parse is under way.
    parsing: Vec<usize>,
    /// What the last transaction's prewrite queries have read.
    pub(super) read: Vec<PrewriteRows>,
}

/// How far the answer to a transaction has come.
struct Progress<'a> {
    plan: &'a KindPlan,
    parsed: usize,
    completed: usize,
    /// The sites at which no row was written so far.
    empty_sites: u8,
    rolled_back: bool,
    unconfirmed: bool,
    error: Option<ServerError>,
}

/// What follows a message.
enum Next {
    Message,
    /// ReadyForQuery, with the transaction's status.
    Ready(u8),
    Answer(Answer),
}

impl Session {
    pub(super) fn new(client: u64, statements: usize) -> Self {
        Session { client, prepared: vec![false; statements], parsing: vec![], read: vec![] }
    }

    /// Nothing is prepared in a new session.
    pub(super) fn begin(&mut self) {
        self.prepared.fill(false);
    }

    /// Sends a transaction in one piece, and waits for what the server says at its end.
    pub(super) async fn transaction(&mut self, connection: &mut Connection, plan: &KindPlan, seq: u64) -> Answer {
        self.read.clear();
        self.read.resize(plan.prewrite.len(), PrewriteRows::default());
        if let Err(error) = self.write(connection, plan, seq) {
            // Nothing was sent.
            connection.out.clear();
            return Answer::Rejected(ServerError::own(error.to_string()));
        }
        if let Err(error) = connection.send().await {
            // The server may have said why before it closed the session.
            return match self.answer(connection, plan).await {
                Answer::Disconnected(_) => Answer::Disconnected(SessionError::Io(error)),
                answer => answer,
            };
        }
        self.answer(connection, plan).await
    }

    /// Parse if it is needed, Bind and Execute for each statement, and one Sync: what has no BEGIN
    /// is one transaction, committed at the Sync. Prewrite queries go first, each with a Sync of
    /// its own, so that none is a part of the transaction.
    fn write(&mut self, connection: &mut Connection, plan: &KindPlan, seq: u64) -> io::Result<()> {
        let out = &mut connection.out;
        let too_many = |_| io::Error::new(io::ErrorKind::InvalidInput, "the statement has too many parameters");
        for query in &plan.prewrite {
            if !self.prepared[query.index] {
                frontend::parse(&query.name, &query.sql, [], out)?;
            }
            let values = [Some(self.client), query.back.map(|back| seq.saturating_sub(back))];
            let value = |value: u64, out: &mut BytesMut| {
                put_number(value, out);
                Ok(IsNull::No)
            };
            frontend::bind("", &query.name, [], values.into_iter().flatten(), value, [], out).map_err(too_many)?;
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
            let value = |parameter: &UserParameter, out: &mut BytesMut| {
                put_number(if *parameter == UserParameter::Client { client } else { seq }, out);
                Ok(IsNull::No)
            };
            frontend::bind("", &statement.name, [], &statement.parameters, value, [], out).map_err(too_many)?;
            frontend::execute("", 0, out)?;
        }
        frontend::sync(out);
        Ok(())
    }

    /// What a prewrite query has read. An error that ends the session: the transaction behind it
    /// was not begun.
    async fn read(&mut self, connection: &mut Connection, query: &PrewriteQuery, at: usize) -> Result<(), Answer> {
        let Some(read) = self.read.get_mut(at) else { return Ok(()) };
        loop {
            let message = connection.receive().await.map_err(|lost| Answer::Disconnected(SessionError::Io(lost)))?;
            match message.tag {
                b'1' => self.prepared[query.index] = true,
                b'D' => {
                    let value = message.body.get(2..).and_then(|mut body| field(&mut body)).flatten();
                    let seq = number(value, Values::Text).and_then(|seq| u64::try_from(seq).ok());
                    read.rows.push(seq.unwrap_or(0));
                }
                // CommandComplete
                b'C' => read.answered = true,
                b'E' => {
                    let error = message.error();
                    if error.fatal {
                        return Err(if error.panic {
                            Answer::Disconnected(SessionError::Server(error))
                        } else {
                            Answer::RejectedAndDisconnected(error)
                        });
                    }
                }
                b'Z' => return Ok(()),
                _ => {}
            }
        }
    }

    async fn answer(&mut self, connection: &mut Connection, plan: &KindPlan) -> Answer {
        for (at, query) in plan.prewrite.iter().enumerate() {
            if let Err(answer) = self.read(connection, query, at).await {
                return answer;
            }
        }
        let mut progress = Progress::new(plan);
        loop {
            let message = match connection.receive().await {
                Ok(message) => message,
                Err(lost) => return Answer::Disconnected(SessionError::Io(lost)),
            };
            // ParseComplete
            if message.tag == b'1' {
                if let Some(index) = self.parsing.get(progress.parsed) {
                    self.prepared[*index] = true;
                }
                progress.parsed += 1;
                continue;
            }
            match progress.take(&message) {
                Next::Message => {}
                Next::Ready(status) => return progress.ended(connection, status).await,
                Next::Answer(answer) => return answer,
            }
        }
    }
}

impl<'a> Progress<'a> {
    fn new(plan: &'a KindPlan) -> Self {
        Progress {
            plan,
            parsed: 0,
            completed: 0,
            empty_sites: plan.counted,
            rolled_back: false,
            unconfirmed: false,
            error: None,
        }
    }

    fn take(&mut self, message: &Message<'_>) -> Next {
        match message.tag {
            // CommandComplete
            b'C' => self.complete(message.body),
            // EmptyQueryResponse
            b'I' => self.completed += 1,
            b'E' => {
                let error = message.error();
                if error.fatal {
                    // The commit comes after the last statement that is needed for it, and its
                    // answer comes later.
                    return Next::Answer(match self.completed < self.plan.safe && !error.panic {
                        true => Answer::RejectedAndDisconnected(error),
                        false => Answer::Disconnected(SessionError::Server(error)),
                    });
                }
                self.error.get_or_insert(error);
            }
            // A notice: most are of no concern to users.
            b'N' => self.unconfirmed |= message.is_cancelled_wait(),
            b'Z' => return Next::Ready(message.status()),
            // COPY FROM STDIN, COPY BOTH: the server waits for rows that no user has.
            b'G' | b'W' => {
                return Next::Answer(Answer::Unfinished("it waits for rows of COPY, which users do not send"));
            }
            _ => {}
        }
        Next::Message
    }

    /// A statement is complete; `tag` says what it did.
    fn complete(&mut self, tag: &[u8]) {
        if let Some(statement) = self.plan.statements.get(self.completed) {
            if !tag.ends_with(b" 0\0") {
                self.empty_sites &= !statement.counts;
            }
            if tag == b"ROLLBACK\0" && matches!(statement.effect, Effect::Commit | Effect::Rollback) {
                self.rolled_back = true;
                if statement.effect == Effect::Commit {
                    let refused = || ServerError::own("COMMIT was answered by ROLLBACK".to_owned());
                    self.error.get_or_insert_with(refused);
                }
            }
        }
        self.completed += 1;
    }

    /// What a ReadyForQuery means after all that was said before it.
    async fn ended(self, connection: &mut Connection, status: u8) -> Answer {
        match (status, self.error) {
            (b'I', None) if self.rolled_back => Answer::RolledBack,
            (b'I', None) if self.unconfirmed => Answer::Unconfirmed,
            (b'I', None) => Answer::Acknowledged(self.empty_sites),
            // An explicit COMMIT went through before the error.
            (_, Some(error)) if self.completed > self.plan.safe && !self.rolled_back => {
                if status != b'I' {
                    let _ = connection.query("ROLLBACK").await;
                }
                Answer::Indeterminate(error)
            }
            (b'I', Some(error)) => Answer::Rejected(error),
            (b'T', None) => Answer::Unfinished("its transaction is still open at the end: a COMMIT is missing"),
            (_, Some(error)) => match connection.query("ROLLBACK").await {
                Ok(_) => Answer::Rejected(error),
                Err(_) => Answer::RejectedAndDisconnected(error),
            },
            (_, None) => Answer::Unfinished("its transaction is still open, and failed, at the end"),
        }
    }
}
