//! What the passes over a value have found: what is left out from the next one on.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use super::failure::Failure;
use super::given::Given;
use super::stand_in;
use crate::journal::Problem;
use crate::scenario::node::{Entry, Node};
use crate::scenario::problems::Problems;
use crate::scenario::unknown_key::tell_unknown_line;
use crate::source::{choices, did_you_mean};

/// How many problems are told of one decoded value, unknown keys aside.
pub(super) const MAX_PROBLEMS: usize = 100;

/// The passes over one value.
pub(super) struct Passes<'d> {
    pub problems: &'d Problems<'d>,
    /// What failed and is left out, by address: the tree stands still while it is decoded.
    poisoned: RefCell<HashSet<*const Node>>,
    /// What has something poisoned in it.
    tainted: RefCell<HashSet<*const Node>>,
    /// Keys that maps turned out to lack, with the number of the stand-in that takes their place.
    missing: RefCell<HashMap<*const Node, Vec<(&'static str, usize)>>>,
    told: Cell<usize>,
}

impl<'d> Passes<'d> {
    pub(super) fn new(problems: &'d Problems<'d>) -> Self {
        Passes {
            problems,
            poisoned: RefCell::default(),
            tainted: RefCell::default(),
            missing: RefCell::default(),
            told: Cell::new(0),
        }
    }

    /// Whether there is no use in another pass over `node`, after one that failed.
    pub(super) fn are_over(&self, node: &Node) -> bool {
        self.is_left_out(node) || self.told.get() >= MAX_PROBLEMS
    }

    /// Whether a value is to be decoded in this pass.
    pub(super) fn enter(&self, node: &Node) -> Result<(), Failure> {
        if self.is_left_out(node) {
            return Err(Failure::LeftOut);
        }
        if self.problems.is_told(node) {
            self.leave_out(node);
            return Err(Failure::LeftOut);
        }
        Ok(())
    }

    /// Deals with what decoding a value came to: the only place where a failure is told.
    pub(super) fn settle<T>(&self, given: Given<'_>, result: Result<T, Failure>) -> Result<T, Failure> {
        let node = given.node;
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
            Err(Failure::Text(_)) if given.has_secret() => {
                let title = "the value of a secret is not one that fits here";
                let problem = self.problems.problem(node.span, title, "this is `***`");
                self.tell(problem.help("what is wrong with it cannot be said without giving it away"), node);
            }
            Err(Failure::Text(text)) => self.tell(self.custom(node, &text), node),
            Err(Failure::Wrong(all)) => {
                for wrong in all {
                    if wrong.unset {
                        self.problems.note_unset();
                        self.told.set(self.told.get() + 1);
                        self.leave_out(node);
                        continue;
                    }
                    let problem = self.problems.problem(wrong.span, wrong.title, wrong.label);
                    self.tell(wrong.help.into_iter().fold(problem, Problem::help), node);
                }
            }
        }
        self.tainted.borrow_mut().insert(node);
        Err(Failure::Told)
    }

    /// What a type's own check says: its first line is the title, others are notes (`help: ...`) or
    /// the words beside the caret (`label: ...`).
    fn custom(&self, node: &Node, text: &str) -> Problem {
        let mut lines = text.lines();
        let problem = self.problems.problem(node.span, lines.next().unwrap_or_default(), "");
        lines.fold(problem, |mut problem, line| match line.split_once(": ") {
            Some(("label", rest)) => {
                problem.places.iter_mut().take(1).for_each(|place| rest.clone_into(&mut place.label));
                problem
            }
            Some((kind @ ("help" | "note"), rest)) => problem.note(kind, rest),
            _ => problem.note("note", line),
        })
    }

    fn tell(&self, problem: Problem, node: &Node) {
        self.problems.tell(problem);
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
        self.tell(self.problems.problem(place, &title, format!("{title} here")), node);
    }

    /// The keys that a map turned out to lack, with the numbers of their stand-ins.
    pub(super) fn missing(&self, node: &Node) -> Vec<(&'static str, usize)> {
        self.missing.borrow().get(&std::ptr::from_ref(node)).cloned().unwrap_or_default()
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

    pub(super) fn leave_out(&self, node: &Node) {
        self.poisoned.borrow_mut().insert(node);
    }

    pub(super) fn is_left_out(&self, node: &Node) -> bool {
        self.poisoned.borrow().contains(&std::ptr::from_ref(node))
    }

    /// The lines of a map that are not left out.
    pub(super) fn lines<'n>(&'n self, node: &'n Node) -> impl Iterator<Item = &'n Entry> {
        node.entries().iter().filter(|entry| !self.is_left_out(&entry.key) && !self.is_left_out(&entry.value))
    }

    /// Tells the keys of a map, which is the value of `key`, that are none of `known`, and leaves
    /// them out.
    pub(super) fn unknown_keys(&self, node: &Node, key: Option<&Node>, known: &[&str]) {
        for entry in node.entries() {
            if !known.contains(&entry.name()) && !self.is_left_out(&entry.key) {
                tell_unknown_line(self.problems, entry, key, known);
                self.leave_out(&entry.key);
            }
        }
    }
}
