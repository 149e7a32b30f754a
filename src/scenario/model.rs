//! A scenario file as types: its head, its steps with their common keys.

use std::path::PathBuf;

use serde::Deserialize;

use super::during::During;
use super::limits::Budgets;
use super::matrix::Cell;
use super::notify::NotifySpec;
use super::repo_kind::RepoKind;
use crate::harness::{Kind, ReleaseField, Spec};
use crate::journal::Problem;
use crate::source::{
    ConnectionString, Duration, Late, Name, Ordered, RefersTo, Regex, Scalar, Setting, Shell, Source, Span, Spanned,
    VersionReq,
};
use crate::steps::TeamSpec;

/// A scenario, decoded; its names are not looked up yet. With `problems` it is what could be
/// decoded of it: enough to look up the names in the rest, so that all the errors of a file are
/// told in one go.
#[derive(Debug)]
pub struct Scenario {
    /// The file.
    pub source: Source,
    /// Its name; the file's stem where it gives none.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The major versions that it is meant for.
    pub postgres: Option<Spanned<Vec<Spanned<u32>>>>,
    /// How long the whole drill may take.
    pub timeout: std::time::Duration,
    /// Whether copies of somebody else's server are cut off from the network.
    pub network: Option<Spanned<NetworkSpec>>,
    /// Where backups and WAL go.
    pub repos: Names<RepoFields>,
    /// The servers.
    pub nodes: Names<NodeFields>,
    /// What must be kept to.
    pub budgets: Budgets,
    /// What `drillyard prove` has to know.
    pub prove: Prove,
    /// Whom it tells how it came out.
    pub notify: Vec<Spanned<NotifySpec>>,
    /// What is called if it passed.
    pub heartbeat: Option<Spanned<String>>,
    /// The steps.
    pub steps: Vec<StepLine>,
    /// The steps that run whatever happened.
    pub finally: Vec<StepLine>,
    /// Where the files that it names are looked for, in order.
    pub file_roots: Vec<PathBuf>,
    /// The values of secrets that it uses.
    pub secrets: Vec<String>,
    /// The names of its params.
    pub params: Vec<String>,
    /// Those of it and of its fragments that nothing uses.
    pub unused: Vec<Spanned<String>>,
    /// Which of the drills of its file it is.
    pub cell: Cell,
    /// Those that have no value: what they stand in is not decoded.
    pub unset: Vec<Unset>,
    /// Whether a fragment that it uses could not be read: nobody knows which ids that has.
    pub more_ids: bool,
    /// What is wrong with it so far.
    pub problems: Vec<Problem>,
}

/// A param that gets its value from outside alone, and has none.
#[derive(Debug, Clone)]
pub struct Unset {
    /// Its name.
    pub name: String,
    /// That it is missing, at its place.
    pub problem: Problem,
}

/// The nodes or the repos of a file, by name.
#[derive(Debug)]
pub struct Names<T> {
    /// Those whose names could be decoded; without fields where those could not.
    pub listed: Vec<(Spanned<Name>, Option<T>)>,
    /// Whether these are all the names that there are.
    pub complete: bool,
}

/// A line of a list of steps.
#[derive(Debug)]
pub enum StepLine {
    /// A step.
    Step(Box<StepItem>),
    /// What is left of one that could not be decoded.
    Undecoded(Undecoded),
}

/// What is left of a step that could not be decoded: what others refer to.
#[derive(Debug)]
pub struct Undecoded {
    /// Its kind, where that is certain.
    pub kind: Option<&'static Kind>,
    /// Its id.
    pub id: Option<Spanned<Name>>,
    /// The nodes that it may make.
    pub makes: Vec<Spanned<Name>>,
    /// What it refers to.
    pub refers: Vec<(RefersTo, Spanned<Name>)>,
}

/// One step with its common keys.
#[derive(Debug)]
pub struct StepItem {
    /// The action's kind.
    pub kind: &'static Kind,
    /// Where the action's key stands.
    pub action: Span,
    /// The common keys.
    pub common: Common,
    /// The nodes that it makes.
    pub makes: Vec<Spanned<Name>>,
    /// What it does.
    pub body: Body,
}

