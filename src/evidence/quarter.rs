//! What the drills of a time showed, put together from the statements of their runs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::journal::{Command, Outcome};

use super::not_tested::Gap;
use super::statement::{Drill, Goal, NotTested, Predicate, Proof, Recovery};
use super::verify::Verified;

/// A file of statements, verified.
#[derive(Debug, Clone)]
pub struct Chain {
    /// What the user calls it.
    pub name: String,
    /// What was found.
    pub verified: Verified,
}

/// What the drills of a time showed.
#[derive(Debug, Default)]
pub(super) struct Quarter {
    /// The drills that were run, by name.
    pub drills: Vec<DrillLine>,
    /// The drills that were selected and not run: why, how often, and when last.
    pub not_run: BTreeMap<(String, String), (usize, Timestamp)>,
    /// The runs that came to no drill: when, which, and why.
    pub empty: Vec<(Timestamp, String, String)>,
    /// How many runs and proofs there were.
    pub runs: usize,
}

/// A drill on a version.
#[derive(Debug)]
pub(super) struct DrillLine {
    pub name: String,
    /// `PostgreSQL 17, docker, --repos pgbackrest`.
    pub place: String,
    pub about: String,
    pub files: BTreeSet<String>,
    /// How many different scenarios were run under its name.
    pub editions: usize,
    /// Its runs in this time, the oldest first.
    pub runs: Vec<RunLine>,
    /// When it passed last, up to the end of this time.
    pub last_pass: Option<Timestamp>,
    pub goals: Vec<GoalLine>,
    /// What none of its runs tested.
    pub never: Vec<NotTested>,
    /// Its checks: how often each passed, failed, and was not carried out.
    pub checks: Vec<(String, [usize; 3])>,
    /// The recoveries of its newest run.
    pub recoveries: Vec<Recovery>,
    /// Its newest proof.
    pub proof: Option<(Timestamp, Proof)>,
}

/// A run of a drill.
#[derive(Debug)]
pub(super) struct RunLine {
    pub at: Timestamp,
    pub run: String,
    pub outcome: Outcome,
    pub why: Option<String>,
    /// Of one that did not pass: the first one after it that did.
    pub repaired: Option<(Timestamp, String)>,
}

/// An objective, and what was measured.
#[derive(Debug)]
pub(super) struct GoalLine {
    pub goal: Goal,
    /// What the newest run allows that came to judge it.
    pub allowed: Option<u64>,
    pub newest: Option<u64>,
    pub worst: Option<u64>,
    /// How many runs did not meet it.
    pub broken: usize,
}

/// A drill in a run.
type Ran<'a> = (&'a Predicate, &'a Drill);

/// What a drill is known as from run to run: told something else beside its file, it is another
/// one, of another server, say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct KnownAs<'a> {
    name: &'a str,
    major: &'a str,
    backend: &'a str,
    settings: &'a [String],
}

fn known_as(drill: &Drill) -> Option<KnownAs<'_>> {
    let major = drill.postgres.as_deref()?.split('.').next()?;
    let (name, backend) = (drill.name.as_str(), drill.backend.as_deref().unwrap_or_default());
    Some(KnownAs { name, major, backend, settings: &drill.settings })
}

impl KnownAs<'_> {
    fn place(&self) -> String {
        let place = format!("PostgreSQL {}, {}", self.major, self.backend);
        if self.settings.is_empty() { place } else { format!("{place}, {}", self.settings.join(" ")) }
    }
}

impl Quarter {
    /// From all that can be believed, the runs that ended between these times.
    pub(super) fn of(chains: &[Chain], since: Timestamp, until: Timestamp) -> Self {
        let all = chains.iter().flat_map(|chain| &chain.verified.statements).map(|(_, statement)| &statement.predicate);
        let mut all: Vec<&Predicate> = all.collect();
        all.sort_by_key(|predicate| predicate.run.ended);
        let mut quarter = Quarter::default();
        let mut drills: BTreeMap<_, Vec<Ran<'_>>> = BTreeMap::new();
        for predicate in &all {
            let ran = predicate.drills.iter().filter(|drill| drill.outcome != Outcome::Skipped);
            for drill in ran {
                if let Some(known_as) = known_as(drill) {
                    drills.entry(known_as).or_default().push((predicate, drill));
                }
            }
        }
        let is_now = |predicate: &&&Predicate| (since..until).contains(&predicate.run.ended);
        for predicate in all.iter().filter(is_now) {
            quarter.runs += 1;
            quarter.count(predicate);
        }
        let lines = drills.into_iter().filter_map(|(known_as, ran)| line(known_as, &ran, since, until));
        quarter.drills = lines.collect();
        quarter
    }

    fn count(&mut self, predicate: &Predicate) {
        for one in &predicate.unsigned {
            let why = "it left no statement of its own: it was killed, or could not write it";
            self.empty.push((one.started, format!("unknown, of {}", one.files.join(", ")), why.to_owned()));
        }
        for NotTested { what, why } in &predicate.not_tested {
            let (times, last) = self.not_run.entry((what.clone(), why.clone())).or_insert((0, predicate.run.ended));
            (*times, *last) = (*times + 1, predicate.run.ended);
        }
        if predicate.drills.iter().all(|drill| known_as(drill).is_none()) && predicate.run.outcome.is_bad() {
            let why = predicate.run.why.clone().unwrap_or_else(|| "it is not known why".to_owned());
            self.empty.push((predicate.run.ended, predicate.run.id.clone().unwrap_or_default(), why));
        }
    }
}

