//! The steps of a scenario in line, and the names that they bring.

use std::time::Duration;

use super::people::{Inject, Trap};
use super::team_lines::TeamLine;
use crate::harness::{IdInfo, InTeam, Kind, Maker, NodeId, NodeInfo, Part, Recovers, Role, Scope, Spec, StepId};
use crate::journal::StepHead;
use crate::scenario::{Body, During, StepItem, StepLine, TeamLines, Undecoded};
use crate::source::{self, Late, Name, RefersTo, Regex, Source, Span, Spanned, VersionReq};
use crate::steps::AllSpec;

/// A step in its place, its names not looked up yet.
pub(super) struct Line {
    pub(super) head: StepHead,
    pub(super) id: Option<StepId>,
    pub(super) kind: &'static Kind,
    pub(super) spec: Box<dyn Spec>,
    pub(super) makes: Vec<Spanned<Name>>,
    pub(super) action: Span,
    pub(super) id_span: Option<Span>,
    pub(super) deadline: Duration,
    /// Its deadline, where it is known only when it begins.
    pub(super) within: Option<Spanned<Late<source::Duration>>>,
    pub(super) fails: Option<Spanned<Regex>>,
    pub(super) when: Option<VersionReq>,
    pub(super) retry: Option<Spanned<bool>>,
    pub(super) during: Option<Spanned<During>>,
    pub(super) finally: bool,
    pub(super) in_team: Option<InTeam>,
    /// What the `use` lines that bring it are called.
    pub(super) part_of: Vec<String>,
}

/// Where steps are put in line.
#[derive(Clone, Copy, Default)]
struct At {
    finally: bool,
    /// The `all` whose lines they are.
    group: Option<usize>,
    in_team: Option<InTeam>,
}

/// The steps in line, and what is left of those that could not be decoded.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) steps: Vec<Line>,
    pub(super) undecoded: Vec<Undecoded>,
    /// What people do, for each `team` step.
    pub(super) teams: Vec<TeamLine>,
}

impl Lines {
    /// Those of a scenario.
    pub(super) fn of(steps: Vec<StepLine>, finally: Vec<StepLine>, source: &Source) -> Self {
        let mut lines = Lines::default();
        lines.add(steps, At::default(), source);
        lines.add(finally, At { finally: true, ..At::default() }, source);
        lines
    }

    /// Puts steps in line: those inside a step after it.
    fn add(&mut self, lines: Vec<StepLine>, at: At, source: &Source) {
        for line in lines {
            match line {
                StepLine::Step(item) => self.add_one(*item, at, source),
                StepLine::Undecoded(rest) => self.undecoded.push(rest),
            }
        }
    }

    fn add_one(&mut self, item: StepItem, at: At, source: &Source) {
        let index = self.steps.len();
        let (spec, group, team): (Box<dyn Spec>, Vec<StepLine>, Option<TeamLines>) = match item.body {
            Body::Step(spec) => (spec, vec![], None),
            Body::All(lines) => (Box::new(AllSpec {}), lines, None),
            Body::Team(team) => (Box::new(team.spec.clone()), vec![], Some(*team)),
        };
        let within = item.common.within.as_ref().and_then(|within| Some(within.value.known()?.0));
        let deadline = within.unwrap_or(item.kind.deadline);
        self.steps.push(Line {
            head: StepHead {
                index,
                id: item.common.id.as_ref().map(|id| id.value.to_string()),
                kind: item.kind.name.to_owned(),
                name: item.common.name.unwrap_or_default(),
                line: source.line(item.action.start),
                fragment: source.fragment(item.action.start),
                recovers: item.kind.recovers == Recovers::Always,
                incident: item.kind.role == Role::Incident && item.kind.recovers == Recovers::Never,
                in_runbook: false,
                group: at.group,
                team: at.in_team.map(|in_team| in_team.team),
            },
            id: item.common.id.as_ref().map(|id| StepId::from(&id.value)),
            kind: item.kind,
            spec,
            makes: item.makes,
            action: item.action,
            id_span: item.common.id.as_ref().map(|id| id.span),
            deadline,
            within: item.common.within,
            fails: item.common.expect.map(|expect| expect.value.fails),
            when: item.common.when.map(|when| when.postgres),
            retry: item.common.retry,
            during: item.common.during,
            finally: at.finally,
            in_team: at.in_team,
            part_of: item.common.part_of,
        });
        self.add(group, At { group: Some(index), ..at }, source);
        if let Some(team) = team {
            self.add_team(team, (index, item.action), within, source);
        }
    }

