//! Finding what people do in a drill that is played as a firedrill.

use std::collections::BTreeSet;

use super::people::PeoplesPart;
use super::planned::Strike;
use super::recovering::{is_mistake, recovers};
use super::team_lines::TeamLine;
use super::{Plan, PlannedStep};
use crate::harness::{MarkKind, NodeId, Part, Recovers, Reference, Role, StepId};
use crate::journal::Problem;

/// What people do in a drill: what its `team` step says, or else its own recovery. People begin
/// where that begins; the checks at the drill's end say when they are done.
///
/// # Errors
/// Why the drill cannot be played by people: it has no recovery, or no check at its end that they
/// could meet in their own way; or an incident happens during a step of theirs.
pub fn people(plan: &Plan) -> Result<PeoplesPart, Problem> {
    let people = part(plan)?;
    if let Some((index, _)) = people.left_out.iter().find(|(index, _)| is_expected_to_fail(plan, *index)) {
        return Err(shows_a_failure(plan, *index));
    }
    let mut during = plan.steps.iter().filter_map(|step| Some((step, step.during.as_ref()?)));
    match during.find(|(_, during)| people.theirs.contains(&during.step)) {
        Some((step, during)) => Err(during_theirs(plan, step, during)),
        None => Ok(people),
    }
}

fn is_expected_to_fail(plan: &Plan, index: usize) -> bool {
    plan.steps.get(index).is_some_and(|step| step.fails.is_some())
}

/// Why people cannot play a drill that ends with a check that must fail: it shows what becomes of a
/// wrong recovery. Without that check the same wrong recovery would pass.
fn shows_a_failure(plan: &Plan, index: usize) -> Problem {
    let action = plan.steps.get(index).map(|step| step.action).unwrap_or_default();
    Problem::new(
        "people cannot play this drill: it shows what becomes of a wrong recovery, and expects a check to fail",
    )
    .at(plan.source.place(action, "people who recover as this drill does would be told that they are done"))
    .help("play a drill that ends with checks that hold")
}

/// What they do, whatever happens meanwhile.
fn part(plan: &Plan) -> Result<PeoplesPart, Problem> {
    match &plan.people {
        Some(people) => Ok(people.clone()),
        None => Derived::of(plan)?.people(),
    }
}

/// Why people cannot play a drill with an incident during a step that they do in their own way:
/// nobody knows when they are at that.
fn during_theirs(plan: &Plan, step: &PlannedStep, during: &Strike) -> Problem {
    let of = plan.steps.get(during.step);
    let id = of.and_then(|of| of.id.as_ref()).map(ToString::to_string).unwrap_or_default();
    Problem::new(format!("people cannot play this drill: `{}` happens during a step of theirs", step.kind.name))
        .at(plan.source.place(during.span, format!("people do `{id}` in their own way, whenever they want")))
        .help(
            "let it happen while they are at work: `injects: [{ after: 5m, steps: [...] }]` of a `team` step without it in `auto`",
        )
}

/// The steps that a runbook of the drill is made of, by their indices: those that people would do
/// in their own way, with the lines of an `all` among them, and what prepares the recovery behind
/// the incident, as waiting for the archive does. Of a drill that nobody can play, those that
/// recover.
pub(super) fn steps_of_runbook(plan: &Plan) -> BTreeSet<usize> {
    let people = part(plan);
    let is_marked = |step: &&PlannedStep| match &people {
        Ok(people) => {
            let is_theirs = |index: usize| people.theirs.contains(&index);
            let prepares = people.incident.is_some_and(|incident| incident < step.head.index)
                && step.head.index < people.begins
                && step.kind.recovers == Recovers::Prepares;
            prepares || is_theirs(step.head.index) || step.head.group.is_some_and(is_theirs)
        }
        Err(_) => step.head.recovers,
    };
    plan.steps.iter().filter(is_marked).map(|step| step.head.index).collect()
}

/// What people do in a `team` step.
pub(super) fn of_team(team: &TeamLine, steps: &[PlannedStep]) -> PeoplesPart {
    let top: Vec<&PlannedStep> = steps.iter().filter(|step| step.is_top()).collect();
    let before: Vec<&PlannedStep> = top.iter().filter(|step| step.head.index < team.index).copied().collect();
    let auto = steps.iter().filter(|step| step.head.group.is_none());
    let auto = auto.filter(|step| step.in_team.is_some_and(|line| line.team == team.index && line.part == Part::Auto));
    let checks = steps.iter().filter(|step| team.judge.contains(&step.head.index));
    let (judge, left_out) = judge(checks, steps, &[]);
    PeoplesPart {
        incident: incident(&before, steps),
        begins: team.index,
        opening: vec![],
        theirs: auto.map(|step| step.head.index).collect(),
        closing: top.iter().map(|step| step.head.index).filter(|index| *index > team.index).collect(),
        judge,
        left_out,
        adopt: team.adopted(),
        brief: team.brief(),
        hints: team.hints(),
        injects: team.injects.clone(),
        traps: team.traps.clone(),
        within: team.within,
    }
}

