//! The nodes and the repos of a drill: those that its file lists, and those of its fragments.

use std::collections::{HashMap, HashSet};

use serde::de::DeserializeOwned;

use super::decode::Decoder;
use super::model::Names;
use super::node::{Entry, Node, Style, Value};
use super::values::Values;
use crate::source::{Form, Name, Ordered, ScalarKind as Kind};

/// What stands under `key` in a drill's file and in its fragments. A name that several of them have
/// is the same thing everywhere: what they say of it may not differ.
pub(super) fn decode<T: DeserializeOwned + Default>(decoder: &Decoder<'_>, root: &Node, key: &str) -> Names<T> {
    let mut names = of_file(decoder, root.get(key));
    let Some(fragments) = decoder.fragments() else { return names };
    let lines = |root| Node::get(root, key).into_iter().flat_map(|entry: &Entry| entry.value.entries());
    let own = decoder.problems().values();
    let mut known: HashMap<&str, (&Entry, &Values)> = HashMap::new();
    for line in lines(root) {
        known.entry(line.name()).or_insert((line, own));
    }
    let mut listed: HashSet<String> = names.listed.iter().map(|(name, _)| name.value.to_string()).collect();
    names.complete &= fragments.complete();
    for fragment in fragments.all() {
        let inner = decoder.within(fragment);
        let theirs = of_file::<T>(&inner, fragment.root.get(key));
        names.complete &= theirs.complete;
        for line in lines(&fragment.root) {
            let here = inner.problems().values();
            match known.get(line.name()) {
                None => drop(known.insert(line.name(), (line, here))),
                Some((first, there)) if same((&first.value, there), (&line.value, here)) => {}
                Some((first, _)) => {
                    let what = key.trim_end_matches('s');
                    let title = format!("{what} `{}` is not the same in two files of this drill", line.name());
                    let problem = inner.problems().problem(line.key.span, title, "it says something else here");
                    let related = inner.problems().source().place(first.key.span, "than here");
                    let help = "say the same in both, or list it in one of them";
                    inner.problems().tell(problem.at(related).help(help));
                }
            }
        }
        for (name, fields) in theirs.listed {
            if listed.insert(name.value.to_string()) {
                names.listed.push((name, fields));
            }
        }
        decoder.problems().absorb(inner.into_problems());
    }
    names
}

fn of_file<T: DeserializeOwned + Default>(decoder: &Decoder<'_>, entry: Option<&Entry>) -> Names<T> {
    let mut names = Names { listed: vec![], complete: true };
    let Some(entry) = entry.filter(|entry| !entry.value.is_null()) else { return names };
    if let Some(all) = decoder.decode_entry::<Ordered<Name, Option<T>>>(entry) {
        names.listed.extend(all.into_iter().map(|(name, fields)| (name, Some(fields.unwrap_or_default()))));
        return names;
    }
    let quiet = decoder.quiet();
    for line in entry.value.entries() {
        match quiet.decode(&line.key) {
            Some(name) => {
                names.listed.push((name, quiet.decode::<Option<T>>(&line.value).map(Option::unwrap_or_default)))
            }
            None => names.complete = false,
        }
    }
    names.complete &= !entry.value.entries().is_empty();
    names
}

/// Whether two values say the same, whatever the order of their keys. What is not known yet, or
/// wrong, is held against nobody.
fn same(a: (&Node, &Values), b: (&Node, &Values)) -> bool {
    let is_empty = |node: &Node| node.is_null() || matches!(&node.value, Value::Map(lines) if lines.is_empty());
    match (&a.0.value, &b.0.value) {
        _ if is_empty(a.0) || is_empty(b.0) => is_empty(a.0) && is_empty(b.0),
        (Value::Scalar { text: one, style: first }, Value::Scalar { text: other, style: second }) => {
            match (resolved(one, *first, a.1), resolved(other, *second, b.1)) {
                (Some(one), Some(other)) => one == other,
                _ => true,
            }
        }
        (Value::Seq(one), Value::Seq(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same((one, a.1), (other, b.1)))
        }
        (Value::Map(one), Value::Map(other)) => {
            let theirs: HashMap<&str, &Entry> = other.iter().map(|line| (line.name(), line)).collect();
            let same_line = |line: &Entry| {
                theirs.get(line.name()).is_some_and(|other| same((&line.value, a.1), (&other.value, b.1)))
            };
            one.len() == other.len() && one.iter().all(same_line)
        }
        _ => false,
    }
}

fn resolved(text: &str, style: Style, values: &Values) -> Option<(String, Form)> {
    let resolved = values.resolve(text).ok()?;
    let form = resolved.form.unwrap_or_else(|| match style {
        Style::Plain if !resolved.substituted => Kind::of_plain(text).into(),
        _ => Form::Text,
    });
    Some((resolved.text.into_owned(), form))
}
