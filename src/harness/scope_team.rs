//! What a step can count on: what earlier steps have made, and what of a `team` step is there
//! whether people recover or `auto` does it in their place.

use super::{InTeam, Maker, NodeInfo, Part, Scope};
use crate::source::{Name, Span, Spanned};

impl NodeInfo {
    /// What is known of a node that is made in the drill, before its maker is looked at.
    pub fn made(span: Span, maker: Maker) -> Self {
        NodeInfo {
            span,
            maker,
            follows: None,
            archive_to: None,
            recovers_from: None,
            site: None,
            external: false,
            remade: false,
            promoted: false,
            in_team: None,
            decoded: true,
        }
    }
}

impl Scope<'_> {
    /// Whether a node is there at the step being resolved; tells if it is not.
    pub(super) fn is_made(&mut self, name: &Spanned<Name>, info: &NodeInfo) -> bool {
        if !self.is_in_reach("node", name, info.in_team, info.span) {
            return false;
        }
        let (title, label, made) = match info.maker {
            // What happens while that step is at work may stand before it.
            Maker::Step(index) | Maker::People { team: index, .. }
                if index >= self.index && self.at_work != Some(index) =>
            {
                (format!("node `{}` does not exist yet at this step", name.value), "used here", "made here, later")
            }
            Maker::People { auto: true, .. } => {
                let title = format!("node `{}` is not made by `auto`", name.value);
                (title, "an ordinary run, where nobody is there, has no such node", "people may make it")
            }
            _ => return true,
        };
        self.error_related(name.span, title, label, (info.span, made.to_owned()));
        false
    }

    /// Whether the step being resolved can count on what `name` refers to; tells if it is made in a
    /// part of a `team` step that may not be done. `what` is what it is: `node`, `step`; `made` is
    /// the part in which it is made, if that is one, and `at` its place in the file.
    pub(super) fn is_in_reach(&mut self, what: &str, name: &Spanned<Name>, made: Option<InTeam>, at: Span) -> bool {
        let Some(made) = made.filter(|made| !made.is_seen_from(self.in_team)) else { return true };
        let (title, label, help) = match (made.part, what) {
            (Part::Judge, _) => (
                format!("{what} `{}` may not be there yet", name.value),
                "used while people are at work",
                "what happens while people recover refers to what was there before the team step",
            ),
            (Part::Auto, "node") => (
                format!("node `{}` is made by `auto` alone", name.value),
                "people recover in their own way: in a firedrill there is no such node",
                "list it in `adopt`, and people are told that they may make a server of this name",
            ),
            (Part::Auto, _) => (
                format!("step `{}` is done by `auto` alone", name.value),
                "people recover in their own way: in a firedrill there is no such step",
                "refer to the team step or to one before it, and check what people leave: rows, nodes in `adopt`",
            ),
            (part, what) => (
                format!("{what} `{}` is {} by {part} alone", name.value, if what == "node" { "made" } else { "done" }),
                "an ordinary run leaves that out",
                "make it before the team step",
            ),
        };
        let place = self.source.place(at, "made here");
        let problem = self.error(name.span, title, label);
        *problem = problem.clone().at(place).help(help);
        false
    }
}
