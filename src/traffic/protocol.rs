//! A lean client: PostgreSQL's frontend/backend protocol 3.0 (manual, chapter 55) without anything
//! that users do not need.
//!
//! On a small machine the users' own share of the processors makes the difference: one write, one
//! read and no allocation for each transaction.

use std::io;

use bytes::{BufMut, BytesMut};
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::host::{Endpoint, Login};
use crate::pg::{SqlState, TableName};

/// What a server said was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerError {
    /// FATAL or PANIC: the session is over.
    pub(super) fatal: bool,
    pub(super) panic: bool,
    pub(super) state: Option<SqlState>,
    /// The message, and the detail if there is one.
    pub(super) message: String,
    /// The routine of the server's source that it comes from.
    pub(super) routine: String,
    /// The table that it is about, with its schema, if it is about one.
    pub(super) table: Option<TableName>,
}

impl ServerError {
    /// An error that no server has reported.
    pub(super) fn own(message: String) -> Self {
        ServerError { fatal: false, panic: false, state: None, message, routine: String::new(), table: None }
    }

    fn read(body: &[u8]) -> Self {
        let mut error = ServerError::own(String::new());
        let (mut detail, mut schema, mut table) = (String::new(), None, None);
        for field in body.split(|b| *b == 0) {
            let Some((kind, value)) = field.split_first() else { continue };
            let value = String::from_utf8_lossy(value);
            match kind {
                b'V' => (error.fatal, error.panic) = (value == "FATAL" || value == "PANIC", value == "PANIC"),
                b'C' => error.state = SqlState::from_code(&value),
                b'M' => error.message = value.into_owned(),
                b'D' => detail = value.into_owned(),
                b'R' => error.routine = value.into_owned(),
                b's' => schema = Some(value.into_owned()),
                b't' => table = Some(value.into_owned()),
                _ => {}
            }
        }
        error.table = table.map(|name| TableName { schema, name });
        if !detail.is_empty() {
            error.message = format!("{}: {detail}", error.message);
        }
        error
    }
}

/// Why a session could not be opened, or is no more.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{}", .0.message)]
    Server(ServerError),
    #[error("{0}")]
    Protocol(String),
}

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// A session.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    /// What is to be sent.
    pub(super) out: BytesMut,
    /// What came and was not read yet: `buffer[start..end]`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The server's process for this session; 0 if it did not say.
    pub(super) pid: u32,
}

/// A message of the server.
pub(super) struct Message<'a> {
    pub(super) tag: u8,
    pub(super) body: &'a [u8],
}

impl Message<'_> {
    /// Of an ErrorResponse.
    pub(super) fn error(&self) -> ServerError {
        ServerError::read(self.body)
    }

    /// Of a NoticeResponse: whether a commit has stopped waiting for the synchronous standbys
    /// ("canceling wait for synchronous replication": known by the routine of the server's source,
    /// which is the same in every language).
    pub(super) fn is_cancelled_wait(&self) -> bool {
        self.body.split(|b| *b == 0).any(|field| field == b"RSyncRepWaitForLSN")
    }

    /// The transaction's status in a ReadyForQuery.
    pub(super) fn status(&self) -> u8 {
        self.body.first().copied().unwrap_or(b'I')
    }
}

/// Messages are short; longer ones make the buffer grow.
const BUFFER: usize = 8 * 1024;

/// The longest message that is believed to be one.
const LONGEST: usize = 1 << 30;

impl Connection {
    /// Opens a session. The caller bounds its time. With `unlogged` its statements are not in the
    /// server's log, whatever that logs; only a superuser may say so.
    pub(super) async fn open(login: &Login, unlogged: bool) -> Result<Self, SessionError> {
        let stream = match &login.endpoint {
            Endpoint::Socket { dir, port } => {
                Stream::Unix(UnixStream::connect(dir.join(format!(".s.PGSQL.{port}"))).await?)
            }
            Endpoint::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
        };
        let out = BytesMut::with_capacity(BUFFER);
        let mut connection = Connection { stream, out, buffer: vec![0; BUFFER], start: 0, end: 0, pid: 0 };
        connection.log_in(login, unlogged).await?;
        Ok(connection)
    }

    async fn log_in(&mut self, login: &Login, unlogged: bool) -> Result<(), SessionError> {
        let unlogged = unlogged.then_some(("options", "-c log_statement=none"));
        let parameters = [
            ("user", login.user.as_str()),
            ("database", login.database.as_str()),
            ("client_encoding", "UTF8"),
            ("application_name", "drillyard users"),
        ];
        frontend::startup_message(parameters.into_iter().chain(unlogged), &mut self.out)?;
        self.send().await?;
        let mut scram: Option<sasl::ScramSha256> = None;
        loop {
            let message = self.receive().await?;
            let (tag, body) = (message.tag, message.body);
            match tag {
                b'E' => return Err(SessionError::Server(message.error())),
                b'Z' => return Ok(()),
                b'R' => {
                    let mut answer = BytesMut::new();
                    authenticate(login, &mut scram, body, &mut answer)?;
                    if !answer.is_empty() {
                        self.out.extend_from_slice(&answer);
                        self.send().await?;
                    }
                }
                // The key for cancel requests begins with the process.
                b'K' => self.pid = body.first_chunk().copied().map_or(0, u32::from_be_bytes),
                // Parameters, notices.
                _ => {}
            }
        }
    }

