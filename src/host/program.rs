//! Programs that are run on a host, and what they leave.

use super::network::Reach;

/// A program to run on a host, as the operating system's user that owns the server.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// A name that is looked for among PostgreSQL's programs first and then in PATH: `pg_dump`,
    /// `sh`.
    pub name: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Added to its environment.
    pub env: Vec<(String, String)>,
    /// Which network it is run in.
    pub reach: Reach,
}

impl Program {
    /// A program with its arguments.
    pub fn new<S: Into<String>>(name: &str, args: impl IntoIterator<Item = S>) -> Self {
        Program { name: name.to_owned(), args: args.into_iter().map(Into::into).collect(), ..Program::default() }
    }

    /// A shell script, run by `sh -eu`; PostgreSQL's programs come first in its PATH, `args` are
    /// `$1`, `$2` ...
    pub fn script<S: Into<String>>(script: &str, args: impl IntoIterator<Item = S>) -> Self {
        let fixed = ["-euc".to_owned(), script.to_owned(), "drillyard".to_owned()];
        Program::new("sh", fixed.into_iter().chain(args.into_iter().map(Into::into)))
    }

    /// Adds arguments.
    pub fn with_args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Runs it in this machine's network, also where the host's server is cut off.
    pub fn with_network(mut self) -> Self {
        self.reach = Reach::OfMachine;
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
    /// Its exit status; 128 + N if signal N ended it.
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
