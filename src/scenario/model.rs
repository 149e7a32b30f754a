//! A scenario file as types: its head, its steps with their common keys, decoded with all errors in
//! one go.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::decode::Decoder;
use super::node::{Entry, Node, Value};
use super::not_built::{NOT_BUILT, is_later_key, today};
use super::read::file_roots;
use super::remedy;
use super::repo_kind::RepoKind;
use super::values::Values;
use crate::harness::{Decode, Kind, Role, Spec};
use crate::journal::Problem;
use crate::source::{
    ConnectionString, Duration, Name, Ordered, RefersTo, Regex, Scalar, Setting, Source, Span, Spanned, VersionReq,
    choices, did_you_mean,
};
use crate::steps::{self, KINDS};

/// The versions of the scenario language that this program speaks.
pub const LANGUAGE_VERSIONS: &[u32] = &[1];

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
    /// Where backups and WAL go.
    pub repos: Names<RepoFields>,
    /// The servers.
    pub nodes: Names<NodeFields>,
    /// What must be kept to.
    pub budgets: Budgets,
    /// What `drillyard prove` has to know.
    pub prove: Prove,
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
    /// What is wrong with it so far.
    pub problems: Vec<Problem>,
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
    /// The node that it may make.
    pub makes: Option<Spanned<Name>>,
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
    /// The node that it makes.
    pub makes: Option<Spanned<Name>>,
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
    pub within: Option<Spanned<Duration>>,
    /// It must fail, and so.
    #[serde(default)]
    pub expect: Option<Spanned<Expect>>,
    /// Where it is run at all.
    #[serde(default)]
    pub when: Option<When>,
}

/// The names of the common keys.
pub const COMMON_KEYS: &[&str] = &["id", "name", "within", "expect", "when"];

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

/// The head of a file: all but its names, its steps and its params.
#[derive(Debug, Default, Deserialize)]
struct Head {
    /// Checked by its text, before the rest.
    #[expect(dead_code, reason = "of no further use")]
    #[serde(default)]
    drillyard: Option<Spanned<u32>>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    about: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    postgres: Option<Spanned<Vec<Spanned<u32>>>>,
    #[serde(default)]
    timeout: Option<Spanned<Duration>>,
}

/// The keys of a file, in the order in which people write them.
pub const FILE_KEYS: &[&str] = &[
    "drillyard",
    "name",
    "about",
    "tags",
    "postgres",
    "params",
    "timeout",
    "repos",
    "nodes",
    "budgets",
    "prove",
    "steps",
    "finally",
];

/// A repo's fields.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepoFields {
    /// `directory`, which is the default, or a tool: `pgbackrest`, `barman`.
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
    /// A server that drillyard did not make: it is only read from.
    #[serde(default)]
    pub external: Option<Spanned<External>>,
}

/// A server that drillyard did not make.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct External {
    /// Its connection string: `postgresql://user@host/db`. A secret that is a part of it, as in
    /// `postgresql://user:${secrets.pw}@host/db`, is percent-encoded by drillyard; one that is the
    /// whole URL is taken as it is.
    pub url: Spanned<ConnectionString>,
}

/// Limits that the drill must meet.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// Recovery time objective.
    #[serde(default)]
    pub rto: Option<Spanned<Rto>>,
    /// Recovery point objective.
    #[serde(default)]
    pub rpo: Option<Spanned<Rpo>>,
}

/// How long recovery may take.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rto {
    /// From the start of this step.
    pub from: Spanned<Name>,
    /// To the end of this one.
    pub to: Spanned<Name>,
    /// The longest that it may take.
    pub max: Spanned<Duration>,
}

/// How much may be lost.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rpo {
    /// The users whose transactions count.
    pub traffic: Spanned<Name>,
    /// The most acknowledged transactions that may be lost.
    #[serde(default)]
    pub max_lost: Option<Spanned<u64>>,
    /// The most acknowledged work that may be lost, as a time: from the first lost acknowledgement
    /// to the incident.
    #[serde(default)]
    pub max_time: Option<Spanned<Duration>>,
    /// Which transactions it is about: `acknowledged` (the default), so that it fails if some could
    /// not be checked, or only those that were `checked`.
    #[serde(default)]
    pub of: Option<Spanned<LossOf>>,
}

/// Which transactions a budget of loss is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LossOf {
    /// All that were acknowledged.
    #[default]
    Acknowledged,
    /// Those that an `assert_traffic` could look for.
    Checked,
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

