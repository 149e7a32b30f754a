//! The repos that a scenario declares.

use std::collections::BTreeMap;

use super::declared::id;
use super::{PlannedStep, RepoSpec, repo_commands, repo_settings};
use crate::harness::{Reference, RepoId, RepoInfo, Scope};
use crate::repo::{Ability, ByKey, Existing, KINDS, Kind, Settings, default_kind, unusable};
use crate::scenario::{RepoFields, Scenario};
use crate::source::{Name, Span, Spanned, choices};

pub(super) fn repos(scenario: &Scenario, scope: &mut Scope<'_>) -> BTreeMap<RepoId, RepoSpec> {
    let mut repos = BTreeMap::new();
    scope.more_repos = !scenario.repos.complete;
    for (name, fields) in &scenario.repos.listed {
        let span = name.span;
        let info = match fields {
            Some(fields) => {
                let (kind, copy_of) = (repo_kind(scenario, fields, scope), id::<RepoId>(&fields.copy_of));
                let existing = existing(name, fields, kind, scope);
                let at = existing.as_ref().map(|(span, _)| *span);
                let settings = match &existing {
                    Some(_) => Settings::default(),
                    None => repo_settings::of(fields, kind, scope),
                };
                let existing = existing.map(|(_, existing)| existing);
                let beside = existing.as_ref().map_or(&[][..], |existing| kind.needed_beside(existing));
                let read_as = existing.iter().cloned().collect();
                let spec = RepoSpec { kind, copy_of: copy_of.clone(), existing, read_as, settings };
                repos.insert(RepoId::from(&name.value), spec);
                let lacks = lacks(scenario, fields, kind);
                RepoInfo { span, kind, copy_of, site: fields.site.clone(), existing: at, beside, lacks, decoded: true }
            }
            None => {
                let kind = default_kind();
                let (beside, lacks) = (&[][..], vec![]);
                RepoInfo { span, kind, copy_of: None, site: None, existing: None, beside, lacks, decoded: false }
            }
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
        } else if let Some(existing) = scope.repos.get(original.value.as_str()).and_then(|info| info.existing) {
            let title = "a copy is kept of a drill's own repo";
            let related = (existing, "somebody else's".to_owned());
            scope.error_related(original.span, title, "`sync` copies what a drill has put there", related);
        }
        let settings = repos.get(&RepoId::from(&original.value)).map(|spec: &RepoSpec| spec.settings.clone());
        if let (Some(settings), Some(copy)) = (settings, repos.get_mut(&RepoId::from(&name.value))) {
            copy.settings = settings;
        }
    }
    repos
}

/// Notes which servers read somebody else's repos cold: production's configuration is not used
/// then.
pub(super) fn note_cold(repos: &mut BTreeMap<RepoId, RepoSpec>, steps: &[PlannedStep], scope: &Scope<'_>) {
    for (id, spec) in repos {
        let Some(existing) = &spec.existing else { continue };
        let reads = |step: &&PlannedStep| {
            let named = step.refers.contains(&Reference::Repo(id.clone()));
            named || step.effects.reads_repo.as_ref().is_some_and(|reads| reads.repo == *id)
        };
        let as_read = |step: &PlannedStep| match step.makes.iter().find_map(|node| scope.cold.get(node)) {
            Some(cold) => {
                let secrets = cold.secrets.iter().map(|(name, value)| (name.value.clone(), value.clone()));
                existing.cold(&secrets.collect::<Vec<_>>())
            }
            None => existing.clone(),
        };
        let mut read_as: Vec<Existing> = steps.iter().filter(reads).map(as_read).collect();
        read_as.dedup();
        if !read_as.is_empty() {
            spec.read_as = read_as;
        }
    }
}

