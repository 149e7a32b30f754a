//! The one key of a step that says what it does.

use super::keys::{COMMON_KEYS, WITH};
use super::node::{Entry, Node};
use super::problems::Problems;
use super::remedy;
use crate::source::{choices, did_you_mean};
use crate::steps::{self, KINDS};

/// The one action of a step. Tells where there is none, or more than one, or one that is unknown.
pub(super) fn find<'n>(problems: &Problems<'_>, item: &'n Node) -> Option<&'n Entry> {
    find_beside(problems, item, &[])
}

/// The same of a step that can have more keys of its own beside its action.
pub(super) fn find_beside<'n>(problems: &Problems<'_>, item: &'n Node, more: &[&str]) -> Option<&'n Entry> {
    let entries = item.entries();
    if entries.is_empty() {
        if problems.is_told(item) {
            return None;
        }
        let label = match item.text() {
            Some(text) if steps::find(text).is_some() => format!("write `{text}: {{ ... }}`, with its fields"),
            _ => "expected a map with one action, such as `sql: { ... }`".to_owned(),
        };
        problems.tell(problems.problem(item.span, "a step is a map with one action", label));
        return None;
    }
    let is_common = |name: &str| COMMON_KEYS.contains(&name) || more.contains(&name);
    let actions: Vec<&Entry> = entries.iter().filter(|entry| !is_common(entry.name())).collect();
    let known = |entry: &&Entry| steps::find(entry.name()).is_some();
    for entry in actions.iter().filter(|entry| !known(entry)) {
        tell_unknown_step(problems, &entry.key, actions.iter().any(known));
    }
    let actions: Vec<&Entry> = actions.into_iter().filter(known).collect();
    match actions.as_slice() {
        [action] => Some(*action),
        [] => {
            if entries.iter().all(|entry| COMMON_KEYS.contains(&entry.name())) {
                let problem = problems.problem(entries[0].key.span, "this step has no action", "what does it do?");
                problems.tell(problem.help("add one, such as `sql: { ... }`; `drillyard explain` lists them"));
            }
            None
        }
        [first, rest @ ..] => {
            for second in rest {
                let label = format!("`{}` is the second action", second.name());
                let problem = problems.problem(second.key.span, "a step has one action", label);
                let related = problems.source().place(first.key.span, "the first one");
                problems.tell(problem.at(related).help("begin a new step with `- `"));
            }
            None
        }
    }
}

fn tell_unknown_step(problems: &Problems<'_>, key: &Node, beside_action: bool) {
    let name = key.text().unwrap_or_default();
    let kinds = KINDS.iter().map(|kind| kind.name);
    let common = COMMON_KEYS.iter().copied().filter(|_| beside_action);
    let near = did_you_mean(name, common.chain(kinds));
    let meant = remedy::step(name);
    let label = match near {
        _ if name == WITH => "it goes with `use`".to_owned(),
        _ if name.contains(':') => "is a space missing after `:`?".to_owned(),
        Some(near) if meant.is_none() => format!("did you mean `{near}`?"),
        _ => "there is no such step".to_owned(),
    };
    let title = if beside_action { format!("unknown key `{name}`") } else { format!("unknown step `{name}`") };
    let problem = problems.problem(key.span, title, label);
    problems.tell(match beside_action {
        true => problem.help(format!("beside its action a step has {}", choices(COMMON_KEYS.iter().copied(), "and"))),
        false => match meant {
            Some(step) => problem.help(format!("write {step}")),
            None => problem.help("`drillyard explain` lists the steps"),
        },
    });
}