/// A drill that was run in this time, or before it.
fn line(known_as: KnownAs<'_>, ran: &[Ran<'_>], since: Timestamp, until: Timestamp) -> Option<DrillLine> {
    let is_run = |(predicate, _): &&Ran<'_>| predicate.run.command == Command::Run;
    let is_now = |(predicate, _): &&Ran<'_>| (since..until).contains(&predicate.run.ended);
    let runs: Vec<&Ran<'_>> = ran.iter().filter(is_run).collect();
    let now: Vec<&Ran<'_>> = runs.iter().copied().filter(is_now).collect();
    let proofs = ran.iter().filter(|one| !is_run(one)).filter(is_now);
    let proof = proofs.rev().find_map(|(predicate, drill)| Some((predicate.run.ended, drill.proof.clone()?)));
    // One that was run before, and is not any more, is what a reader has to hear of.
    let newest = now
        .last()
        .map(|(_, drill)| *drill)
        .or_else(|| ran.iter().rev().find(|(predicate, _)| predicate.run.ended < until).map(|(_, drill)| *drill))?;
    let passes =
        runs.iter().filter(|(predicate, drill)| drill.outcome == Outcome::Passed && predicate.run.ended < until);
    Some(DrillLine {
        name: known_as.name.to_owned(),
        place: known_as.place(),
        about: newest.about.clone(),
        files: now.iter().map(|(_, drill)| drill.file.clone()).collect(),
        editions: now.iter().map(|(_, drill)| (&drill.sha256, &drill.fragments)).collect::<BTreeSet<_>>().len(),
        runs: now.iter().map(|one| run_line(one, &runs)).collect(),
        last_pass: passes.map(|(predicate, _)| predicate.run.ended).max(),
        goals: [Goal::RtoMs, Goal::RpoMs, Goal::RpoTransactions]
            .into_iter()
            .filter_map(|goal| goal_line(goal, &now))
            .collect(),
        never: never(&now),
        checks: checks(&now),
        recoveries: now.last().map(|(_, drill)| drill.recoveries.clone()).unwrap_or_default(),
        proof,
    })
}

fn run_line((predicate, drill): &Ran<'_>, runs: &[&Ran<'_>]) -> RunLine {
    let run = |predicate: &Predicate| predicate.run.id.clone().unwrap_or_default();
    let is_repair =
        |(later, other): &&&Ran<'_>| later.run.ended > predicate.run.ended && other.outcome == Outcome::Passed;
    let repaired = runs.iter().find(is_repair).filter(|_| drill.outcome.is_bad());
    RunLine {
        at: predicate.run.ended,
        run: run(predicate),
        outcome: drill.outcome,
        why: drill.why.clone().filter(|_| drill.outcome.is_bad()),
        repaired: repaired.map(|(later, _)| (later.run.ended, run(later))),
    }
}

fn goal_line(goal: Goal, runs: &[&Ran<'_>]) -> Option<GoalLine> {
    let all = || {
        let each = runs.iter().map(|(_, drill)| (drill.outcome, drill.objectives.iter().find(|one| one.name == goal)));
        each.filter_map(|(outcome, objective)| Some((outcome, objective?)))
    };
    // A run whose servers could not be made judged nothing, and says nothing of a limit.
    let judged = all().rfind(|(drill, objective)| objective.outcome.is_some() || *drill == Outcome::Passed);
    let newest = all().next_back().and_then(|(_, objective)| objective.measured);
    let all = || all().map(|(_, objective)| objective);
    let line = GoalLine {
        goal,
        allowed: judged.and_then(|(_, objective)| objective.allowed),
        newest,
        worst: all().filter_map(|objective| objective.measured).max(),
        broken: all().filter(|objective| objective.outcome == Some(Outcome::Failed)).count(),
    };
    (line.allowed.is_some() || line.worst.is_some()).then_some(line)
}

/// What no run tested, as the newest says it; where another one left out only a part of a check, it
/// is that part.
fn never(runs: &[&Ran<'_>]) -> Vec<NotTested> {
    let Some(((_, newest), others)) = runs.split_last() else { return vec![] };
    let never = newest.not_tested.iter().filter_map(|one| {
        let mut told = one;
        for (_, drill) in others.iter().rev() {
            // Lines move when a scenario is changed, and only then.
            let is_same_file =
                drill.sha256.is_some() && (&drill.sha256, &drill.fragments) == (&newest.sha256, &newest.fragments);
            let mut lacks = drill.not_tested.iter();
            let lack = lacks.find(|other| Gap::of(other).is_where(&Gap::of(one), is_same_file))?;
            if !Gap::of(told).is_part() && Gap::of(lack).is_part() {
                told = lack;
            }
        }
        Some(told.clone())
    });
    never.collect()
}

fn checks(runs: &[&Ran<'_>]) -> Vec<(String, [usize; 3])> {
    let mut counted: Vec<(String, [usize; 3])> = vec![];
    for check in runs.iter().flat_map(|(_, drill)| &drill.checks) {
        let at = match check.outcome {
            Outcome::Passed => 0,
            Outcome::Failed => 1,
            Outcome::Errored | Outcome::Skipped => 2,
        };
        match counted.iter_mut().find(|(step, _)| *step == check.step) {
            Some((_, counts)) => counts[at] += 1,
            None => {
                let mut counts = [0; 3];
                counts[at] = 1;
                counted.push((check.step.clone(), counts));
            }
        }
    }
    counted
}

impl DrillLine {
    /// How many of its runs came out so.
    pub(super) fn count(&self, outcome: Outcome) -> usize {
        self.runs.iter().filter(|run| run.outcome == outcome).count()
    }

    /// How its newest run came out; skipped if it was only proved.
    pub(super) fn newest(&self) -> Outcome {
        self.runs.last().map_or(Outcome::Skipped, |run| run.outcome)
    }
}

#[cfg(test)]
mod tests;