    /// Sends all of `out`.
    pub(super) async fn send(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Unix(stream) => stream.write_all(&self.out).await?,
            Stream::Tcp(stream) => stream.write_all(&self.out).await?,
        }
        self.out.clear();
        Ok(())
    }

    /// The next message.
    pub(super) async fn receive(&mut self) -> io::Result<Message<'_>> {
        loop {
            if let Some(len) = self.whole()? {
                let at = self.start;
                self.start += len;
                return Ok(Message { tag: self.buffer[at], body: &self.buffer[at + 5..at + len] });
            }
            self.fill().await?;
        }
    }

    /// The length of the message at the front, if all of it is there.
    fn whole(&self) -> io::Result<Option<usize>> {
        let there = &self.buffer[self.start..self.end];
        let Some(head) = there.get(1..5) else { return Ok(None) };
        let len = head.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)) + 1;
        if !(5..=LONGEST).contains(&len) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the server's answer is not PostgreSQL's protocol"));
        }
        Ok((there.len() >= len).then_some(len))
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.make_room();
        let room = &mut self.buffer[self.end..];
        let read = match &mut self.stream {
            Stream::Unix(stream) => stream.read(room).await?,
            Stream::Tcp(stream) => stream.read(room).await?,
        };
        if read == 0 {
            return Err(closed());
        }
        self.end += read;
        Ok(())
    }

    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        } else if self.end == self.buffer.len() {
            self.buffer.resize(2 * self.end, 0);
        }
    }

    /// Whether the server has ended the session meanwhile: asked after a pause, so that what is
    /// sent next is not in doubt.
    pub(super) fn ended(&mut self) -> Option<SessionError> {
        loop {
            self.make_room();
            let room = &mut self.buffer[self.end..];
            let read = match &mut self.stream {
                Stream::Unix(stream) => stream.try_read(room),
                Stream::Tcp(stream) => stream.try_read(room),
            };
            match read {
                Ok(0) => return Some(SessionError::Io(closed())),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) => return Some(SessionError::Io(error)),
            }
            // Notices and parameters may come at any time.
            while let Ok(Some(len)) = self.whole() {
                let at = self.start;
                self.start += len;
                if self.buffer[at] == b'E' {
                    return Some(SessionError::Server(ServerError::read(&self.buffer[at + 5..at + len])));
                }
            }
        }
    }

    /// Runs a query whose answer is one value, or none.
    pub(super) async fn query(&mut self, sql: &str) -> Result<Option<String>, SessionError> {
        frontend::query(sql, &mut self.out)?;
        self.send().await?;
        let (mut value, mut error) = (None, None);
        loop {
            let message = self.receive().await?;
            match message.tag {
                // One column: a count, a length, the value.
                b'D' => value = message.body.get(6..).map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
                b'E' => {
                    let reported = message.error();
                    if reported.fatal {
                        return Err(SessionError::Server(reported));
                    }
                    error = Some(reported);
                }
                b'Z' => return error.map_or(Ok(value), |error| Err(SessionError::Server(error))),
                _ => {}
            }
        }
    }

    /// Ends the session.
    pub(super) async fn close(mut self) {
        self.out.clear();
        frontend::terminate(&mut self.out);
        // The session ends with the socket in any case.
        let _ = self.send().await;
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")
}

/// Answers a request for authentication: trust, password, md5, scram-sha-256.
fn authenticate(
    login: &Login,
    scram: &mut Option<sasl::ScramSha256>,
    body: &[u8],
    answer: &mut BytesMut,
) -> Result<(), SessionError> {
    let garbled = || SessionError::Protocol("the server's request for authentication is garbled".to_owned());
    let (kind, data) = body.split_first_chunk().ok_or_else(garbled)?;
    let password = login.password.as_bytes();
    match (u32::from_be_bytes(*kind), scram.as_mut()) {
        (0, _) => {}
        (3, _) => frontend::password_message(password, answer)?,
        (5, _) => {
            let salt = data.try_into().map_err(|_| garbled())?;
            frontend::password_message(md5_hash(login.user.as_bytes(), password, salt).as_bytes(), answer)?;
        }
        (10, _) => {
            if !data.split(|b| *b == 0).any(|name| name == sasl::SCRAM_SHA_256.as_bytes()) {
                return Err(SessionError::Protocol("the server offers no scram-sha-256 without TLS".to_owned()));
            }
            let client = sasl::ScramSha256::new(password, sasl::ChannelBinding::unsupported());
            frontend::sasl_initial_response(sasl::SCRAM_SHA_256, client.message(), answer)?;
            *scram = Some(client);
        }
        (11, Some(client)) => {
            client.update(data)?;
            frontend::sasl_response(client.message(), answer)?;
        }
        (12, Some(client)) => client.finish(data)?,
        (other, _) => {
            return Err(SessionError::Protocol(format!(
                "the server wants authentication of kind {other}; users know trust, password, md5 and scram-sha-256"
            )));
        }
    }
    Ok(())
}

/// Appends a number in decimal.
pub(super) fn put_number(mut number: u64, out: &mut BytesMut) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 1_000_000, u64::MAX] {
            let mut out = BytesMut::new();
            put_number(number, &mut out);
            assert_eq!(&out[..], number.to_string().as_bytes());
        }
    }

    #[test]
    fn errors_are_read_with_their_detail() {
        let error = ServerError::read(b"SFATAL\0VFATAL\0C57P01\0Mgoodbye\0Dnow\0RProcessInterrupts\0\0");
        assert!(error.fatal && !error.panic);
        assert_eq!(error.state.map(|state| state.to_string()).as_deref(), Some("admin_shutdown (57P01)"));
        assert_eq!((error.message.as_str(), error.routine.as_str()), ("goodbye: now", "ProcessInterrupts"));
    }
}
