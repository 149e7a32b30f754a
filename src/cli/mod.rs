//! The command line: one file a subcommand. The only room that reads the environment; it and
//! `report` alone print.

mod args;
mod around;
mod attest;
mod backend;
mod check;
mod choose;
mod clean;
mod dirs;
mod doctor;
mod early;
mod evidence;
mod explain;
mod explain_key;
mod files;
mod firedrill;
mod held;
mod job;
mod keeper;
mod list;
mod new;
mod orphaned;
mod out;
mod outputs;
mod partition;
mod past;
mod plan;
mod program;
mod prove;
mod reap;
mod recording;
mod resume;
mod run;
mod runbook;
mod runs;
mod sealed;
mod select;
mod setup;
mod shell;
mod shipped;
mod signals;
mod step_by_step;
mod stop;
mod tell;
mod trigger;

pub use program::main;
