//! A list of steps, each with its common keys, and the lists inside a step.

use serde::de::DeserializeOwned;

use super::action;
use super::decode::Decoder;
use super::ids::MAX_ID;
use super::keys::{COMMON_KEYS, GO_WITH_USE, USE, WITH};
use super::model::{Body, Common, InjectLines, StepItem, StepLine, TeamLines, Undecoded, When};
use super::node::{Entry, Node, Value};
use super::problems::Problems;
use crate::harness::{Decode, Kind, Role};
use crate::source::{Name, Several, Span, Spanned, choices};
use crate::steps::{self, InjectSpec, KINDS, TeamSpec, TrapSpec};

/// Where a list of steps stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Steps,
    Finally,
    /// Inside the group `all`.
    All,
    /// The checks of a `team`.
    Judge,
    /// The steps of a `team`.
    Team,
}

impl Place {
    /// Whether nothing but checks stands there.
    fn is_for_checks(self) -> bool {
        matches!(self, Place::All | Place::Judge)
    }
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
            Place::All | Place::Judge => (format!("`{name}` has no checks"), "a list without lines checks nothing"),
            Place::Steps | Place::Finally | Place::Team => {
                (format!("`{name}` has no steps"), "expected a list of steps, each with `- `")
            }
        };
        let span = if list.value.is_null() { list.key.span } else { list.value.span };
        problems.tell(problems.problem(span, title, label));
    }
    let mut lines = vec![];
    for item in items {
        match item.get(USE) {
            Some(used) => lines.extend(decode_use(decoder, item, used, place)),
            None => lines.push(decode_step(decoder, item, place)),
        }
    }
    lines
}

/// The steps of a fragment, in the place of the one that uses it.
fn decode_use(decoder: &Decoder<'_>, item: &Node, used: &Entry, place: Place) -> Vec<StepLine> {
    let problems = decoder.problems();
    let ours = |key: &str| GO_WITH_USE.contains(&key);
    if action::find_beside(problems, item, &[WITH]).is_none() {
        return vec![];
    }
    for entry in item.entries().iter().filter(|entry| COMMON_KEYS.contains(&entry.name()) && !ours(entry.name())) {
        let title = format!("`{}` does not go with `use`", entry.name());
        let problem = problems.problem(entry.key.span, title, "of which of its steps?");
        problems.tell(problem.help("say it of a step of the fragment; a param can give it the value"));
    }
    let common: Option<Common> = decoder.decode_without(item, |key| !ours(key));
    let Some(common) = common else { return vec![] };
    let Some(fragment) = decoder.fragments().and_then(|fragments| fragments.get(used)) else { return vec![] };
    let Some(list) = fragment.root.get("steps") else { return vec![] };
    let inner = decoder.within(fragment);
    let mut lines = decode(&inner, list, place);
    for line in &mut lines {
        brought(line, &common, inner.problems());
    }
    problems.absorb(inner.into_problems());
    lines
}

/// A step of a fragment, with what the step says that uses it.
fn brought(line: &mut StepLine, used: &Common, problems: &Problems<'_>) {
    let StepLine::Step(item) = line else { return };
    item.common.part_of.splice(0..0, used.name.clone());
    if let Some(When { postgres }) = &used.when {
        let both = item.common.when.take().map_or(Ok(postgres.clone()), |own| own.postgres.and(postgres));
        match both {
            Ok(postgres) => item.common.when = Some(When { postgres }),
            Err(why) => {
                let label = format!("{why}, as the `use` of the fragment says");
                problems.tell(problems.problem(item.action, "this step is for no version of PostgreSQL", label));
            }
        }
    }
    match &mut item.body {
        Body::Step(_) => {}
        Body::All(lines) => lines.iter_mut().for_each(|line| brought(line, used, problems)),
        Body::Team(team) => {
            let injects = team.injects.iter_mut().flat_map(|inject| inject.when.iter_mut().chain(&mut inject.steps));
            let lines = team.auto.iter_mut().flatten().chain(&mut team.judge).chain(injects).chain(&mut team.traps);
            lines.for_each(|line| brought(line, used, problems));
        }
    }
}

