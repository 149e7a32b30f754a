//! Users: what they do ([`Workload`]), those who do it ([`Pool`]), what the server acknowledged to them ([`Ledger`]), and the
//! judge that compares it with the rows ([`check`]).

mod books;
mod check;
mod found;
mod gaps;
mod judge;
mod pick;
mod plan;
mod pool;
mod proof;
mod resolve;
mod seen;
mod trace;
mod user;
mod wire;
mod witness;

#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::host::Login;
use crate::pg::{SqlState, TableName};

pub use books::Ledger;
pub use check::{CheckError, check};
pub use found::{Found, KindVerdict, SHOWN, Sample, Side, Sides, Stray, Tally, Target, Verdict};
pub use judge::Asked;
pub use pick::Picked;
pub use pool::{Counts, Failure, HeldBack, Pool, Reason};
pub use proof::Proven;
pub use resolve::{Unresolved, unresolved};
pub use trace::{Gone, Part, Refusal, Trace, Traces, traces};

/// What the users do.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The kinds of transactions; at most 256.
    pub kinds: Vec<Kind>,
    /// How many users there are; each has a session of its own.
    pub clients: usize,
    /// The number of the first of them. Those of other workloads on the same tables must be told apart.
    pub first_client: u64,
    /// Transactions per second, of all users together. None: as many as they can.
    pub rate: Option<f64>,
    /// Decides which user does which kind when.
    pub seed: u64,
}

/// One kind of transaction.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its name, for people.
    pub name: String,
    /// One or more statements with `$client` and `$seq` in them. Several without BEGIN are one transaction.
    pub sql: String,
    /// How often it is done in comparison with the others. 0: never.
    pub weight: u32,
    /// Where it can be found again: one for each table that it writes to.
    pub ledger: Vec<LedgerColumns>,
    /// Rejections that are counted and not raised.
    pub tolerate: Vec<SqlState>,
}

/// Where a transaction can be found again: what it leaves there is read from its SQL, see [`Trace`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerColumns {
    /// The table.
    pub table: TableName,
    /// The column of `$client`, as SQL writes it.
    pub client: String,
    /// The column of `$seq`, as SQL writes it.
    pub seq: String,
    /// How many rows a transaction leaves there with its mark, where it is said.
    pub rows: Option<u8>,
}

impl LedgerColumns {
    /// Whether both look in the same place, whatever is to be found there.
    pub fn is_at(&self, other: &LedgerColumns) -> bool {
        (&self.table, &self.client, &self.seq) == (&other.table, &other.client, &other.seq)
    }
}

/// The most rows of one transaction that are counted.
pub const MOST_ROWS: u8 = 200;

/// The current way in to a node. None where it is not known now. Called on the users' thread: it must not block.
pub type LoginSource = Arc<dyn Fn() -> Option<Login> + Send + Sync>;

/// A workload that no user can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrafficError {
    /// Nobody, nothing or nowhere.
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
