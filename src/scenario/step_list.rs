//! A list of steps, each with its common keys.

use serde::de::DeserializeOwned;

use super::action;
use super::decode::Decoder;
use super::keys::COMMON_KEYS;
use super::model::{Body, Common, StepItem, StepLine, Undecoded};
use super::node::{Entry, Node, Value};
use crate::harness::{Decode, Kind, Role};
use crate::source::{Name, Spanned, choices};
use crate::steps::{self, KINDS};

/// Where a list of steps stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Steps,
    Finally,
    /// Inside the group `all`.
    All,
}

/// The steps of a list; what is wrong with one of them is told, and what is left of it kept.
pub(super) fn decode(decoder: &Decoder<'_>, list: &Entry, place: Place) -> Vec<StepLine> {
    let (items, problems) = (list.value.items(), decoder.problems());
    if items.is_empty() {
        let name = list.name();
        let (title, label) = match place {
            _ if !list.value.is_null() && !matches!(list.value.value, Value::Seq(_)) => {
                (format!("`{name}` is not a list"), "expected a list of steps, each with `- `")
            }
            Place::All => ("`all` has no judgements".to_owned(), "a list without lines judges nothing"),
            Place::Steps | Place::Finally => {
                (format!("`{name}` has no steps"), "expected a list of steps, each with `- `")
            }
        };
        let span = if list.value.is_null() { list.key.span } else { list.value.span };
        problems.tell(problems.problem(span, title, label));
    }
    items.iter().map(|item| decode_step(decoder, item, place)).collect()
}

fn decode_step(decoder: &Decoder<'_>, item: &Node, place: Place) -> StepLine {
    let problems = decoder.problems();
    let common = (!item.entries().is_empty()).then(|| decode_common(decoder, item)).flatten();
    let action = action::find(problems, item);
    // An id that is there and cannot be decoded: the step is not one without an id either.
    let salvaged = || item.get("id").and_then(|id| decoder.quiet().decode_entry::<Spanned<Name>>(id));
    let kind = action.and_then(|action| steps::find(action.name()));
    decoder.take_references();
    let makes = kind.zip(action).and_then(|(kind, action)| makes(decoder, kind, action));
    let undecoded = |id: Option<Spanned<Name>>, makes| {
        StepLine::Undecoded(Undecoded { kind, id, makes, refers: decoder.take_references() })
    };
    let (Some(action), Some(kind)) = (action, kind) else { return undecoded(salvaged(), makes) };
    let body = match kind.role {
        Role::Group if place == Place::All => {
            let problem =
                problems.problem(action.key.span, "`all` does not stand in `all`", "list the judgements directly");
            problems.tell(problem);
            None
        }
        Role::Group => Some(Body::All(decode(decoder, action, Place::All))),
        _ => steps::decode(kind.name, Fields { decoder, action }).map(Body::Step),
    };
    if place == Place::All && !matches!(kind.role, Role::Check | Role::Group) {
        let problem = problems.problem(action.key.span, "`all` holds judgements", format!("`{}` is none", kind.name));
        let judges = KINDS.iter().filter(|kind| kind.role == Role::Check).map(|kind| kind.name);
        problems.tell(problem.help(format!("judgements are {}", choices(judges, "and"))));
    }
    let common = match common {
        Some(common) => common,
        None => match (item.get("id"), salvaged()) {
            (Some(_), None) => return undecoded(None, makes),
            (_, id) => Common { id, ..Common::default() },
        },
    };
    match body {
        Some(body) => StepLine::Step(Box::new(StepItem { kind, action: action.key.span, common, makes, body })),
        None => undecoded(common.id, makes),
    }
}

fn decode_common(decoder: &Decoder<'_>, item: &Node) -> Option<Common> {
    decoder.decode_without(item, |key| !COMMON_KEYS.contains(&key))
}

/// The node that the fields of a step name as one to be made, whatever else is wrong with them.
fn makes(decoder: &Decoder<'_>, kind: &Kind, action: &Entry) -> Option<Spanned<Name>> {
    let (fields, makes) = (&action.value, kind.makes?);
    if let Some(with) = makes.with {
        fields.get(with).filter(|entry| !entry.value.is_null())?;
    }
    fields.get(makes.field).and_then(|node| decoder.quiet().decode_entry(node))
}

/// Hands a step's fields to whichever kind they are for.
struct Fields<'d> {
    decoder: &'d Decoder<'d>,
    action: &'d Entry,
}

impl Decode for Fields<'_> {
    fn decode<T: DeserializeOwned>(self) -> Option<T> {
        self.decoder.decode_entry(self.action)
    }
}
