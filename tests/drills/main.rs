//! Drills with the real binary on real servers: what a user would see.

mod backup;
mod catalog;
#[path = "../common/cli_runner.rs"]
mod cli_runner;
mod ledger;
mod local;
mod mistakes;
mod nightly;
mod outage;
mod production;
#[path = "../common/program.rs"]
mod program;
mod prove;
mod releases;
mod rows;
mod run;
mod runbook;
mod shipped;
#[path = "../common/small_fs.rs"]
mod small_fs;
mod standby;
mod team;
#[expect(dead_code, reason = "tests of other rooms use the rest of it")]
#[path = "../../src/testing.rs"]
mod testing;
mod verdicts;
mod waits;
#[path = "../common/web.rs"]
mod web;