fn decode_step(decoder: &Decoder<'_>, item: &Node, place: Place) -> StepLine {
    let problems = decoder.problems();
    let common = (!item.entries().is_empty()).then(|| decode_common(decoder, item)).flatten();
    let outside = |id: Spanned<Name>| Spanned { value: outside(decoder, &id), ..id };
    let common = common.map(|common| Common { id: common.id.map(outside), ..common });
    let action = action::find(problems, item);
    // An id that is there and cannot be decoded: the step is not one without an id either.
    let salvaged = || item.get("id").and_then(|id| decoder.quiet().decode_entry::<Spanned<Name>>(id)).map(outside);
    let kind = action.and_then(|action| steps::find(action.name()));
    decoder.take_references();
    let makes = kind.zip(action).map(|(kind, action)| makes(decoder, kind, action)).unwrap_or_default();
    let undecoded = |id: Option<Spanned<Name>>, makes| {
        StepLine::Undecoded(Undecoded { kind, id, makes, refers: decoder.take_references() })
    };
    let (Some(action), Some(kind)) = (action, kind) else { return undecoded(salvaged(), makes) };
    let body = match kind.role {
        Role::Group if place == Place::All => {
            let problem =
                problems.problem(action.key.span, "`all` does not stand in `all`", "list the checks directly");
            problems.tell(problem);
            None
        }
        Role::Group => Some(Body::All(decode(decoder, action, Place::All))),
        Role::Team if place != Place::Steps => {
            let title = "`team` stands in `steps` alone";
            let problem = problems.problem(action.key.span, title, "people do one part of a drill, and all of it");
            problems.tell(problem);
            None
        }
        Role::Team => Some(Body::Team(Box::new(decode_team(decoder, action)))),
        _ => steps::decode(kind.name, Fields { decoder, action }).map(Body::Step),
    };
    if place.is_for_checks() && !matches!(kind.role, Role::Check | Role::Group) {
        let title = format!("`{}` holds checks alone", if place == Place::All { "all" } else { "judge" });
        let problem = problems.problem(action.key.span, title, format!("`{}` is none", kind.name));
        let judges = KINDS.iter().filter(|kind| kind.role == Role::Check).map(|kind| kind.name);
        problems.tell(problem.help(format!("checks are {}", choices(judges, "and"))));
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

/// What everybody else calls the step with this id.
fn outside(decoder: &Decoder<'_>, id: &Spanned<Name>) -> Name {
    let problems = decoder.problems();
    let outside = problems.values().ids().outside(&id.value);
    if outside.as_str().len() > MAX_ID {
        let title = format!("the id `{outside}` is too long");
        let label = format!("it has {} characters, and {MAX_ID} are the limit", outside.as_str().len());
        problems.tell(problems.problem(id.span, title, label));
    }
    outside
}

fn decode_common(decoder: &Decoder<'_>, item: &Node) -> Option<Common> {
    decoder.decode_without(item, |key| !COMMON_KEYS.contains(&key))
}

/// The nodes that the fields of a step name as some to be made, whatever else is wrong with them.
fn makes(decoder: &Decoder<'_>, kind: &Kind, action: &Entry) -> Vec<Spanned<Name>> {
    let (fields, Some(makes)) = (&action.value, kind.makes) else { return vec![] };
    let is_there = |with| fields.get(with).is_some_and(|entry| !entry.value.is_null());
    if makes.with.is_some_and(|with| !is_there(with)) {
        return vec![];
    }
    let named = fields.get(makes.field).and_then(|node| decoder.quiet().decode_entry::<Several<_>>(node));
    named.map(|named| named.0).unwrap_or_default()
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

/// The keys of `team` whose values have steps in them.
const WITH_STEPS: [&str; 4] = ["injects", "judge", "auto", "traps"];

/// What people do; what is wrong with it is told, and what is left of it kept.
fn decode_team(decoder: &Decoder<'_>, action: &Entry) -> TeamLines {
    let (fields, problems) = (&action.value, decoder.problems());
    let judge = match fields.get("judge") {
        Some(list) => decode(decoder, list, Place::Judge),
        None if !is_map(fields) => vec![],
        None => {
            let problem = problems.problem(action.key.span, "`judge` is missing", "when are people done?");
            problems.tell(problem.help("add `judge:` with the checks that hold when everything is well again"));
            vec![]
        }
    };
    let auto = fields.get("auto").map(|list| decode(decoder, list, Place::Team));
    let injects = items(decoder, fields.get("injects")).map(|item| decode_inject(decoder, item));
    let (inject_specs, injects) = injects.unzip();
    let traps = items(decoder, fields.get("traps")).filter_map(|item| decode_trap(decoder, item));
    let (trap_specs, traps) = traps.unzip();
    let spec = decoder.decode_entry_without(action, |key| WITH_STEPS.contains(&key)).unwrap_or_else(|| {
        // Who refers to a server that people may make is right, whatever else is wrong.
        let adopt = fields.get("adopt").map(|list| list.value.items()).unwrap_or_default();
        let adopt = adopt.iter().filter_map(|name| decoder.quiet().decode(name)).collect();
        TeamSpec { adopt, ..TeamSpec::default() }
    });
    TeamLines { spec: TeamSpec { injects: inject_specs, traps: trap_specs, ..spec }, auto, judge, injects, traps }
}

/// The lines of a list that may be left out.
fn items<'n>(decoder: &Decoder<'_>, list: Option<&'n Entry>) -> impl Iterator<Item = &'n Node> {
    let list = list.filter(|list| !list.value.is_null());
    if let Some(list) = list.filter(|list| !matches!(list.value.value, Value::Seq(_))) {
        let problems = decoder.problems();
        problems.tell(problems.problem(list.value.span, format!("`{}` is not a list", list.name()), "expected a list"));
    }
    list.into_iter().flat_map(|list| list.value.items())
}

fn decode_inject(decoder: &Decoder<'_>, item: &Node) -> (InjectSpec, InjectLines) {
    let problems = decoder.problems();
    let spec: Option<InjectSpec> = decoder.decode_without(item, |key| ["when", "steps"].contains(&key));
    let wrong = |span: Span, title: &str, label: &str| problems.tell(problems.problem(span, title, label));
    match (item.get("after"), item.get("when")) {
        _ if !is_map(item) => {}
        (Some(_), Some(when)) => {
            wrong(when.key.span, "an inject comes after a time or at a moment", "`after` says when it comes");
        }
        (None, None) => wrong(first_key(item), "`after` or `when` is missing", "when does this inject come?"),
        _ => {}
    }
    if is_map(item) && item.get("say").is_none() && item.get("steps").is_none() {
        wrong(first_key(item), "`say` or `steps` is missing", "what does this inject do?");
    }
    let when = item.get("when").map(|when| decode_moment(decoder, when));
    let steps = item.get("steps").map(|list| decode(decoder, list, Place::Team)).unwrap_or_default();
    (spec.unwrap_or_default(), InjectLines { when, steps })
}

fn decode_trap(decoder: &Decoder<'_>, item: &Node) -> Option<(TrapSpec, StepLine)> {
    let problems = decoder.problems();
    let spec: Option<TrapSpec> = decoder.decode_without(item, |key| key == "when");
    let Some(when) = item.get("when") else {
        if is_map(item) {
            problems.tell(problems.problem(first_key(item), "`when` is missing", "what shows that it has happened?"));
        }
        return None;
    };
    let when = decode_moment(decoder, when);
    Some((spec?, when))
}

/// A moment, as the step that waits for it.
fn decode_moment(decoder: &Decoder<'_>, when: &Entry) -> StepLine {
    decoder.take_references();
    let kind = steps::find(MOMENT);
    match steps::decode(MOMENT, Fields { decoder, action: when }).zip(kind) {
        Some((spec, kind)) => {
            let (common, body) = (Common::default(), Body::Step(spec));
            StepLine::Step(Box::new(StepItem { kind, action: when.key.span, common, makes: vec![], body }))
        }
        None => StepLine::Undecoded(Undecoded { kind, id: None, makes: vec![], refers: decoder.take_references() }),
    }
}

/// The step whose fields say what is waited for.
const MOMENT: &str = "wait_for";

/// What is no map is told as its fields are decoded.
fn is_map(node: &Node) -> bool {
    matches!(node.value, Value::Map(_))
}

/// Where the absence of a key is told.
fn first_key(item: &Node) -> Span {
    item.entries().first().map_or(item.span, |first| first.key.span)
}
