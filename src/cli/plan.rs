//! `drillyard plan`

use super::args::{PlanArgs, color_of_stdout};
use super::files::{self, Loaded};
use super::stop::{Result, Stop};
use crate::journal::{Event, ExitCode, Journal, Redactor};
use crate::report::{Terminal, TerminalOptions, Verbosity};

/// Shows what would happen.
pub fn plan(args: PlanArgs) -> Result<ExitCode> {
    let files = files::find(std::slice::from_ref(&args.path))?;
    if files.len() > 1 {
        return Err(Stop::usage(format!("`{}` is {} scenarios, and a plan is of one", args.path, files.len())));
    }
    if files.is_empty() {
        return Err(files::nothing_selected(0));
    }
    let loaded = files::load(&files, files::Reading { set: &args.set, ..Default::default() });
    files::check_set(&args.set, &loaded)?;
    for one in loaded {
        show(one)?;
    }
    Ok(ExitCode::Passed)
}

/// Shows one drill: a file with a matrix is several.
fn show(one: Loaded) -> Result<()> {
    let plan = one.plan.map_err(|problems| Stop { problems, code: ExitCode::InvalidScenario })?;
    if !plan.unset.is_empty() {
        let problems = plan.unset.iter().map(|unset| unset.problem.clone()).collect();
        return Err(Stop { problems, code: ExitCode::InvalidScenario });
    }
    let options =
        TerminalOptions { color: color_of_stdout(None), progress: false, verbosity: Verbosity::Normal, width: 120 };
    let terminal = Terminal::new(options, Box::new(std::io::stdout()));
    let journal = Journal::new(vec![Box::new(terminal)], Redactor::of(plan.secrets.clone()));
    journal.write(Event::PlanMade { plan: Box::new(plan.outline()) });
    Ok(())
}
