//! YAML text into a tree with places. Nothing outside of this module knows the YAML crate.

mod error;
mod key;
mod place;
mod words;

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};

use super::node::{Entry, Node, Style, Value};
use crate::journal::Problem;
use crate::source::{Source, Span};
use error::{MAX_DEPTH, too_deep};
use key::{twice, wrong_key};
use place::byte;

/// How many values a file may have, with its aliases expanded: a bomb of 340 kB would cost 4 GB.
const MAX_NODES: usize = 100_000;
/// How many problems of a file are told.
const MAX_PROBLEMS: usize = 100;
/// What was found in a file.
#[derive(Debug)]
pub struct Parsed {
    /// The tree, where there is one. With `problems` it lacks what they are about; there may be
    /// more to tell about the rest.
    pub root: Option<Node>,
    /// What is wrong with the YAML. A file with problems is not to be run.
    pub problems: Vec<Problem>,
}

/// Parses a scenario's text.
pub fn parse(source: &Source) -> Parsed {
    let mut options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    options.set_emit_comments(false);
    let mut tree =
        Tree { source, problems: vec![], stack: vec![], root: None, documents: 0, anchors: HashMap::new(), nodes: 0 };
    // To YAML it ends a line, to editors it does not: nobody would find the place that a message
    // names.
    let ends = source.text().match_indices('\r').map(|(at, _)| at);
    if let Some(at) = ends.into_iter().find(|at| !source.text()[at + 1..].starts_with('\n')) {
        let here = Span { start: at, end: at };
        let problem = tree.problem(here, "a line ends in a carriage return alone", "here");
        tree.tell(problem.help("save the file with the line ends of Unix (LF) or Windows (CR LF)"));
        return tree.finish(false);
    }
    let mut parser = Parser::new_from_str_with_options(source.text(), options);
    let whole = loop {
        match parser.next_event() {
            None => break true,
            Some(Ok((event, span))) => match tree.event(event, span) {
                Step::On => {}
                Step::Enough => break true,
                Step::Fatal => break false,
            },
            Some(Err(error)) => {
                let problem = error::problem(source, &error, tree.open_bracket());
                tree.problems.push(problem);
                break false;
            }
        }
    };
    tree.finish(whole)
}

/// Whether to go on after an event.
enum Step {
    On,
    /// There is a problem, and a tree all the same.
    Enough,
    /// There is no use in the tree.
    Fatal,
}

struct Tree<'s> {
    source: &'s Source,
    problems: Vec<Problem>,
    stack: Vec<Frame>,
    root: Option<Node>,
    documents: usize,
    /// By the parser's number. `None` as long as the anchored value is not at its end.
    anchors: HashMap<usize, Option<Anchored>>,
    /// How many there are in the tree and in `anchors`.
    nodes: usize,
}

/// A list or map that is not at its end.
struct Frame {
    span: Span,
    style: StructureStyle,
    anchor: usize,
    /// What `Tree::nodes` was before it.
    nodes: usize,
    /// How deep its members are.
    depth: usize,
    members: Members,
}

enum Members {
    Seq(Vec<Node>),
    Map { entries: Vec<Entry>, key: Pending, index: HashMap<String, Span> },
}

enum Pending {
    Key,
    /// `None` where the key is wrong, and so the value is dropped.
    Value(Option<Node>),
}

struct Anchored {
    node: Node,
    nodes: usize,
    depth: usize,
}

