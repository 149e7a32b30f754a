//! Which steps are a part of a drill's recovery, where their kind alone does not say so.

use super::PlannedStep;
use crate::harness::{NodeId, Recovers, Role, StepId, Writes};

/// Whether a step is an incident, and no part of a recovery.
pub(super) fn strikes(step: &PlannedStep) -> bool {
    step.kind.role == Role::Incident && step.kind.recovers == Recovers::Never
}

/// Whether a step is what the drill is about: an incident, or SQL that a recovery goes back before.
pub(super) fn is_mistake(step: &PlannedStep, steps: &[PlannedStep]) -> bool {
    strikes(step) || is_undone(step, steps)
}

/// Whether a step is SQL that a recovery goes back before.
fn is_undone(step: &PlannedStep, steps: &[PlannedStep]) -> bool {
    let undone = |id: &StepId| steps.iter().any(|other| other.effects.undoes.as_ref() == Some(id));
    step.kind.recovers == Recovers::IfRepairs && step.effects.changes && step.id.as_ref().is_some_and(undone)
}

/// Whether a step is certainly a part of the recovery among these.
pub(super) fn recovers(step: &PlannedStep, steps: &[PlannedStep]) -> bool {
    step.kind.recovers == Recovers::Always || repairs(step, steps)
}

/// Whether a step of a kind that may repair does: behind the last incident it changes a server that
/// a step of the recovery has made, or has brought rows into. Before that it is what users do
/// meanwhile.
fn repairs(step: &PlannedStep, steps: &[PlannedStep]) -> bool {
    let Writes::Nodes(written) = &step.effects.writes else { return false };
    let may_repair = step.kind.recovers == Recovers::IfRepairs && step.effects.changes && step.fails.is_none();
    if !may_repair || is_undone(step, steps) {
        return false;
    }
    let in_course = |other: &&PlannedStep| !other.finally && other.is_in_runs();
    // SQL that a later recovery goes back before is none that this one repairs.
    let earlier = |other: &PlannedStep| other.head.index < step.head.index && is_undone(other, steps);
    let mistakes = steps.iter().filter(in_course).filter(|other| strikes(other) || earlier(other));
    let incident = mistakes.map(|other| other.head.index).max();
    let Some(incident) = incident else { return false };
    let since = incident..step.head.index;
    steps
        .iter()
        .filter(in_course)
        .filter(|other| since.contains(&other.head.index) && other.fails.is_none())
        .any(|other| other.kind.recovers == Recovers::Always && written.iter().any(|node| brings_to(other, node)))
}

/// Whether a step makes this node, or brings rows into it.
fn brings_to(step: &PlannedStep, node: &NodeId) -> bool {
    step.makes.contains(node) || step.effects.brings.as_ref().is_some_and(|brings| brings.into == *node)
}
