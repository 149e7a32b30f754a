//! Looking up every name of a scenario.

use std::collections::BTreeMap;

use super::find_breaks::breaks;
use super::find_people::{of_team, steps_of_runbook};
use super::lines::{Line, Lines, check_references, note_undecoded};
use super::{NamedBreak, Plan, PlannedStep, budgets, declared, during, network, notify};
use crate::harness::{Later, NodeId, NodeSpec, Scope};
use crate::journal::{Problem, Redactor, StepHead};
use crate::pg::conninfo::Conninfo;
use crate::scenario::{Ignore, Scenario, in_order};
use crate::source::{self, Late, Spanned, choices};
use crate::steps::KINDS;

/// Looks up every name, and checks all that can be checked without a server. Of a scenario with
/// problems it looks up what can be, and says nothing that would only follow from them.
///
/// # Errors
/// All that is wrong, the scenario's own problems included, in the order of the file.
pub fn resolve(scenario: Scenario) -> Result<Plan, Vec<Problem>> {
    let source = scenario.source.clone();
    let mut scope = Scope::new(&source, KINDS, scenario.file_roots.clone());
    let postgres = declared::versions(&scenario, &mut scope);
    let mut repos = super::repos::repos(&scenario, &mut scope);
    let nodes = declared::nodes(&scenario, &mut scope);
    let lines = Lines::of(scenario.steps, scenario.finally, &source);
    let (made, count) = (lines.note_names(&mut scope), lines.steps.len());
    declared::upstreams(&scenario.nodes.listed, &mut scope);
    let Lines { steps: lines, undecoded, teams } = lines;
    let mut complete = undecoded.is_empty() && scenario.problems.is_empty() && scenario.unset.is_empty();
    note_undecoded(&undecoded, count, &mut scope);
    let steps: Vec<PlannedStep> = lines.into_iter().filter_map(|line| planned(line, &mut scope)).collect();
    complete &= steps.len() == count;
    (scope.index, scope.in_team) = (count, None);
    check_references(&undecoded, &mut scope);
    if complete {
        during::check(&steps, &mut scope);
        declared::never_made(&mut scope);
    }
    let (rto, rpo) = budgets::resolve(scenario.budgets, &mut scope);
    let parts = network::Parts { nodes: &nodes, repos: &repos, made: &made, steps: &steps };
    let isolation = network::isolation(scenario.network, &parts, complete, &mut scope);
    super::repos::note_cold(&mut repos, &steps, &scope);
    let breaks = ignored(scenario.prove.ignore, breaks(&steps, &nodes, &repos), complete, &mut scope);
    warn_of_unused(&scenario.unused, &mut scope);
    let told = notify::resolve(scenario.notify, scenario.heartbeat, &mut scope);
    let secrets = all_secrets(scenario.secrets.into_iter().chain(told.secrets()).collect(), &nodes);
    let warnings = warnings(scenario.problems, scope, &secrets)?;
    Ok(with_runbook(Plan {
        source,
        name: scenario.name,
        about: scenario.about,
        tags: scenario.tags,
        postgres,
        versions: scenario.postgres.map(|list| list.value).unwrap_or_default(),
        timeout: scenario.timeout,
        isolation,
        repos,
        nodes,
        made,
        people: teams.first().map(|team| of_team(team, &steps)),
        steps,
        rto,
        rpo,
        told,
        breaks,
        file_roots: scenario.file_roots,
        secrets,
        params: scenario.params,
        cell: scenario.cell,
        warnings: if scenario.unset.is_empty() { warnings } else { vec![] },
        unset: scenario.unset,
    }))
}

/// The warnings, if nothing is wrong; else what is, with what the file itself had wrong.
fn warnings(mut problems: Vec<Problem>, scope: Scope<'_>, secrets: &[String]) -> Result<Vec<Problem>, Vec<Problem>> {
    let redactor = Redactor::of(secrets.iter().cloned());
    let (found, warnings) = scope.into_problems();
    problems.extend(found.into_iter().map(|problem| redactor.problem(problem)));
    match problems.is_empty() {
        true => Ok(in_order(warnings.into_iter().map(|problem| redactor.problem(problem)).collect())),
        false => Err(in_order(problems)),
    }
}

/// Warns of params that nothing uses.
fn warn_of_unused(params: &[Spanned<String>], scope: &mut Scope<'_>) {
    for param in params {
        let help =
            format!("write `${{params.{0}}}` where its value belongs, or take `{0}` out of `params`", param.value);
        let label = "whatever value it has, the drill is the same";
        scope.warn(param.span, format!("nothing uses the param `{}`", param.value), label, help);
    }
}

