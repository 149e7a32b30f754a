//! What users do, and where they go.

use std::sync::Arc;

use crate::host::Login;
use crate::ledger::Kind;

/// What the users do.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The kinds of transactions; at most 256.
    pub kinds: Vec<Kind>,
    /// How many users there are; each has a session of its own.
    pub clients: usize,
    /// The number of the first of them. Those of other workloads on the same tables have others.
    pub first_client: u64,
    /// Transactions per second, of all users together. None: as many as they can.
    pub rate: Option<f64>,
    /// Whether people work on the servers meanwhile: no rejection is unexpected then, and servers
    /// do not log the users' statements among those of people.
    pub attended: bool,
    /// Decides which user does which kind when.
    pub seed: u64,
}

/// The current way in to a node. None while it is not known. Called on the users' thread: it must
/// not block.
pub type LoginSource = Arc<dyn Fn() -> Option<Login> + Send + Sync>;

/// A workload that no user can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrafficError {
    /// No user, no transaction or no node.
    #[error("users need {0}")]
    Nothing(&'static str),
    /// More kinds than the ledger has room for.
    #[error("{0} kinds of transactions are too many: at most 256 can be told apart in the ledger")]
    TooManyKinds(usize),
    /// The rate is not a number above 0.
    #[error("a rate of {0} transactions per second is none: it must be above 0")]
    Rate(String),
    /// The SQL of a kind.
    #[error("transaction `{kind}` {reason}")]
    Sql {
        /// The kind.
        kind: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The system.
    #[error("the users' thread cannot be started: {0}")]
    Thread(String),
}
