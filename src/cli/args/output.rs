//! What a run writes: its reports, and how its terminal looks.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, FromArgMatches, ValueEnum, value_parser};

use crate::report::{FORMATS, Format};

/// What is written.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutArgs {
    #[command(flatten)]
    pub reports: ReportArgs,
    /// Write the run's recording: a directory that `drillyard runs show DIR` reads on any machine
    #[arg(long, value_name = "DIR", env = "DRILLYARD_RECORD")]
    pub record: Option<PathBuf>,
    /// Annotations and a step summary in GitHub's CI
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = GithubChoice::Auto, env = "DRILLYARD_GITHUB")]
    pub github: GithubChoice,
    /// Colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, env = "DRILLYARD_COLOR")]
    pub color: ColorChoice,
    /// Show only what did not pass
    #[arg(short, long, env = "DRILLYARD_QUIET", conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show every step
    #[arg(short, long, env = "DRILLYARD_VERBOSE")]
    pub verbose: bool,
}

/// The reports that were asked for, and the paths named for them: an option for each format that
/// there is.
#[derive(Debug, Clone)]
pub struct ReportArgs(pub Vec<(&'static Format, PathBuf)>);

impl clap::Args for ReportArgs {
    fn augment_args(command: Command) -> Command {
        FORMATS.iter().fold(command, |command, format| {
            let variable = format!("DRILLYARD_{}", format.option.to_uppercase().replace('-', "_"));
            let arg = Arg::new(format.option).long(format.option).env(variable);
            command.arg(arg.value_name(format.value).value_parser(value_parser!(PathBuf)).help(format.help))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ReportArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let named = |format: &'static Format| Some((format, matches.get_one::<PathBuf>(format.option)?.clone()));
        Ok(ReportArgs(FORMATS.iter().filter_map(named).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GithubChoice {
    /// If GITHUB_ACTIONS is set
    Auto,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

/// Whether to write colours to a stream.
fn color(choice: Option<ColorChoice>, is_terminal: bool) -> bool {
    match choice {
        Some(ColorChoice::Always) => true,
        Some(ColorChoice::Never) => false,
        Some(ColorChoice::Auto) | None => {
            let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
            is_terminal && !no_color && !dumb
        }
    }
}

/// Whether to write colours to stderr.
pub fn color_of_stderr(choice: Option<ColorChoice>) -> bool {
    color(choice, std::io::stderr().is_terminal())
}

/// Whether to write colours to stdout.
pub fn color_of_stdout(choice: Option<ColorChoice>) -> bool {
    color(choice, std::io::stdout().is_terminal())
}
