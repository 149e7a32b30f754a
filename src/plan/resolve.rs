//! Looking up every name of a scenario.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::breaks::breaks;
use super::{LossOf, NamedBreak, Plan, PlannedStep, RepoSpec, RpoBudget, RtoBudget};
use crate::harness::{IdInfo, Maker, NodeInfo, NodeSpec, RepoInfo, Scope, Step};
use crate::journal::{Problem, Redactor, StepHead};
use crate::node::RESERVED_SETTINGS;
use crate::pg::{SUPPORTED_MAJORS, is_any_setting, is_setting, setting_names};
use crate::repo::{KINDS, Kind, default_kind};
use crate::scenario::{Body, Ignore, NodeFields, RepoFields, Scenario, StepLine, Undecoded, in_order};
use crate::source::{Name, Spanned, choices};
use crate::steps::All;

/// Looks up every name, and checks all that can be checked without a server. Of a scenario with problems it looks up what can
/// be, and says nothing that would only follow from them.
///
/// # Errors
/// All that is wrong, the scenario's own problems included, in the order of the file.
pub fn resolve(scenario: Scenario) -> Result<Plan, Vec<Problem>> {
    let source = scenario.source.clone();
    let file_roots = file_roots(source.file());
    let mut scope = Scope::new(&source, file_roots.clone());
    let postgres = versions(&scenario, &mut scope);
    let repos = repos(&scenario, &mut scope);
    let nodes = nodes(&scenario, &mut scope);
    let (mut steps, mut undecoded) = (Vec::new(), Vec::new());
    flatten(scenario.steps, false, None, &source, &mut steps, &mut undecoded);
    flatten(scenario.finally, true, None, &source, &mut steps, &mut undecoded);
    let made = names(&steps, &mut scope);
    let complete = undecoded.is_empty();
    undecoded_names(undecoded, steps.len(), &mut scope);
    for planned in &mut steps {
        scope.index = planned.head.index;
        scope.id.clone_from(&planned.head.id);
        scope.action = planned.action;
        planned.step.resolve(&mut scope);
        planned.refers = std::mem::take(&mut scope.refers);
        if let Some(fails) = planned.fails.as_ref().filter(|fails| fails.value.is_vacuous()) {
            let help = "write a part of the message that you expect, so that another failure is not taken for it";
            scope.warn(fails.span, "`fails` matches every failure", "whatever goes wrong passes for this", help);
        }
        if planned.head.name.is_empty() {
            planned.head.name = planned.step.title();
        }
    }
    scope.index = steps.len();
    let rto = scenario.budgets.rto.and_then(|rto| {
        let (from, to) = (step_index(&mut scope, &rto.value.from), step_index(&mut scope, &rto.value.to));
        let (from, to) = (from?, to?);
        if from > to {
            let title = "a budget of time runs from an earlier step to a later one";
            scope.error(
                rto.value.to.span,
                title,
                format!("`{}` comes before `{}`", rto.value.to.value, rto.value.from.value),
            );
        }
        Some(RtoBudget { from, to, max: rto.value.max.value.0, span: rto.entry })
    });
    let rpo = scenario.budgets.rpo.and_then(|rpo| {
        scope.step(&rpo.value.traffic, &["traffic"])?;
        let traffic = rpo.value.traffic.value.to_string();
        let (max_lost, max_time) = (rpo.value.max_lost.as_ref(), rpo.value.max_time.as_ref());
        if max_lost.is_none() && max_time.is_none() {
            let help = "write `max_lost: 0`, `max_time: 5s`, or both";
            scope.error_help(rpo.entry, "a budget of loss needs a limit", "how much may be lost?", help);
        }
        let (max_lost, max_time) = (max_lost.map(|max| max.value), max_time.map(|max| max.value.0));
        let of = rpo.value.of.map(|of| of.value).unwrap_or_default();
        Some(RpoBudget { traffic, max_lost, max_time, of, span: rpo.entry })
    });
    let whole = rpo.as_ref().filter(|rpo| rpo.of == LossOf::Acknowledged);
    scope.warn_of_unchecked(whole.map(|rpo| rpo.traffic.as_str()));
    let mut breaks = breaks(&steps, &nodes);
    ignored(scenario.prove.ignore, &mut breaks, complete && scenario.problems.is_empty(), &mut scope);
    let mut redactor = Redactor::default();
    redactor.add(scenario.secrets.iter().cloned());
    let mut problems = scenario.problems;
    let (found, warnings) = scope.into_problems();
    problems.extend(found.into_iter().map(|problem| redactor.problem(problem)));
    let warnings = in_order(warnings.into_iter().map(|problem| redactor.problem(problem)).collect());
    if !problems.is_empty() {
        return Err(in_order(problems));
    }
    Ok(Plan {
        source,
        name: scenario.name,
        about: scenario.about,
        tags: scenario.tags,
        postgres,
        versions: scenario.postgres.map(|list| list.value).unwrap_or_default(),
        timeout: scenario.timeout,
        repos,
        nodes,
        made,
        steps,
        rto,
        rpo,
        breaks,
        file_roots,
        secrets: scenario.secrets,
        params: scenario.params,
        warnings,
    })
}

