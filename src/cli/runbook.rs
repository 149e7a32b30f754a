//! `drillyard runbook`

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::Parser;

use super::args::{Args, Command as Subcommand, DrillArgs, RunArgs, RunbookArgs};
use super::job::{Job, Stage};
use super::out::print_all;
use super::runs::{entries, record_of};
use super::select::Selected;
use super::setup;
use super::stop::{Result, Stop};
use crate::journal::{Command, ExitCode};
use crate::report::{DrillRecord, NoRunbook, RunRecord, RunbookOf};
use crate::run::{Drill, Finished};

/// Writes a runbook: of a run of the past, or of a drill that is run now.
pub fn runbook(args: &RunbookArgs) -> Result<ExitCode> {
    let dir = match is_path(&args.of) {
        true => {
            let run = Running { run: run_args(args)?, drill: args.drill.clone(), records: OnceLock::new() };
            let code = setup::carry_out(&run)?;
            match (code, run.records.get()) {
                (ExitCode::Passed, Some(records)) => records.clone(),
                (code, _) => return Ok(code),
            }
        }
        false => record_of(&args.of)?,
    };
    let mut record = RunRecord::default();
    entries(&dir).iter().for_each(|entry| record.hear(entry));
    let text = written(&record, args.drill.as_deref())?;
    match &args.output {
        Some(file) => {
            std::fs::write(file, text).map_err(|e| Stop::lab(format!("cannot write {}: {e}", file.display())))?
        }
        None => print_all(&text),
    }
    Ok(ExitCode::Passed)
}

/// Whether that is where scenarios are, and no run.
fn is_path(of: &str) -> bool {
    Path::new(of).exists() || of.contains(['/', '*', '?', '[']) || of.ends_with(".yaml") || of.ends_with(".yml")
}

/// The run of a scenario as `drillyard run --quiet` would make it.
fn run_args(args: &RunbookArgs) -> Result<RunArgs> {
    let parsed = Args::try_parse_from(["drillyard", "run", "--quiet", "--", &args.of]);
    let Ok(Args { command: Subcommand::Run(mut run) }) = parsed else {
        return Err(Stop::usage(format!("`{}` cannot be run: see `drillyard run --help`", args.of)));
    };
    run.drills.backend = args.backend.clone();
    run.drills.postgres = args.postgres.into_iter().collect();
    run.drills.selection.set.clone_from(&args.set);
    run.drills.selection.filter.clone_from(&args.drill);
    Ok(*run)
}

/// The run of a single drill, whose record is needed afterwards.
struct Running {
    run: RunArgs,
    drill: Option<String>,
    records: OnceLock<PathBuf>,
}

impl Job for Running {
    const COMMAND: Command = Command::Run;

    fn drills(&self) -> &DrillArgs {
        self.run.drills()
    }

    fn check(&self, selected: &Selected) -> Result<()> {
        let names: Vec<&str> = selected.plans().map(|plan| plan.name.as_str()).collect();
        only(&names, self.drill.as_deref()).map(drop)
    }

    async fn work(&self, stage: Stage<'_>, drills: Vec<Drill>, first: usize) -> Finished {
        // It is asked once.
        let _ = self.records.set(stage.env.records.clone());
        self.run.work(stage, drills, first).await
    }
}

/// The one that is meant, by its place.
fn only(names: &[&str], asked: Option<&str>) -> Result<usize> {
    let mut distinct = names.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let listed = distinct.join(", ");
    match (asked, distinct.as_slice()) {
        (Some(asked), _) => names
            .iter()
            .rposition(|name| *name == asked)
            .ok_or_else(|| Stop::nothing(format!("there is no drill `{asked}`")).help(format!("there is: {listed}"))),
        (None, [_]) => Ok(names.len() - 1),
        (None, []) => Err(Stop::nothing("there is no drill in it")),
        (None, _) => Err(Stop::usage(format!("there are several drills: {listed}")).help("name one: `--drill NAME`")),
    }
}

/// The runbook of a run's drill. Of several versions of PostgreSQL, the newest that it was run on.
fn written(record: &RunRecord, asked: Option<&str>) -> Result<String> {
    let drills: Vec<&DrillRecord> = record.drills.values().collect();
    let names: Vec<&str> = drills.iter().map(|drill| drill.name.as_str()).collect();
    let name = names[only(&names, asked)?];
    let major = |drill: &&&DrillRecord| drill.major().and_then(|major| major.parse::<u32>().ok());
    let Some(drill) = drills.iter().filter(|drill| drill.name == name).max_by_key(major) else {
        return Err(Stop::nothing(format!("there is no drill `{name}`")));
    };
    match record.command {
        Command::Run => {}
        Command::Prove => {
            return Err(Stop::usage(format!("run {} is a proof: its drills were broken on purpose", record.run)));
        }
        Command::Firedrill => {
            let title = format!("run {} is a firedrill: people recovered in their own way", record.run);
            return Err(Stop::usage(title).help("run the drill with `drillyard runbook FILE`"));
        }
    }
    let of = RunbookOf { drill, run: &record.run, version: &record.version };
    of.markdown().map_err(|why| stop(why, drill, &record.run))
}

/// Why there is no runbook.
fn stop(why: NoRunbook, drill: &DrillRecord, run: &str) -> Stop {
    let name = &drill.name;
    match why {
        NoRunbook::NotPassed => {
            let title = format!("`{name}` has not passed in run {run}: it {}", drill.outcome());
            let stop = Stop { code: ExitCode::Failed, ..Stop::usage(title) };
            stop.help("a runbook is made only of a recovery that works; see `drillyard runs show`")
        }
        NoRunbook::Mistake(check) => {
            let stop = Stop::usage(format!("`{name}` shows a mistake on purpose: `{check}` is expected to fail"));
            stop.help("a runbook is made only of a recovery after which all checks hold")
        }
        NoRunbook::Ambiguous(variable, [one, other]) => {
            let stop = Stop::usage(format!("`${variable}` would be {one}, and also {other}"));
            stop.help("give one of them a name that differs in more than `-`, `_` and case")
        }
        NoRunbook::NoCommands => {
            let stop = Stop::nothing(format!("no step of `{name}` has run a command of a recovery"));
            stop.help("was it run by an older drillyard? Run it again")
        }
    }
}
