//! A scenario resolved: names, order, deadlines, what it needs of the backend. Pure: no server is
//! asked.

mod breaks;
mod budgets;
mod declared;
mod find_breaks;
mod lines;
mod network;
mod notify;
mod outline;
mod planned;
mod repo_commands;
mod repo_settings;
mod repos;
mod resolve;

pub use crate::scenario::LossOf;
pub use breaks::{Break, Damage, NamedBreak};
pub use notify::Told;
pub use planned::{Plan, PlannedStep, RepoSpec, RpoBudget, RtoBudget};
pub use resolve::resolve;