/// Where a drill's time ends when the file does not say.
const DEFAULT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// Decodes a file, as far as it can be: [`Scenario::problems`] says what is wrong with it.
///
/// # Errors
/// Where nothing of it can be used: all that is wrong with it, in the order of the file.
pub fn load(source: Source, values: Values, set: &[(String, String)]) -> Result<Scenario, Vec<Problem>> {
    let parsed = super::parse::parse(&source);
    let mut problems = parsed.problems;
    let Some(root) = parsed.root else { return Err(problems) };
    let (values, params_problems) = with_params(&source, &root, values, set);
    problems.extend(params_problems);
    let decoder = Decoder::new(&source, &values);
    let decoded = decode_file(&decoder, &root);
    problems.extend(decoder.into_problems());
    match decoded {
        Some(scenario) => {
            let params = values.params().iter().map(|(name, _)| name.clone()).collect();
            Ok(Scenario { secrets: values.used_secrets(), params, problems, ..scenario(source.clone()) })
        }
        None => Err(in_order(problems)),
    }
}

/// Problems in the order of the file, each once.
pub fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| problem.places.first().map(|place| (place.line, place.column)));
    problems.dedup();
    problems
}

fn with_params(source: &Source, root: &Node, values: Values, set: &[(String, String)]) -> (Values, Vec<Problem>) {
    let none = Values::none();
    let decoder = Decoder::new(source, &none);
    let params: Option<Ordered<String, Scalar>> = root.get("params").and_then(|entry| decoder.decode_entry(entry));
    let mut problems = decoder.into_problems();
    let params = params.map(|params| params.into_iter().map(|(name, value)| (name.value, value)).collect::<Vec<_>>());
    let mut values = values.with_params(params.unwrap_or_default());
    for (name, text) in set {
        // With several files, `--set` is for those that have the param; `run` sees to it that one
        // does.
        if values.params().iter().any(|(known, _)| known == name)
            && let Err(wrong) = values.set(name, text)
        {
            problems.push(Problem::new(format!("--set {name}: {wrong}")));
        }
    }
    (values, problems)
}

type MakeScenario = Box<dyn FnOnce(Source) -> Scenario>;

fn decode_file(decoder: &Decoder<'_>, root: &Node) -> Option<MakeScenario> {
    if root.entries().is_empty() {
        let problem = decoder.problem(root.span, "a scenario is a map of keys", "expected `drillyard: 1` and so on");
        decoder.tell(problem.help(format!("its keys are {}", choices(FILE_KEYS.iter().copied(), "and"))));
        return None;
    }
    for entry in root.entries() {
        if !FILE_KEYS.contains(&entry.name()) {
            decoder.tell_unknown_key(&entry.key, FILE_KEYS);
        }
    }
    let version = root.get("drillyard");
    if let Some(entry) = version
        && let Some(text) = entry.value.text()
        && let Ok(number) = text.parse::<u32>()
        && !LANGUAGE_VERSIONS.contains(&number)
    {
        let problem =
            decoder.problem(entry.value.span, format!("version {number} of the language is not supported"), "this one");
        decoder.tell(problem.help("this drillyard speaks version 1: write `drillyard: 1`"));
    }
    if version.is_none() {
        let place = root.entries().first().map_or(root.span, |first| first.key.span);
        let problem = decoder.problem(place, "`drillyard` is missing", "a scenario says which language it speaks");
        decoder.tell(problem.help("begin the file with `drillyard: 1`"));
    }
    let not_head = |key: &str| NOT_HEAD.contains(&key) || !FILE_KEYS.contains(&key);
    let head = decoder.decode_without(root, not_head).unwrap_or_else(|| {
        // What reports call it, where the rest of its head is wrong.
        Head { name: root.get("name").and_then(|name| decoder.quiet().decode_entry(name)), ..Head::default() }
    });
    let repos = decode_names(decoder, root.get("repos"));
    let nodes = decode_names(decoder, root.get("nodes"));
    let budgets = root.get("budgets").and_then(|budgets| decode_budgets(decoder, budgets));
    let prove: Option<Option<Prove>> = root.get("prove").and_then(|prove| decoder.decode_entry(prove));
    let steps = match root.get("steps") {
        Some(entry) => decode_steps(decoder, entry, Place::Steps),
        None => {
            let place = root.entries().first().map_or(root.span, |first| first.key.span);
            let problem = decoder.problem(place, "`steps` is missing", "what happens in this drill?");
            decoder.tell(problem.help("add `steps:` with a list of steps; `drillyard explain` lists them"));
            vec![]
        }
    };
    let finally = root.get("finally").map(|entry| decode_steps(decoder, entry, Place::Finally)).unwrap_or_default();
    Some(Box::new(move |source| Scenario {
        name: head.name.unwrap_or_else(|| stem(source.file())),
        about: head.about.unwrap_or_default().trim().to_owned(),
        tags: head.tags,
        postgres: head.postgres,
        timeout: head.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.value.0),
        repos,
        nodes,
        budgets: budgets.unwrap_or_default(),
        prove: prove.flatten().unwrap_or_default(),
        steps,
        finally,
        file_roots: file_roots(source.file()),
        secrets: vec![],
        params: vec![],
        problems: vec![],
        source,
    }))
}