    /// Puts the steps inside a `team` step in line.
    fn add_team(&mut self, team: TeamLines, (index, action): (usize, Span), within: Option<Duration>, source: &Source) {
        // Of steps that could not be decoded nobody knows what they make.
        let is_known = |lines: &Vec<StepLine>| lines.iter().all(|line| matches!(line, StepLine::Step(_)));
        let auto = team.auto.as_ref().is_some_and(is_known);
        self.add_part(team.auto.unwrap_or_default(), (index, Part::Auto), source);
        let judge = self.add_part(team.judge, (index, Part::Judge), source);
        let mut injects = vec![];
        for (number, (spec, inject)) in team.spec.injects.iter().zip(team.injects).enumerate() {
            let when = self.add_part(inject.when.into_iter().collect(), (index, Part::InjectMoment(number)), source);
            let steps = self.add_part(inject.steps, (index, Part::Inject(number)), source);
            injects.push(Inject {
                after: spec.after.map(|after| after.0),
                when: when.first().copied(),
                say: spec.say.as_ref().map(|say| say.value.trim().to_owned()),
                steps,
            });
        }
        let mut traps = vec![];
        for (number, (spec, when)) in team.spec.traps.iter().zip(team.traps).enumerate() {
            let when = self.add_part(vec![when], (index, Part::TrapMoment(number)), source);
            let trap = when.first().map(|when| Trap { name: spec.name.value.clone(), when: *when, costs: spec.costs });
            traps.extend(trap);
        }
        self.teams.push(TeamLine { index, action, auto, spec: team.spec, judge, injects, traps, within });
    }

    /// Puts the steps of one part of a `team` step in line. Returns their indices, without the
    /// lines of an `all`.
    fn add_part(&mut self, lines: Vec<StepLine>, (team, part): (usize, Part), source: &Source) -> Vec<usize> {
        let first = self.steps.len();
        self.add(lines, At { in_team: Some(InTeam { team, part }), ..At::default() }, source);
        let deadline = self.steps[team].deadline;
        let added = &mut self.steps[first..];
        if let Part::InjectMoment(_) | Part::TrapMoment(_) = part {
            // It may come as long as people are at work.
            added.iter_mut().for_each(|moment| moment.deadline = deadline);
        }
        added.iter().filter(|line| line.head.group.is_none()).map(|line| line.head.index).collect()
    }

    /// Notes the nodes that people may make, and tells of what a `team` step cannot be.
    fn note_teams(&self, nodes: &mut Vec<NodeId>, scope: &mut Scope<'_>) {
        for (number, team) in self.teams.iter().enumerate() {
            nodes.extend(team.adopt(scope));
            if let Some(fails) = self.steps.get(team.index).and_then(|line| line.fails.as_ref()) {
                let help = "expect it of a line of `auto` or `judge`";
                scope.error_help(
                    fails.entry,
                    "`expect` does not go with `team`",
                    "nobody expects people to fail",
                    help,
                );
            }
            if let Some(first) = self.teams.first().filter(|_| number > 0) {
                let related = (first.action, "the first one".to_owned());
                let title = "a drill has one `team` step";
                scope.error_related(team.action, title, "people do one part of a drill, and all of it", related);
            }
        }
    }

