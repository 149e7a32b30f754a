//! What is said of a key that does not belong where it stands.

use super::keys::COMMON_KEYS;
use super::node::{Entry, Node};
use super::problems::{FEW, Problems};
use crate::source::{choices, did_you_mean};
use crate::steps;

/// Tells that a line's key is not one of `known`, the keys of the map that is the value of `owner`.
pub(super) fn tell_unknown_line(problems: &Problems<'_>, line: &Entry, owner: Option<&Node>, known: &[&str]) {
    let step = owner.and_then(Node::text).filter(|name| steps::find(name).is_some());
    match step.filter(|_| COMMON_KEYS.contains(&line.name())) {
        Some(step) => tell_inside(problems, line, step),
        None => tell_unknown_key(problems, &line.key, known),
    }
}

/// Tells that a key is not one of `known`.
pub(super) fn tell_unknown_key(problems: &Problems<'_>, key: &Node, known: &[&str]) {
    let name = key.text().unwrap_or_default();
    // `{ rows:5 }` is a key without a value.
    let plain = name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    let label = match did_you_mean(name, known.iter().copied()) {
        _ if name.contains(':') => "is a space missing after `:`?".to_owned(),
        Some(near) => format!("did you mean `{near}`?"),
        None if plain => "not known here".to_owned(),
        // `{ sql: VALUES ($client, $seq) }` ends at the comma.
        None => "part of the text before it? inside `{ }` a text with a comma needs quotes around it".to_owned(),
    };
    let problem = problems.problem(key.span, format!("unknown key `{name}`"), label);
    problems.tell(match known.len() {
        0 => problem.help("there are no keys here"),
        1 => problem.help(format!("the only key here is `{}`", known[0])),
        2..=FEW => problem.help(format!("the keys here are {}", choices(known.iter().copied(), "and"))),
        _ => problem,
    });
}

/// Tells that a key which every step has stands inside the action `step`.
fn tell_inside(problems: &Problems<'_>, line: &Entry, step: &str) {
    let name = line.name();
    let title = format!("`{name}` stands inside `{step}`");
    let problem = problems.problem(line.key.span, title, "it belongs beside it");
    problems.tell(problem.help(format!("put `{name}: ...` on a line of its own, indented as `{step}:` is")));
}
