//! A `team` step, once the steps inside it are in line.

use std::time::Duration;

use super::people::{Hint, Inject, Trap};
use crate::harness::{InTeam, Maker, NodeId, NodeInfo, Part, Scope};
use crate::source::Span;
use crate::steps::TeamSpec;

/// A `team` step: what people are told, and where its lines are.
pub(super) struct TeamLine {
    /// Its index.
    pub(super) index: usize,
    /// Where its action stands.
    pub(super) action: Span,
    /// Whether something is done in people's place, and all of it is known.
    pub(super) auto: bool,
    /// All but the steps in it.
    pub(super) spec: TeamSpec,
    /// The indices of its checks, without the lines of an `all`.
    pub(super) judge: Vec<usize>,
    /// What comes in between.
    pub(super) injects: Vec<Inject>,
    /// Second accidents.
    pub(super) traps: Vec<Trap>,
    /// How long people have, if it says so.
    pub(super) within: Option<Duration>,
}

impl TeamLine {
    /// Notes that people may make its servers. Returns those that no step makes.
    pub(super) fn adopt(&self, scope: &mut Scope<'_>) -> Vec<NodeId> {
        let by_auto = InTeam { team: self.index, part: Part::Auto };
        let for_all = Some(InTeam { team: self.index, part: Part::Judge });
        let mut new = vec![];
        for name in &self.spec.adopt {
            match scope.nodes.get_mut(name.as_str()) {
                None => {
                    let id = NodeId::from(&name.value);
                    let maker = Maker::People { team: self.index, auto: self.auto };
                    scope.nodes.insert(id.clone(), NodeInfo { in_team: for_all, ..NodeInfo::made(name.span, maker) });
                    new.push(id);
                }
                Some(info) if info.in_team == Some(by_auto) => info.in_team = for_all,
                Some(info) if info.in_team == for_all => {
                    let first = (info.span, "made here".to_owned());
                    scope.error_related(name.span, format!("`{}` is adopted twice", name.value), "once more", first);
                }
                Some(info) => {
                    let made = (info.span, "named here".to_owned());
                    let title = format!("node `{}` is not made by people", name.value);
                    scope.error_related(name.span, title, "there is nothing to adopt: leave it out", made);
                }
            }
        }
        new
    }

    /// The servers that people may make.
    pub(super) fn adopted(&self) -> Vec<NodeId> {
        self.spec.adopt.iter().map(|name| NodeId::from(&name.value)).collect()
    }

    /// What people are told at the start.
    pub(super) fn brief(&self) -> Option<String> {
        self.spec.brief.as_ref().map(|brief| brief.value.trim().to_owned())
    }

    /// Its hints.
    pub(super) fn hints(&self) -> Vec<Hint> {
        let hints = self.spec.hints.iter().map(|hint| Hint {
            text: hint.text.value.trim().to_owned(),
            costs: hint.costs,
            after: hint.after.map(|after| after.0).unwrap_or_default(),
        });
        hints.collect()
    }
}
