//! The hosts of a firedrill, besides those of the servers that run from its beginning.

use crate::plan::{PeoplesPart, Plan, PlannedStep};

/// How many places for servers there are besides those that the checks look at.
const SPARE: usize = 3;

/// The hosts that people have for servers of their own: those that the checks look at, and others.
pub(super) fn scratch_hosts(plan: &Plan, part: &PeoplesPart) -> Vec<String> {
    let adopted: Vec<String> = part.adopt.iter().map(ToString::to_string).collect();
    let taken = |name: &String| plan.nodes.contains_key(name.as_str()) || adopted.contains(name);
    let names = std::iter::once("scratch".to_owned()).chain((2..).map(|n| format!("scratch{n}")));
    let spare: Vec<String> = names.filter(|name| !taken(name)).take(SPARE).collect();
    adopted.into_iter().chain(spare).collect()
}

/// All hosts of a firedrill besides those of the servers that run from its beginning: those that
/// people have, and those of the servers that the drill itself makes before.
pub fn hosts(plan: &Plan, part: &PeoplesPart) -> Vec<String> {
    let is_theirs = |step: &PlannedStep| {
        let group = step.head.group.is_some_and(|group| part.theirs.contains(&group));
        group || part.theirs.contains(&step.head.index)
    };
    let mut hosts = scratch_hosts(plan, part);
    for node in plan.steps.iter().filter(|step| !is_theirs(step)).flat_map(|step| &step.makes) {
        if !plan.nodes.contains_key(node) && !hosts.contains(&node.to_string()) {
            hosts.push(node.to_string());
        }
    }
    hosts
}
