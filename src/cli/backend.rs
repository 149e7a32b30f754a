//! The backends that there are, and their options.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::host::docker::Docker;
use crate::host::local::Local;
use crate::host::{BackendKind, as_word};

/// Every kind of backend, the preferred one first. The only list of them.
pub const BACKENDS: &[&dyn BackendKind] = &[
    &Docker, //
    &Local,
];

/// Where servers are run.
#[derive(Debug, Clone, clap::Args)]
pub struct BackendArgs {
    /// Where to run servers
    #[arg(long, value_parser = BackendChoice::parser(), default_value = "auto", env = "DRILLYARD_BACKEND", help_heading = "Where")]
    pub backend: BackendChoice,
    #[command(flatten)]
    pub options: BackendOptions,
}

/// The backend that was asked for.
#[derive(Debug, Clone, Copy)]
pub enum BackendChoice {
    /// The first one that has what is needed.
    Auto,
    /// This one.
    Only(&'static dyn BackendKind),
}

impl BackendChoice {
    /// The parser of `--backend`.
    pub fn parser() -> impl TypedValueParser<Value = BackendChoice> {
        let auto = PossibleValue::new("auto").help("The first of these that has what is needed");
        let kinds = BACKENDS.iter().map(|kind| PossibleValue::new(kind.name()).help(kind.about()));
        let values = std::iter::once(auto).chain(kinds);
        PossibleValuesParser::new(values).map(|name| named(&name).map_or(BackendChoice::Auto, BackendChoice::Only))
    }
}

/// The kind of that name.
pub fn named(name: &str) -> Option<&'static dyn BackendKind> {
    BACKENDS.iter().copied().find(|kind| kind.name() == name)
}

impl BackendArgs {
    /// The words that ask for the same servers again: what was given, by an option or by its
    /// variable, and no default.
    pub fn again(&self) -> Vec<String> {
        let command = BackendOptions::augment_args(Command::new(""));
        let own = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let own = own.flat_map(|arg| self.options.given(arg.get_id().as_str(), arg.get_long().unwrap_or_default()));
        let own: Vec<String> = own.collect();
        let backend = match self.backend {
            BackendChoice::Auto => None,
            BackendChoice::Only(kind) => Some(format!("--backend {}", kind.name())),
        };
        backend.into_iter().chain(own).collect()
    }
}

/// The options that each backend adds to a subcommand's.
#[derive(Debug, Clone)]
pub struct BackendOptions(ArgMatches);

impl BackendOptions {
    /// As backends read them.
    pub fn matches(&self) -> &ArgMatches {
        &self.0
    }

    /// The words that give an option of the subcommand again: the one that is `--long`, if it has
    /// it and was given it.
    pub fn given(&self, id: &str, long: &str) -> Vec<String> {
        let source = self.0.try_contains_id(id).ok().and_then(|_| self.0.value_source(id));
        if !matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable)) {
            return vec![];
        }
        let values = self.0.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy());
        values.map(|value| format!("--{long} {}", as_word(&value))).collect()
    }
}

impl FromArgMatches for BackendOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(BackendOptions(matches.clone()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0 = matches.clone();
        Ok(())
    }
}

impl Args for BackendOptions {
    fn augment_args(command: Command) -> Command {
        BACKENDS.iter().fold(command, |command, kind| kind.options(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
