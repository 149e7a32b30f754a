//! Rows compared: a table with the same one elsewhere, with what a generator makes, or with what
//! was there at another time.

mod compared;

#[cfg(test)]
mod tests;

pub use compared::{Wanted, compare};
