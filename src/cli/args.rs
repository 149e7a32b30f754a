//! The arguments. Every option has an environment variable `DRILLYARD_*`.

use std::path::PathBuf;

mod drills;
mod evidence;
mod firedrill;
mod history;
mod notify;
mod output;
mod parsers;
mod runbook;
mod runs;

use clap::builder::{Styles, styling::AnsiColor};
use clap::{Parser, Subcommand};

pub use drills::{DrillArgs, KeepChoice, Selection};
pub use evidence::{EvidenceCommand, EvidenceReportArgs, EvidenceVerifyArgs};
pub use firedrill::{BoardChoice, DoneArgs, FiredrillArgs, HeldArgs, HintArgs, NoteArgs, ScratchArgs};
pub use history::HistoryArgs;
pub use output::{ColorChoice, GithubChoice, OutArgs, color_of_stderr, color_of_stdout};
pub use runbook::RunbookArgs;
pub use runs::{RunsArgs, RunsCommand};

use parsers::key_value;

use super::backend::{BackendArgs, BackendChoice, BackendOptions};
use super::keeper::Keeper;

/// The world where PostgreSQL recoveries are practised.
///
/// A scenario says: create data, back up, generate traffic, drop a table, recover, import, assert.
/// drillyard runs it on real servers, in containers or as local processes, and says pass or fail,
/// how long recovery took, and what was lost.
#[derive(Debug, Parser)]
#[command(name = "drillyard", version, styles = STYLES, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold());

const EXIT_CODES: &str = "\
Exit codes:
  0  passed
  1  a drill failed: an expectation or a budget
  2  wrong usage
  3  an invalid scenario
  4  the lab failed: nowhere to run servers, disk full, a tool missing
  5  nothing selected
  6  passed, but not all could be cleaned up, or the run could not be told, remembered or attested
  130, 143  interrupted

On a new machine begin with `drillyard doctor`, then `drillyard new first` and `drillyard run`.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run drills: files, folders or globs (default: scenarios/)
    Run(Box<RunArgs>),
    /// Break drills on purpose, in every way, and check that they notice
    Prove(Box<ProveArgs>),
    /// Have people recover from a drill's incident; drillyard judges
    Firedrill(Box<FiredrillArgs>),
    /// Say in a firedrill that you are done: it is checked
    Done(DoneArgs),
    /// Buy a hint in a firedrill
    Hint(HintArgs),
    /// Write something down in a firedrill
    Note(NoteArgs),
    /// Check how many assertions of a firedrill hold
    Judge(HeldArgs),
    /// Get a place for another server in a firedrill
    Scratch(ScratchArgs),
    /// Check scenarios without starting anything
    Check(CheckArgs),
    /// Show what would happen: steps, nodes, deadlines, what each refers to, what is needed
    Plan(PlanArgs),
    /// List the drills: name, tags, versions, about
    List(ListArgs),
    /// Print a step's manual page; without STEP, list all steps
    Explain {
        /// A step, or a key of the file: drop_table, nodes, expect, recover.until
        step: Option<String>,
    },
    /// Write a scenario to start from
    New(NewArgs),
    /// Open psql, or run COMMAND, on a node of a run that is going on or kept
    Shell(ShellArgs),
    /// Past runs: list them, show one again; what the history says of the drills
    Runs(RunsArgs),
    /// Write the recovery of a drill that passed as a runbook in Markdown
    Runbook(RunbookArgs),
    /// Verify the evidence of runs, or make a page of it
    Evidence {
        #[command(subcommand)]
        command: EvidenceCommand,
    },
    /// Remove what is kept or was left behind
    Clean {
        /// Only the runs whose ids begin with this (default: all)
        runs: Vec<String>,
        /// Also the templates of new clusters and the records of past runs
        #[arg(long, env = "DRILLYARD_ALL")]
        all: bool,
    },
    /// Show what is available to run on, what is missing, and how to get it
    Doctor(DoctorArgs),
    /// Print the JSON Schema of scenarios, for editors
    Schema,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Clean up after a run that died (started by `run` itself)
    #[command(hide = true)]
    Reap(ReapArgs),
}

