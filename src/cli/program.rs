//! The program: from the arguments to the subcommand, and its exit code.

use clap::{CommandFactory, Parser};

use super::args::{self, Args, Command};
use super::out::{ask, print_all};
use super::stop::{Result, Stop};
use super::{
    check, clean, doctor, evidence, explain, firedrill, held, list, new, plan, prove, reap, run, runbook, runs, shell,
};
use crate::journal::ExitCode;

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
                ask(&crate::report::render(problem, color));
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
        Command::Firedrill(options) => firedrill::firedrill(*options),
        Command::Done(options) => held::done(&options),
        Command::Hint(options) => held::hint(&options),
        Command::Note(options) => held::note(options),
        Command::Judge(options) => held::judge(&options),
        Command::Scratch(options) => held::scratch(options),
        Command::Check(options) => check::check(options),
        Command::Plan(options) => plan::plan(options),
        Command::List(options) => list::list(options),
        Command::Explain { step } => explain::explain(step.as_deref()),
        Command::New(options) => new::new(options),
        Command::Shell(options) => shell::shell(options),
        Command::Runs(args) => runs::runs(args.command),
        Command::Runbook(args) => runbook::runbook(&args),
        Command::Evidence { command } => evidence::evidence(command),
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
