//! Assertions that are tried again, and incidents that happen while another step is at work.

use super::PlannedStep;
use super::lines::Line;
use super::planned::Strike;
use crate::harness::{Reference, Role, Scope, StepId};
use crate::scenario::During;
use crate::source::{Spanned, choices};
use crate::steps::KINDS;

/// Tells of a step that is to be tried again and is no assertion. Whether it is to be.
pub(super) fn retry(line: &Line, scope: &mut Scope<'_>) -> bool {
    let Some(retry) = &line.retry else { return false };
    if line.kind.role != Role::Check {
        let (label, help) = match (line.kind.role, line.kind.name) {
            (Role::Group, _) => ("a list of assertions", "write it beside each line that may hold later"),
            (_, "wait_for") => ("it looks again and again by itself", "leave it out"),
            _ => ("it would do something twice", "wait for what it needs with `wait_for`, or assert it with `retry`"),
        };
        scope.error_help(
            retry.entry,
            format!("`retry` is for assertions, and `{}` is none", line.kind.name),
            label,
            help,
        );
    }
    retry.value
}

/// While which step an incident happens, by that step's place; told if it is no incident, or if
/// there is no such step.
pub(super) fn strike(line: &Line, scope: &mut Scope<'_>) -> Option<Strike> {
    let Spanned { value: During { step, after }, entry, .. } = line.during.clone()?;
    if line.kind.role != Role::Incident {
        let kind = line.kind.name;
        scope.error_help(
            entry,
            format!("`during` is for incidents, and `{kind}` is none"),
            "not here",
            incidents(kind),
        );
        return None;
    }
    scope.refers.push(Reference::Step(StepId::from(step.as_str())));
    let Some(info) = scope.ids.get(step.as_str()).cloned() else {
        let names: Vec<String> = scope.ids.keys().map(ToString::to_string).collect();
        scope.unknown_step(&step, &names, "give the step an `id`, just before or after this one");
        return None;
    };
    scope.at_work = Some(info.index);
    let after = scope.maybe_later(after)?.map(|after| after.value);
    info.decoded.then_some(Strike { step: info.index, after, span: step.span })
}

/// Which steps can happen during another one; `kind` is one that cannot.
fn incidents(kind: &str) -> String {
    let incidents = KINDS.iter().filter(|kind| kind.role == Role::Incident).map(|kind| kind.name);
    let incidents = format!("incidents are {}", choices(incidents, "and"));
    match kind {
        "sql" => format!(
            "an UPDATE, DELETE or MERGE that is wrong is `overwrite`; what users write meanwhile is `traffic`; {incidents}"
        ),
        "exec" => format!("what a command breaks by hand has a step of its own; {incidents}"),
        _ => incidents,
    }
}

/// Tells of incidents that cannot happen while the step is at work that they name. `steps` are all
/// the steps of the drill.
pub(super) fn check(steps: &[PlannedStep], scope: &mut Scope<'_>) {
    for step in steps {
        let Some(Strike { step: index, span, .. }) = &step.during else { continue };
        let Some(other) = steps.get(*index).filter(|other| other.head.index == *index) else { continue };
        let id = other.head.id.clone().unwrap_or_default();
        let place = |step: &PlannedStep| (step.finally, step.in_team, step.head.group);
        let (from, to) = if *index < step.head.index { (*index, step.head.index) } else { (step.head.index, *index) };
        let between = steps.get(from + 1..to).unwrap_or_default();
        let beside = |one: &PlannedStep| one.during.as_ref().is_some_and(|during| during.step == *index);
        let (title, label) = if *index == step.head.index {
            ("an incident cannot happen while it happens".to_owned(), "this is the incident itself")
        } else if other.during.is_some() {
            (format!("`{id}` happens during a step itself"), "name the step that does something")
        } else if !matches!(other.kind.role, Role::Act | Role::Wait | Role::Incident) {
            (
                format!("nothing is at work during `{id}`: it is a `{}`", other.kind.name),
                "name a step that does something",
            )
        } else if place(step) != place(other) || !between.iter().all(beside) {
            (format!("`{id}` is not the step just before or after this one"), "write the two one after the other")
        } else {
            continue;
        };
        scope.error_related(*span, title, label, (other.action, format!("`{id}`")));
    }
}
