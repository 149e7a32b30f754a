//! The roles of a cluster: what they may, whose members they are, what is set for them, and what is
//! granted to them on databases and on what will be made.

mod comparison;
mod facts;

pub use comparison::RolesComparison;
pub use facts::Roles;