impl Tree<'_> {
    fn event(&mut self, event: Event<'_>, at: granit_parser::Span) -> Step {
        let span = self.span(&at);
        let tag = at.tag_span().map(|tag| self.span(&tag));
        if matches!(
            &event,
            Event::Scalar(.., Some(_)) | Event::SequenceStart(.., Some(_)) | Event::MappingStart(.., Some(_))
        ) {
            let problem = self.problem(tag.unwrap_or(span), "tags are not supported", "take it away");
            self.tell(
                problem.help("a value in quotes is text; a plain one is a number, `true`, `false`, null or text"),
            );
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let problem = self.problem(span, "a second document in one file", "it begins here");
                    self.tell(problem.help("one file is one drill: put it into a file of its own"));
                    return Step::Enough;
                }
                Step::On
            }
            Event::Scalar(text, style, anchor, _) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let before = self.nodes;
                let span = if style == Style::Block { self.without_end(span) } else { span };
                // The crate says `~` where nothing is written.
                let nothing = style == Style::Plain && span.start == span.end;
                let text = if nothing { String::new() } else { text.into_owned() };
                let node = Node { span, value: Value::Scalar { text, style } };
                match self.count(1, span) {
                    Step::On => self.done(node, anchor, before, 0),
                    stop => stop,
                }
            }
            Event::SequenceStart(style, anchor, _) => self.open(span, style, anchor, Members::Seq(vec![])),
            Event::MappingStart(style, anchor, _) => self.open(
                span,
                style,
                anchor,
                Members::Map { entries: vec![], key: Pending::Key, index: HashMap::new() },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::UnresolvedAlias(name) => {
                let problem = self.problem(span, format!("there is no anchor `&{name}` before this"), "no such anchor");
                self.tell(problem.help("`*` begins an alias: text that begins with it needs quotes"));
                self.done(null(span), 0, self.nodes, 0)
            }
            _ => Step::On,
        }
    }

    fn open(&mut self, span: Span, style: StructureStyle, anchor: usize, members: Members) -> Step {
        if self.stack.len() >= MAX_DEPTH {
            let problem = too_deep(self.source, span);
            self.tell(problem);
            return Step::Fatal;
        }
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
        self.stack.push(Frame { span, style, anchor, nodes: self.nodes, depth: 0, members });
        self.count(1, span)
    }

    fn close(&mut self, end: Span) -> Step {
        let Some(frame) = self.stack.pop() else { return Step::On };
        let last = match &frame.members {
            Members::Seq(items) => items.last().map(|item| item.span),
            Members::Map { entries, .. } => entries.last().map(|entry| entry.key.span.to(entry.value.span)),
        };
        // A block's end is told where the next token is: some lines too late.
        let span = match (frame.style, last) {
            (StructureStyle::Flow, _) => frame.span.to(end),
            (StructureStyle::Block, Some(last)) => frame.span.to(last),
            (StructureStyle::Block, None) => frame.span,
        };
        let value = match frame.members {
            Members::Seq(items) => Value::Seq(items),
            Members::Map { entries, .. } => Value::Map(entries),
        };
        self.done(Node { span, value }, frame.anchor, frame.nodes, frame.depth + 1)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Step {
        let (mut node, nodes, depth) = match self.anchors.get(&anchor) {
            Some(Some(Anchored { node, nodes, depth })) => {
                if self.nodes + nodes > MAX_NODES {
                    let title = format!("with its aliases expanded the file has more than {MAX_NODES} values");
                    let problem = self.problem(span, title, "this alias is one too many");
                    self.tell(problem);
                    return Step::Fatal;
                }
                if self.stack.len() + depth > MAX_DEPTH {
                    let problem = too_deep(self.source, span);
                    self.tell(problem);
                    return Step::Fatal;
                }
                (node.clone(), *nodes, *depth)
            }
            Some(None) => {
                let problem =
                    self.problem(span, "an alias stands inside the value that it refers to", "this has no end");
                self.tell(problem);
                (null(span), 1, 0)
            }
            None => (null(span), 1, 0),
        };
        // What is told about the value as a whole belongs where it is used.
        node.span = span;
        let before = self.nodes;
        self.nodes += nodes;
        self.done(node, 0, before, depth)
    }

    /// A value is at its end: it goes where it belongs.
    fn done(&mut self, node: Node, anchor: usize, before: usize, depth: usize) -> Step {
        if anchor != 0 {
            let nodes = self.nodes - before;
            // The copy counts: anchors within anchors would cost memory without any alias.
            if let stop @ (Step::Enough | Step::Fatal) = self.count(nodes, node.span) {
                return stop;
            }
            self.anchors.insert(anchor, Some(Anchored { node: node.clone(), nodes, depth }));
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Step::On;
        };
        frame.depth = frame.depth.max(depth);
        let problem = match &mut frame.members {
            Members::Seq(items) => {
                items.push(node);
                None
            }
            Members::Map { entries, key, index } => match std::mem::replace(key, Pending::Key) {
                Pending::Value(key) => {
                    entries.extend(key.map(|key| Entry { key, value: node }));
                    None
                }
                Pending::Key => {
                    let problem = wrong_key(self.source, &node).or_else(|| twice(self.source, &node, entries, index));
                    *key = Pending::Value(problem.is_none().then_some(node));
                    problem
                }
            },
        };
        problem.into_iter().for_each(|problem| self.tell(problem));
        Step::On
    }

    fn count(&mut self, nodes: usize, span: Span) -> Step {
        self.nodes += nodes;
        if self.nodes <= MAX_NODES {
            return Step::On;
        }
        let title = format!("the file has more than {MAX_NODES} values");
        let problem = self.problem(span, title, "this is one too many");
        self.tell(problem.help("data belongs in a file of its own: `create_data: { file: ... }`"));
        Step::Fatal
    }

    fn finish(mut self, whole: bool) -> Parsed {
        if !whole {
            self.root = None;
        } else if self.documents < 2
            && self.root.as_ref().is_none_or(|root| root.is_null() && root.span.start == root.span.end)
        {
            let problem =
                self.problem(Span::default(), "the file is empty", "there is nothing but comments and blank lines");
            self.tell(
                problem.help("a scenario begins with `drillyard: 1`; `drillyard new NAME` writes one to start from"),
            );
            self.root = None;
        }
        let dropped = self.problems.len().saturating_sub(MAX_PROBLEMS);
        if dropped > 0 {
            self.problems.truncate(MAX_PROBLEMS);
            self.problems.push(Problem::new(format!("and {dropped} more problems like these")));
        }
        Parsed { root: self.root, problems: self.problems }
    }

    fn span(&self, span: &granit_parser::Span) -> Span {
        let (start, end) = (byte(self.source, &span.start), byte(self.source, &span.end));
        Span { start, end: end.max(start) }
    }

    /// A block scalar without the blank lines after it.
    fn without_end(&self, span: Span) -> Span {
        let text = self.source.text().get(span.start..span.end).unwrap_or_default();
        Span { start: span.start, end: span.start + text.trim_end().len() }
    }

    /// The innermost bracket that is open.
    fn open_bracket(&self) -> Option<Span> {
        self.stack.iter().rfind(|frame| frame.style == StructureStyle::Flow).map(|frame| frame.span)
    }

    fn problem(&self, span: Span, title: impl Into<String>, label: impl Into<String>) -> Problem {
        Problem::new(title).at(self.source.place(span, label))
    }

    fn tell(&mut self, problem: Problem) {
        // Not kept once there are too many of them: each carries its line.
        match self.problems.len() <= MAX_PROBLEMS {
            true => self.problems.push(problem),
            false => self.problems.push(Problem::new("")),
        }
    }
}

fn null(span: Span) -> Node {
    Node { span, value: Value::Scalar { text: String::new(), style: Style::Plain } }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
