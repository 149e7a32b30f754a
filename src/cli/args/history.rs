//! Where the history is, as arguments.

use std::sync::Arc;

use super::notify::{Secret, kept};
use crate::cli::around::around;
use crate::cli::dirs;
use crate::cli::stop::{Result, Stop};
use crate::history::Place;

/// Where the history is.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "History")]
pub struct HistoryArgs {
    /// Where runs are remembered: a file, or a database that a team shares, as psql takes it
    /// (postgres://HOST/DATABASE, service=NAME); default: history.sqlite in the state directory
    #[arg(long, value_name = "FILE|URL", env = "DRILLYARD_HISTORY", value_parser = kept, hide_env_values = true)]
    pub history: Option<Secret>,
}

impl HistoryArgs {
    /// Where it is.
    ///
    /// # Errors
    /// If what was given makes no sense. It is not repeated: there may be a password in it.
    pub fn place(&self) -> Result<Place> {
        let Some(given) = &self.history else { return Ok(Place::File(dirs::history())) };
        Place::parse(&given.0, &Arc::new(around()))
            .map_err(|error| Stop::usage(format!("--history: {error}")).help_if_any(error.help))
    }
}
