//! Good and bad days of the real binary: what it leaves behind, what it says, how its output looks.

mod arguments;
mod bad_days;
mod by_hand;
mod cleanup;
#[path = "../common/cli_runner.rs"]
mod cli_runner;
mod evidence;
mod history;
#[path = "../common/left.rs"]
mod left;
mod notify;
mod output;
mod outputs;
mod params;
#[path = "../common/program.rs"]
mod program;
mod relay;
mod repos;
mod running;
mod secrets;
#[path = "../common/small_fs.rs"]
mod small_fs;
#[path = "../common/web.rs"]
mod web;
