//! Drills with the real binary on real servers: what a user would see.

mod backup;
mod catalog;
#[path = "../common/cli_runner.rs"]
mod cli_runner;
mod ledger;
mod local;
mod mistakes;
mod outage;
mod production;
#[path = "../common/program.rs"]
mod program;
mod prove;
mod rows;
mod run;
mod shipped;
mod standby;
mod verdicts;
mod waits;