/// The incident that a recovery behind these steps is about: the last one that the drill's author
/// has given an id, or else the last one.
fn incident(before: &[&PlannedStep], steps: &[PlannedStep]) -> Option<usize> {
    let named = before.iter().rfind(|step| is_mistake(step, steps) && step.id.is_some());
    named.or_else(|| before.iter().rfind(|step| is_mistake(step, steps))).map(|step| step.head.index)
}

/// A drill without a `team` step, taken apart.
struct Derived<'a> {
    plan: &'a Plan,
    incident: Option<usize>,
    /// From where its recovery begins to where its checks begin.
    recovery: Vec<&'a PlannedStep>,
    /// The checks at its end.
    checks: Vec<&'a PlannedStep>,
}

/// Who does the steps from where the recovery begins.
#[derive(Default)]
struct Sorted<'a> {
    /// The drill, before people begin.
    opening: Vec<&'a PlannedStep>,
    /// People.
    theirs: Vec<&'a PlannedStep>,
    /// The drill, when people are done.
    closing: Vec<&'a PlannedStep>,
}

impl<'a> Derived<'a> {
    fn of(plan: &'a Plan) -> Result<Self, Problem> {
        let top: Vec<&PlannedStep> = plan.steps.iter().filter(|step| step.is_top()).collect();
        let judged = top.iter().rposition(|step| !step.is_check()).map_or(0, |last| last + 1);
        let (course, checks) = top.split_at(judged);
        let place = |step: Option<&&PlannedStep>, label: &str| {
            plan.source.place(step.map(|step| step.action).unwrap_or_default(), label)
        };
        if checks.is_empty() {
            let problem = Problem::new("people cannot play this drill: nothing would say when they are done");
            let problem = problem.at(place(top.last(), "no check stands behind this last step"));
            return Err(problem.help("end it with assertions, or give it a `team` step with a `judge`"));
        }
        let Some(begins) = begins(plan, course) else {
            let problem = Problem::new("people cannot play this drill: there is nothing for them to recover");
            let problem = problem.at(place(checks.first(), "no step before its checks is a part of a recovery"));
            return Err(problem.help("`drillyard explain team` says how to give people a part of their own"));
        };
        let incident = told_incident(plan).or_else(|| incident(&course[..begins], &plan.steps));
        Ok(Derived { plan, incident, recovery: course[begins..].to_vec(), checks: checks.to_vec() })
    }

    fn people(&self) -> Result<PeoplesPart, Problem> {
        let Sorted { opening, theirs, closing } = self.sorted();
        let (judge, left_out) = self.judge(&theirs)?;
        let indices = |steps: &[&PlannedStep]| steps.iter().map(|step| step.head.index).collect();
        Ok(PeoplesPart {
            incident: self.incident,
            begins: self.recovery.first().map_or(0, |step| step.head.index),
            opening: indices(&opening),
            theirs: indices(&theirs),
            closing: indices(&closing),
            judge,
            left_out,
            adopt: self.adopt(&theirs),
            ..PeoplesPart::default()
        })
    }

    /// Who does the steps from where the recovery begins. The drill does what ends the users, and
    /// what comes behind the recovery and refers to nothing in it.
    fn sorted(&self) -> Sorted<'a> {
        let may_recover = |step: &PlannedStep| step.kind.recovers == Recovers::BehindIncident;
        let recovered = self.recovery.iter().rposition(|step| may_recover(step) || recovers(step, &self.plan.steps));
        let adopt = self.adopt(&self.recovery);
        let mut sorted = Sorted::default();
        for (at, step) in self.recovery.iter().copied().enumerate() {
            let needs = self.lines(step).any(|line| {
                let made = |node: &NodeId| !adopt.contains(node) && makes(&sorted.theirs, node);
                needs_step(line, &sorted.theirs).is_some() || line.nodes().any(made)
            });
            // What comes behind a recovery that fails tells of that.
            let is_behind = recovered.is_none_or(|last| at > last && self.recovery[last].fails.is_none());
            match step.effects.stops_users {
                _ if needs => sorted.theirs.push(step),
                // What is recovered then has all that they did.
                true if recovered.is_some_and(|last| at < last) => sorted.opening.push(step),
                true => sorted.closing.push(step),
                false if is_behind => sorted.closing.push(step),
                false => sorted.theirs.push(step),
            }
        }
        sorted
    }

    /// The checks that people can meet in their own way, and those that they cannot.
    fn judge(&self, theirs: &[&PlannedStep]) -> Result<Judge, Problem> {
        let (judge, left_out) = judge(self.checks.iter().copied(), &self.plan.steps, theirs);
        if !judge.is_empty() {
            return Ok((judge, left_out));
        }
        let title = "people cannot play this drill: none of its checks says when they are done";
        let mut problem = Problem::new(title);
        for (index, why) in &left_out {
            if let Some(step) = self.plan.steps.get(*index) {
                problem = problem.at(self.plan.source.place(step.action, why.clone()));
            }
        }
        Err(problem.help("end it with checks of what is there in the end, or give it a `team` step with a `judge`"))
    }

    /// The new nodes that these steps make and the checks look at.
    fn adopt(&self, theirs: &[&PlannedStep]) -> Vec<NodeId> {
        let looked: BTreeSet<&NodeId> = self
            .checks
            .iter()
            .flat_map(|check| self.lines(check))
            .filter(|line| line.fails.is_none())
            .flat_map(PlannedStep::nodes)
            .collect();
        looked.into_iter().filter(|node| makes(theirs, node) && !self.plan.nodes.contains_key(*node)).cloned().collect()
    }

    fn lines(&self, step: &'a PlannedStep) -> impl Iterator<Item = &'a PlannedStep> {
        lines(step, &self.plan.steps)
    }
}

