//! What a map's key may be.

use std::collections::HashMap;

use crate::journal::Problem;
use crate::scenario::node::{Entry, Node, Style, Value};
use crate::source::ScalarKind as Kind;
use crate::source::{Source, Span};

/// From how many lines on a map's keys are hashed rather than compared one by one.
const MANY_KEYS: usize = 16;

/// What is wrong with a key.
pub(super) fn wrong_key(source: &Source, key: &Node) -> Option<Problem> {
    let problem = |title: String, label: &str| Problem::new(title).at(source.place(key.span, label));
    let Value::Scalar { text, style } = &key.value else {
        return Some(
            problem("a key must be text".to_owned(), "this is a list or a map").help("`{ a: 1 }` and `[a]` are values"),
        );
    };
    if *style != Style::Plain {
        return None;
    }
    match Kind::of_plain(text) {
        _ if text == "<<" => Some(
            problem("`<<` is not supported".to_owned(), "this would merge another map into this one")
                .help("write the keys here; an alias (`*name`) may stand for a whole value"),
        ),
        Kind::Text => None,
        Kind::Null if text.is_empty() => Some(problem("a key is missing".to_owned(), "before this `:`")),
        _ => Some(problem(format!("the key `{text}` is not text"), "").help(format!("put it in quotes: `\"{text}\"`"))),
    }
}

/// Whether the key has been there before.
pub(super) fn twice(
    source: &Source,
    key: &Node,
    entries: &[Entry],
    index: &mut HashMap<String, Span>,
) -> Option<Problem> {
    let name = key.text().unwrap_or_default();
    let first = if entries.len() < MANY_KEYS {
        entries.iter().find(|entry| entry.name() == name).map(|entry| entry.key.span)
    } else {
        if index.is_empty() {
            index.extend(entries.iter().map(|entry| (entry.name().to_owned(), entry.key.span)));
        }
        let first = index.get(name).copied();
        if first.is_none() {
            index.insert(name.to_owned(), key.span);
        }
        first
    };
    first.map(|first| {
        Problem::new(format!("the key `{name}` is there twice"))
            .at(source.place(key.span, "again here"))
            .at(source.place(first, "first here"))
    })
}
