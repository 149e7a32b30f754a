//! What a mistake did to a table is taken back, column by column; what users wrote since stays: a
//! three-way merge by key.
//!
//! The base is `good`, a server recovered to just before the mistake; `bad`, recovered to just
//! after it, shows what the mistake did; `into` is the live server. Only the rows in which `good`
//! and `bad` differ are loaded into `into`, as a temporary table, and everything else is SQL there:
//! no rows are kept in drillyard's memory.

mod apply;
mod by_hand;
mod case;
mod constraints;
mod difference;
mod error;
mod guards;
mod links;
mod live;
mod merged;
mod misfit;
mod obstacles;
mod plan;
mod resolve;
mod row;
mod run;
mod shape;
mod side;
mod sql;
mod tables;
mod touched;
mod transaction;
mod words;
mod writers;

#[cfg(test)]
mod tests;

pub use error::MergeError;
pub use merged::{ByHand, Conflict, Merged};
pub use misfit::Misfit;
pub use run::{Merge, MergeTable};
pub use side::{Compared, OnConflict, Side};
pub use touched::{Touched, Writer, WrittenRows};
