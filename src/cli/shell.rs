//! `drillyard shell`

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::Path;

use super::args::ShellArgs;
use super::dirs;
use super::stop::{Result, Stop};
use crate::firedrill::{Ask, ask, is_held};
use crate::host::as_word;
use crate::journal::ExitCode;
use crate::run::{Kept, RunState, run_directories};

/// Opens psql, or runs a command, on a node of a run that is at work or kept.
pub fn shell(args: ShellArgs) -> Result<ExitCode> {
    let (run, node) = match args.node.split_once('/') {
        Some((run, node)) => (Some(run), node),
        None => (None, args.node.as_str()),
    };
    let directories = dirs::all_work().iter().flat_map(|dir| run_directories(dir)).collect::<Vec<_>>();
    let mut found = Vec::new();
    let mut known = Vec::new();
    for (id, path, state) in directories {
        if state == RunState::Dead || run.is_some_and(|run| !id.starts_with(run)) {
            continue;
        }
        for kept in Kept::read(&path).nodes {
            known.push(format!("{id}/{} ({})", kept.node, kept.drill));
            if kept.node == node {
                found.push((id.clone(), path.clone(), kept));
            }
        }
    }
    let known = match known.is_empty() {
        true => "no run is at work or kept: run a drill with --keep always or --keep on-failure".to_owned(),
        false => format!("there are: {}", known.join(", ")),
    };
    let runs: std::collections::BTreeSet<&String> = found.iter().map(|(id, ..)| id).collect();
    if runs.len() > 1 {
        return Err(Stop::usage(format!("node `{node}` is in several runs")).help(known));
    }
    // Of several drills of one run, the last.
    let Some((_, directory, kept)) = found.pop() else {
        return Err(
            Stop::usage(format!("there is no kept node `{}`, and none of a run at work", args.node)).help(known)
        );
    };
    let command = if args.command.is_empty() { vec!["psql".to_owned()] } else { args.command };
    tell_firedrill(&directory, &kept.node, &command);
    let shell = match std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        true => kept.shell.interactive,
        false => kept.shell.piped,
    };
    let mut words = shell.into_iter().chain(command);
    let program = words.next().unwrap_or_default();
    let error = std::process::Command::new(&program).args(words).envs(kept.env).exec();
    Err(Stop::lab(format!("cannot run {program}: {error}")))
}

/// A firedrill that is held there knows what people run. It goes on without.
fn tell_firedrill(directory: &Path, node: &str, command: &[String]) {
    if is_held(directory) {
        let text = command.iter().map(|word| as_word(word)).collect::<Vec<_>>().join(" ");
        let _ = ask(directory, Ask::Ran { node: node.to_owned(), text });
    }
}
