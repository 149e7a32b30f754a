//! What running, proving and playing drills have in common.

use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::evidence::EvidenceArgs;
use super::history::HistoryArgs;
use super::notify::NotifyArgs;
use super::output::OutArgs;
use super::parsers::{key_value, major, some_time};
use crate::cli::backend::BackendArgs;
use crate::pg::conninfo::Conninfo;
use crate::repo::{self, KINDS, Kind};
use crate::run::Keep;
use crate::source::choices;

/// Where scenarios are.
#[derive(Debug, Clone, clap::Args)]
pub struct Selection {
    /// Files, folders or globs (default: scenarios/)
    pub paths: Vec<String>,
    /// Only drills with this tag
    #[arg(long, value_name = "T", env = "DRILLYARD_TAG", value_delimiter = ',')]
    pub tag: Vec<String>,
    /// Only drills with TEXT in their name
    #[arg(long, value_name = "TEXT", env = "DRILLYARD_FILTER")]
    pub filter: Option<String>,
    /// Give a param another value
    #[arg(long, value_name = "K=V", env = "DRILLYARD_SET", value_parser = key_value)]
    pub set: Vec<(String, String)>,
}

impl Selection {
    /// The passwords in connection strings among what params are given.
    pub fn secrets(&self) -> impl Iterator<Item = String> {
        let strings = self.set.iter().filter_map(|(_, value)| Conninfo::parse(value).ok());
        strings.flat_map(|conninfo| conninfo.secrets().map(str::to_owned).collect::<Vec<_>>())
    }
}

/// What running and proving drills have in common.
#[derive(Debug, Clone, clap::Args)]
pub struct DrillArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// Only on these major versions
    #[arg(long, value_name = "15,17", value_delimiter = ',', env = "DRILLYARD_POSTGRES", value_parser = major)]
    pub postgres: Vec<u32>,
    #[command(flatten)]
    pub backend: BackendArgs,
    /// The kind of repos to use in the place of directories; drills about what it cannot do are
    /// skipped
    #[arg(long, value_name = "KIND", env = "DRILLYARD_REPOS", value_parser = repo_kind(), help_heading = "How")]
    pub repos: Option<&'static Kind>,
    /// The most that a drill may take, instead of the scenario's own timeout
    #[arg(long, value_name = "DURATION", env = "DRILLYARD_TIMEOUT", value_parser = some_time, help_heading = "How")]
    pub timeout: Option<Duration>,
    /// The seed of everything random
    ///
    /// Default: 1; with --surprise one that nobody knows.
    #[arg(long, value_name = "N", env = "DRILLYARD_SEED", help_heading = "How")]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub notify: NotifyArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
    #[command(flatten)]
    pub evidence: EvidenceArgs,
    #[command(flatten)]
    pub out: OutArgs,
}

impl DrillArgs {
    /// The seed of everything random.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or(1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeepChoice {
    Never,
    OnFailure,
    Always,
}

impl From<KeepChoice> for Keep {
    fn from(choice: KeepChoice) -> Self {
        match choice {
            KeepChoice::Never => Keep::Never,
            KeepChoice::OnFailure => Keep::OnFailure,
            KeepChoice::Always => Keep::Always,
        }
    }
}

/// A kind of repo, by its name.
fn repo_kind() -> impl TypedValueParser<Value = &'static Kind> {
    let is_told = |kind: &Kind| !kind.adjustable.needs.is_empty();
    let values = KINDS.iter().map(move |kind| PossibleValue::new(kind.name).help(kind.about).hide(is_told(kind)));
    PossibleValuesParser::new(values).try_map(move |name| match repo::find(&name) {
        Some(kind) if is_told(kind) => {
            let needs = choices(kind.adjustable.needs.iter().copied(), "and");
            Err(format!("a repo of kind `{name}` needs {needs}, which only a scenario can say: write them there"))
        }
        found => found.ok_or_else(|| "there is no such kind".to_owned()),
    })
}
