//! A PostgreSQL server for the tests of this room: in a temporary directory, on a Unix socket, gone at the end.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

/// A running server.
pub(super) struct Server {
    bin: PathBuf,
    dir: tempfile::TempDir,
    user: Option<nix::unistd::User>,
    child: Child,
}

impl Server {
    /// Starts one with the programs in DRILLYARD_PG_BIN, or with Debian's newest.
    pub(super) async fn start() -> Server {
        let bin = programs();
        let dir = tempfile::tempdir().expect("a temporary directory");
        // PostgreSQL refuses root.
        let user = nix::unistd::Uid::effective()
            .is_root()
            .then(|| nix::unistd::User::from_name("postgres").expect("users can be read").expect("a user `postgres`"));
        if let Some(user) = &user {
            let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
            std::os::unix::fs::chown(dir.path(), Some(uid), Some(gid)).expect("chown");
        }
        let data = dir.path().join("data");
        let mut initdb = command(&bin, "initdb", dir.path(), user.as_ref());
        let made =
            initdb.args(["-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C", "-D"]).arg(&data);
        let made = made.output().expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let log = std::fs::File::create(dir.path().join("log")).expect("a log file");
        let child = command(&bin, "postgres", dir.path(), user.as_ref())
            .arg("-D")
            .arg(&data)
            .args(["-k", &dir.path().display().to_string(), "-c", "listen_addresses=", "-c", "fsync=off"])
            .args(["-c", "wal_level=logical", "-c", "autovacuum=off"])
            .stderr(Stdio::from(log))
            .stdout(Stdio::null())
            .spawn()
            .expect("postgres starts");
        let server = Server { bin, dir, user, child };
        let begun = Instant::now();
        while server.config().connect(NoTls).await.is_err() {
            let log = || std::fs::read_to_string(server.dir.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(30), "the server did not start:\n{}", log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server
    }

    /// How it is reached.
    pub(super) fn config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.dir.path()).port(5432).user("postgres").dbname("postgres");
        config
    }

    /// A session in this database.
    pub(super) async fn connect(&self, database: &str) -> Client {
        let (client, connection) = self.config().dbname(database).connect(NoTls).await.expect("a session");
        tokio::spawn(connection);
        client
    }

    /// Runs one of PostgreSQL's programs against the server.
    pub(super) fn program(&self, name: &str, args: &[&str]) -> Output {
        let mut program = command(&self.bin, name, self.dir.path(), self.user.as_ref());
        program.env("PGHOST", self.dir.path()).env("PGUSER", "postgres").env("PGPORT", "5432").args(args);
        program.output().expect("the program runs")
    }

    /// A directory that the server's user may write to.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT: an immediate shutdown, which ends the server's children too.
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGQUIT);
        }
        let _ = self.child.wait();
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

fn command(bin: &Path, name: &str, dir: &Path, user: Option<&nix::unistd::User>) -> Command {
    let mut command = Command::new(bin.join(name));
    command.current_dir(dir).env("HOME", dir).stdin(Stdio::null());
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    // A Ctrl-C meant for the tests is answered by Drop.
    command.process_group(0);
    command
}
