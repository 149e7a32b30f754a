//! The load generator: what users do ([`Workload`]), those who do it ([`Pool`]), whether their
//! transactions can be found again, and the comparison of their ledger with a server's rows
//! ([`check`]).

mod check;
mod client;
mod columns;
mod effect;
mod lookup;
mod pace;
mod pool;
mod protocol;
mod session;
mod statements;
mod users;
mod values;
mod workload;

#[cfg(test)]
mod tests;

pub use check::{CheckError, check};
pub use columns::{Unresolved, unresolved};
pub use pace::HeldBack;
pub use pool::Pool;
pub use users::{Counts, Failure, Reason};
pub use workload::{LoginSource, TrafficError, Workload};
