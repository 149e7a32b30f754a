//! Finding the ways in which a drill can be broken.

use std::collections::{BTreeMap, BTreeSet};

use super::breaks::{Break, Damage, NamedBreak};
use super::recovering::{is_mistake, recovers, strikes};
use super::{PlannedStep, RepoSpec};
use crate::harness::{Brings, Brought, Checks, NodeId, NodeSpec, Recovers, RepoId, Role, Shift};
use crate::repo::{Ability, Spoil};

/// All the ways of breaking a drill, in the order of its steps. A step that is expected to fail is
/// a judgement, and left alone; what the drill does in `finally` is no part of it, and neither is
/// what only people meet with.
pub fn breaks(
    steps: &[PlannedStep],
    nodes: &BTreeMap<NodeId, NodeSpec>,
    repos: &BTreeMap<RepoId, RepoSpec>,
) -> Vec<NamedBreak> {
    let mut found: Vec<Break> = vec![];
    let in_course = |step: &&PlannedStep| !step.finally && step.is_in_runs();
    let own = |step: &&PlannedStep| in_course(step) && step.fails.is_none();
    let inject = steps.iter().filter(own).find(|step| is_mistake(step, steps)).map(|step| step.head.index);
    let judged =
        steps.iter().filter(|step| in_course(step) && step.kind.role == Role::Check).map(|step| step.head.index).max();
    for step in steps.iter().filter(in_course) {
        let index = step.head.index;
        // One that is a part of the recovery (a start, say) is left out for good.
        if strikes(step) && step.fails.is_none() {
            found.push(Break::NoIncident(index));
        }
        // What no step kind knows may be done by hand.
        let between = inject.is_some_and(|inject| inject < index) && judged.is_some_and(|judged| index < judged);
        let may_recover = step.kind.recovers == Recovers::BehindIncident && between;
        if (may_recover || recovers(step, steps)) && step.fails.is_none() {
            found.push(Break::LeftOut(index));
            for shift in [Shift::Earlier, Shift::Later] {
                found.extend(step.step.moved(shift).map(|_| Break::Moved(index, shift)));
            }
        }
        found.extend(damages(step, steps, nodes));
        for spoiled in spoils(step, repos) {
            if !found.contains(&spoiled) {
                found.push(spoiled);
            }
        }
        if let Some(lost) = role_lost(step, nodes).filter(|lost| !found.contains(lost)) {
            found.push(lost);
        }
        if let Some(taken) = taken_away(step, steps, nodes).filter(|taken| !found.contains(taken)) {
            found.push(taken);
        }
    }
    named(steps, found)
}

/// What can be done to the rows that a step brings.
fn damages(step: &PlannedStep, steps: &[PlannedStep], nodes: &BTreeMap<NodeId, NodeSpec>) -> Vec<Break> {
    let Some(brings) = step.effects.brings.as_ref().filter(|_| step.fails.is_none()) else { return vec![] };
    // A copy on which the import is rehearsed is not the drill's result.
    let own = nodes.get(&brings.into).is_some_and(|spec| spec.external.is_none());
    let same = |other: &Brings| {
        other.into == brings.into && other.database == brings.database && !differ(&other.what, &brings.what)
    };
    let is_last = !steps.iter().any(|other| {
        let later = !other.finally && other.is_in_runs() && other.fails.is_none() && other.head.index > step.head.index;
        later && other.effects.brings.as_ref().is_some_and(same)
    });
    if !own || !is_last {
        return vec![];
    }
    // A merge brings rows, and leaves the table that they go to as it is.
    let damages = match brings.what {
        Brought::Dump(_) => &Damage::ALL[..],
        Brought::Table(_) => &Damage::ALL[..3],
    };
    damages.iter().map(|damage| Break::Damaged(*damage, step.head.index, brings.into.clone())).collect()
}

