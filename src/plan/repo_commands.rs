//! The commands that a scenario gives for a repo, and their environment.

use crate::harness::Scope;
use crate::repo::{Commands, Kind};
use crate::scenario::RepoFields;
use crate::source::{Shell, Span, Spanned};

/// What is asked for where one of the keys is missing.
const MISSING: &[(&str, &str, &str)] = &[
    (
        "list",
        "which backups are there?",
        "`list: [PROGRAM, ARGUMENT]` prints each in a line: its label, a tab, and when it was begun (2026-11-29T14:00:00Z)",
    ),
    (
        "fetch",
        "how is a backup restored?",
        "`fetch: [PROGRAM, ARGUMENT]` restores the backup $DRILLYARD_BACKUP to the directory $DRILLYARD_DATA",
    ),
    (
        "restore_command",
        "how does a server get WAL?",
        "as in postgresql.conf, such as `restore_command: my-tool get %f %p`",
    ),
    (
        "backup",
        "how is a backup taken?",
        "`backup: [PROGRAM, ARGUMENT]` takes one of the server that PGHOST, PGPORT and PGUSER name, and calls it $DRILLYARD_BACKUP",
    ),
    ("archive_command", "how is WAL archived?", "as in postgresql.conf, such as `archive_command: my-tool put %p`"),
];

/// What is asked for where this key is missing, and what it may be.
pub(super) fn missing(key: &str) -> Option<(&'static str, &'static str)> {
    let (_, label, help) = MISSING.iter().find(|(name, ..)| *name == key)?;
    Some((label, help))
}

/// Checks that a drill's own repo has what its kind needs. `at` is where its kind is named.
pub(super) fn check_needs(given: &[(&'static str, Option<Span>)], kind: &Kind, at: Span, scope: &mut Scope<'_>) {
    for key in kind.adjustable.needs {
        if given.iter().all(|(name, entry)| name != key || entry.is_none()) {
            let (label, help) = missing(key).unwrap_or_default();
            scope.error_help(at, format!("`{key}` is missing"), label, help);
        }
    }
}

/// The commands; what is wrong with them is told.
pub(super) fn of(fields: &RepoFields, scope: &mut Scope<'_>) -> Commands {
    for (key, argv) in
        [("list", &fields.list), ("fetch", &fields.fetch), ("backup", &fields.backup), ("verify", &fields.verify)]
    {
        let Some(argv) = argv else { continue };
        if argv.value.first().is_none_or(|program| program.0.trim().is_empty()) {
            let help = "a list: the program and its arguments; `[sh, -c, '...']` for a line of shell";
            scope.error_help(argv.span, format!("`{key}` is empty"), "run what?", help);
        }
    }
    for (key, text, needed) in [
        ("restore_command", &fields.restore_command, &["%f", "%p"][..]),
        ("archive_command", &fields.archive_command, &["%p"][..]),
    ] {
        let Some(text) = text else { continue };
        if let Some(lacking) = needed.iter().find(|word| !text.value.0.contains(**word)) {
            let label = "PostgreSQL puts the name of a file in the place of %f, and its path in that of %p";
            scope.error(text.span, format!("`{key}` has no {lacking}"), label);
        }
        if text.value.0.contains(['\n', '\r']) {
            scope.error(text.span, format!("`{key}` has several lines"), "write it in one");
        }
    }
    let env = fields.env.iter().flat_map(|env| env.value.iter());
    let env: Vec<(&Spanned<String>, String)> = env.map(|(name, value)| (name, value.text().into_owned())).collect();
    for (name, _) in &env {
        let is_name = name.value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name || name.value.starts_with("DRILLYARD_") {
            let label = "letters, digits and `_`, and not DRILLYARD_...: those drillyard sets";
            scope.error(name.span, "this is no name of a variable", label);
        }
    }
    let argv = |argv: &Option<Spanned<Vec<Shell>>>| {
        argv.as_ref().map(|argv| argv.value.iter().map(|word| word.0.clone()).collect::<Vec<_>>())
    };
    let text = |text: &Option<Spanned<Shell>>| text.as_ref().map(|text| text.value.0.clone());
    Commands {
        list: argv(&fields.list),
        fetch: argv(&fields.fetch).unwrap_or_default(),
        restore_command: text(&fields.restore_command).unwrap_or_default(),
        backup: argv(&fields.backup),
        archive_command: text(&fields.archive_command),
        verify: argv(&fields.verify),
        env: env.into_iter().map(|(name, value)| (name.value.clone(), value)).collect(),
    }
}