/// Files are looked for beside the scenario, then in the directories above it, then here.
fn file_roots(file: &str) -> Vec<PathBuf> {
    let path = Path::new(file);
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // Above the top of a checkout files belong to somebody else.
    let mut roots: Vec<PathBuf> = Vec::new();
    for dir in absolute.ancestors().skip(1) {
        roots.push(dir.to_owned());
        if dir.join(".git").exists() || roots.len() > 8 {
            break;
        }
    }
    if let Ok(here) = std::env::current_dir()
        && !roots.contains(&here)
    {
        roots.push(here);
    }
    roots
}

fn versions(scenario: &Scenario, scope: &mut Scope<'_>) -> Vec<u32> {
    let Some(list) = &scenario.postgres else { return vec![] };
    if list.value.is_empty() {
        scope.error(list.span, "`postgres` is empty", "leave it out to use the newest version at hand");
    }
    let mut seen: Vec<u32> = vec![];
    for version in &list.value {
        if !SUPPORTED_MAJORS.contains(&version.value) {
            let title = format!("PostgreSQL {} is not supported", version.value);
            let label = format!("major versions {} to {}", SUPPORTED_MAJORS.start(), SUPPORTED_MAJORS.end());
            scope.error(version.span, title, label);
        }
        if seen.contains(&version.value) {
            scope.error(version.span, format!("PostgreSQL {} is listed twice", version.value), "the second time");
        }
        seen.push(version.value);
    }
    seen
}

fn repos(scenario: &Scenario, scope: &mut Scope<'_>) -> BTreeMap<String, RepoSpec> {
    let mut repos = BTreeMap::new();
    scope.more_repos = !scenario.repos.complete;
    for (name, fields) in &scenario.repos.listed {
        let span = name.span;
        let copy_of = fields.as_ref().and_then(|fields| fields.copy_of.as_ref());
        let copy_of = copy_of.map(|original| original.value.to_string());
        let info = match fields {
            Some(fields) => {
                let kind = repo_kind(scenario, fields, scope);
                repos.insert(name.value.to_string(), RepoSpec { kind, copy_of: copy_of.clone() });
                RepoInfo { span, kind, copy_of, site: fields.site.clone(), decoded: true }
            }
            None => RepoInfo { span, kind: default_kind(), copy_of: None, site: None, decoded: false },
        };
        scope.repos.insert(name.value.to_string(), info);
    }
    for (name, fields) in &scenario.repos.listed {
        let Some(original) = fields.as_ref().and_then(|fields| fields.copy_of.as_ref()) else { continue };
        if original.value == name.value {
            scope.error(original.span, "a repo cannot be a copy of itself", "name another one");
        } else if let Some(info) = scope.repo(original)
            && info.copy_of.is_some()
        {
            let title = format!("repo `{}` is a copy itself", original.value);
            scope.error_related(original.span, title, "name the original", (info.span, "made here".to_owned()));
        }
    }
    repos
}