/// What a step does.
#[derive(Debug)]
pub enum Body {
    /// One thing.
    Step(Box<dyn Spec>),
    /// Every one of these: `all`.
    All(Vec<StepLine>),
    /// What people do, or what is done in their place: `team`.
    Team(Box<TeamLines>),
}

/// A `team` step: what people are told, and the steps in it.
#[derive(Debug, Default)]
pub struct TeamLines {
    /// All but the steps in it.
    pub spec: TeamSpec,
    /// What is done in people's place; none if only people can play the drill.
    pub auto: Option<Vec<StepLine>>,
    /// What says when they are done.
    pub judge: Vec<StepLine>,
    /// The steps of its injects, each as in `spec`.
    pub injects: Vec<InjectLines>,
    /// A `wait_for` step for the moment of each trap in `spec`.
    pub traps: Vec<StepLine>,
}

/// The steps of what comes in between while people recover.
#[derive(Debug)]
pub struct InjectLines {
    /// A `wait_for` step for its moment.
    pub when: Option<StepLine>,
    /// What is run then.
    pub steps: Vec<StepLine>,
}

/// The keys that any step can have.
#[derive(Debug, Default, Deserialize)]
pub struct Common {
    /// What later steps call it.
    #[serde(default)]
    pub id: Option<Spanned<Name>>,
    /// What reports call it.
    #[serde(default)]
    pub name: Option<String>,
    /// Its deadline.
    #[serde(default)]
    pub within: Option<Spanned<Late<Duration>>>,
    /// It must fail, and so.
    #[serde(default)]
    pub expect: Option<Spanned<Expect>>,
    /// Where it is run at all.
    #[serde(default)]
    pub when: Option<When>,
    /// Of an assertion: it is tried again until it holds, or its deadline has passed.
    #[serde(default)]
    pub retry: Option<Spanned<bool>>,
    /// Of an incident: the step while which it happens.
    #[serde(default)]
    pub during: Option<Spanned<During>>,
    /// What reports call the `use` lines that bring it, the outermost first.
    #[serde(skip)]
    pub part_of: Vec<String>,
}

/// What the step is expected to come to: it passes if it fails in this way.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What the failure's text must match.
    pub fails: Spanned<Regex>,
}

/// Where the step is run at all; elsewhere it is skipped.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The versions that the step is for.
    pub postgres: VersionReq,
}

/// A repo's fields.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepoFields {
    /// `directory`, which is the default, or a tool: `pgbackrest`, `barman`, `dump`.
    #[serde(default)]
    pub kind: Option<Spanned<RepoKind>>,
    /// It holds only what `sync` steps have copied from this repo.
    #[serde(default)]
    pub copy_of: Option<Spanned<Name>>,
    /// The stanza of the server that archives here, for `pgbackrest`: `main` by default.
    #[serde(default)]
    pub stanza: Option<Spanned<Name>>,
    /// Lines for the tool's configuration, as it writes them: `compress-type: zst`.
    #[serde(default)]
    pub options: Option<Spanned<Ordered<String, Setting>>>,
    /// Where it is: `lose_site` takes everything there.
    #[serde(default)]
    pub site: Option<Spanned<Name>>,
    /// Whether somebody else fills it: production's backups. It is only read from.
    #[serde(default)]
    pub existing: Option<Spanned<bool>>,
    /// Where the base backups of an existing directory lie: an absolute path with `*` in it. Each
    /// directory is a backup as pg_basebackup writes it, plain or tar.
    #[serde(default)]
    pub backups: Option<Spanned<String>>,
    /// The directory with the WAL of an existing directory, packed or not.
    #[serde(default)]
    pub wal: Option<Spanned<String>>,
    /// Where existing dumps lie: an absolute path with `*` in it. Each file or directory is a dump
    /// of pg_dump, or a directory with several of them.
    #[serde(default)]
    pub path: Option<Spanned<String>>,
    /// Where existing dumps of roles and tablespaces lie, if not beside those of databases.
    #[serde(default)]
    pub globals: Option<Spanned<String>>,
    /// The configuration file of an existing repository of pgBackRest or Barman; default: the
    /// tool's own.
    #[serde(default)]
    pub config: Option<Spanned<String>>,
    /// Which of an existing configuration's repositories, by its number; default: pgbackrest's
    /// choice.
    #[serde(default)]
    pub repo: Option<Spanned<u32>>,
    /// Which server of an existing Barman.
    #[serde(default)]
    pub server: Option<Spanned<String>>,
    /// Of a `command`: prints its backups, each in a line of label, tab, time (RFC 3339); and after
    /// tabs, if it knows, the number of bytes, and why it cannot be restored.
    #[serde(default)]
    pub list: Option<Spanned<Vec<Shell>>>,
    /// Of a `command`: restores the backup `$DRILLYARD_BACKUP` to the empty directory
    /// `$DRILLYARD_DATA`, and its tablespaces to `$DRILLYARD_TABLESPACES/OID`.
    #[serde(default)]
    pub fetch: Option<Spanned<Vec<Shell>>>,
    /// Of a `command`: PostgreSQL's restore_command, with `%f` and `%p`.
    #[serde(default)]
    pub restore_command: Option<Spanned<Shell>>,
    /// Of a drill's own `command`: takes a backup of the server that PGHOST and the like name, and
    /// calls it `$DRILLYARD_BACKUP`.
    #[serde(default)]
    pub backup: Option<Spanned<Vec<Shell>>>,
    /// Of a drill's own `command`: PostgreSQL's archive_command, with `%f` and `%p`.
    #[serde(default)]
    pub archive_command: Option<Spanned<Shell>>,
    /// Of a `command`: ends with 0 if the backup `$DRILLYARD_BACKUP` is whole, and says on standard
    /// error what is wrong with it if not.
    #[serde(default)]
    pub verify: Option<Spanned<Vec<Shell>>>,
    /// What its commands find in their environment.
    #[serde(default)]
    pub env: Option<Spanned<Ordered<String, Scalar>>>,
}

