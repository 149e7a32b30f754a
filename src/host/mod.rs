//! Where one server lives: a directory and processes on this machine, or a container. The steps know neither.

pub mod docker;
mod identity;
pub mod local;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::pg::{SystemId, Version};

/// Something that went wrong with the lab itself; never the fault of what is drilled.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    /// What, as a lowercase fragment that names the thing.
    pub message: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
}

impl HostError {
    /// An error that needs no help text.
    pub fn new(message: impl Into<String>) -> Self {
        HostError { message: message.into(), help: None }
    }

    /// Adds what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Results of the lab.
pub type Result<T> = std::result::Result<T, HostError>;

/// A program to run on a host, as the operating system's user that owns the server.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// A name that is looked for among PostgreSQL's programs first and then in PATH: `pg_dump`, `sh`.
    pub name: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Added to its environment.
    pub env: Vec<(String, String)>,
}

impl Program {
    /// A program with its arguments.
    pub fn new<S: Into<String>>(name: &str, args: impl IntoIterator<Item = S>) -> Self {
        Program { name: name.to_owned(), args: args.into_iter().map(Into::into).collect(), env: vec![] }
    }

    /// A shell script, run by `sh -eu`; PostgreSQL's programs come first in its PATH, `args` are `$1`, `$2` ...
    pub fn script<S: Into<String>>(script: &str, args: impl IntoIterator<Item = S>) -> Self {
        let fixed = ["-euc".to_owned(), script.to_owned(), "drillyard".to_owned()];
        Program::new("sh", fixed.into_iter().chain(args.into_iter().map(Into::into)))
    }

    /// Adds arguments.
    pub fn with_args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds to its environment.
    pub fn env(mut self, key: &str, value: impl Into<String>) -> Self {
        self.env.push((key.to_owned(), value.into()));
        self
    }
}

/// What a program left.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its exit status; 128 + N where signal N ended it.
    pub status: i64,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error, as text.
    pub stderr: String,
}

impl Output {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.status == 0
    }

    /// Its standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket `.s.PGSQL.PORT` in this directory.
    Socket {
        /// The directory, absolute.
        dir: PathBuf,
        /// The number in the socket's name.
        port: u16,
    },
    /// TCP.
    Tcp {
        /// A host name or an address.
        host: String,
        /// The port.
        port: u16,
    },
}

impl Endpoint {
    /// `host` and `port` as libpq takes them.
    pub fn host_port(&self) -> (String, u16) {
        match self {
            Endpoint::Socket { dir, port } => (dir.display().to_string(), *port),
            Endpoint::Tcp { host, port } => (host.clone(), *port),
        }
    }
}

/// Where things lie on a host, as its own programs see them. Absolute; no spaces or quotes in them.
#[derive(Debug, Clone)]
pub struct Paths {
    /// PGDATA. Not there until something makes it; its parent is, and belongs to the server's user.
    pub data: String,
    /// The server's log file.
    pub log: String,
    /// `unix_socket_directories`.
    pub sockets: String,
    /// A directory that all hosts of the drill share (dumps lie there).
    pub shared: String,
}

/// A machine that a server lives on.
#[async_trait]
pub trait Host: Send + Sync {
    /// The node's name.
    fn name(&self) -> &str;

    /// Where things lie.
    fn paths(&self) -> &Paths;

    /// How drillyard reaches the server. For containers this may change when they are started again.
    async fn endpoint(&self) -> Result<Endpoint>;

    /// How the server is reached from the host of another node of the drill, `from`.
    fn peer_endpoint(&self, from: &str) -> Endpoint;

    /// The settings that the server needs to live here: `listen_addresses`, `port`, `unix_socket_directories`.
    fn settings(&self) -> Vec<(String, String)>;

    /// The lines of pg_hba.conf under which drillyard and the other nodes get in, all of them with scram-sha-256.
    fn hba(&self) -> Vec<String>;

    /// Runs a program to its end. An exit status other than 0 is a result, not an error. When the future is dropped, the
    /// program is killed where that can be done.
    async fn run(&self, program: Program) -> Result<Output>;

    /// Writes a file that belongs to the server's user, readable by it alone, in a directory that exists.
    async fn write(&self, path: &str, contents: &[u8]) -> Result<()>;

    /// What stands in a file from `offset` on; empty where there is no such file.
    async fn read(&self, path: &str, offset: u64) -> Result<Vec<u8>>;

    /// Fills PGDATA with a new cluster as `initdb` makes it with `options`, with the superuser `postgres`, and returns that
    /// user's password. The work is done once for a version and options, and copied from then on. The cluster's identifier is `system`.
    async fn initdb(&self, options: &[&str], system: SystemId) -> Result<String>;

    /// The command line that a person's `drillyard shell` executes for `program`: argv, to be run on this machine with the program's
    /// environment, which is not in argv: there is a password in it.
    fn shell(&self, program: &Program) -> Vec<String>;

    /// Whether it runs, by what was done to it: not killed, lost or frozen. Programs can be run on it then.
    fn is_on(&self) -> bool;

    /// A look at it: whether it is as the drill has left it.
    async fn look(&self) -> Result<Seen>;

    /// Everything that runs on it ends at once, as when its power fails; its disk stays.
    async fn kill(&self) -> Result<()>;

    /// The same, and its disk is gone.
    async fn lose(&self) -> Result<()>;

    /// Brings it back after [`Host::kill`], with its disk, or after [`Host::lose`], with an empty one. Where it runs there is
    /// nothing to do.
    async fn boot(&self) -> Result<()>;

