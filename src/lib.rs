//! The world where PostgreSQL recoveries are practised: see ARCHITECTURE.md for the house in one
//! page.
//!
//! The rooms, each importing only from those above it (`report` from `journal` and `pg` alone):

pub mod board;
pub mod cli;
pub mod data;
pub mod evidence;
pub mod firedrill;
pub mod harness;
pub mod history;
pub mod host;
pub mod journal;
pub mod ledger;
pub mod node;
pub mod notify;
pub mod pg;
pub mod plan;
pub mod prove;
pub mod repo;
pub mod report;
pub mod run;
pub mod scenario;
pub mod source;
pub mod steps;
#[cfg(test)]
mod testing;
pub mod traffic;
