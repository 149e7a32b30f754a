//! Rows compared: a table with the same one elsewhere, with what a generator makes, or with what
//! was there at another time.

mod compared;
mod copied;

#[cfg(test)]
mod tests;

pub use compared::{Wanted, compare};
pub use copied::{Again, LiveTable, Suspects};