/// The keys of a file that are decoded one by one, so that what is wrong with one of them hides
/// nothing of the others.
const NOT_HEAD: &[&str] = &["params", "repos", "nodes", "budgets", "prove", "steps", "finally"];

fn decode_names<T: DeserializeOwned + Default>(decoder: &Decoder<'_>, entry: Option<&Entry>) -> Names<T> {
    let mut names = Names { listed: vec![], complete: true };
    let Some(entry) = entry.filter(|entry| !entry.value.is_null()) else { return names };
    if let Some(all) = decoder.decode_entry::<Ordered<Name, Option<T>>>(entry) {
        names.listed.extend(all.into_iter().map(|(name, fields)| (name, Some(fields.unwrap_or_default()))));
        return names;
    }
    let quiet = decoder.quiet();
    for line in entry.value.entries() {
        match quiet.decode(&line.key) {
            Some(name) => {
                names.listed.push((name, quiet.decode::<Option<T>>(&line.value).map(Option::unwrap_or_default)))
            }
            None => names.complete = false,
        }
    }
    names.complete &= !entry.value.entries().is_empty();
    names
}

/// The budgets; where one of them is wrong, the other.
fn decode_budgets(decoder: &Decoder<'_>, entry: &Entry) -> Option<Budgets> {
    decoder.decode_entry::<Option<Budgets>>(entry).unwrap_or_else(|| {
        let quiet = decoder.quiet();
        let rto = entry.value.get("rto").and_then(|rto| quiet.decode_entry(rto));
        Some(Budgets { rto, rpo: entry.value.get("rpo").and_then(|rpo| quiet.decode_entry(rpo)) })
    })
}

