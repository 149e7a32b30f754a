//! What a scenario sets of a repo's tool.

use super::repo_commands;
use crate::harness::Scope;
use crate::repo::{Adjustable, Kind, Settings};
use crate::scenario::RepoFields;
use crate::source::{Spanned, choices, did_you_mean};

/// What a repo of this kind is set to. A copy has its original's settings.
pub(super) fn of(fields: &RepoFields, kind: &Kind, scope: &mut Scope<'_>) -> Settings {
    let entries = [fields.stanza.as_ref().map(|one| one.entry), fields.options.as_ref().map(|one| one.entry)];
    if let (Some(entry), Some(original)) = (entries.into_iter().flatten().next(), &fields.copy_of) {
        let related = (original.entry, "its original is here".to_owned());
        scope.error_related(entry, "a copy has its original's settings", "leave it out", related);
        return Settings::default();
    }
    if let Some(stanza) = fields.stanza.as_ref().filter(|_| !kind.adjustable.stanza) {
        scope.error(stanza.entry, format!("a repo of kind `{}` has no stanza", kind.name), "leave it out");
    }
    if let Some(options) = fields.options.as_ref().filter(|_| kind.adjustable.options.is_empty()) {
        scope.error(options.entry, format!("a repo of kind `{}` has no options", kind.name), "leave them out");
        return Settings::default();
    }
    let listed = fields.options.iter().flat_map(|options| options.value.iter());
    let options: Vec<_> = listed.map(|(name, value)| (name.clone(), value.0.clone())).collect();
    for (name, value) in &options {
        check(name, value, (kind.name, &kind.adjustable), scope);
    }
    for (name, _) in &options {
        for (one, other) in kind.adjustable.together {
            let (lacking, is_half) = if name.value == *one { (other, true) } else { (one, name.value == *other) };
            if is_half && !options.iter().any(|(name, _)| name.value == *lacking) {
                let title = format!("`{}` needs `{lacking}`", name.value);
                scope.error(name.span, title, format!("`{lacking}` is not set"));
            }
        }
    }
    Settings {
        stanza: fields.stanza.as_ref().map(|stanza| stanza.value.to_string()),
        options: options.into_iter().map(|(name, value)| (name.value, value)).collect(),
        commands: repo_commands::of(fields, scope),
    }
}

/// The options of the tool by which a repo of somebody else's is read.
pub(super) fn of_existing(fields: &RepoFields, kind: &Kind, scope: &mut Scope<'_>) -> Vec<(String, String)> {
    if kind.existing_adjustable.options.is_empty() {
        return vec![];
    }
    let listed = fields.options.iter().flat_map(|options| options.value.iter());
    let mut options = Vec::new();
    for (name, value) in listed {
        check(name, &value.0, (kind.name, &kind.existing_adjustable), scope);
        options.push((name.value.clone(), value.0.clone()));
    }
    options
}

/// Checks the name of an option and its value.
fn check(name: &Spanned<String>, value: &str, (kind, adjustable): (&str, &Adjustable), scope: &mut Scope<'_>) {
    let Some(expected) = adjustable.value(&name.value) else {
        if adjustable.is_own(&name.value) {
            let title = format!("`{}` is drillyard's own to set", name.value);
            scope.error(name.span, title, "leave it out");
            return;
        }
        // One of the repositories stands for all.
        let names: Vec<String> = adjustable.options.iter().map(|(name, _)| name.replace('#', "1")).collect();
        let names = || names.iter().map(String::as_str);
        let label = match did_you_mean(&name.value, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "a drill does not set this".to_owned(),
        };
        let title = format!("unknown option `{}` of {kind}", name.value);
        scope.error_help(name.span, title, label, format!("options are {}", choices(names(), "and")));
        return;
    };
    if !expected.fits(value) {
        let title = format!("this is no value of `{}`", name.value);
        scope.error(name.span, title, expected.expected().into_owned());
    }
}
