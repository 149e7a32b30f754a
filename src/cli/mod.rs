//! The command line: one file a subcommand. The only room that reads the environment; it and `report` alone print.
#![expect(clippy::print_stderr, reason = "printing is what this room is for")]

mod args;
mod backend;
mod check;
mod clean;
mod dirs;
mod doctor;
mod early;
mod explain;
mod files;
mod list;
mod new;
mod outputs;
mod plan;
mod prove;
mod reap;
mod run;
mod runs;
mod select;
mod setup;
mod shell;
mod signals;
mod step_by_step;

use clap::{CommandFactory, Parser};

use crate::host::HostError;
use crate::journal::{ExitCode, Problem};
use args::{Args, Command};

/// What ends a subcommand early: what to say, and the exit code.
#[derive(Debug)]
struct Stop {
    problems: Vec<Problem>,
    code: ExitCode,
}

impl Stop {
    fn usage(title: impl Into<String>) -> Self {
        Stop { problems: vec![Problem::new(title)], code: ExitCode::Usage }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(problem) = self.problems.last_mut() {
            *problem = problem.clone().help(help);
        }
        self
    }

    fn lab(title: impl Into<String>) -> Self {
        Stop { problems: vec![Problem::new(title)], code: ExitCode::Lab }
    }
}

impl From<HostError> for Stop {
    fn from(error: HostError) -> Self {
        let stop = Stop::lab(error.message);
        match error.help {
            Some(help) => stop.help(help),
            None => stop,
        }
    }
}

type Result<T> = std::result::Result<T, Stop>;

/// The program.
pub fn main() -> std::process::ExitCode {
    // A reader that has seen enough (`| head`) is no reason to panic.
    let args = Args::parse();
    let ended = dispatch(args);
    let code = match ended {
        Ok(code) => code,
        Err(stop) => {
            let color = args::color_of_stderr(None);
            for problem in &stop.problems {
                eprint!("{}", crate::report::render(problem, color));
            }
            stop.code
        }
    };
    std::process::ExitCode::from(code.code())
}

fn dispatch(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Run(options) => run::run(*options),
        Command::Prove(options) => prove::prove(*options),
        Command::Check(options) => check::check(options),
        Command::Plan(options) => plan::plan(options),
        Command::List(options) => list::list(options),
        Command::Explain { step } => explain::explain(step.as_deref()),
        Command::New(options) => new::new(options),
        Command::Shell(options) => shell::shell(options),
        Command::Runs { command } => runs::runs(command),
        Command::Clean { runs, all } => clean::clean(runs, all),
        Command::Doctor(options) => doctor::doctor(options),
        Command::Reap(options) => reap::reap(options),
        Command::Schema => {
            let text = serde_json::to_string_pretty(&crate::scenario::schema()).unwrap_or_default();
            print_all(&format!("{text}\n"));
            Ok(ExitCode::Passed)
        }
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "drillyard", &mut text);
            print_all(&String::from_utf8_lossy(&text));
            Ok(ExitCode::Passed)
        }
        Command::Man => {
            let mut text = Vec::new();
            let rendered = clap_mangen::Man::new(Args::command()).render(&mut text);
            rendered.map_err(|e| Stop::usage(format!("cannot make the manual page: {e}")))?;
            print_all(&String::from_utf8_lossy(&text));
            Ok(ExitCode::Passed)
        }
    }
}

/// Prints without complaining about a reader that has gone.
fn print_all(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Says something on stderr.
fn complain(text: &str) {
    eprintln!("{text}");
}

/// The runtime for subcommands that talk to servers.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| Stop::lab(format!("cannot start the runtime: {e}")))?.block_on(future)
}