/// What could be wrong with the repo of somebody else's that a step reads.
fn spoils(step: &PlannedStep, repos: &BTreeMap<RepoId, RepoSpec>) -> Vec<Break> {
    let Some(reads) = step.effects.reads_repo.as_ref().filter(|_| step.fails.is_none()) else { return vec![] };
    let Some(spec) = repos.get(&reads.repo).filter(|spec| spec.existing.is_some()) else { return vec![] };
    // Which WAL there is has to be known.
    let wal = reads.wal && spec.kind.can_if_existing(Ability::List).is_ok();
    let all = [(reads.restores, Spoil::BackupDamaged), (reads.newest, Spoil::NewestMissing), (wal, Spoil::WalMissing)];
    all.into_iter().filter(|(so, _)| *so).map(|(_, spoil)| Break::Spoiled(spoil, reads.repo.clone())).collect()
}

/// The role of a standby of an external server, which is refused there.
fn role_lost(step: &PlannedStep, nodes: &BTreeMap<NodeId, NodeSpec>) -> Option<Break> {
    let upstream = step.effects.follows.as_ref().filter(|_| step.fails.is_none())?;
    is_external(nodes, upstream).then(|| Break::RoleLost(upstream.clone()))
}

/// What a check looks at, taken away.
fn taken_away(step: &PlannedStep, steps: &[PlannedStep], nodes: &BTreeMap<NodeId, NodeSpec>) -> Option<Break> {
    // What is expected to find losses finds one more, and a line of an `all` that is to fail too.
    let fails = |step: &PlannedStep| step.fails.is_some();
    if fails(step) || step.head.group.and_then(|group| steps.get(group)).is_some_and(fails) {
        return None;
    }
    match step.effects.checks.as_ref()? {
        Checks::Traffic { traffic, node } if !is_external(nodes, node) => {
            Some(Break::TransactionLost { traffic: traffic.clone(), node: node.clone() })
        }
        Checks::Streaming { standby, primary } if !is_external(nodes, standby) => {
            Some(Break::StandbyStopped { standby: standby.clone(), primary: primary.clone() })
        }
        _ => None,
    }
}

/// Whether what was brought once is certainly not what was brought the other time.
fn differ(one: &Brought, other: &Brought) -> bool {
    matches!((one, other), (Brought::Table(one), Brought::Table(other)) if one != other)
}

fn is_external(nodes: &BTreeMap<NodeId, NodeSpec>, node: &str) -> bool {
    nodes.get(node).is_some_and(|spec| spec.external.is_some())
}

/// Gives each its name: that of the step is its id, else `KIND:NODE`, with a number where several
/// are called so.
fn named(steps: &[PlannedStep], found: Vec<Break>) -> Vec<NamedBreak> {
    let mut taken = BTreeSet::new();
    // Of names that several would have, the last number that was given.
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut named = |what: Break| {
        let of = match (&what, what.step().and_then(|index| steps.get(index))) {
            (_, Some(step)) => step.head.id.clone().unwrap_or_else(|| by_kind_and_node(step)),
            (Break::TransactionLost { traffic, node }, _) => format!("{traffic}:{node}"),
            (Break::StandbyStopped { standby, .. }, _) => standby.to_string(),
            (Break::Spoiled(_, repo), _) => repo.to_string(),
            (Break::RoleLost(node), _) => node.to_string(),
            _ => String::new(),
        };
        let plain = format!("{} {of}", what.word());
        let mut name = plain.clone();
        while !taken.insert(name.clone()) {
            let number = numbers.entry(plain.clone()).or_insert(1);
            *number += 1;
            name = format!("{plain}#{number}");
        }
        NamedBreak { name, what, ignored: None }
    };
    found.into_iter().map(&mut named).collect()
}

fn by_kind_and_node(step: &PlannedStep) -> String {
    match step.makes.first().or_else(|| step.nodes().next()) {
        Some(node) => format!("{}:{node}", step.kind.name),
        None => step.kind.name.to_owned(),
    }
}
