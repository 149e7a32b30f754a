//! `drillyard runs forget`

use jiff::Timestamp;

use super::find::{open, unknown};
use crate::cli::args::HistoryArgs;
use crate::cli::out::print_all;
use crate::cli::stop::Result;
use crate::journal::ExitCode;
use crate::report::one_line;

/// From now on nobody waits for a pass of this drill, until it is run again. Its runs stay.
pub fn forget(drill: &str, history: &HistoryArgs) -> Result<ExitCode> {
    let mut history = open(history)?;
    let known = history.latest()?;
    let meant: Vec<_> = known.iter().filter(|one| one.series.name == drill).collect();
    if meant.is_empty() {
        return Err(unknown(drill, known.into_iter().map(|one| one.series.name)));
    }
    let now = Timestamp::now();
    for one in meant {
        history.forget(&one.series, now)?;
        print_all(&format!("{}: no pass of it is expected until it is run again\n", one_line(&one.series.to_string())));
    }
    Ok(ExitCode::Passed)
}
