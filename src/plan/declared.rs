//! What a scenario declares before its steps: versions, repos, nodes.

use std::collections::BTreeMap;

use super::{RepoSpec, repo_settings};
use crate::harness::{Maker, NodeId, NodeInfo, NodeSpec, RepoId, RepoInfo, Scope};
use crate::node::RESERVED_SETTINGS;
use crate::pg::{SUPPORTED_MAJORS, is_any_setting, is_setting, setting_names};
use crate::repo::{Ability, KINDS, Kind, default_kind};
use crate::scenario::{NodeFields, RepoFields, Scenario};
use crate::source::{Name, Spanned, choices};

fn id<I: for<'a> From<&'a Name>>(name: &Option<Spanned<Name>>) -> Option<I> {
    name.as_ref().map(|name| I::from(&name.value))
}

pub(super) fn versions(scenario: &Scenario, scope: &mut Scope<'_>) -> Vec<u32> {
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

pub(super) fn repos(scenario: &Scenario, scope: &mut Scope<'_>) -> BTreeMap<RepoId, RepoSpec> {
    let mut repos = BTreeMap::new();
    scope.more_repos = !scenario.repos.complete;
    for (name, fields) in &scenario.repos.listed {
        let span = name.span;
        let info = match fields {
            Some(fields) => {
                let (kind, copy_of) = (repo_kind(scenario, fields, scope), id::<RepoId>(&fields.copy_of));
                let settings = repo_settings::of(fields, kind, scope);
                repos.insert(RepoId::from(&name.value), RepoSpec { kind, copy_of: copy_of.clone(), settings });
                RepoInfo { span, kind, copy_of, site: fields.site.clone(), decoded: true }
            }
            None => RepoInfo { span, kind: default_kind(), copy_of: None, site: None, decoded: false },
        };
        scope.repos.insert(RepoId::from(&name.value), info);
    }
    for (name, fields) in &scenario.repos.listed {
        let Some(original) = fields.as_ref().and_then(|fields| fields.copy_of.as_ref()) else { continue };
        scope.repo_can(&RepoId::from(&name.value), Ability::Copy, Some(original.span));
        if original.value == name.value {
            scope.error(original.span, "a repo cannot be a copy of itself", "name another one");
        } else if let Some(repo) = scope.repo(original)
            && let Some(info) = scope.repo_info(&repo).filter(|info| info.copy_of.is_some())
        {
            let (title, made) = (format!("repo `{repo}` is a copy itself"), info.span);
            scope.error_related(original.span, title, "name the original", (made, "made here".to_owned()));
        }
        let settings = repos.get(&RepoId::from(&original.value)).map(|spec: &RepoSpec| spec.settings.clone());
        if let (Some(settings), Some(copy)) = (settings, repos.get_mut(&RepoId::from(&name.value))) {
            copy.settings = settings;
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

pub(super) fn nodes(scenario: &Scenario, scope: &mut Scope<'_>) -> BTreeMap<NodeId, NodeSpec> {
    scope.more_nodes = !scenario.nodes.complete;
    let default = NodeFields::default();
    for (name, listed) in &scenario.nodes.listed {
        let fields = listed.as_ref().unwrap_or(&default);
        let info = NodeInfo {
            span: name.span,
            maker: Maker::Start,
            follows: id(&fields.follows),
            archive_to: id(&fields.archive_to),
            recovers_from: None,
            site: fields.site.clone(),
            external: fields.external.is_some(),
            remade: false,
            promoted: false,
            decoded: listed.is_some(),
        };
        scope.nodes.insert(NodeId::from(&name.value), info);
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
        check_settings(fields, scenario, scope);
        let spec = NodeSpec {
            archive_to: id(&fields.archive_to),
            follows: id(&fields.follows),
            settings,
            setting_places: fields.settings.iter().flatten().map(|(name, _)| name.span).collect(),
            place: name.span,
            external: fields.external.as_ref().map(|external| external.value.url.value.0.clone()),
        };
        specs.insert(NodeId::from(&name.value), spec);
    }
    cycles(scenario, scope);
    scope.refers.clear();
    specs
}

/// Settings that the server knows, and that are not drillyard's own.
fn check_settings(fields: &NodeFields, scenario: &Scenario, scope: &mut Scope<'_>) {
    for (setting, _) in fields.settings.iter().flatten() {
        known_setting(setting, scenario.postgres.as_ref(), scope);
        if RESERVED_SETTINGS.contains(&setting.value.to_lowercase().as_str()) {
            let title = format!("`{}` is drillyard's own to set", setting.value);
            scope.error(setting.span, title, "leave it out");
        }
        let archiving = ["archive_mode", "archive_command", "archive_library"].contains(&setting.value.as_str());
        if archiving && fields.archive_to.is_none() {
            let help = "say where to: `archive_to: REPO`. A drill archives into nothing that it was not told to";
            scope.error_help(setting.span, format!("`{}` without `archive_to`", setting.value), "archive where?", help);
        }
    }
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
