//! `drillyard runs forget`

use jiff::Timestamp;

use super::find::{open, unknown};
use crate::cli::args::HistoryArgs;
use crate::cli::out::print_all;
use crate::cli::stop::{Result, Stop};
use crate::history::{Forgotten, Series};
use crate::journal::ExitCode;
use crate::report::one_line;

/// From now on nobody waits for a pass of this drill, until it is run again; or its recovery times
/// so far are no `measure` any longer. Its runs stay.
pub fn forget(drill: &str, measure: bool, history: &HistoryArgs) -> Result<ExitCode> {
    let mut history = open(history)?;
    let known: Vec<Series> = history.latest()?.into_iter().map(|one| one.series).collect();
    let meant: Vec<&Series> = known.iter().filter(|one| one.name == drill || one.to_string() == drill).collect();
    let series = match meant.as_slice() {
        [] => return Err(unknown(drill, known.into_iter().map(|one| one.name))),
        [one] => *one,
        several => {
            let named: Vec<String> = several.iter().map(|one| format!("\"{}\"", one_line(&one.to_string()))).collect();
            let stop = Stop::usage(format!("several drills are called `{drill}`"));
            return Err(stop.help(format!("name one of {}", named.join(", "))));
        }
    };
    let (what, said) = match measure {
        true => (Forgotten::Measure, "the next run that passes is the measure of its recovery time"),
        false => (Forgotten::Watch, "no pass of it is expected until it is run again"),
    };
    history.forget(series, what, Timestamp::now())?;
    print_all(&format!("{}: {said}\n", one_line(&series.to_string())));
    Ok(ExitCode::Passed)
}
