//! `drillyard prove`

use std::sync::Arc;

use super::args::{DrillArgs, ProveArgs};
use super::job::{Job, Stage};
use super::select::Selected;
use super::setup;
use super::stop::{Result, Stop};
use crate::journal::{Command, ExitCode};
use crate::prove::{Options, prove_all};
use crate::run::{Drill, Finished};

/// Breaks what was selected, and checks that it notices.
pub fn prove(args: ProveArgs) -> Result<ExitCode> {
    setup::carry_out(&args)
}

impl Job for ProveArgs {
    const COMMAND: Command = Command::Prove;

    fn drills(&self) -> &DrillArgs {
        &self.drills
    }

    /// A drill that nothing can be broken in proves nothing, and no more does a `--only` that names
    /// no break.
    fn check(&self, selected: &Selected) -> Result<()> {
        let names: Vec<&str> =
            selected.plans().flat_map(|plan| plan.breaks.iter().map(|one| one.name.as_str())).collect();
        match &self.only {
            None if names.is_empty() => {
                let stop = Stop::nothing("there is nothing to break");
                Err(stop.help("these drills have no recovery, no incident and no check that could be broken"))
            }
            Some(only) if !names.iter().any(|name| name.contains(only.as_str())) => {
                let stop = Stop::usage(format!("--only {only}: no break has this name"));
                Err(match crate::source::did_you_mean(only, names.iter().copied()) {
                    Some(near) => stop.help(format!("did you mean `{near}`?")),
                    None => stop.help(format!("they are {}", crate::source::choices(names.iter().copied(), "and"))),
                })
            }
            _ => Ok(()),
        }
    }

    async fn work(&self, stage: Stage<'_>, drills: Vec<Drill>, first: usize) -> Finished {
        let options = Options { jobs: self.jobs, only: self.only.clone() };
        prove_all(Arc::new(stage.env), drills, &options, first).await
    }
}