/// A step, and its lines if it is an `all`, which stand right behind it.
fn lines<'s>(step: &'s PlannedStep, steps: &'s [PlannedStep]) -> impl Iterator<Item = &'s PlannedStep> {
    let index = step.head.index;
    let behind = steps.get(index + 1..).unwrap_or_default().iter();
    std::iter::once(step).chain(behind.take_while(move |line| line.head.group == Some(index)))
}

/// The checks that are made, without the lines of an `all`, and those that are left out, its lines
/// among them, with the reason; by their indices.
type Judge = (Vec<usize>, Vec<(usize, String)>);

/// Which of these checks people can meet in their own way, if they do `theirs` so.
fn judge<'s>(checks: impl Iterator<Item = &'s PlannedStep>, steps: &[PlannedStep], theirs: &[&PlannedStep]) -> Judge {
    let (mut judge, mut left_out) = (vec![], vec![]);
    let reason = |line: &PlannedStep| match needs_step(line, theirs) {
        _ if line.fails.is_some() => Some("it is expected to fail: people may recover better than that".to_owned()),
        Some(step) => Some(format!("it refers to `{step}`, which people do in their own way")),
        None => None,
    };
    for check in checks {
        if let Some(reason) = reason(check) {
            left_out.push((check.head.index, reason));
            continue;
        }
        let inside = lines(check, steps).skip(1);
        let (out, rest): (Vec<_>, Vec<_>) =
            inside.map(|line| (line.head.index, reason(line))).partition(|(_, why)| why.is_some());
        if check.kind.role != Role::Group || !rest.is_empty() {
            judge.push(check.head.index);
        }
        left_out.extend(out.into_iter().filter_map(|(index, why)| Some((index, why?))));
    }
    (judge, left_out)
}

/// The incident from which the drill's own budget counts.
fn told_incident(plan: &Plan) -> Option<usize> {
    let from = plan.rto.as_ref()?.from;
    plan.steps.get(from).filter(|step| is_mistake(step, &plan.steps)).map(|step| step.head.index)
}

/// Where in the drill's course its recovery begins: with the first step behind the incident that
/// recovers. Without an incident, behind what the drill writes before it recovers anything.
fn begins(plan: &Plan, course: &[&PlannedStep]) -> Option<usize> {
    let strikes = |step: &PlannedStep| is_mistake(step, &plan.steps);
    let told = told_incident(plan).and_then(|index| course.iter().position(|step| step.head.index == index));
    let from = match told.or_else(|| course.iter().position(|step| strikes(step))) {
        Some(incident) => incident,
        None => course.iter().rposition(|step| writes_data(step)).unwrap_or(0),
    };
    let struck = course.iter().any(|step| strikes(step));
    let begins_there = |at: usize| match course[at].kind.recovers {
        Recovers::Always => true,
        // What is followed by another incident before anything recovers belongs to the accident.
        Recovers::BehindIncident => {
            struck
                && course[at..]
                    .iter()
                    .find(|step| strikes(step) || step.kind.recovers == Recovers::Always)
                    .is_none_or(|next| !strikes(next))
        }
        // It comes behind another step that does.
        Recovers::Never | Recovers::Prepares | Recovers::IfRepairs => false,
    };
    let always = || course.iter().position(|step| step.kind.recovers == Recovers::Always);
    (from..course.len()).find(|at| begins_there(*at)).or_else(|| always().filter(|_| !struck))
}

/// Whether a step writes data, and is neither an incident nor a recovery.
fn writes_data(step: &PlannedStep) -> bool {
    let adds = matches!(step.kind.recovers, Recovers::Never | Recovers::IfRepairs);
    step.kind.role == Role::Act && step.kind.mark == MarkKind::Transaction && adds
}

/// The step among `theirs` that a step refers to, if it does.
fn needs_step<'s>(step: &'s PlannedStep, theirs: &[&PlannedStep]) -> Option<&'s StepId> {
    step.refers.iter().find_map(|reference| match reference {
        Reference::Step(id) => theirs.iter().any(|other| other.id.as_ref() == Some(id)).then_some(id),
        _ => None,
    })
}

fn makes(theirs: &[&PlannedStep], node: &NodeId) -> bool {
    theirs.iter().any(|step| step.makes.contains(node))
}
