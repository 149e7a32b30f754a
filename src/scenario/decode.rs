//! From the tree of a file to types: serde, with all the errors in one go and each at its exact
//! place.
//!
//! serde stops at the first error. So a value that failed is told, left out, and the whole is
//! decoded again: what its absence breaks on the way up is not told, since it is no fault of the
//! author's.

mod access;
mod failure;
mod node_de;
mod stand_in;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed};

use super::model::COMMON_KEYS;
use super::node::{Entry, Node, Value};
use super::not_built::{is_later_key, today};
use super::values::Values;
use crate::journal::{Problem, Redactor};
use crate::source::{Name, RefersTo, Source, Span, Spanned, choices, did_you_mean};
use crate::steps;
use failure::Failure;
use node_de::NodeDe;

/// How many problems are told of one decoded value, unknown keys aside.
const MAX_PROBLEMS: usize = 100;
/// How many problems are told of one file: each carries its line.
const MAX_TOLD: usize = 200;
/// How often a value is decoded again: more often than there can be problems, since finding all the
/// missing keys takes some.
const MAX_PASSES: usize = 300;
/// How many nodes all the passes together may visit: it bounds the time for large files, which then
/// tell fewer problems.
const MAX_VISITS: usize = 2_000_000;
/// How many keys are listed as those that are known.
const FEW: usize = 13;

/// Decodes values and collects what is wrong with them.
pub struct Decoder<'a> {
    source: &'a Source,
    values: &'a Values,
    problems: RefCell<Vec<Problem>>,
    /// How many problems were told beyond those that are kept.
    dropped: Cell<usize>,
    /// The references that were met since they were last taken.
    references: RefCell<Vec<(RefersTo, Spanned<Name>)>>,
}

impl<'a> Decoder<'a> {
    /// For a tree of `source`; references stand for `values`.
    pub fn new(source: &'a Source, values: &'a Values) -> Self {
        Decoder { source, values, problems: RefCell::default(), dropped: Cell::new(0), references: RefCell::default() }
    }

    /// One for the same file whose problems nobody asks for: it saves what it can of a value that
    /// has been told.
    pub fn quiet(&self) -> Decoder<'a> {
        Decoder::new(self.source, self.values)
    }

    /// Notes a name that refers to something; one that is no name is an error of its own.
    fn note_reference(&self, to: RefersTo, node: &Node, key: Option<&Node>) {
        let resolved = node.text().and_then(|text| self.values.resolve(text).ok());
        let Some(value) = resolved.and_then(|resolved| Name::new(&resolved.text).ok()) else { return };
        let entry = key.map_or(node.span, |key| key.span.to(node.span));
        let reference = (to, Spanned { value, span: node.span, entry });
        let mut references = self.references.borrow_mut();
        // A value may be decoded several times.
        if !references.contains(&reference) {
            references.push(reference);
        }
    }

    /// The references that were met since this was last asked.
    pub fn take_references(&self) -> Vec<(RefersTo, Spanned<Name>)> {
        self.references.take()
    }

    /// The file.
    pub fn source(&self) -> &'a Source {
        self.source
    }

    /// Decodes a value. `None` where anything is wrong with it, which is then among the problems.
    pub fn decode<T: DeserializeOwned>(&self, node: &Node) -> Option<T> {
        Passes::new(self).run(node, None)
    }

    /// Decodes the value of a map's line; messages can name its key.
    pub fn decode_entry<T: DeserializeOwned>(&self, entry: &Entry) -> Option<T> {
        Passes::new(self).run(&entry.value, Some(&entry.key))
    }

    /// Decodes a map as if the lines with these keys were not there: for maps that are more than
    /// one struct.
    pub fn decode_without<T: DeserializeOwned>(&self, node: &Node, skip: impl Fn(&str) -> bool) -> Option<T> {
        let passes = Passes::new(self);
        node.entries().iter().filter(|entry| skip(entry.name())).for_each(|entry| passes.leave_out(&entry.key));
        passes.run(node, None)
    }

    /// Adds a problem; no secret's value is left in it.
    pub fn tell(&self, problem: Problem) {
        if self.problems.borrow().len() >= MAX_TOLD {
            return self.dropped.set(self.dropped.get() + 1);
        }
        let mut redactor = Redactor::default();
        redactor.add(self.values.used_secrets());
        self.problems.borrow_mut().push(redactor.problem(problem));
    }

    /// A problem at a place of the file, to be added to and told.
    pub fn problem(&self, span: Span, title: impl Into<String>, label: impl Into<String>) -> Problem {
        Problem::new(title).at(self.source.place(span, label))
    }

    /// Tells that a key is not one of `known`.
    pub fn tell_unknown_key(&self, key: &Node, known: &[&str]) {
        let name = key.text().unwrap_or_default();
        if is_later_key(name) {
            return self.tell_later_key(key);
        }
        // `{ rows:5 }` is a key without a value.
        let plain = name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
        let label = match did_you_mean(name, known.iter().copied()) {
            _ if name.contains(':') => "is a space missing after `:`?".to_owned(),
            Some(near) => format!("did you mean `{near}`?"),
            None if plain => "not known here".to_owned(),
            // `{ sql: VALUES ($client, $seq) }` ends at the comma.
            None => "part of the text before it? inside `{ }` a text with a comma needs quotes around it".to_owned(),
        };
        let problem = self.problem(key.span, format!("unknown key `{name}`"), label);
        self.tell(match known.len() {
            0 => problem.help("there are no keys here"),
            1 => problem.help(format!("the only key here is `{}`", known[0])),
            2..=FEW => problem.help(format!("the keys here are {}", choices(known.iter().copied(), "and"))),
            _ => problem,
        });
    }

    /// Tells that a key is one of the language, and not built yet.
    pub fn tell_later_key(&self, key: &Node) {
        let name = key.text().unwrap_or_default();
        let title = format!("`{name}` is a key of the language that is not built yet");
        let problem = self.problem(key.span, title, "this would do nothing");
        self.tell(match today(name) {
            Some(help) => problem.help(help),
            None => problem.help("leave it out"),
        });
    }

    /// Tells that a key which every step has stands inside the action `step`.
    fn tell_inside(&self, entry: &Entry, step: &str) {
        let name = entry.name();
        let problem = self.problem(entry.key.span, format!("`{name}` stands inside `{step}`"), "it belongs beside it");
        self.tell(problem.help(format!("put `{name}: ...` on a line of its own, indented as `{step}:` is")));
    }

    /// Whether this is an alias that stands for nothing: that was told when the file was parsed.
    pub fn is_told(&self, node: &Node) -> bool {
        node.is_null() && self.source.text()[node.span.start..].starts_with('*')
    }

    /// How many problems there are by now.
    pub fn count(&self) -> usize {
        self.problems.borrow().len() + self.dropped.get()
    }

    /// All the problems, in the order of the file, each once: an alias can bring the same one
    /// several times.
    pub fn into_problems(self) -> Vec<Problem> {
        let (mut problems, dropped) = (self.problems.into_inner(), self.dropped.get());
        problems.sort_by_key(|problem| problem.places.first().map(|place| (place.line, place.column)));
        problems.dedup();
        if dropped > 0 {
            problems.push(Problem::new(format!("and {dropped} more problems")));
        }
        problems
    }
}

