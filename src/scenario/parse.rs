//! YAML text into a tree with places: the one file that knows the YAML crate.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, StructureStyle};

use super::node::{Entry, Node, Style, Value};
use crate::journal::Problem;
use crate::source::ScalarKind as Kind;
use crate::source::{Source, Span};

/// How deep lists and maps may be nested, those that aliases bring included.
const MAX_DEPTH: usize = 64;
/// How many values a file may have, with its aliases expanded: a bomb of 340 kB would cost 4 GB.
const MAX_NODES: usize = 100_000;
/// How many problems of a file are told.
const MAX_PROBLEMS: usize = 100;
/// From how many lines on a map's keys are hashed rather than compared one by one.
const MANY_KEYS: usize = 16;

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
                let problem = tree.told(&error);
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

    /// What the YAML crate says, in plain words.
    fn told(&self, error: &ScanError) -> Problem {
        let (at, kind) = (byte(self.source, error.marker()), error.kind());
        if matches!(kind, ErrorKind::RecursionLimitExceeded) {
            return too_deep(self.source, Span { start: at, end: at });
        }
        if let Some(tab) = tab(self.source.text(), at, kind) {
            let problem = self.problem(tab, "a tab is used for indentation", "this is a tab");
            return problem.help("YAML knows only spaces here: put two of them for each tab");
        }
        let (title, label, help) = words(kind);
        let at = exactly(self.source.text(), at, kind);
        // `rows: ${params.rows}` inside brackets: to YAML, a text `$` and a map after it.
        if let Some(rest) =
            self.source.text()[at..].strip_prefix('{').filter(|_| self.source.text()[..at].ends_with('$'))
        {
            let end = rest.find(['}', '\n']).map_or(at, |length| at + length + 2).min(self.source.text().len());
            let problem =
                self.problem(Span { start: at - 1, end }, "a reference inside brackets needs quotes", "this one");
            let reference = self.source.text().get(at - 1..end).unwrap_or_default();
            return problem.help(format!("write `\"{}\"`", reference.trim_end()));
        }
        let mut problem = self.problem(Span { start: at, end: at }, title, label);
        // A bracket that is not closed makes the lines after it look wrong.
        let open = self.stack.iter().rfind(|frame| frame.style == StructureStyle::Flow);
        if let Some(open) = open.filter(|open| self.source.line(open.span.start) < self.source.line(at)) {
            let bracket = Span { start: open.span.start, end: open.span.start };
            problem = problem.at(self.source.place(bracket, "is this bracket closed?"));
        }
        if help.is_empty() { problem } else { problem.help(help) }
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

/// Where a marker points to: a byte on a character's boundary.
fn byte(source: &Source, marker: &Marker) -> usize {
    let text = source.text();
    let found = marker
        .byte_offset()
        .or_else(|| text.char_indices().nth(marker.index()).map(|(at, _)| at))
        .unwrap_or(text.len())
        .min(text.len());
    (0..=found).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// What is wrong with a key.
fn wrong_key(source: &Source, key: &Node) -> Option<Problem> {
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
fn twice(source: &Source, key: &Node, entries: &[Entry], index: &mut HashMap<String, Span>) -> Option<Problem> {
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

fn too_deep(source: &Source, span: Span) -> Problem {
    Problem::new(format!("lists and maps are nested deeper than {MAX_DEPTH} levels"))
        .at(source.place(Span { start: span.start, end: span.start }, "this is one level too deep"))
}

/// The tab that an error is about: in front of its line, or, where the crate speaks of tabs, the
/// next one.
fn tab(text: &str, at: usize, kind: &ErrorKind) -> Option<Span> {
    use ErrorKind as E;
    let tabs = matches!(
        kind,
        E::TabInIndentation
            | E::TabInBlockIndentation
            | E::TabNotAllowed
            | E::TabAtBlockScalarStart
            | E::TabInPlainScalar
    );
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = &text[start..];
    let blank = |text: &str, blanks: &[char]| text.len() - text.trim_start_matches(blanks).len();
    let indent = start..start + blank(line, &[' ', '\t']);
    let found = text[indent.clone()].find('\t').map(|tab| indent.start + tab);
    // It may point at the value that goes on behind the tab.
    let found = found.or_else(|| text[at..].find('\t').filter(|_| tabs).map(|tab| at + tab))?;
    Some(Span { start: found, end: found + blank(&text[found..], &['\t']) })
}

/// A place that is more exact than the crate's.
fn exactly(text: &str, at: usize, kind: &ErrorKind) -> usize {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    match kind {
        // The crate points at the opening quote.
        ErrorKind::UnknownQuotedScalarEscape => {
            let mut rest = text[at..].match_indices('\\').map(|(found, _)| at + found);
            while let Some(found) = rest.next() {
                match text[found + 1..].chars().next() {
                    Some('\\') => {
                        rest.next();
                    }
                    Some(known) if "0abtnvfre \"/N_LPxuU\r\n\t".contains(known) => {}
                    _ => return found,
                }
            }
            at
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry | ErrorKind::InvalidIndentation => {
            let indent = text[start..].len() - text[start..].trim_start_matches(' ').len();
            at.min(start + indent)
        }
        _ => at,
    }
}

/// Title, label and help for an error of the YAML crate.
fn words(kind: &ErrorKind) -> (String, &'static str, &'static str) {
    use ErrorKind as E;
    let (title, label, help) = match kind {
        E::UnclosedQuotedScalar | E::DocumentIndicatorInQuotedScalar => (
            "a quote is not closed",
            "it is opened here",
            "close it; a quote inside quotes is written twice ('it''s') or escaped (\"a \\\" b\")",
        ),
        E::UnclosedFlowCollection { open } => {
            return (format!("`{open}` is not closed"), "it is opened here", "");
        }
        E::MismatchedFlowCollectionEnd { open, close } => {
            return (format!("`{open}` is closed by `{close}`"), "the wrong bracket", "");
        }
        E::MisplacedFlowCollectionEnd => (
            "a bracket is closed that was not opened",
            "nothing is open here",
            "text that begins with a bracket needs quotes",
        ),
        E::TabInIndentation
        | E::TabInBlockIndentation
        | E::TabNotAllowed
        | E::TabAtBlockScalarStart
        | E::TabInPlainScalar => {
            ("a tab is used where YAML knows only spaces", "this is a tab", "put spaces in its place")
        }
        E::InvalidIndentation
        | E::ExpectedBlockMappingKey
        | E::ExpectedBlockSequenceEntry
        | E::InvalidQuotedScalarIndent
        | E::InvalidFlowScalarIndent
        | E::InvalidBlockScalarIndent
        | E::MappingKeyNotAllowed => (
            "the indentation does not fit what is above",
            "this belongs to nothing",
            "lines that belong together begin in the same column",
        ),
        E::BlockSequenceEntryNotAllowed | E::BlockEntryInFlowCollection => (
            "a list's `-` cannot stand here",
            "this `-`",
            "a list begins on a line of its own; inside brackets members are divided by commas",
        ),
        E::MappingValueNotAllowed | E::InvalidColonPlacement => (
            "a `:` cannot stand here",
            "this `:`",
            "text that contains `: ` needs quotes; if this is a key, see whether its line begins where it should",
        ),
        E::FlowMappingValueAdjacentCollection | E::InvalidMappingValueWhitespace => {
            ("a space is missing after `:`", "here", "write `key: value`")
        }
        E::SimpleKeyExpected | E::InvalidSimpleKey => (
            "a key without its `:`",
            "this is neither a key nor a part of what is above",
            "write `key: value`; a text of several lines begins with `|` or `>`",
        ),
        E::ExpectedFlowMappingSeparator | E::UnexpectedEofFlowMapping | E::UnexpectedEofImplicitFlowMapping => {
            ("expected `,` or `}`", "found this", "text with `,`, `:`, `{` or `}` in it needs quotes")
        }
        E::ExpectedFlowSequenceSeparator | E::UnexpectedEofFlowSequence => {
            ("expected `,` or `]`", "found this", "text with `,`, `:`, `[` or `]` in it needs quotes")
        }
        E::UnexpectedCharacter { character: '`' } => {
            ("a value cannot begin with a backtick", "here", "put it in quotes")
        }
        E::UnexpectedCharacter { character } => {
            return (format!("a value cannot begin with `{}`", character.escape_default()), "here", "put it in quotes");
        }
        E::PlainScalarStartsWithDashFlowIndicator => ("a value cannot begin with `-` here", "here", "put it in quotes"),
        E::InvalidTrailingSingleQuotedScalar | E::InvalidTrailingDoubleQuotedScalar => (
            "there is text after a closing quote",
            "this is outside the quotes",
            "put the whole value in quotes; a quote inside is written twice ('it''s') or escaped (\"a \\\" b\")",
        ),
        E::UnknownQuotedScalarEscape
        | E::InvalidQuotedScalarHexEscape
        | E::InvalidLowSurrogateHexEscape
        | E::InvalidLowSurrogate
        | E::MissingLowSurrogate
        | E::UnpairedLowSurrogate
        | E::InvalidUnicodeEscape => (
            "an escape that YAML does not know",
            "here",
            "in double quotes `\\` begins an escape: write `\\\\`, or use single quotes, where it is only a character",
        ),
        E::UndeclaredTagHandle
        | E::ExpectedTagBang
        | E::InvalidTagTerminator
        | E::InvalidGlobalTagCharacter
        | E::MissingTagUri => ("tags are not supported", "`!` begins a tag", "text that begins with `!` needs quotes"),
        E::MissingAnchorOrAliasName => {
            ("a name is missing after `&` or `*`", "here", "text that begins with `&` or `*` needs quotes")
        }
        E::CommentNotSeparated | E::CommentInterceptedScalar => {
            ("a comment cannot stand here", "this `#`", "put a space before `#`, or the text in quotes")
        }
        E::InvalidBlockScalarHeader | E::ZeroBlockScalarIndent => (
            "text of several lines begins on the next line",
            "after `|` or `>`",
            "text that begins with `|` or `>` needs quotes",
        ),
        E::UnexpectedEof | E::UnexpectedEofBlockSequence | E::UnexpectedEofBlockMapping => {
            ("the file ends in the middle of something", "here", "")
        }
        other => return (format!("this is not YAML: {other}"), "here", ""),
    };
    (title.to_owned(), label, help)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