/// What a repo is: what it says, or what its original is.
fn repo_kind(scenario: &Scenario, fields: &RepoFields, scope: &mut Scope<'_>) -> &'static Kind {
    let said = |fields: &RepoFields| fields.kind.as_ref().map_or(Some(default_kind()), |kind| Some(kind.value.0));
    let original = fields.copy_of.as_ref().and_then(|original| {
        let mut listed = scenario.repos.listed.iter();
        let (_, fields) = listed.find(|(name, _)| name.value == original.value)?;
        said(fields.as_ref()?)
    });
    let Some(kind) = &fields.kind else { return original.unwrap_or_else(default_kind) };
    let known = kind.value.0;
    if let Some(original) = original.filter(|original| original.name != known.name) {
        let label = format!("its original is of kind `{}`", original.name);
        scope.error_help(kind.entry, "a copy is of the same kind as its original", label, "leave `kind` out");
    }
    known
}

/// What a repo cannot do since it does not say how; a copy says what its original does.
fn lacks(scenario: &Scenario, fields: &RepoFields, kind: &'static Kind) -> Vec<ByKey> {
    let original = fields.copy_of.as_ref().and_then(|original| {
        let (_, fields) = scenario.repos.listed.iter().find(|(name, _)| name.value == original.value)?;
        fields.as_ref()
    });
    let given = keys(original.unwrap_or(fields));
    let lacks = |by: &&ByKey| !given.iter().any(|(key, entry)| *key == by.key && entry.is_some());
    kind.by_key.iter().filter(lacks).copied().collect()
}

/// The repo of somebody else that is meant, and where it says so.
fn existing(
    name: &Spanned<Name>,
    fields: &RepoFields,
    kind: &'static Kind,
    scope: &mut Scope<'_>,
) -> Option<(Span, Existing)> {
    let Some(existing) = fields.existing.as_ref().filter(|existing| existing.value) else {
        own(name, fields, kind, scope);
        return None;
    };
    let Some(at) = kind.at_existing() else {
        let kinds = choices(KINDS.iter().filter(|kind| kind.at_existing().is_some()).map(|kind| kind.name), "and");
        let title = format!("an existing repo of kind `{}` cannot be read in this version", kind.name);
        scope.error(existing.entry, title, format!("`existing: true` goes with {kinds}"));
        return None;
    };
    for other in [&fields.copy_of, &fields.site].into_iter().flatten() {
        let related = (existing.entry, "somebody else's".to_owned());
        scope.error_related(other.entry, "an existing repo is only read from", "this would change it", related);
    }
    for (key, entry) in keys(fields) {
        match entry {
            Some(entry) if !at.needs.contains(&key) && !at.takes.contains(&key) => {
                let title = format!("an existing repo of kind `{}` has no `{key}`", kind.name);
                let help = format!("its keys are {}", choices(at.needs.iter().chain(at.takes).copied(), "and"));
                scope.error_help(entry, title, "leave it out", help);
            }
            None if at.needs.contains(&key) => {
                let (label, help) = missing(key);
                scope.error_help(existing.entry, format!("`{key}` is missing"), label, help);
            }
            _ => {}
        }
    }
    let either = kind.existing_either;
    if !either.is_empty() && keys(fields).iter().all(|(key, entry)| entry.is_none() || !either.contains(key)) {
        let label = format!("where is it? {} says so", choices(either.iter().copied(), "or"));
        scope.error(existing.entry, format!("an existing repo of kind `{}` says nothing of itself", kind.name), label);
    }
    check_values(fields, scope);
    let text = |field: &Option<Spanned<String>>| field.as_ref().map(|field| field.value.clone());
    let described = Existing {
        name: name.value.to_string(),
        backups: text(&fields.backups),
        wal: text(&fields.wal),
        path: text(&fields.path),
        globals: text(&fields.globals),
        stanza: fields.stanza.as_ref().map(|stanza| stanza.value.to_string()),
        config: text(&fields.config),
        repo: fields.repo.as_ref().map(|repo| repo.value),
        server: text(&fields.server),
        own: String::new(),
        options: repo_settings::of_existing(fields, kind, scope),
        commands: repo_commands::of(fields, scope),
    };
    Some((existing.entry, described))
}

/// Checks the keys of a repo that the drill fills; those of the tool's settings are checked with
/// them.
fn own(name: &Spanned<Name>, fields: &RepoFields, kind: &'static Kind, scope: &mut Scope<'_>) {
    let given = keys(fields);
    let is_own = |key: &str| kind.adjustable.needs.contains(&key) || kind.adjustable.takes.contains(&key);
    let of_existing =
        |key: &str| kind.at_existing().is_some_and(|at| at.needs.contains(&key) || at.takes.contains(&key));
    for (key, entry) in given.iter().filter(|(key, _)| *key != "stanza" && *key != "options" && !is_own(key)) {
        let Some(entry) = entry else { continue };
        if of_existing(key) {
            let title = format!("`{key}` goes with `existing: true`");
            scope.error(*entry, title, "a drill's own repo lies where the drill is run");
        } else {
            scope.error(*entry, format!("a repo of kind `{}` has no `{key}`", kind.name), "leave it out");
        }
    }
    if fields.copy_of.is_none() {
        let at = fields.kind.as_ref().map_or(name.span, |said| said.entry);
        repo_commands::check_needs(&given, kind, at, scope);
    }
}

/// Checks what is said of where an existing repo lies.
fn check_values(fields: &RepoFields, scope: &mut Scope<'_>) {
    for (path, wildcards) in [
        (&fields.backups, true),
        (&fields.wal, false),
        (&fields.path, true),
        (&fields.globals, true),
        (&fields.config, false),
    ] {
        let Some(path) = path else { continue };
        if let Some(why) = unusable(&path.value, wildcards) {
            scope.error(path.span, "this path cannot be used", why);
        }
    }
    if let Some(server) = fields.server.as_ref().filter(|server| !is_word(&server.value)) {
        let label = "it may have letters, digits and `. _ -` in it";
        scope.error(server.span, "this is no name of a server of barman", label);
    }
}

/// Whether a name is one word wherever it stands: in a path, a configuration, a shell.
fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// The keys that say where an existing repo lies, each with its place if it is given.
fn keys(fields: &RepoFields) -> [(&'static str, Option<Span>); 16] {
    [
        ("backups", fields.backups.as_ref().map(|field| field.entry)),
        ("wal", fields.wal.as_ref().map(|field| field.entry)),
        ("path", fields.path.as_ref().map(|field| field.entry)),
        ("globals", fields.globals.as_ref().map(|field| field.entry)),
        ("stanza", fields.stanza.as_ref().map(|field| field.entry)),
        ("options", fields.options.as_ref().map(|field| field.entry)),
        ("config", fields.config.as_ref().map(|field| field.entry)),
        ("repo", fields.repo.as_ref().map(|field| field.entry)),
        ("server", fields.server.as_ref().map(|field| field.entry)),
        ("list", fields.list.as_ref().map(|field| field.entry)),
        ("fetch", fields.fetch.as_ref().map(|field| field.entry)),
        ("restore_command", fields.restore_command.as_ref().map(|field| field.entry)),
        ("backup", fields.backup.as_ref().map(|field| field.entry)),
        ("archive_command", fields.archive_command.as_ref().map(|field| field.entry)),
        ("verify", fields.verify.as_ref().map(|field| field.entry)),
        ("env", fields.env.as_ref().map(|field| field.entry)),
    ]
}

/// What is asked for where a key is missing, and what it may be.
fn missing(key: &str) -> (&'static str, &'static str) {
    match key {
        "stanza" => {
            ("which server's?", "the name under which pgbackrest knows the server: `pgbackrest info` lists them")
        }
        "path" => (
            "where do its dumps lie?",
            "such as `path: /srv/dumps/*`: each is a dump of pg_dump, or a directory with the dumps of one night",
        ),
        "server" => {
            ("which server's?", "the name under which barman knows the server: `barman list-servers` lists them")
        }
        key => repo_commands::missing(key).unwrap_or((
            "where do its base backups lie?",
            "such as `backups: /srv/backup/*`: each directory is a base backup, plain or tar, as pg_basebackup writes it",
        )),
    }
}