/// The passes over one value.
struct Passes<'d> {
    decoder: &'d Decoder<'d>,
    /// What failed and is left out, by address: the tree stands still while it is decoded.
    poisoned: RefCell<HashSet<*const Node>>,
    /// What has something poisoned in it.
    tainted: RefCell<HashSet<*const Node>>,
    /// Keys that maps turned out to lack, with the number of the stand-in that takes their place.
    missing: RefCell<HashMap<*const Node, Vec<(&'static str, usize)>>>,
    told: Cell<usize>,
}

impl<'d> Passes<'d> {
    fn new(decoder: &'d Decoder<'d>) -> Self {
        Passes {
            decoder,
            poisoned: RefCell::default(),
            tainted: RefCell::default(),
            missing: RefCell::default(),
            told: Cell::new(0),
        }
    }

    fn run<T: DeserializeOwned>(&self, node: &Node, key: Option<&Node>) -> Option<T> {
        let before = self.decoder.count();
        let mut left = None;
        loop {
            match self.value(NodeDe::new(self, node, key), PhantomData::<T>) {
                Ok(value) => return (self.decoder.count() == before).then_some(value),
                Err(_) if self.is_left_out(node) || self.told.get() >= MAX_PROBLEMS => return None,
                Err(_) => {}
            }
            // Counted only where something failed.
            let left = left.get_or_insert_with(|| (MAX_VISITS / size(node)).clamp(MAX_PROBLEMS / 5, MAX_PASSES));
            *left -= 1;
            if *left == 0 {
                if self.decoder.count() == before {
                    let title = "there is more wrong here than can be told one by one";
                    self.decoder.tell(self.decoder.problem(node.span, title, "keys are missing in it"));
                }
                return None;
            }
        }
    }

    /// Decodes one value, and deals with its failure: the only place where one is told.
    fn value<'de, S: DeserializeSeed<'de>>(&self, de: NodeDe<'_>, seed: S) -> Result<S::Value, Failure> {
        if self.is_left_out(de.node) {
            return Err(Failure::LeftOut);
        }
        if self.decoder.is_told(de.node) {
            self.leave_out(de.node);
            return Err(Failure::LeftOut);
        }
        let result = seed.deserialize(de);
        self.settle(de, result)
    }

