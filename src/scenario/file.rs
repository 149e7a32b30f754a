//! The keys of a file, each decoded by itself: what is wrong with one hides nothing of the others.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::decode::Decoder;
use super::fragments::Fragments;
use super::keys::{FILE_KEYS, FRAGMENT_KEYS, LANGUAGE_VERSIONS};
use super::limits::Budgets;
use super::listed;
use super::matrix::Cell;
use super::model::{NetworkSpec, Prove, Scenario, StepLine};
use super::node::{Entry, Node};
use super::problems::Problems;
use super::read::file_roots;
use super::step_list::{self, Place};
use super::unknown_key::tell_unknown_key;
use crate::source::{Duration, Span, Spanned, choices};

/// Where a drill's time ends when the file does not say.
const DEFAULT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// The keys of a file that are decoded one by one, so that what is wrong with one of them hides
/// nothing of the others.
const NOT_HEAD: &[&str] =
    &["params", "matrix", "exclude", "repos", "nodes", "budgets", "prove", "notify", "heartbeat", "steps", "finally"];

/// The head of a file: all but its names, its steps and its params.
#[derive(Debug, Default, Deserialize)]
struct Head {
    /// Checked by its text, before the rest.
    #[expect(dead_code, reason = "of no further use")]
    #[serde(default)]
    drillyard: Option<Spanned<u32>>,
    /// A file that says `true` is no drill.
    #[expect(dead_code, reason = "of no further use")]
    #[serde(default)]
    fragment: Option<bool>,
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
    #[serde(default)]
    network: Option<Spanned<NetworkSpec>>,
}

/// A file's scenario, as far as it can be decoded; what is wrong with it is told to `decoder`.
pub(super) fn decode(decoder: &Decoder<'_>, root: &Node) -> Option<Scenario> {
    let problems = decoder.problems();
    if root.entries().is_empty() {
        let problem = problems.problem(root.span, "a scenario is a map of keys", "expected `drillyard: 1` and so on");
        problems.tell(problem.help(format!("its keys are {}", choices(FILE_KEYS.iter().copied(), "and"))));
        return None;
    }
    for entry in root.entries().iter().filter(|entry| !FILE_KEYS.contains(&entry.name()) && !is_extension(entry)) {
        tell_unknown_key(problems, &entry.key, FILE_KEYS);
    }
    check_version(problems, root);
    for fragment in decoder.fragments().into_iter().flat_map(Fragments::all) {
        let inner = decoder.within(fragment);
        check_fragment(inner.problems(), &fragment.root);
        problems.absorb(inner.into_problems());
    }
    let head = decode_head(decoder, root);
    let file = problems.source().file();
    Some(Scenario {
        name: head.name.unwrap_or_else(|| stem(file)),
        about: head.about.unwrap_or_default().trim().to_owned(),
        tags: head.tags,
        postgres: head.postgres,
        timeout: head.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.value.0),
        network: head.network,
        repos: listed::decode(decoder, root, "repos"),
        nodes: listed::decode(decoder, root, "nodes"),
        budgets: root.get("budgets").and_then(|budgets| decode_budgets(decoder, budgets)).unwrap_or_default(),
        prove: root.get("prove").and_then(|prove| decoder.decode_entry::<Option<Prove>>(prove)?).unwrap_or_default(),
        notify: root.get("notify").and_then(|list| decoder.decode_entry::<Option<_>>(list)?).unwrap_or_default(),
        heartbeat: root.get("heartbeat").and_then(|url| decoder.decode_entry::<Option<_>>(url)?),
        steps: decode_steps(decoder, root),
        finally: match root.get("finally") {
            Some(list) => step_list::decode(decoder, list, Place::Finally),
            None => vec![],
        },
        file_roots: roots(decoder, file),
        secrets: vec![],
        params: vec![],
        unused: vec![],
        cell: Cell::default(),
        unset: vec![],
        more_ids: !decoder.fragments().is_none_or(Fragments::complete),
        problems: vec![],
        source: problems.source().clone(),
    })
}