fn stem(file: &str) -> String {
    Path::new(file).file_stem().map_or_else(|| file.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Where a list of steps stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Steps,
    Finally,
    All,
}

fn decode_steps(decoder: &Decoder<'_>, list: &Entry, place: Place) -> Vec<StepLine> {
    let items = list.value.items();
    if items.is_empty() {
        let name = list.name();
        let (title, label) = match place {
            _ if !list.value.is_null() && !matches!(list.value.value, Value::Seq(_)) => {
                (format!("`{name}` is not a list"), "expected a list of steps, each with `- `")
            }
            Place::All => ("`all` has no judgements".to_owned(), "a list without lines judges nothing"),
            Place::Steps | Place::Finally => {
                (format!("`{name}` has no steps"), "expected a list of steps, each with `- `")
            }
        };
        let span = if list.value.is_null() { list.key.span } else { list.value.span };
        decoder.tell(decoder.problem(span, title, label));
    }
    items.iter().map(|item| decode_step(decoder, item, place)).collect()
}

fn decode_step(decoder: &Decoder<'_>, item: &Node, place: Place) -> StepLine {
    let common = (!item.entries().is_empty()).then(|| decode_common(decoder, item)).flatten();
    let action = find_action(decoder, item);
    // An id that is there and cannot be decoded: the step is not one without an id either.
    let salvaged = || item.get("id").and_then(|id| decoder.quiet().decode_entry::<Spanned<Name>>(id));
    let kind = action.and_then(|action| steps::find(action.name()));
    decoder.take_references();
    let makes = kind.zip(action).and_then(|(kind, action)| makes(decoder, kind, action));
    let undecoded = |id: Option<Spanned<Name>>, makes| {
        StepLine::Undecoded(Undecoded { kind, id, makes, refers: decoder.take_references() })
    };
    let (Some(action), Some(kind)) = (action, kind) else { return undecoded(salvaged(), makes) };
    let body = match kind.role {
        Role::Group if place == Place::All => {
            let problem =
                decoder.problem(action.key.span, "`all` does not stand in `all`", "list the judgements directly");
            decoder.tell(problem);
            None
        }
        Role::Group => Some(Body::All(decode_steps(decoder, action, Place::All))),
        _ => steps::decode(kind.name, Fields { decoder, action }).map(Body::Step),
    };
    if place == Place::All && !matches!(kind.role, Role::Check | Role::Group) {
        let problem = decoder.problem(action.key.span, "`all` holds judgements", format!("`{}` is none", kind.name));
        let judges = KINDS.iter().filter(|kind| kind.role == Role::Check).map(|kind| kind.name);
        decoder.tell(problem.help(format!("judgements are {}", choices(judges, "and"))));
    }
    let common = match common {
        Some(common) => common,
        None => match (item.get("id"), salvaged()) {
            (Some(_), None) => return undecoded(None, makes),
            (_, id) => Common { id, ..Common::default() },
        },
    };
    match body {
        Some(body) => StepLine::Step(Box::new(StepItem { kind, action: action.key.span, common, makes, body })),
        None => undecoded(common.id, makes),
    }
}

fn decode_common(decoder: &Decoder<'_>, item: &Node) -> Option<Common> {
    decoder.decode_without(item, |key| !COMMON_KEYS.contains(&key))
}

/// The node that the fields of a step name as one to be made, whatever else is wrong with them.
fn makes(decoder: &Decoder<'_>, kind: &Kind, action: &Entry) -> Option<Spanned<Name>> {
    let (fields, makes) = (&action.value, kind.makes?);
    if let Some(with) = makes.with {
        fields.get(with).filter(|entry| !entry.value.is_null())?;
    }
    fields.get(makes.field).and_then(|node| decoder.quiet().decode_entry(node))
}

/// The one action of a step. Tells where there is none, or more than one, or one that is unknown or
/// not built.
fn find_action<'n>(decoder: &Decoder<'_>, item: &'n Node) -> Option<&'n Entry> {
    let entries = item.entries();
    if entries.is_empty() {
        if decoder.is_told(item) {
            return None;
        }
        let label = match item.text() {
            Some(text) if steps::find(text).is_some() => format!("write `{text}: {{ ... }}`, with its fields"),
            _ => "expected a map with one action, such as `sql: { ... }`".to_owned(),
        };
        decoder.tell(decoder.problem(item.span, "a step is a map with one action", label));
        return None;
    }
    let actions: Vec<&Entry> = entries.iter().filter(|entry| !COMMON_KEYS.contains(&entry.name())).collect();
    let known = |entry: &&Entry| steps::find(entry.name()).is_some() || NOT_BUILT.contains(&entry.name());
    for entry in actions.iter().filter(|entry| !known(entry)) {
        tell_unknown_step(decoder, &entry.key, actions.iter().any(known));
    }
    let actions: Vec<&Entry> = actions.into_iter().filter(known).collect();
    let action = match actions.as_slice() {
        [action] => *action,
        [] => {
            if entries.iter().all(|entry| COMMON_KEYS.contains(&entry.name())) {
                let problem = decoder.problem(entries[0].key.span, "this step has no action", "what does it do?");
                decoder.tell(problem.help("add one, such as `sql: { ... }`; `drillyard explain` lists them"));
            }
            return None;
        }
        [first, rest @ ..] => {
            for second in rest {
                let label = format!("`{}` is the second action", second.name());
                let problem = decoder.problem(second.key.span, "a step has one action", label);
                let related = decoder.source().place(first.key.span, "the first one");
                decoder.tell(problem.at(related).help("begin a new step with `- `"));
            }
            return None;
        }
    };
    if NOT_BUILT.contains(&action.name()) {
        let title = format!("`{}` is a step of the language that is not built yet", action.name());
        let problem = decoder.problem(action.key.span, title, "this step would do nothing");
        let help = today(action.name());
        decoder.tell(
            problem.help(help.unwrap_or_else(|| "`drillyard explain` lists the steps that there are".to_owned())),
        );
        return None;
    }
    Some(action)
}

/// Hands a step's fields to whichever kind they are for.
struct Fields<'d> {
    decoder: &'d Decoder<'d>,
    action: &'d Entry,
}

impl Decode for Fields<'_> {
    fn decode<T: DeserializeOwned>(self) -> Option<T> {
        self.decoder.decode_entry(self.action)
    }
}

fn tell_unknown_step(decoder: &Decoder<'_>, key: &Node, beside_action: bool) {
    let name = key.text().unwrap_or_default();
    if is_later_key(name) {
        return decoder.tell_later_key(key);
    }
    let kinds = KINDS.iter().map(|kind| kind.name).chain(NOT_BUILT.iter().copied());
    let common = COMMON_KEYS.iter().copied().filter(|_| beside_action);
    let near = did_you_mean(name, common.chain(kinds));
    let meant = remedy::step(name);
    let label = match near {
        _ if name.contains(':') => "is a space missing after `:`?".to_owned(),
        Some(near) if meant.is_none() => format!("did you mean `{near}`?"),
        _ => "there is no such step".to_owned(),
    };
    let title = if beside_action { format!("unknown key `{name}`") } else { format!("unknown step `{name}`") };
    let problem = decoder.problem(key.span, title, label);
    decoder.tell(match beside_action {
        true => problem.help(format!("beside its action a step has {}", choices(COMMON_KEYS.iter().copied(), "and"))),
        false => match meant {
            Some(step) => problem.help(format!("write {step}")),
            None => problem.help("`drillyard explain` lists the steps"),
        },
    });
}
