//! What a scenario declares before its steps: versions and nodes.

use std::collections::{BTreeMap, HashMap};

use crate::harness::{Cold, Maker, NodeId, NodeInfo, NodeSpec, Scope};
use crate::node::Address;
use crate::pg::SUPPORTED_MAJORS;
use crate::pg::conninfo::Conninfo;
use crate::scenario::{NodeFields, Scenario};
use crate::source::{ConnectionString, Name, Span, Spanned};

pub(super) fn id<I: for<'a> From<&'a Name>>(name: &Option<Spanned<Name>>) -> Option<I> {
    name.as_ref().map(|name| I::from(&name.value))
}

pub(super) fn versions(scenario: &Scenario, scope: &mut Scope<'_>) -> Vec<u32> {
    let Some(list) = &scenario.postgres else {
        scope.more_versions = !scenario.problems.is_empty();
        return vec![];
    };
    scope.versions.clone_from(&list.value);
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

pub(super) fn nodes(scenario: &Scenario, scope: &mut Scope<'_>) -> BTreeMap<NodeId, NodeSpec> {
    scope.more_nodes = !scenario.nodes.complete;
    scope.more_ids = scenario.more_ids;
    let default = NodeFields::default();
    for (name, listed) in &scenario.nodes.listed {
        let fields = listed.as_ref().unwrap_or(&default);
        if is_cold(fields) {
            cold(name, fields, scope);
            continue;
        }
        let info = NodeInfo {
            span: name.span,
            maker: Maker::Start,
            in_team: None,
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
        let Some(fields) = fields.as_ref().filter(|fields| !is_cold(fields)) else { continue };
        if let Some(secrets) = &fields.secrets {
            scope.error(secrets.entry, "`secrets` go with `cold: true`", "this server is not recovered");
        }
        if let Some(repo) = &fields.archive_to {
            scope.archive_to(repo);
        }
        let external = external(fields, scope);
        let settings = scope.settings(fields.settings.as_ref(), fields.archive_to.is_some());
        let spec = NodeSpec {
            archive_to: id(&fields.archive_to),
            follows: id(&fields.follows),
            settings: settings.lines,
            setting_places: settings.places,
            given: vec![],
            releases: scope.releases(fields.release.as_ref()),
            place: name.span,
            external,
        };
        specs.insert(NodeId::from(&name.value), spec);
    }
    cycles(scenario, scope);
    scope.refers.clear();
    specs
}

/// Looks up whom the listed nodes follow. Called when it is known which nodes steps make.
pub(super) fn upstreams(listed: &[(Spanned<Name>, Option<NodeFields>)], scope: &mut Scope<'_>) {
    for (name, fields) in listed {
        let Some(fields) = fields.as_ref().filter(|fields| !is_cold(fields)) else { continue };
        let Some(upstream) = &fields.follows else { continue };
        match scope.nodes.get(upstream.value.as_str()).filter(|info| info.maker != Maker::Start).map(|info| info.span) {
            Some(made) => {
                let title = format!("`{}` runs before there is a `{}`", name.value, upstream.value);
                let label = "what is listed runs before the first step: `rebuild` it behind that instead";
                scope.error_related(upstream.span, title, label, (made, "made here".to_owned()));
            }
            None => _ = scope.named_node(upstream),
        }
    }
    scope.refers.clear();
}

fn is_cold(fields: &NodeFields) -> bool {
    fields.cold.as_ref().is_some_and(|cold| cold.value)
}

/// A node that is not there before a step recovers it.
fn cold(name: &Spanned<Name>, fields: &NodeFields, scope: &mut Scope<'_>) {
    let span = fields.cold.as_ref().map_or(name.span, |cold| cold.entry);
    for entry in [
        fields.follows.as_ref().map(|field| field.entry),
        fields.archive_to.as_ref().map(|field| field.entry),
        fields.site.as_ref().map(|field| field.entry),
        fields.release.as_ref().map(|field| field.entry),
        fields.external.as_ref().map(|field| field.entry),
        fields.settings.as_ref().and_then(|settings| settings.iter().next().map(|(name, _)| name.span)),
    ]
    .into_iter()
    .flatten()
    {
        let title = "a cold server has what the repo holds, and `secrets`";
        scope.error_related(entry, title, "leave it out", (span, "cold".to_owned()));
    }
    let secrets = fields.secrets.iter().flat_map(|secrets| secrets.value.iter());
    let secrets = secrets.map(|(name, value)| (name.clone(), value.0.clone())).collect();
    scope.cold.insert(NodeId::from(&name.value), Cold { span, secrets });
}

/// Tells of each cold server that no step makes.
pub(super) fn never_made(scope: &mut Scope<'_>) {
    if scope.more_nodes {
        return;
    }
    let idle = scope.cold.iter().filter(|(name, _)| !scope.nodes.contains_key(*name));
    let idle: Vec<(NodeId, Span)> = idle.map(|(name, cold)| (name.clone(), cold.span)).collect();
    for (name, span) in idle {
        let help = format!("`recover: {{ node: {name}, backup: ... }}` makes it");
        scope.error_help(span, format!("no step makes `{name}`"), "a cold server is not there before", help);
    }
}

/// How a server is reached that drillyard did not make.
fn external(fields: &NodeFields, scope: &mut Scope<'_>) -> Option<Address> {
    let external = fields.external.as_ref()?;
    for entry in [
        fields.follows.as_ref().map(|f| f.entry),
        fields.archive_to.as_ref().map(|a| a.entry),
        fields.site.as_ref().map(|s| s.entry),
        fields.release.as_ref().map(|r| r.entry),
        fields.settings.as_ref().and_then(|s| s.iter().next().map(|(name, _)| name.span)),
    ]
    .into_iter()
    .flatten()
    {
        let title = "an external server is only read from";
        scope.error_related(entry, title, "this would change it", (external.entry, "external".to_owned()));
    }
    let (url, service) = (&external.value.url, &external.value.service);
    let conninfo = match (url, service) {
        (Some(url), None) => connection_string(url, scope),
        (None, Some(service)) => {
            let mut conninfo = Conninfo::default();
            // `service` is one of libpq's keys.
            let _ = conninfo.fill("service", &service.value);
            Some(conninfo)
        }
        (None, None) => {
            let help = "write `url: postgresql://user@host:5432/database`, or `service: NAME`";
            scope.error_help(external.entry, "an external server without an address", "where is it?", help);
            None
        }
        (Some(url), Some(service)) => {
            let help = "a url can name a service, too: `service=NAME`";
            scope.error_help(service.entry, "`url` and `service` exclude each other", "the second address", help);
            connection_string(url, scope)
        }
    };
    let standby = external.value.standby_conninfo.as_ref().and_then(|standby| connection_string(standby, scope));
    Some(Address { conninfo: conninfo?, standby, role_lost: false })
}

fn connection_string(text: &Spanned<ConnectionString>, scope: &mut Scope<'_>) -> Option<Conninfo> {
    match Conninfo::parse(&text.value.0) {
        Ok(conninfo) => Some(conninfo),
        Err(wrong) => {
            let help = wrong.help.as_deref().unwrap_or("such as postgresql://user@host:5432/database");
            let place = wrong.key.as_deref().and_then(|key| scope.key_within(text.span, key)).unwrap_or(text.span);
            scope.error_help(place, "this is not a connection string", wrong.to_string(), help);
            None
        }
    }
}

/// Nodes that follow themselves by way of others.
fn cycles(scenario: &Scenario, scope: &mut Scope<'_>) {
    let listed = &scenario.nodes.listed;
    let upstream = |fields: &'_ Option<NodeFields>| fields.as_ref()?.follows.clone();
    let nodes: HashMap<&str, _> =
        listed.iter().enumerate().map(|(at, (name, fields))| (name.as_str(), (at, upstream(fields)))).collect();
    // The walk on which each was met: a chain of many is walked once.
    let mut walked: HashMap<&str, usize> = HashMap::new();
    for (walk, (name, _)) in listed.iter().enumerate() {
        let (mut path, mut next) = (vec![], nodes.get(name.as_str()));
        while let Some((at, follows)) = next {
            if let Some(before) = walked.insert(listed[*at].0.as_str(), walk) {
                // Those of an earlier walk are told.
                if before == walk {
                    tell_cycle(scope, listed, &path, *at);
                }
                break;
            }
            path.push((*at, follows));
            next = follows.as_ref().and_then(|upstream| nodes.get(upstream.as_str()));
        }
    }
}

/// The end of a walk is a cycle, from the node `from` on.
fn tell_cycle(
    scope: &mut Scope<'_>,
    listed: &[(Spanned<Name>, Option<NodeFields>)],
    path: &[(usize, &Option<Spanned<Name>>)],
    from: usize,
) {
    let begins = path.iter().position(|(at, _)| *at == from).unwrap_or_default();
    let mut cycle = path[begins..].to_vec();
    let first = cycle.iter().enumerate().min_by_key(|(_, (at, _))| *at).map_or(0, |(place, _)| place);
    cycle.rotate_left(first);
    let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(|(at, _)| listed[*at].0.as_str()).collect();
    if let Some((_, Some(upstream))) = cycle.last() {
        let title = format!("these nodes follow each other: {}", names.join(" -> "));
        scope.error(upstream.span, title, "one of them must be a primary, without `follows`");
    }
}
