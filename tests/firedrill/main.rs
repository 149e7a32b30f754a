//! Firedrills, played by teams that are shell scripts, on real servers.

#[path = "../common/cli_runner.rs"]
mod cli_runner;
mod docker;
mod ends;
mod full_disk;
mod held;
#[path = "../common/left.rs"]
mod left;
mod machines;
mod pages;
#[path = "../common/program.rs"]
mod program;
mod resumed;
#[path = "../common/scenarios.rs"]
mod scenarios;
mod shipped;
mod small;
#[path = "../common/small_fs.rs"]
mod small_fs;
mod surprise;
mod team_step;
mod teams;
mod unseen;
