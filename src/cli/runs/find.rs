//! The history, and the drills in it.

use crate::cli::args::HistoryArgs;
use crate::cli::stop::{Result, Stop};
use crate::history::{History, HistoryError};
use crate::source::did_you_mean;

/// Opens a history to be read.
pub fn open(args: &HistoryArgs) -> Result<History> {
    let place = args.place()?;
    let nothing = || {
        let stop = Stop::nothing(format!("there is no history in {place}"));
        stop.help("`drillyard run` makes it; is `--history`, or DRILLYARD_STATE_DIR, the one that runs were given?")
    };
    History::read(&place)?.ok_or_else(nothing)
}

impl From<HistoryError> for Stop {
    fn from(error: HistoryError) -> Self {
        Stop::lab(format!("the history cannot be read: {error}")).help_if_any(error.help)
    }
}

/// That a history knows no drill of a name.
pub fn unknown(name: &str, known: impl Iterator<Item = String>) -> Stop {
    let known: Vec<String> = known.collect();
    let stop = Stop::nothing(format!("no run of `{name}` is in the history"));
    match did_you_mean(name, known.iter().map(String::as_str)) {
        Some(near) => stop.help(format!("did you mean `{near}`?")),
        None => stop.help("`drillyard runs trend` shows those that are"),
    }
}
