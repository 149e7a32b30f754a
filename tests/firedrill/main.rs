//! Firedrills, played by teams that are shell scripts, on real servers.

#[expect(dead_code, reason = "the tests of the board use the rest")]
#[path = "../board/browser.rs"]
mod browser;
#[path = "../common/cli_runner.rs"]
mod cli_runner;
mod course;
mod docker;
mod ends;
mod full_disk;
mod held;
mod in_browser;
#[path = "../common/left.rs"]
mod left;
mod lunch;
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
