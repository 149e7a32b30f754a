//! Whether a break was noticed, from what was heard of the broken run.

use crate::journal::{Event, Outcome, Problem};
use crate::plan::{Break, Plan};
use crate::run::DRILL_TIMEOUT;

/// What came of a break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The drill noticed.
    Noticed(Sign),
    /// Everything passed all the same.
    Missed,
    /// The scenario says that it makes no difference, and why.
    Ignored(String),
    /// Nobody knows: the lab failed, or something that has nothing to do with the break.
    Unjudged(String),
}

/// By what a break was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// The step's name, or the budget's.
    pub by: String,
    /// `dropped-table.yaml:58`; empty where it is no place in the file.
    pub place: String,
    /// What was said, in a line.
    pub said: String,
}

/// What a broken run comes to.
pub fn of_run(plan: &Plan, what: &Break, events: &[Event]) -> Verdict {
    // What fails before the break is not made by it.
    let verdict = of_steps(plan, what.step().unwrap_or_default(), events);
    if verdict != Verdict::Missed {
        return verdict;
    }
    for event in events {
        match event {
            Event::BudgetJudged { budget, problem: Some(problem), .. } if budget.outcome == Outcome::Failed => {
                let by = format!("the budget of {}", budget.name);
                return Verdict::Noticed(sign(by, problem, plan));
            }
            _ => {}
        }
    }
    let end = events.iter().find_map(|event| match event {
        Event::DrillFinished { outcome, problem, message, .. } => Some((*outcome, problem, message)),
        _ => None,
    });
    match end {
        Some((Outcome::Passed, ..)) => Verdict::Missed,
        Some((Outcome::Failed, Some(problem), _)) => Verdict::Noticed(sign("the drill".to_owned(), problem, plan)),
        Some((_, _, message)) => {
            Verdict::Unjudged(message.clone().unwrap_or_else(|| "it did not come to its end".to_owned()))
        }
        None => Verdict::Unjudged("it was not run".to_owned()),
    }
}

/// What the steps of a run come to: the first that did not pass decides. `Missed` where all passed.
pub fn of_steps(plan: &Plan, from: usize, events: &[Event]) -> Verdict {
    for event in events {
        let Event::StepFinished { index, outcome, problem, message, .. } = event else { continue };
        let Some(step) = plan.steps.get(*index).filter(|_| matches!(outcome, Outcome::Failed | Outcome::Errored))
        else {
            continue;
        };
        // The line of an `all` has spoken before.
        let problem = problem.clone().unwrap_or_else(|| Problem::new(message.clone().unwrap_or_default()));
        let sign = sign(step.head.name.clone(), &problem, plan);
        let sign = if sign.place.is_empty() { Sign { place: place(plan, step.head.line), ..sign } } else { sign };
        let by_itself = *outcome == Outcome::Failed && problem.title != DRILL_TIMEOUT;
        return match () {
            () if step.head.index < from => {
                Verdict::Unjudged(format!("it failed before the break, at {}: {}", sign.place, sign.said))
            }
            () if by_itself || problem.is_missing() => Verdict::Noticed(sign),
            () => Verdict::Unjudged(format!("{}: {}", sign.place, sign.said)),
        };
    }
    Verdict::Missed
}

/// All that went wrong in a run.
pub fn problems(events: &[Event]) -> Vec<Problem> {
    let found = events.iter().filter_map(|event| match event {
        Event::StepFinished { outcome: Outcome::Failed | Outcome::Errored, problem, .. } => problem.clone(),
        Event::BudgetJudged { problem, .. } | Event::DrillFinished { problem, .. } => problem.clone(),
        _ => None,
    });
    found.collect()
}

fn sign(by: String, problem: &Problem, plan: &Plan) -> Sign {
    let first = problem.places.first();
    let label = first.map(|place| place.label.as_str()).filter(|label| !label.is_empty());
    let said = match label {
        Some(label) => format!("{}: {label}", problem.title),
        None => problem.title.clone(),
    };
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    Sign { by, place: first.map(|found| place(plan, found.line)).unwrap_or_default(), said }
}

fn place(plan: &Plan, line: usize) -> String {
    let file = plan.source.file();
    let name = std::path::Path::new(file).file_name().map_or(file.into(), |name| name.to_string_lossy());
    format!("{name}:{line}")
}
