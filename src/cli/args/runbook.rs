//! The arguments of `drillyard runbook`.

use std::path::PathBuf;

use super::parsers::{key_value, major};
use crate::cli::backend::BackendArgs;

/// What a runbook is made of, and where it goes.
#[derive(Debug, Clone, clap::Args)]
pub struct RunbookArgs {
    /// A run of the past, or a scenario, which is run first
    #[arg(value_name = "RUN|PATH")]
    pub of: String,
    /// Which drill, if there are several
    #[arg(long, value_name = "NAME", env = "DRILLYARD_DRILL")]
    pub drill: Option<String>,
    /// Write it to this file (default: standard output)
    #[arg(short, long, value_name = "FILE", env = "DRILLYARD_OUTPUT")]
    pub output: Option<PathBuf>,
    /// On which major version a scenario is run
    #[arg(long, value_name = "N", env = "DRILLYARD_POSTGRES", value_parser = major)]
    pub postgres: Option<u32>,
    /// Give a param of a scenario another value
    #[arg(long, value_name = "K=V", env = "DRILLYARD_SET", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    #[command(flatten)]
    pub backend: BackendArgs,
}
