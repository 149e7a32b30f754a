//! A scenario resolved: names, order, deadlines, what it needs of the backend. Pure: no server is
//! asked.

mod breaks;
mod budgets;
mod declared;
mod during;
mod find_breaks;
mod find_people;
mod lines;
mod network;
mod notify;
mod outline;
mod people;
mod planned;
mod recovering;
mod repo_commands;
mod repo_settings;
mod repos;
mod resolve;
mod team_lines;

pub use crate::scenario::LossOf;
pub use breaks::{Break, Damage, NamedBreak};
pub use find_people::people;
pub use notify::Told;
pub use people::{Hint, Inject, PeoplesPart, Trap};
pub use planned::{Plan, PlannedStep, RepoSpec, RpoBudget, RtoBudget, Strike};
pub use resolve::resolve;