    /// Notes every id and every node that a step makes, before the first step is resolved: a
    /// reference to a later step can then be told from one to nothing. Returns the nodes.
    pub(super) fn note_names(&self, scope: &mut Scope<'_>) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = vec![];
        for line in &self.steps {
            let index = line.head.index;
            if let (Some(id), Some(span)) = (&line.id, line.id_span) {
                match scope.ids.get(id).cloned() {
                    Some(first) => {
                        let related = (first.span, "the first one".to_owned());
                        scope.error_related(span, format!("two steps have the id `{id}`"), "the second one", related);
                        if line.head.fragment.is_some() {
                            let help = "give the `use` an `id`: its steps' ids are then `ID.";
                            scope.help_last(format!("{help}{id}` to the outside"));
                        }
                    }
                    None => {
                        let (in_team, strikes) = (line.in_team, line.during.is_some());
                        let info = IdInfo { in_team, strikes, ..IdInfo::new(line.kind, span, index) };
                        scope.ids.insert(id.clone(), info);
                    }
                }
            }
            for node in &line.makes {
                scope.runs_on.makers.push((NodeId::from(&node.value), index));
                if !scope.nodes.contains_key(node.as_str()) {
                    let id = NodeId::from(&node.value);
                    let info = NodeInfo { in_team: line.in_team, ..NodeInfo::made(node.span, Maker::Step(index)) };
                    scope.nodes.insert(id.clone(), info);
                    nodes.push(id);
                }
            }
        }
        scope.runs_on.steps = self.steps.iter().map(|line| self.versions(line)).collect();
        self.note_teams(&mut nodes, scope);
        nodes
    }

    /// The versions that a step is for: its own, and those of the steps that it is a part of or
    /// happens during.
    fn versions(&self, line: &Line) -> Vec<VersionReq> {
        let of_step = |index: usize| self.steps.get(index).and_then(|line| line.when.clone());
        let group = line.head.group.and_then(of_step);
        let team = line.in_team.and_then(|in_team| of_step(in_team.team));
        let during = line.during.as_ref().map(|during| during.value.step.value.as_str());
        let is_at_work = |other: &&Line| other.id.as_ref().is_some_and(|id| Some(id.as_str()) == during);
        let at_work = self.steps.iter().find(is_at_work).and_then(|other| other.when.clone());
        [line.when.clone(), group, team, at_work].into_iter().flatten().collect()
    }
}

/// Notes what the steps that could not be decoded would have brought: a reference to it is no error
/// of its own. `index` is where they stand as far as anyone knows.
pub(super) fn note_undecoded(undecoded: &[Undecoded], index: usize, scope: &mut Scope<'_>) {
    scope.all_decoded = undecoded.is_empty() && !scope.more_ids;
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
                    let info = IdInfo::undecoded(rest.kind, id.span, index);
                    scope.ids.insert(StepId::from(&id.value), info);
                }
            }
        }
        // A node that another step makes, too, is known by that one: which of them comes first is
        // not certain.
        for node in &rest.makes {
            match scope.nodes.get_mut(node.as_str()) {
                Some(known) if known.maker != Maker::Start => known.decoded = false,
                Some(_) => {}
                None => {
                    let info = NodeInfo { decoded: false, ..NodeInfo::made(node.span, Maker::Step(index)) };
                    scope.nodes.insert(NodeId::from(&node.value), info);
                }
            }
        }
    }
}

/// Looks up what the steps that could not be decoded refer to: a name that nothing has is an error
/// whatever else is wrong.
pub(super) fn check_references(undecoded: &[Undecoded], scope: &mut Scope<'_>) {
    // Their own versions are among what nobody knows.
    let runs_on = std::mem::take(&mut scope.runs_on);
    for (to, name) in undecoded.iter().flat_map(|rest| &rest.refers) {
        match to {
            RefersTo::Node => drop(scope.named_node(name)),
            RefersTo::Repo => drop(scope.repo(name)),
            RefersTo::Step => drop(scope.any_step(name)),
            RefersTo::StepOrNode if scope.is_node(name) => drop(scope.named_node(name)),
            RefersTo::StepOrNode if scope.more_nodes => {}
            RefersTo::StepOrNode => drop(scope.any_step(name)),
            // What lies in a repo nobody knows yet.
            RefersTo::Backup if scope.may_be_in_a_repo(name.as_str(), None) => {}
            RefersTo::Backup => drop(scope.any_step(name)),
        }
    }
    scope.runs_on = runs_on;
    scope.refers.clear();
}
