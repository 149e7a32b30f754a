//! What people say while a firedrill is held: `drillyard done`, `hint`, `note`, `judge`, `scratch`.

use std::path::{Path, PathBuf};

use super::args::{DoneArgs, HeldArgs, HintArgs, NoteArgs, ScratchArgs};
use super::dirs;
use super::orphaned::Orphan;
use super::out::{complain, print_all};
use super::stop::{Result, Stop};
use crate::firedrill::{Ask, Reply, ask, is_held};
use crate::journal::ExitCode;
use crate::run::{RunState, run_directories};

/// `drillyard done`
pub fn done(args: &DoneArgs) -> Result<ExitCode> {
    say(&args.held, if args.give_up { Ask::GiveUp } else { Ask::Done })
}

/// `drillyard hint`
pub fn hint(args: &HintArgs) -> Result<ExitCode> {
    say(&args.held, Ask::Hint(args.number.unwrap_or(0) as usize))
}

/// `drillyard note`
pub fn note(args: NoteArgs) -> Result<ExitCode> {
    let noted = say(&args.held, Ask::Note(args.text))?;
    if !args.seen || noted != ExitCode::Passed {
        return Ok(noted);
    }
    say(&args.held, Ask::Seen)
}

/// `drillyard judge`
pub fn judge(args: &HeldArgs) -> Result<ExitCode> {
    say(args, Ask::Judge)
}

/// `drillyard scratch`
pub fn scratch(args: ScratchArgs) -> Result<ExitCode> {
    say(&args.held, Ask::Scratch(args.name))
}

/// Asks for something. What cannot be done now is a failure, and why is told on stderr.
fn say(held: &HeldArgs, what: Ask) -> Result<ExitCode> {
    let (id, directory) = find(held.run.as_deref())?;
    let asked = ask(&directory, what);
    let Reply { ok, text } = asked.map_err(|_| not_answered(&id, &directory))?;
    match ok {
        true => print_all(&format!("{text}\n")),
        false => complain(&text),
    }
    Ok(if ok { ExitCode::Passed } else { ExitCode::Failed })
}

/// The firedrill that is meant: one at work, or else one that has ended and whose servers were
/// kept.
fn find(run: Option<&str>) -> Result<(String, PathBuf)> {
    let all = dirs::all_work().iter().flat_map(|dir| run_directories(dir)).collect::<Vec<_>>();
    let in_state = |wanted: RunState| -> Vec<(String, PathBuf)> {
        let held = all.iter().filter(|(_, path, state)| *state == wanted && is_held(path));
        held.map(|(id, path, _)| (id.clone(), path.clone())).collect()
    };
    let (at_work, kept) = (in_state(RunState::Alive), in_state(RunState::Kept));
    let held = match run {
        None if at_work.is_empty() => kept,
        None => at_work,
        Some(_) => at_work.into_iter().chain(kept).collect(),
    };
    let known: Vec<&str> = held.iter().map(|(id, _)| id.as_str()).collect();
    let known = known.join(", ");
    let mut meant: Vec<_> = held.iter().filter(|(id, _)| run.is_none_or(|run| id.starts_with(run))).collect();
    match (meant.pop(), meant.is_empty(), run) {
        (Some(found), true, _) => Ok(found.clone()),
        (Some(_), false, _) => Err(Stop::usage("several firedrills are held").help(format!("name one: {known}"))),
        (None, _, Some(run)) if !held.is_empty() => {
            Err(Stop::usage(format!("no firedrill `{run}` is held")).help(format!("there are: {known}")))
        }
        (None, ..) => Err(Stop::usage("no firedrill is held on this machine by this user")
            .help("drillyard firedrill FILE begins one")),
    }
}

/// Why one does not answer.
fn not_answered(id: &str, directory: &Path) -> Stop {
    match Orphan::find(id, Some((id, directory))) {
        Ok(orphan) => orphan.not_answered(),
        Err(stop) => stop,
    }
}
