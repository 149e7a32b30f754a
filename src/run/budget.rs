//! Budgets: judged at a drill's end, by what was measured on the way.

use std::time::Duration;

use super::drill::StepTime;
use crate::journal::{Budget, Outcome, Problem};
use crate::plan::{Plan, RpoBudget, RtoBudget};
use crate::steps::Yard;

/// Judges a drill's budgets. One that was never measured has failed.
pub fn judge(plan: &Plan, times: &[Option<StepTime>], yard: Option<&Yard>) -> Vec<(Budget, Option<Problem>)> {
    let rto = plan.rto.as_ref().map(|budget| rto(plan, budget, times));
    let rpo = plan.rpo.as_ref().map(|budget| rpo(plan, budget, yard)).unwrap_or_default();
    rto.into_iter().chain(rpo).collect()
}

fn rto(plan: &Plan, budget: &RtoBudget, times: &[Option<StepTime>]) -> (Budget, Option<Problem>) {
    let from = times.get(budget.from).copied().flatten().filter(|time| time.passed);
    let to = times.get(budget.to).copied().flatten().filter(|time| time.passed);
    let name = |index: usize| plan.steps[index].head.id.clone().unwrap_or_default();
    let measured = from.zip(to).map(|(from, to)| to.ended.saturating_sub(from.began));
    let (outcome, problem) = match measured {
        Some(measured) if measured <= budget.max => (Outcome::Passed, None),
        Some(measured) => {
            let label = format!("it took {}", shown(measured));
            (Outcome::Failed, Some(Problem::new("recovery took too long").at(plan.source.place(budget.span, label))))
        }
        None => {
            let missing = if from.is_none() { budget.from } else { budget.to };
            let label = format!("`{}` did not come to its end", name(missing));
            let problem =
                Problem::new("the recovery time was never measured").at(plan.source.place(budget.span, label));
            (Outcome::Failed, Some(problem))
        }
    };
    let budget = Budget {
        name: "rto".to_owned(),
        outcome,
        measured_ms: measured.map(|measured| measured.as_millis() as u64),
        max_ms: Some(budget.max.as_millis() as u64),
        measured_lost: None,
        max_lost: None,
    };
    (budget, problem)
}

/// In transactions, in time, or both.
fn rpo(plan: &Plan, budget: &RpoBudget, yard: Option<&Yard>) -> Vec<(Budget, Option<Problem>)> {
    let users = yard.and_then(|yard| yard.users(&budget.traffic).ok());
    let judged = users.as_ref().and_then(|users| users.measured());
    let lost = judged.map(|judged| judged.lost());
    let time = judged.map(|judged| Duration::from_millis(judged.lost_work_ms));
    let problem = |title: &str, label: String| Problem::new(title).at(plan.source.place(budget.span, label));
    let unmeasured = || {
        let label = match users.as_ref().and_then(|users| users.judged()) {
            Some(_) => format!("only what `{}` did before a mark was judged, and not all of it", budget.traffic),
            None => format!("no `assert_traffic` came to judge `{}`", budget.traffic),
        };
        problem("the loss was never measured", label)
    };
    let in_transactions = budget.max_lost.map(|max| {
        let problem = match lost {
            Some(lost) if lost <= max => None,
            Some(lost) => {
                let label = format!("{lost} acknowledged transactions are lost");
                Some(problem("more was lost than may be", label))
            }
            None => Some(unmeasured()),
        };
        (Budget { measured_lost: lost, max_lost: Some(max), ..named("rpo", problem.is_none()) }, problem)
    });
    let in_time = budget.max_time.map(|max| {
        let problem = match time {
            Some(time) if time <= max => None,
            Some(time) => {
                let label = format!("{} of acknowledged work are lost", shown(time));
                Some(problem("more was lost than may be", label))
            }
            None => Some(unmeasured()),
        };
        let ms = |time: Duration| time.as_millis() as u64;
        (Budget { measured_ms: time.map(ms), max_ms: Some(ms(max)), ..named("rpo_time", problem.is_none()) }, problem)
    });
    in_transactions.into_iter().chain(in_time).collect()
}

fn named(name: &str, passed: bool) -> Budget {
    Budget {
        name: name.to_owned(),
        outcome: if passed { Outcome::Passed } else { Outcome::Failed },
        measured_ms: None,
        max_ms: None,
        measured_lost: None,
        max_lost: None,
    }
}

fn shown(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
