//! Drills with the real binary on real servers: what a user would see.

mod backup;
mod catalog;
mod cli_runner;
mod ledger;
mod local;
mod mistakes;
mod outage;
mod production;
mod prove;
mod rows;
mod shipped;
mod standby;
mod verdicts;
