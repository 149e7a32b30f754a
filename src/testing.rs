//! A PostgreSQL server for tests: in a temporary directory, on a Unix socket and on TCP, gone at
//! the end. It knows no room, so that the tests of every room can use it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use tokio_postgres::{Client, Config, NoTls};

/// The password of `postgres`.
pub(crate) const PASSWORD: &str = "it's a drill";

/// How long a server may take to start, that is left behind by a crash included.
const START: Duration = Duration::from_secs(60);

/// A server.
pub(crate) struct Server {
    bin: PathBuf,
    dir: tempfile::TempDir,
    /// PostgreSQL refuses root.
    user: Option<User>,
    port: u16,
    postmaster: Mutex<Option<Child>>,
}

/// How a server is shut down (manual, chapter 18.5).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shutdown {
    /// Sessions are ended.
    Fast,
    /// Without a checkpoint: the next start recovers.
    Immediate,
    /// SIGKILL to the postmaster alone, which says nothing to its children.
    Crash,
}

impl Server {
    /// Starts one with the programs in DRILLYARD_PG_BIN, or with Debian's newest.
    pub(crate) async fn start() -> Server {
        Server::start_with(&[]).await
    }

    /// The same, made with these options of initdb.
    pub(crate) async fn start_with(initdb: &[&str]) -> Server {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let port =
            TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a port").port();
        let user = Uid::effective()
            .is_root()
            .then(|| User::from_name("postgres").expect("users can be read").expect("a user `postgres`"));
        let server = Server { bin: programs(), dir, user, port, postmaster: Mutex::default() };
        if let Some(user) = &server.user {
            chown(server.dir(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("chown");
        }
        let password = server.dir().join("password");
        std::fs::write(&password, PASSWORD).expect("written");
        let password = password.display().to_string();
        let options = ["-U", "postgres", "-A", "scram-sha-256", "--pwfile", &password, "--no-sync", "-E", "UTF8"];
        let made = server.program("initdb", &[&options[..], &["--locale=C"], initdb].concat());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.append(
            "postgresql.conf",
            &format!(
                "fsync = off\nautovacuum = off\nwal_level = logical\nlisten_addresses = '127.0.0.1'\n\
                 port = {port}\nunix_socket_directories = '{}'\n",
                server.dir().display()
            ),
        );
        server.start_again().await;
        server
    }

    /// Starts it after it was shut down, and returns when it accepts sessions.
    pub(crate) async fn start_again(&self) {
        let deadline = Instant::now() + START;
        loop {
            let log = || std::fs::read_to_string(self.log()).unwrap_or_default();
            assert!(Instant::now() < deadline, "the server did not start:\n{}", log());
            // After a crash it cannot start until the last process of the old server has gone.
            let has_ended = self.lock().as_mut().is_none_or(|child| child.try_wait().expect("a child").is_some());
            if has_ended {
                *self.lock() = Some(self.postmaster());
            }
            if self.config().connect(NoTls).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn postmaster(&self) -> Child {
        let log = OpenOptions::new().create(true).append(true).open(self.log()).expect("a log file");
        let mut postgres = self.command("postgres");
        postgres.stderr(Stdio::from(log)).stdout(Stdio::null()).spawn().expect("postgres starts")
    }

    /// Whatever is behind the lock is whole between any two calls.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.postmaster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = self.lock().as_ref() {
            let pid = Pid::from_raw(child.id().cast_signed());
            kill(pid, signal).expect("signalled");
        }
    }

    /// Shuts it down, and returns when the postmaster has ended.
    pub(crate) fn stop(&self, how: Shutdown) {
        self.signal(match how {
            Shutdown::Fast => Signal::SIGINT,
            Shutdown::Immediate => Signal::SIGQUIT,
            Shutdown::Crash => Signal::SIGKILL,
        });
        if let Some(mut child) = self.lock().take() {
            child.wait().expect("ended");
        }
    }

    /// Makes it read its configuration again.
    pub(crate) fn reload(&self) {
        self.signal(Signal::SIGHUP);
    }

    /// Its directory, to which its user may write: that of the socket, and of the data below
    /// `data`.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn log(&self) -> PathBuf {
        self.dir().join("log")
    }

    /// Adds lines to a file of the data directory.
    pub(crate) fn append(&self, file: &str, text: &str) {
        let mut file: File = OpenOptions::new().append(true).open(self.dir().join("data").join(file)).expect("a file");
        file.write_all(text.as_bytes()).expect("written");
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        config.host_path(self.dir()).port(self.port).user("postgres").password(PASSWORD).dbname("postgres");
        config
    }

    /// A session in this database.
    pub(crate) async fn connect(&self, database: &str) -> Client {
        let (client, connection) = self.config().dbname(database).connect(NoTls).await.expect("a session");
        tokio::spawn(connection);
        client
    }

    /// Runs statements in the database `postgres`.
    pub(crate) async fn sql(&self, sql: &str) {
        self.connect("postgres").await.batch_execute(sql).await.expect("run");
    }

    /// The one number that a query in the database `postgres` returns.
    pub(crate) async fn count(&self, query: &str) -> u64 {
        let count: i64 = self.connect("postgres").await.query_one(query, &[]).await.expect("a row").get(0);
        u64::try_from(count).expect("a count")
    }

    /// Runs one of PostgreSQL's programs, as the server's user and against the server.
    pub(crate) fn program(&self, name: &str, args: &[&str]) -> Output {
        self.command(name).args(args).output().expect("the program runs")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir(self.dir()).stdin(Stdio::null());
        command.env("HOME", self.dir()).env("PGDATA", self.dir().join("data")).env("PGHOST", self.dir());
        command.env("PGPORT", self.port.to_string()).env("PGUSER", "postgres").env("PGPASSWORD", PASSWORD);
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        // A Ctrl-C that is meant for the tests is answered by Drop.
        command.process_group(0);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT ends the server's children, too.
        if let Some(mut child) = self.lock().take() {
            let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGQUIT);
            let _ = child.wait();
        }
    }
}

fn programs() -> PathBuf {
    if let Ok(bin) = std::env::var("DRILLYARD_PG_BIN") {
        return PathBuf::from(bin);
    }
    let found = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let major = |dir: &std::fs::DirEntry| dir.file_name().to_string_lossy().parse::<u32>().unwrap_or(0);
    let newest = found.max_by_key(major).expect("PostgreSQL in /usr/lib/postgresql, or DRILLYARD_PG_BIN");
    newest.path().join("bin")
}