/// A node's fields.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeFields {
    /// The repo that its WAL goes to.
    #[serde(default)]
    pub archive_to: Option<Spanned<Name>>,
    /// The node whose standby it is.
    #[serde(default)]
    pub follows: Option<Spanned<Name>>,
    /// Lines for postgresql.conf.
    #[serde(default)]
    pub settings: Option<Ordered<String, Setting>>,
    /// Where it is: `lose_site` takes everything there.
    #[serde(default)]
    pub site: Option<Spanned<Name>>,
    /// The release of PostgreSQL that it runs, of the drill's major version: `"15.18"`.
    #[serde(default)]
    pub release: Option<ReleaseField>,
    /// A server that drillyard did not make: it is only read from.
    #[serde(default)]
    pub external: Option<Spanned<External>>,
    /// Whether a `recover` step makes it later, from nothing but the repo and `secrets`.
    #[serde(default)]
    pub cold: Option<Spanned<bool>>,
    /// What a cold server has beside the repo: by the names of the tool, such as
    /// `repo1-cipher-pass`.
    #[serde(default)]
    pub secrets: Option<Spanned<Ordered<String, Setting>>>,
}

/// A server that drillyard did not make.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct External {
    /// Its connection string, as libpq reads it: `postgresql://user@host/db`. A secret that is a
    /// part of it, as in `postgresql://user:${secrets.pw}@host/db`, is percent-encoded by
    /// drillyard; one that is the whole URL is taken as it is.
    #[serde(default)]
    pub url: Option<Spanned<ConnectionString>>,
    /// In the place of a url: a section of pg_service.conf.
    #[serde(default)]
    pub service: Option<Spanned<String>>,
    /// The connection string of a standby that follows it (`primary_conninfo`), if that takes
    /// another address or role; nothing of the url goes into it.
    #[serde(default)]
    pub standby_conninfo: Option<Spanned<ConnectionString>>,
}

/// Whether servers with somebody else's data are cut off from the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NetworkSpec {
    /// They are, or the drill does not run.
    Isolated,
    /// They are not.
    Open,
}

/// What `drillyard prove` has to know of a drill.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prove {
    /// Breaks that make no difference to this drill.
    #[serde(default)]
    pub ignore: Vec<Ignore>,
}

/// A break that makes no difference to this drill.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ignore {
    /// Its name, as `drillyard prove` shows it: `too-late recover:rehearsal`.
    #[serde(rename = "break")]
    pub name: Spanned<String>,
    /// Why it makes no difference.
    pub because: Spanned<String>,
}