/// Marks the steps that a runbook of the drill is made of.
fn with_runbook(mut plan: Plan) -> Plan {
    let marked = steps_of_runbook(&plan);
    for step in &mut plan.steps {
        step.head.in_runbook = marked.contains(&step.head.index);
    }
    plan
}

/// The secrets of a scenario, and those that its connection strings have, wherever from.
fn all_secrets(mut secrets: Vec<String>, nodes: &BTreeMap<NodeId, NodeSpec>) -> Vec<String> {
    let external = nodes.values().filter_map(|node| node.external.as_ref());
    let conninfos = external.flat_map(|address| std::iter::once(&address.conninfo).chain(&address.standby));
    for secret in conninfos.flat_map(Conninfo::secrets) {
        if !secrets.iter().any(|known| known == secret) {
            secrets.push(secret.to_owned());
        }
    }
    secrets
}

/// A deadline that is known only when the step begins; one that stands in the file is the line's
/// own. Nobody could be told how long people have, nor how long they are watched for something.
fn within(
    within: Option<Spanned<Late<source::Duration>>>,
    head: &StepHead,
    scope: &mut Scope<'_>,
) -> Option<Option<Spanned<Later<source::Duration>>>> {
    let Some(given) = &within else { return Some(None) };
    if let Some(known) = given.value.known() {
        if known.0.is_zero() {
            scope.error(given.span, "`within` is no time at all", "no step could be done by then");
        }
        return Some(None);
    }
    if head.kind == "team" {
        let title = "the time that people have has to stand in the file";
        scope.error(given.span, title, "people are told it before it begins");
    }
    scope.maybe_later(within)
}

/// A step, every name in it looked up; `None` if something is wrong with it, which the scope knows
/// then.
fn planned(line: Line, scope: &mut Scope<'_>) -> Option<PlannedStep> {
    scope.index = line.head.index;
    scope.in_team = line.in_team;
    scope.id.clone_from(&line.id);
    scope.action = line.action;
    scope.must_fail = line.fails.is_some();
    scope.when.clone_from(&line.when);
    scope.at_work = None;
    let (retry, during) = (during::retry(&line, scope), during::strike(&line, scope));
    let mut head = line.head;
    let within = within(line.within, &head, scope);
    let makes = line.makes.iter().map(|node| NodeId::from(&node.value)).collect();
    let step = line.spec.resolve(scope);
    let refers = std::mem::take(&mut scope.refers);
    scope.note_whose_mark(&refers);
    if let Some(fails) = line.fails.as_ref().filter(|fails| fails.value.is_vacuous()) {
        let help = "write a part of the message that you expect, so that another failure is not taken for it";
        scope.warn(fails.span, "`fails` matches every failure", "whatever goes wrong passes for this", help);
    }
    let step = step?;
    if head.name.is_empty() {
        head.name = step.title();
        if let Some(during) = line.during.as_ref() {
            head.name = format!("{}, during {}", head.name, during.value.step.value);
        }
    }
    head.name = line.part_of.iter().rev().fold(head.name, |name, part| format!("{part}: {name}"));
    Some(PlannedStep {
        head,
        id: line.id,
        kind: line.kind,
        effects: step.effects(),
        step,
        makes,
        action: line.action,
        deadline: line.deadline,
        within: within?,
        fails: line.fails,
        when: line.when,
        retry,
        during,
        finally: line.finally,
        in_team: line.in_team,
        refers,
    })
}

/// The breaks, with which of them make no difference, and why. Of a file that could not be read to
/// its end nobody knows all of them.
fn ignored(ignore: Vec<Ignore>, mut breaks: Vec<NamedBreak>, complete: bool, scope: &mut Scope<'_>) -> Vec<NamedBreak> {
    let names: Vec<String> = breaks.iter().map(|one| one.name.clone()).collect();
    for Ignore { name, because } in ignore {
        if because.value.trim().is_empty() {
            scope.error(because.span, "`because` is empty", "why does this break make no difference?");
        }
        match breaks.iter_mut().find(|one| one.name == name.value) {
            Some(one) if one.ignored.is_some() => {
                scope.error(name.span, format!("`{}` is ignored twice", name.value), "the second time");
            }
            Some(one) => one.ignored = Some(because.value.trim().to_owned()),
            None if !complete => {}
            None => {
                let label = match source::did_you_mean(&name.value, names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "this drill cannot be broken so".to_owned(),
                };
                let help = match names.is_empty() {
                    true => "nothing in it can be broken: it has no recovery, no incident and no import".to_owned(),
                    false => format!("it can be broken by {}", choices(names.iter().map(String::as_str), "and")),
                };
                scope.error_help(name.span, format!("unknown break `{}`", name.value), label, help);
            }
        }
    }
    breaks
}