    fn settle<T>(&self, de: NodeDe<'_>, result: Result<T, Failure>) -> Result<T, Failure> {
        let node = de.node;
        let lacks = self.missing.borrow().contains_key(&std::ptr::from_ref(node));
        match result {
            Ok(value) if !lacks => return Ok(value),
            Err(Failure::Told) => {}
            Err(Failure::LeftOut) => self.leave_out(node),
            Err(Failure::Missing(field)) => {
                self.missing.borrow_mut().entry(node).or_default().push((field, 0));
            }
            Err(Failure::StandIn) if self.next_stand_in(node) => {}
            Ok(_) | Err(Failure::StandIn) => self.tell_missing(node),
            Err(Failure::Text(_)) if lacks => self.tell_missing(node),
            Err(Failure::Text(_)) if self.tainted.borrow().contains(&std::ptr::from_ref(node)) => self.leave_out(node),
            Err(Failure::Text(_)) if de.has_secret() => {
                let title = "the value of a secret is not one that fits here";
                let problem = self.decoder.problem(node.span, title, "this is `***`");
                self.tell(problem.help("what is wrong with it cannot be said without giving it away"), node);
            }
            Err(Failure::Text(text)) => self.tell(self.custom(node, &text), node),
            Err(Failure::Wrong(wrong)) => {
                let problem = self.decoder.problem(wrong.span, wrong.title, wrong.label);
                self.tell(wrong.help.into_iter().fold(problem, Problem::help), node);
            }
        }
        self.tainted.borrow_mut().insert(node);
        Err(Failure::Told)
    }

    /// What a type's own check says: its first line is the title, others are notes (`help: ...`) or
    /// the words beside the caret (`label: ...`).
    fn custom(&self, node: &Node, text: &str) -> Problem {
        let mut lines = text.lines();
        let problem = self.decoder.problem(node.span, lines.next().unwrap_or_default(), "");
        lines.fold(problem, |mut problem, line| match line.split_once(": ") {
            Some(("label", rest)) => {
                problem.places.iter_mut().for_each(|place| rest.clone_into(&mut place.label));
                problem
            }
            Some((kind @ ("help" | "note"), rest)) => problem.note(kind, rest),
            _ => problem.note("note", line),
        })
    }

    fn tell(&self, problem: Problem, node: &Node) {
        self.decoder.tell(problem);
        self.told.set(self.told.get() + 1);
        self.leave_out(node);
    }

    /// Tells the keys that a map lacks: not those whose value failed, and not those that are there
    /// with a typing error.
    fn tell_missing(&self, node: &Node) {
        let missing = self.missing.borrow_mut().remove(&std::ptr::from_ref(node)).unwrap_or_default();
        let unknown = || node.entries().iter().filter(|entry| self.is_left_out(&entry.key)).map(Entry::name);
        let fields: Vec<_> = missing
            .into_iter()
            .map(|(field, _)| field)
            .filter(|field| node.get(field).is_none() && !unknown().any(|name| did_you_mean(name, [*field]).is_some()))
            .collect();
        if fields.is_empty() {
            return self.leave_out(node);
        }
        let are = if fields.len() == 1 { "is" } else { "are" };
        let place = node.entries().first().map_or(node.span, |first| first.key.span);
        let title = format!("{} {are} missing", choices(fields, "and"));
        self.tell(self.decoder.problem(place, &title, format!("{title} here")), node);
    }

    /// Whether there is another stand-in to try for the key that was found missing last.
    fn next_stand_in(&self, node: &Node) -> bool {
        let mut missing = self.missing.borrow_mut();
        let Some((_, number)) = missing.get_mut(&std::ptr::from_ref(node)).and_then(|missing| missing.last_mut())
        else {
            return false;
        };
        *number += 1;
        *number < stand_in::TEXTS.len()
    }

    fn leave_out(&self, node: &Node) {
        self.poisoned.borrow_mut().insert(node);
    }

    fn is_left_out(&self, node: &Node) -> bool {
        self.poisoned.borrow().contains(&std::ptr::from_ref(node))
    }

    /// The lines of a map that are not left out.
    fn lines<'n>(&'n self, node: &'n Node) -> impl Iterator<Item = &'n Entry> {
        node.entries().iter().filter(|entry| !self.is_left_out(&entry.key) && !self.is_left_out(&entry.value))
    }

    /// Tells the keys of a map, which is the value of `key`, that are none of `known`, and leaves
    /// them out.
    fn unknown_keys(&self, node: &Node, key: Option<&Node>, known: &[&str]) {
        let step = key.and_then(Node::text).filter(|name| steps::find(name).is_some());
        for entry in node.entries() {
            if !known.contains(&entry.name()) && !self.is_left_out(&entry.key) {
                match step.filter(|_| COMMON_KEYS.contains(&entry.name())) {
                    Some(step) => self.decoder.tell_inside(entry, step),
                    None => self.decoder.tell_unknown_key(&entry.key, known),
                }
                self.leave_out(&entry.key);
            }
        }
    }
}

/// How many nodes there are in a tree.
fn size(node: &Node) -> usize {
    let items = node.items().iter().map(size).sum::<usize>();
    1 + items + node.entries().iter().map(|entry| 1 + size(&entry.value)).sum::<usize>()
}

/// A short form of what a user wrote, to be quoted in a message.
fn quoted(text: impl Display) -> String {
    let text = text.to_string();
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(40) {
        Some((at, _)) => format!("`{}...`", &line[..at]),
        None if line.len() < text.len() => format!("`{line}...`"),
        None => format!("`{line}`"),
    }
}

/// What a value is, in a word.
fn described(value: &Value) -> &'static str {
    match value {
        Value::Scalar { .. } => "a single value",
        Value::Seq(_) => "a list",
        Value::Map(_) => "a map",
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
