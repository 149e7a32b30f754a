//! What is done with drills, as running, proving and playing them differ.

use std::path::PathBuf;

use super::args::DrillArgs;
use super::keeper::Keeper;
use super::partition::Partition;
use super::runs::EVENTS_FILE;
use super::select::{Drills, Selected};
use super::signals::Interruption;
use super::stop::Result;
use crate::firedrill::FacilitatorView;
use crate::journal::{Command, Listener};
use crate::report::{EVENTS, Format};
use crate::run::{Drill, Env, Finished};

/// What is done with drills: they are run, or proved.
pub trait Job {
    /// As events call it.
    const COMMAND: Command;

    /// What was asked for.
    fn drills(&self) -> &DrillArgs;

    /// The part of the drills that was asked for.
    fn part(&self) -> Option<Partition> {
        None
    }

    /// How many times everything is run.
    fn repeat(&self) -> u32 {
        1
    }

    /// Whether only the drills are meant that did not pass when they were run last.
    fn last_failed(&self) -> bool {
        false
    }

    /// Whether somebody is asked on the way, who needs the terminal.
    fn asks(&self) -> bool {
        false
    }

    /// What is kept of a run in its record.
    const RECORDED: &'static [(&'static Format, &'static str)] = &[(EVENTS, EVENTS_FILE)];

    /// Those of the drills that it is about.
    fn draw(&self, drills: Drills) -> Drills {
        drills
    }

    /// Who listens, of those that the arguments ask for; `records` is where the run's record is.
    fn listeners(&self, listeners: Vec<Box<dyn Listener>>, _records: PathBuf) -> Vec<Box<dyn Listener>> {
        listeners
    }

    /// Whether people recover, and not the drill.
    fn has_people(&self) -> bool {
        false
    }

    /// A listener, which hears nothing yet if nobody is to know.
    fn sealed(&self, listener: Box<dyn Listener>) -> Box<dyn Listener> {
        listener
    }

    /// Who keeps what is left running, if that is not the process at the terminal.
    fn keeper(&self) -> Option<&Keeper> {
        None
    }

    /// Whether what it has made outlives its processes, however they end.
    fn outlives(&self) -> bool {
        false
    }

    /// What was to be seen last by whoever looked on.
    fn last_view(&self) -> Option<FacilitatorView> {
        None
    }

    /// Checks what it alone knows, before anything is started.
    fn check(&self, selected: &Selected) -> Result<()>;

    /// Does it. `first` is the number of the first drill.
    async fn work(&self, stage: Stage<'_>, drills: Vec<Drill>, first: usize) -> Finished;
}

/// What a job works with.
pub struct Stage<'a> {
    /// What all drills share: no server is kept, and nobody is asked.
    pub env: Env,
    /// How the run was interrupted, if it was.
    pub interruption: &'a Interruption,
}