/// Tells that the file does not say which language it speaks, or one that this program does not.
fn check_version(problems: &Problems<'_>, root: &Node) {
    let Some(entry) = root.get("drillyard") else {
        let label = "a scenario says which language it speaks";
        let problem = problems.problem(first_key(root), "`drillyard` is missing", label);
        return problems.tell(problem.help("begin the file with `drillyard: 1`"));
    };
    // What is no number fails as the head is decoded.
    let number = entry.value.text().and_then(|text| text.parse::<u32>().ok());
    if let Some(number) = number.filter(|number| !LANGUAGE_VERSIONS.contains(number)) {
        let title = format!("version {number} of the language is not supported");
        let problem = problems.problem(entry.value.span, title, "this one");
        problems.tell(problem.help("this drillyard speaks version 1: write `drillyard: 1`"));
    }
}

/// Where the absence of a key is told.
fn first_key(root: &Node) -> Span {
    root.entries().first().map_or(root.span, |first| first.key.span)
}

fn decode_head(decoder: &Decoder<'_>, root: &Node) -> Head {
    let not_head = |key: &str| NOT_HEAD.contains(&key) || !FILE_KEYS.contains(&key);
    decoder.decode_without(root, not_head).unwrap_or_else(|| {
        // What reports call it, where the rest of its head is wrong.
        Head { name: root.get("name").and_then(|name| decoder.quiet().decode_entry(name)), ..Head::default() }
    })
}

fn decode_steps(decoder: &Decoder<'_>, root: &Node) -> Vec<StepLine> {
    if let Some(list) = root.get("steps") {
        return step_list::decode(decoder, list, Place::Steps);
    }
    let problems = decoder.problems();
    let problem = problems.problem(first_key(root), "`steps` is missing", "what happens in this drill?");
    problems.tell(problem.help("add `steps:` with a list of steps; `drillyard explain` lists them"));
    vec![]
}

/// What is wrong with a fragment beside its steps, its nodes and its repos.
fn check_fragment(problems: &Problems<'_>, root: &Node) {
    check_version(problems, root);
    for entry in root.entries().iter().filter(|entry| !is_extension(entry)) {
        match entry.name() {
            known if FRAGMENT_KEYS.contains(&known) => {}
            of_drills if FILE_KEYS.contains(&of_drills) => {
                let title = format!("`{of_drills}` does not stand in a fragment");
                let problem = problems.problem(entry.key.span, title, "it belongs into the drill that uses it");
                problems.tell(
                    problem
                        .help(format!("the keys of a fragment are {}", choices(FRAGMENT_KEYS.iter().copied(), "and"))),
                );
            }
            _ => tell_unknown_key(problems, &entry.key, FRAGMENT_KEYS),
        }
    }
    if root.get("steps").is_none() {
        let problem = problems.problem(first_key(root), "`steps` is missing", "what does this fragment bring?");
        problems.tell(problem.help("add `steps:` with a list of steps"));
    }
}

/// Whether the file has a place of its own here, for YAML's anchors: `x-users`.
fn is_extension(entry: &Entry) -> bool {
    entry.name().starts_with("x-")
}

/// The budgets; where one of them is wrong, the other.
fn decode_budgets(decoder: &Decoder<'_>, entry: &Entry) -> Option<Budgets> {
    decoder.decode_entry::<Option<Budgets>>(entry).unwrap_or_else(|| {
        let quiet = decoder.quiet();
        let rto = entry.value.get("rto").and_then(|rto| quiet.decode_entry(rto));
        Some(Budgets { rto, rpo: entry.value.get("rpo").and_then(|rpo| quiet.decode_entry(rpo)) })
    })
}

/// Where the files are looked for that a drill and its fragments name.
fn roots(decoder: &Decoder<'_>, file: &str) -> Vec<PathBuf> {
    let mut roots = file_roots(file);
    let fragments = decoder.fragments().into_iter().flat_map(|fragments| &fragments.files);
    for root in fragments.flat_map(|fragment| file_roots(&fragment.to_string_lossy())) {
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots
}

fn stem(file: &str) -> String {
    Path::new(file).file_stem().map_or_else(|| file.to_owned(), |stem| stem.to_string_lossy().into_owned())
}
