//! `drillyard run`

use std::sync::Arc;

use super::args::{DrillArgs, KeepChoice, RunArgs};
use super::job::{Job, Stage};
use super::keeper::Keeper;
use super::partition::Partition;
use super::select::Selected;
use super::setup;
use super::step_by_step::Ask;
use super::stop::{Result, Stop};
use crate::harness::Role;
use crate::journal::{Command, ExitCode, StepHead};
use crate::plan::PlannedStep;
use crate::run::{Drill, Env, Finished, Gate, Order, run_all};

/// Runs what was selected.
pub fn run(mut args: RunArgs) -> Result<ExitCode> {
    // Somebody who is asked on the way has programs of their own at the terminal.
    if !matches!(args.keep, KeepChoice::Never) && !args.asks() {
        args.keeper = Keeper::here()?;
        let Some(keeper) = &args.keeper else { return super::keeper::attend() };
        keeper.watch(false, drop)?;
    }
    setup::carry_out(&args)
}

impl Job for RunArgs {
    const COMMAND: Command = Command::Run;

    fn drills(&self) -> &DrillArgs {
        &self.drills
    }

    fn part(&self) -> Option<Partition> {
        self.partition
    }

    fn repeat(&self) -> u32 {
        self.repeat
    }

    fn last_failed(&self) -> bool {
        self.last_failed
    }

    fn asks(&self) -> bool {
        self.step || self.break_at.is_some()
    }

    fn keeper(&self) -> Option<&Keeper> {
        self.keeper.as_ref()
    }

    fn check(&self, selected: &Selected) -> Result<()> {
        self.break_at.as_ref().map_or(Ok(()), |step| check_break(step, selected))
    }

    async fn work(&self, stage: Stage<'_>, drills: Vec<Drill>, first: usize) -> Finished {
        let keep = self.keep.into();
        let gate = self.asks().then(|| self.gate(&stage));
        let order = Order { jobs: self.jobs, fail_fast: self.fail_fast };
        run_all(Arc::new(Env { keep, gate, ..stage.env }), drills, order, first).await
    }
}

impl RunArgs {
    /// Who asks before steps.
    fn gate(&self, stage: &Stage<'_>) -> Arc<dyn Gate> {
        Arc::new(Ask {
            every: self.step,
            at: self.break_at.clone(),
            run: stage.env.run.clone(),
            journal: stage.env.journal.clone(),
            cancel: stage.env.cancel.clone(),
            interruption: stage.interruption.clone(),
            lets_go: false.into(),
            talk: tokio::sync::Mutex::default(),
        })
    }
}

/// A `--break` at a step that no drill has is a mistake: nothing would ever stop there.
fn check_break(step: &str, selected: &Selected) -> Result<()> {
    // Nobody is asked before a `team`, but before its lines.
    let asked = |step: &&PlannedStep| step.is_in_runs() && step.kind.role != Role::Team;
    let steps = || selected.plans().flat_map(|plan| plan.steps.iter()).filter(asked);
    let is_here = |head: &StepHead| head.id.as_deref() == Some(step) || step.parse() == Ok(head.index);
    if steps().any(|planned| is_here(&planned.head)) {
        return Ok(());
    }
    let ids = steps().filter_map(|planned| planned.head.id.as_deref());
    let stop = Stop::usage(format!("--break {step}: no step has this id or number"));
    Err(match crate::source::did_you_mean(step, ids) {
        Some(near) => stop.help(format!("did you mean `{near}`?")),
        None => stop.help("`drillyard plan FILE` shows the steps with their numbers"),
    })
}