/// What a repo is: what it says, or what its original is.
fn repo_kind(scenario: &Scenario, fields: &RepoFields, scope: &mut Scope<'_>) -> &'static Kind {
    let said = |fields: &RepoFields| fields.kind.as_ref().map_or(Some(default_kind()), |kind| kind.value.known());
    let original = fields.copy_of.as_ref().and_then(|original| {
        let mut listed = scenario.repos.listed.iter();
        let (_, fields) = listed.find(|(name, _)| name.value == original.value)?;
        said(fields.as_ref()?)
    });
    let Some(kind) = &fields.kind else { return original.unwrap_or_else(default_kind) };
    let Some(known) = kind.value.known() else {
        let are = if KINDS.len() == 1 { "is" } else { "are" };
        let label = format!("only {} {are}", choices(KINDS.iter().map(|kind| kind.name), "and"));
        scope.error_help(kind.entry, "this kind of repo is not built yet in this version", label, "leave `kind` out");
        return default_kind();
    };
    if let Some(original) = original.filter(|original| original.name != known.name) {
        let label = format!("its original is of kind `{}`", original.name);
        scope.error_help(kind.entry, "a copy is of the same kind as its original", label, "leave `kind` out");
    }
    known
}

fn nodes(scenario: &Scenario, scope: &mut Scope<'_>) -> BTreeMap<String, NodeSpec> {
    let text = |name: &Option<Spanned<Name>>| name.as_ref().map(|name| name.value.to_string());
    scope.more_nodes = !scenario.nodes.complete;
    let default = NodeFields::default();
    for (name, listed) in &scenario.nodes.listed {
        let fields = listed.as_ref().unwrap_or(&default);
        let info = NodeInfo {
            span: name.span,
            maker: Maker::Start,
            follows: text(&fields.follows),
            archive_to: text(&fields.archive_to),
            recovers_from: None,
            site: fields.site.clone(),
            external: fields.external.is_some(),
            remade: false,
            decoded: listed.is_some(),
        };
        scope.nodes.insert(name.value.to_string(), info);
    }
    let mut specs = BTreeMap::new();
    for (name, fields) in &scenario.nodes.listed {
        let Some(fields) = fields else { continue };
        if let Some(upstream) = &fields.follows {
            scope.named_node(upstream);
        }
        if let Some(repo) = &fields.archive_to {
            scope.archive_to(repo);
        }
        external(fields, scope);
        let settings: Vec<(String, String)> =
            fields.settings.iter().flatten().map(|(name, value)| (name.value.clone(), value.0.clone())).collect();
        for (setting, _) in fields.settings.iter().flatten() {
            known_setting(setting, scenario.postgres.as_ref(), scope);
            if RESERVED_SETTINGS.contains(&setting.value.to_lowercase().as_str()) {
                let title = format!("`{}` is drillyard's own to set", setting.value);
                scope.error(setting.span, title, "leave it out");
            }
            let archiving = ["archive_mode", "archive_command", "archive_library"].contains(&setting.value.as_str());
            if archiving && fields.archive_to.is_none() {
                let help = "say where to: `archive_to: REPO`. A drill archives into nothing that it was not told to";
                scope.error_help(
                    setting.span,
                    format!("`{}` without `archive_to`", setting.value),
                    "archive where?",
                    help,
                );
            }
        }
        let spec = NodeSpec {
            archive_to: text(&fields.archive_to),
            follows: text(&fields.follows),
            settings,
            setting_places: fields.settings.iter().flatten().map(|(name, _)| name.span).collect(),
            place: name.span,
            external: fields.external.as_ref().map(|external| external.value.url.value.0.clone()),
        };
        specs.insert(name.value.to_string(), spec);
    }
    cycles(scenario, scope);
    scope.refers.clear();
    specs
}

/// A setting that the server does not know keeps it from starting.
fn known_setting(setting: &Spanned<String>, versions: Option<&Spanned<Vec<Spanned<u32>>>>, scope: &mut Scope<'_>) {
    let name = setting.value.as_str();
    let versions = versions.map(|list| list.value.as_slice()).unwrap_or_default();
    let lacking = versions.iter().find(|version| !is_setting(name, version.value));
    match (is_any_setting(name), lacking) {
        (true, Some(version)) => {
            let title = format!("PostgreSQL {} has no setting `{name}`", version.value);
            let label = "a server of that version does not start with it";
            scope.error_related(setting.span, title, label, (version.span, "the drill is meant for it".to_owned()));
        }
        (false, lacking) if versions.is_empty() || lacking.is_some() => {
            let label = match crate::source::did_you_mean(name, setting_names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "no supported version of PostgreSQL has it".to_owned(),
            };
            scope.error(setting.span, format!("unknown setting `{name}`"), label);
        }
        _ => {}
    }
}

fn external(fields: &NodeFields, scope: &mut Scope<'_>) {
    let Some(external) = &fields.external else { return };
    for entry in [
        fields.follows.as_ref().map(|f| f.entry),
        fields.archive_to.as_ref().map(|a| a.entry),
        fields.site.as_ref().map(|s| s.entry),
        fields.settings.as_ref().and_then(|s| s.iter().next().map(|(name, _)| name.span)),
    ]
    .into_iter()
    .flatten()
    {
        let title = "an external server is only read from";
        scope.error_related(entry, title, "this would change it", (external.entry, "external".to_owned()));
    }
    let url = &external.value.url;
    if let Err(wrong) = url.value.0.parse::<tokio_postgres::Config>() {
        let help = "such as postgresql://user@host:5432/database";
        scope.error_help(url.span, "this is not a connection string", wrong.to_string(), help);
    }
}

/// A node that follows itself by way of others.
fn cycles(scenario: &Scenario, scope: &mut Scope<'_>) {
    let follows = |name: &str| {
        let (_, fields) = scenario.nodes.listed.iter().find(|(node, _)| node.as_str() == name)?;
        fields.as_ref()?.follows.as_ref()
    };
    let mut told: Vec<&str> = vec![];
    for (name, _) in &scenario.nodes.listed {
        let mut path = vec![name.as_str()];
        let mut at = follows(name.as_str());
        while let Some(upstream) = at {
            if upstream.as_str() == name.as_str() {
                if !path.iter().any(|node| told.contains(node)) {
                    path.push(name.as_str());
                    let title = format!("these nodes follow each other: {}", path.join(" -> "));
                    scope.error(upstream.span, title, "one of them must be a primary, without `follows`");
                }
                told.push(name.as_str());
                break;
            }
            if path.contains(&upstream.as_str()) {
                break;
            }
            path.push(upstream.as_str());
            at = follows(upstream.as_str());
        }
    }
}

/// Puts steps in line: those of an `all` after it.
fn flatten(
    lines: Vec<StepLine>,
    finally: bool,
    group: Option<usize>,
    source: &crate::source::Source,
    steps: &mut Vec<PlannedStep>,
    undecoded: &mut Vec<Undecoded>,
) {
    for line in lines {
        let item = match line {
            StepLine::Step(item) => item,
            StepLine::Undecoded(rest) => {
                undecoded.push(rest);
                continue;
            }
        };
        let index = steps.len();
        let (step, lines): (Box<dyn Step>, Vec<StepLine>) = match item.body {
            Body::Step(step) => (step, vec![]),
            Body::All(lines) => (Box::new(All {}), lines),
        };
        steps.push(PlannedStep {
            head: StepHead {
                index,
                id: item.common.id.as_ref().map(|id| id.value.to_string()),
                kind: item.kind.name.to_owned(),
                name: item.common.name.unwrap_or_default(),
                line: source.line(item.action.start),
                recovers: item.kind.recovers,
                group,
            },
            kind: item.kind,
            step,
            action: item.action,
            id_span: item.common.id.as_ref().map(|id| id.span),
            deadline: item.common.within.map_or(item.kind.deadline, |within| within.value.0),
            fails: item.common.expect.map(|expect| expect.value.fails),
            when: item.common.when.map(|when| when.postgres),
            group,
            finally,
            refers: vec![],
        });
        flatten(lines, finally, Some(index), source, steps, undecoded);
    }
}

/// Notes every id and every node that a step makes, before the first step is resolved: a reference to a later step can then
/// be told from one to nothing.
fn names(steps: &[PlannedStep], scope: &mut Scope<'_>) -> Vec<String> {
    let mut made: Vec<String> = vec![];
    for planned in steps {
        let index = planned.head.index;
        if let (Some(id), Some(span)) = (&planned.head.id, planned.id_span) {
            match scope.ids.get(id).cloned() {
                Some(first) => {
                    let related = (first.span, "the first one".to_owned());
                    scope.error_related(span, format!("two steps have the id `{id}`"), "the second one", related);
                }
                None => {
                    let kind = Some(planned.kind);
                    let info = IdInfo { kind, decoded: true, span, index, detail: None };
                    scope.ids.insert(id.clone(), info);
                }
            }
        }
        if let Some(node) = planned.step.makes_node()
            && !scope.nodes.contains_key(node.as_str())
        {
            let info = NodeInfo {
                span: node.span,
                maker: Maker::Step(index),
                follows: None,
                archive_to: None,
                recovers_from: None,
                site: None,
                external: false,
                remade: false,
                decoded: true,
            };
            scope.nodes.insert(node.value.to_string(), info);
            made.push(node.value.to_string());
        }
    }
    made
}

/// Notes what the steps that could not be decoded would have brought: a reference to it is no error of its own. `index` is
/// where they stand as far as anyone knows.
fn undecoded_names(undecoded: Vec<Undecoded>, index: usize, scope: &mut Scope<'_>) {
    for rest in undecoded {
        if let Some(id) = rest.id {
            match scope.ids.get(id.as_str()).cloned() {
                Some(other) => {
                    let (first, second) =
                        if other.span < id.span { (other.span, id.span) } else { (id.span, other.span) };
                    let title = format!("two steps have the id `{}`", id.value);
                    scope.error_related(second, title, "the second one", (first, "the first one".to_owned()));
                }
                None => {
                    let info = IdInfo { kind: rest.kind, decoded: false, span: id.span, index, detail: None };
                    scope.ids.insert(id.value.to_string(), info);
                }
            }
        }
        // A node that another step makes, too, is known by that one: which of them comes first is not certain.
        if let Some(node) = rest.makes {
            let info = NodeInfo {
                span: node.span,
                maker: Maker::Step(index),
                follows: None,
                archive_to: None,
                recovers_from: None,
                site: None,
                external: false,
                remade: false,
                decoded: false,
            };
            match scope.nodes.get_mut(node.as_str()) {
                Some(known) if known.maker != Maker::Start => known.decoded = false,
                Some(_) => {}
                None => {
                    scope.nodes.insert(node.value.to_string(), info);
                }
            }
        }
    }
}

/// Notes which breaks make no difference, and why. Of a file that could not be read to its end nobody knows all of them.
fn ignored(ignore: Vec<Ignore>, breaks: &mut [NamedBreak], complete: bool, scope: &mut Scope<'_>) {
    let names: Vec<String> = breaks.iter().map(|one| one.name.clone()).collect();
    for Ignore { name, because } in ignore {
        if because.value.trim().is_empty() {
            scope.error(because.span, "`because` is empty", "why does this break make no difference?");
        }
        match breaks.iter_mut().find(|one| one.name == name.value) {
            Some(one) if one.ignored.is_some() => {
                scope.error(name.span, format!("`{}` is ignored twice", name.value), "the second time");
            }
            Some(one) => one.ignored = Some(because.value.trim().to_owned()),
            None if !complete => {}
            None => {
                let label = match crate::source::did_you_mean(&name.value, names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "this drill cannot be broken so".to_owned(),
                };
                let help = match names.is_empty() {
                    true => "nothing in it can be broken: it has no recovery, no incident and no import".to_owned(),
                    false => format!("it can be broken by {}", choices(names.iter().map(String::as_str), "and")),
                };
                scope.error_help(name.span, format!("unknown break `{}`", name.value), label, help);
            }
        }
    }
}

/// The index of the step with this id, for budgets.
fn step_index(scope: &mut Scope<'_>, name: &Spanned<Name>) -> Option<usize> {
    if !scope.ids.contains_key(name.as_str()) {
        let ids: Vec<String> = scope.ids.keys().cloned().collect();
        let label = match crate::source::did_you_mean(name.as_str(), ids.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "no step has this id".to_owned(),
        };
        scope.error(name.span, format!("unknown step `{}`", name.value), label);
        return None;
    }
    scope.any_step(name).map(|info| info.index)
}
