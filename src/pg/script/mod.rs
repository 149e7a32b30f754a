//! As much of a psql script's structure as is needed to know, before it is run, what is in it and
//! whether it is whole: statements, psql's own commands, and the rows that follow a COPY (manual,
//! psql and 4.1).
//!
//! It works on bytes: a script may be in any encoding in which the characters of ASCII are
//! themselves.

mod parts;
mod reader;

#[cfg(test)]
mod tests;

pub use parts::{Command, Control, Cut, Script, Statement};