#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub drills: DrillArgs,
    /// Only a part of the selected drills: slice:1/4 takes every fourth, hash:1/4 divides by name
    #[arg(long, value_name = "slice:1/4|hash:1/4", env = "DRILLYARD_PARTITION")]
    pub partition: Option<super::partition::Partition>,
    /// Only the drills that did not pass when they were run last
    #[arg(long, env = "DRILLYARD_LAST_FAILED")]
    pub last_failed: bool,
    /// How many drills at once
    #[arg(short, long, value_name = "N|auto", default_value = "1", env = "DRILLYARD_JOBS", value_parser = jobs, help_heading = "How")]
    pub jobs: usize,
    /// Start no further drill after one that did not pass
    #[arg(long, env = "DRILLYARD_FAIL_FAST", help_heading = "How")]
    pub fail_fast: bool,
    /// Run everything N times, each time with the next seed
    #[arg(long, value_name = "N", default_value_t = 1, env = "DRILLYARD_REPEAT", value_parser = clap::value_parser!(u32).range(1..), help_heading = "How")]
    pub repeat: u32,
    /// Leave servers running after a drill
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = KeepChoice::Never, env = "DRILLYARD_KEEP", help_heading = "How")]
    pub keep: KeepChoice,
    /// Ask before each step, and after one that failed
    #[arg(long, env = "DRILLYARD_STEP", help_heading = "How")]
    pub step: bool,
    /// Ask before this step, by its id or number
    #[arg(long = "break", value_name = "STEP", env = "DRILLYARD_BREAK", help_heading = "How")]
    pub break_at: Option<String>,
    /// The process that stays with servers that are left running.
    #[arg(skip)]
    pub keeper: Option<Keeper>,
}

#[derive(Debug, Clone, clap::Args)]
pub struct ProveArgs {
    #[command(flatten)]
    pub drills: DrillArgs,
    /// Only the breaks with TEXT in their names
    #[arg(long, value_name = "TEXT", env = "DRILLYARD_ONLY", allow_hyphen_values = true)]
    pub only: Option<String>,
    /// How many broken drills at once
    #[arg(short, long, value_name = "N|auto", default_value = "auto", env = "DRILLYARD_JOBS", value_parser = jobs, help_heading = "How")]
    pub jobs: usize,
}

#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// Also check whether this backend has what the scenarios need
    #[arg(long, value_parser = BackendChoice::parser(), env = "DRILLYARD_BACKEND", help_heading = "Where")]
    pub backend: Option<BackendChoice>,
    #[command(flatten)]
    pub options: BackendOptions,
    /// Colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, env = "DRILLYARD_COLOR")]
    pub color: ColorChoice,
    /// Show only what is wrong
    #[arg(short, long, env = "DRILLYARD_QUIET")]
    pub quiet: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub struct PlanArgs {
    /// A scenario
    pub path: String,
    /// Give a param another value
    #[arg(long, value_name = "K=V", env = "DRILLYARD_SET", value_parser = key_value)]
    pub set: Vec<(String, String)>,
}

#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// The drills that ship with the program instead; `drillyard new NAME --from DRILL` writes one
    /// here
    #[arg(long, env = "DRILLYARD_SHIPPED", conflicts_with = "paths")]
    pub shipped: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub struct NewArgs {
    /// The drill's name; the file is NAME.yaml in scenarios/, or in the current folder if there is
    /// no scenarios/
    pub name: String,
    /// Start from this drill: its file, its name in scenarios/, or that of one that ships
    /// (drillyard list --shipped)
    #[arg(long, value_name = "DRILL", env = "DRILLYARD_FROM")]
    pub from: Option<String>,
}

#[derive(Debug, Clone, clap::Args)]
pub struct ShellArgs {
    /// A node; with several kept runs, its run, too: RUN/NODE
    pub node: String,
    /// A command to run there instead of psql
    #[arg(last = true)]
    pub command: Vec<String>,
}

#[derive(Debug, Clone, clap::Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub backend: BackendArgs,
}

#[derive(Debug, Clone, clap::Args)]
pub struct ReapArgs {
    /// The run's id
    #[arg(long)]
    pub run: String,
    /// Its work directory
    #[arg(long)]
    pub dir: PathBuf,
}

fn jobs(text: &str) -> Result<usize, String> {
    match text {
        "auto" => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        text => text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "write a number from 1, or `auto`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_option_has_its_variable() {
        let command = Args::command();
        let own = |arg: &&clap::Arg| !["help", "version"].contains(&arg.get_id().as_str());
        let mut seen = 0;
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            for arg in sub.get_arguments().filter(own) {
                let Some(long) = arg.get_long() else { continue };
                let variable = format!("DRILLYARD_{}", long.to_uppercase().replace('-', "_"));
                let has = arg.get_env().map(|name| name.to_string_lossy().into_owned());
                assert_eq!(has, Some(variable), "{} --{long}", sub.get_name());
                seen += 1;
            }
        }
        assert!(seen > 30, "{seen} options");
    }
}
