//! A kind of backend, as the command line's list has it: its options, how it is opened, how
//! `doctor` examines it, and how its remains are found.

use std::ffi::OsString;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use clap::{ArgMatches, Command};

use super::{Backend, HostError, Installation, Recipe, Result, Sorting, Sweeper};

/// A kind of backend: what can be asked before one is opened.
#[async_trait]
pub trait BackendKind: Debug + Send + Sync {
    /// Its name for `--backend` and in reports.
    fn name(&self) -> &'static str;

    /// What it is, in a line of help: `Containers`.
    fn about(&self) -> &'static str;

    /// Adds the options that only this kind has to those of a subcommand.
    fn options(&self, command: Command) -> Command {
        command
    }

    /// What its hosts see of the files of this machine.
    fn sight(&self, surroundings: &Surroundings) -> Sight;

    /// Why it is this kind although none was named: an option that only it has was given.
    fn implied(&self, _options: &ArgMatches) -> Option<String> {
        None
    }

    /// Opens it. The error says what is missing, and how to get it.
    async fn open(&self, options: &ArgMatches, surroundings: &Surroundings) -> Result<Arc<dyn Backend>>;

    /// Looks for all that it needs, for `drillyard doctor`.
    async fn examine(&self, options: &ArgMatches, surroundings: &Surroundings) -> Checkup;

    /// What removes the remains of earlier runs; None if this kind leaves nothing outside the runs'
    /// directories.
    fn sweeper(&self, _surroundings: &Surroundings) -> Option<Arc<dyn Sweeper>> {
        None
    }

    /// The sweeper of a recipe that another process wrote.
    fn sweeper_from(&self, _recipe: &Recipe) -> Result<Arc<dyn Sweeper>> {
        Err(HostError::new(format!("the backend {} leaves nothing outside the runs' directories", self.name())))
    }
}

/// What hosts see of the files of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// All, under their own names.
    All,
    /// What they are given, under their own names, to read.
    Given,
    /// Nothing, and why: `the daemon at tcp://... may run on another machine`.
    Nothing(String),
}

/// What a backend may know of the machine and of the user.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// A directory where templates of new clusters are kept from run to run. It is made when it is
    /// needed.
    pub cache: PathBuf,
    /// Whose what it makes is: this user of this machine. What another owner has made is never
    /// touched.
    pub owner: String,
    /// A variable of the environment, if it is set and not empty.
    pub variable: fn(&str) -> Option<OsString>,
}

/// What `drillyard doctor` found out about one kind of backend.
#[derive(Debug, Clone)]
pub struct Checkup {
    /// What was looked at: `Docker`.
    pub title: &'static str,
    /// What was found, in the order in which it is shown.
    pub checks: Vec<Check>,
    /// Whether drills can run there.
    pub usable: bool,
    /// By which libraries the servers there sort text, as far as that can be found out.
    pub sorting: Vec<Sorting>,
}

/// One thing that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It is there.
    Ok(String),
    /// It is there, with a reservation.
    Warning(String),
    /// It is missing: what, and what to do about it.
    Missing(String, Option<String>),
    /// How to get more.
    ToGet(String),
}

impl Check {
    /// What is missing, by the error that says so.
    pub fn missing(error: HostError) -> Self {
        Check::Missing(error.message, error.help)
    }

    /// The versions of PostgreSQL that are there.
    pub fn installations(found: &[Installation]) -> Vec<Check> {
        let each = |one: &Installation| {
            let found = Check::Ok(format!("PostgreSQL {:6} {}", one.known_version(), one.place));
            std::iter::once(found).chain(one.version.untested().map(Check::Warning))
        };
        found.iter().flat_map(each).collect()
    }
}
