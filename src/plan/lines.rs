//! The steps of a scenario in line, and the names that they bring.

use std::time::Duration;

use crate::harness::{IdInfo, Kind, Maker, NodeId, NodeInfo, Recovers, Scope, Spec, StepId};
use crate::journal::StepHead;
use crate::scenario::{Body, StepLine, Undecoded};
use crate::source::{Name, RefersTo, Regex, Source, Span, Spanned, VersionReq};
use crate::steps::AllSpec;

/// A step in its place, its names not looked up yet.
pub(super) struct Line {
    pub(super) head: StepHead,
    pub(super) id: Option<StepId>,
    pub(super) kind: &'static Kind,
    pub(super) spec: Box<dyn Spec>,
    pub(super) makes: Option<Spanned<Name>>,
    pub(super) action: Span,
    pub(super) id_span: Option<Span>,
    pub(super) deadline: Duration,
    pub(super) fails: Option<Spanned<Regex>>,
    pub(super) when: Option<VersionReq>,
    pub(super) finally: bool,
}

/// The steps in line, and what is left of those that could not be decoded.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) steps: Vec<Line>,
    pub(super) undecoded: Vec<Undecoded>,
}

impl Lines {
    /// Those of a scenario.
    pub(super) fn of(steps: Vec<StepLine>, finally: Vec<StepLine>, source: &Source) -> Self {
        let mut lines = Lines::default();
        lines.add(steps, false, None, source);
        lines.add(finally, true, None, source);
        lines
    }

    /// Puts steps in line: those of a group after it.
    fn add(&mut self, lines: Vec<StepLine>, finally: bool, group: Option<usize>, source: &Source) {
        for line in lines {
            let item = match line {
                StepLine::Step(item) => *item,
                StepLine::Undecoded(rest) => {
                    self.undecoded.push(rest);
                    continue;
                }
            };
            let index = self.steps.len();
            let (spec, lines): (Box<dyn Spec>, Vec<StepLine>) = match item.body {
                Body::Step(spec) => (spec, vec![]),
                Body::All(lines) => (Box::new(AllSpec {}), lines),
            };
            self.steps.push(Line {
                head: StepHead {
                    index,
                    id: item.common.id.as_ref().map(|id| id.value.to_string()),
                    kind: item.kind.name.to_owned(),
                    name: item.common.name.unwrap_or_default(),
                    line: source.line(item.action.start),
                    recovers: item.kind.recovers == Recovers::Always,
                    group,
                },
                id: item.common.id.as_ref().map(|id| StepId::from(&id.value)),
                kind: item.kind,
                spec,
                makes: item.makes,
                action: item.action,
                id_span: item.common.id.as_ref().map(|id| id.span),
                deadline: item.common.within.map_or(item.kind.deadline, |within| within.value.0),
                fails: item.common.expect.map(|expect| expect.value.fails),
                when: item.common.when.map(|when| when.postgres),
                finally,
            });
            self.add(lines, finally, Some(index), source);
        }
    }

    /// Notes every id and every node that a step makes, before the first step is resolved: a
    /// reference to a later step can then be told from one to nothing. Returns the nodes.
    pub(super) fn note_names(&self, scope: &mut Scope<'_>) -> Vec<NodeId> {
        let mut made: Vec<NodeId> = vec![];
        for line in &self.steps {
            let index = line.head.index;
            if let (Some(id), Some(span)) = (&line.id, line.id_span) {
                match scope.ids.get(id).cloned() {
                    Some(first) => {
                        let related = (first.span, "the first one".to_owned());
                        scope.error_related(span, format!("two steps have the id `{id}`"), "the second one", related);
                    }
                    None => {
                        let info = IdInfo { kind: Some(line.kind), decoded: true, span, index, repo: None };
                        scope.ids.insert(id.clone(), info);
                    }
                }
            }
            if let Some(node) = &line.makes
                && !scope.nodes.contains_key(node.as_str())
            {
                let id = NodeId::from(&node.value);
                scope.nodes.insert(id.clone(), made_by_step(node.span, index, true));
                made.push(id);
            }
        }
        made
    }
}

/// What is known of a node that a step makes.
fn made_by_step(span: Span, index: usize, decoded: bool) -> NodeInfo {
    NodeInfo {
        span,
        maker: Maker::Step(index),
        follows: None,
        archive_to: None,
        recovers_from: None,
        site: None,
        external: false,
        remade: false,
        promoted: false,
        decoded,
    }
}

/// Notes what the steps that could not be decoded would have brought: a reference to it is no error
/// of its own. `index` is where they stand as far as anyone knows.
pub(super) fn note_undecoded(undecoded: &[Undecoded], index: usize, scope: &mut Scope<'_>) {
    for rest in undecoded {
        if let Some(id) = &rest.id {
            match scope.ids.get(id.as_str()).cloned() {
                Some(other) => {
                    let (first, second) =
                        if other.span < id.span { (other.span, id.span) } else { (id.span, other.span) };
                    let title = format!("two steps have the id `{}`", id.value);
                    scope.error_related(second, title, "the second one", (first, "the first one".to_owned()));
                }
                None => {
                    let info = IdInfo { kind: rest.kind, decoded: false, span: id.span, index, repo: None };
                    scope.ids.insert(StepId::from(&id.value), info);
                }
            }
        }
        // A node that another step makes, too, is known by that one: which of them comes first is
        // not certain.
        if let Some(node) = &rest.makes {
            match scope.nodes.get_mut(node.as_str()) {
                Some(known) if known.maker != Maker::Start => known.decoded = false,
                Some(_) => {}
                None => {
                    scope.nodes.insert(NodeId::from(&node.value), made_by_step(node.span, index, false));
                }
            }
        }
    }
}

/// Looks up what the steps that could not be decoded refer to: a name that nothing has is an error
/// whatever else is wrong.
pub(super) fn check_references(undecoded: &[Undecoded], scope: &mut Scope<'_>) {
    for (to, name) in undecoded.iter().flat_map(|rest| &rest.refers) {
        match to {
            RefersTo::Node => drop(scope.named_node(name)),
            RefersTo::Repo => drop(scope.repo(name)),
            RefersTo::Step => drop(scope.any_step(name)),
            // What lies in a repo nobody knows yet.
            RefersTo::Backup if scope.may_be_in_a_repo(name.as_str(), None) => {}
            RefersTo::Backup => drop(scope.any_step(name)),
        }
    }
    scope.refers.clear();
}