    /// Stops everything on it in its tracks: nothing ends, and nothing answers.
    async fn freeze(&self) -> Result<()>;

    /// Lets it go on after [`Host::freeze`].
    async fn thaw(&self) -> Result<()>;
}

/// What a look at a host shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It runs.
    On,
    /// It is frozen.
    Frozen,
    /// It does not run, or is not there; what has become of it: `its container was removed`.
    Off(String),
}

/// Whether a host runs, by what was done to it.
#[derive(Debug, Default)]
pub struct Power(std::sync::atomic::AtomicU8);

impl Power {
    const ON: u8 = 0;
    const OFF: u8 = 1;
    const FROZEN: u8 = 2;

    /// Whether it runs.
    pub fn is_on(&self) -> bool {
        self.get() == Self::ON
    }

    /// Whether it was killed or lost.
    pub fn is_off(&self) -> bool {
        self.get() == Self::OFF
    }

    /// Whether it is frozen.
    pub fn is_frozen(&self) -> bool {
        self.get() == Self::FROZEN
    }

    /// Notes that it runs.
    pub fn on(&self) {
        self.set(Self::ON);
    }

    /// Notes that it was killed or lost.
    pub fn off(&self) {
        self.set(Self::OFF);
    }

    /// Notes that it is frozen.
    pub fn frozen(&self) {
        self.set(Self::FROZEN);
    }

    fn get(&self) -> u8 {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn set(&self, state: u8) {
        self.0.store(state, std::sync::atomic::Ordering::SeqCst);
    }
}

/// All the hosts of one drill, and what they share.
#[async_trait]
pub trait Lab: Send + Sync {
    /// The version of PostgreSQL on its hosts.
    fn version(&self) -> Version;

    /// The host of a node; the same one at every call. Made when the lab was made.
    async fn host(&self, node: &str) -> Result<Arc<dyn Host>>;

    /// The directory of a repo, as every host sees it. It exists and belongs to the server's user.
    fn repo(&self, repo: &str) -> String;

    /// Cuts the network between two nodes, one of [`LabSpec::cuts`]: what is sent does not arrive, and nobody is told.
    async fn cut(&self, a: &str, b: &str) -> Result<()>;

    /// Undoes [`Lab::cut`].
    async fn heal(&self, a: &str, b: &str) -> Result<()>;

    /// From now on it is not removed when it is dropped: a person wants to look at it.
    fn keep(&self) {}

    /// Removes all of it, servers too. Safe to call twice.
    async fn destroy(&self) -> Result<()>;
}

/// What a drill needs of a backend.
#[derive(Debug, Clone)]
pub struct LabSpec {
    /// The run's id, carried by all that is made.
    pub run: String,
    /// The drill's number in the run.
    pub drill: usize,
    /// The run's work directory on this machine; exists.
    pub dir: PathBuf,
    /// The major version.
    pub major: u32,
    /// The nodes, in order, those first named by `recover` too.
    pub nodes: Vec<String>,
    /// The repos.
    pub repos: Vec<String>,
    /// The pairs of nodes between which the network will be cut.
    pub cuts: Vec<(String, String)>,
}

impl LabSpec {
    /// Whether the network between two nodes will be cut.
    pub fn is_cut(&self, a: &str, b: &str) -> bool {
        self.cuts.iter().any(|(one, other)| (one == a && other == b) || (one == b && other == a))
    }
}

/// Somewhere that servers can be run.
#[async_trait]
pub trait Backend: Send + Sync {
    /// `docker` or `local`.
    fn kind(&self) -> BackendKind;

    /// The versions at hand, newest first, and where each was found (an image, a directory of programs).
    async fn installations(&self) -> Result<Vec<Installation>>;

    /// The programs of a major version, fetched where they can be; the error says what is at hand instead.
    async fn installation(&self, major: u32) -> Result<Installation>;

    /// Makes the hosts of a drill. Those that take time are made in the background; [`Lab::host`] waits for them.
    async fn lab(&self, spec: LabSpec) -> Result<Arc<dyn Lab>>;
}

/// PostgreSQL's programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Their version; an image's minor version is 0 as long as it is not known.
    pub version: Version,
    /// The image's name or the programs' directory.
    pub place: String,
}

impl Installation {
    /// Its version as far as it is known: `17.2`, or `17` for an image that does not say its minor version.
    pub fn known_version(&self) -> String {
        match self.version.minor {
            0 => self.version.major.to_string(),
            _ => self.version.to_string(),
        }
    }
}

/// What is at hand, for messages: `15.18, 17.2 are`.
pub fn at_hand(installations: &[Installation]) -> String {
    let versions: Vec<String> = installations.iter().map(Installation::known_version).collect();
    match versions.as_slice() {
        [] => "no version is".to_owned(),
        [one] => format!("{one} is"),
        many => format!("{} are", many.join(", ")),
    }
}

/// The backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// Containers.
    Docker,
    /// Processes on this machine.
    Local,
}

impl BackendKind {
    /// As options and reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            BackendKind::Docker => "docker",
            BackendKind::Local => "local",
        }
    }
}

/// How long a wait sleeps between two looks.
pub const POLL: Duration = Duration::from_millis(3);

/// How a session is opened on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Where.
    pub endpoint: Endpoint,
    /// As whom.
    pub user: String,
    /// With this password.
    pub password: String,
    /// In this database.
    pub database: String,
}
