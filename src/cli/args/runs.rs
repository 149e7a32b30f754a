//! The arguments of `drillyard runs`.

use std::time::Duration;

use clap::Subcommand;

use super::history::HistoryArgs;
use super::parsers::{duration, format};
use crate::report::Format;

/// What to do with past runs.
#[derive(Debug, Clone, clap::Args)]
pub struct RunsArgs {
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
}

#[derive(Debug, Clone, Subcommand)]
pub enum RunsCommand {
    /// Show a past run again, step by step
    Show {
        /// The run's id, or how it begins; or the directory of a recording
        run: String,
        /// As this report, on stdout
        #[arg(long, value_name = "FORMAT", env = "DRILLYARD_FORMAT", value_parser = format())]
        format: Option<&'static Format>,
    },
    /// How long a recovery would take today, whether that grows, and when it last passed
    Trend {
        /// Only these drills, by their names
        drills: Vec<String>,
        /// How far back
        #[arg(long, value_name = "DURATION", default_value = "90d", env = "DRILLYARD_SINCE", value_parser = duration)]
        since: Duration,
        #[command(flatten)]
        history: HistoryArgs,
    },
    /// What differs between two runs
    Compare {
        /// A run's id, or how it begins
        a: String,
        /// Another run's
        b: String,
        #[command(flatten)]
        history: HistoryArgs,
    },
    /// Exit with 1 if a drill has not passed for too long
    Stale {
        /// Only these drills, by their names; one that was never run is stale
        drills: Vec<String>,
        /// How long ago each must have passed at most
        #[arg(long, value_name = "DURATION", env = "DRILLYARD_MAX_AGE", value_parser = duration)]
        max_age: Duration,
        #[command(flatten)]
        history: HistoryArgs,
    },
    /// List the drills that did not pass when they were run last
    LastFailed {
        #[command(flatten)]
        history: HistoryArgs,
    },
    /// Stop expecting passes of a drill, until it is run again
    Forget {
        /// Its name; of several with one name, the line that `runs trend` shows
        drill: String,
        /// Forget what its recoveries took, instead: the next run that passes is what later ones
        /// are compared with (`of_last`)
        #[arg(long, env = "DRILLYARD_MEASURE")]
        measure: bool,
        #[command(flatten)]
        history: HistoryArgs,
    },
}
