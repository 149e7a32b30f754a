//! Budgets: checked at a drill's end, by what was measured on the way.

use std::time::Duration;

use super::last_pass::LastPass;
use super::tally::StepTime;
use crate::harness::{Judged, Users, World};
use crate::journal::{Budget, BudgetName, Outcome, Problem};
use crate::plan::{LossOf, Plan, RpoBudget, RtoBudget};
use crate::steps::thousands;

/// Checks a drill's budgets. One that was not measured has failed.
pub fn judge(plan: &Plan, times: &[Option<StepTime>], world: Option<&World>) -> Vec<(Budget, Option<Problem>)> {
    let rto = plan.rto.as_ref().map(|budget| rto(plan, budget, times));
    let rpo = plan.rpo.as_ref().map(|budget| rpo(plan, budget, world)).unwrap_or_default();
    rto.into_iter().chain(rpo).collect()
}

/// When the first and the last step of a recovery passed, those that did.
fn ends(budget: &RtoBudget, times: &[Option<StepTime>]) -> (Option<StepTime>, Option<StepTime>) {
    let passed = |at: usize| times.get(at).copied().flatten().filter(|time| time.passed);
    (passed(budget.from), passed(budget.to))
}

fn took(ends: (Option<StepTime>, Option<StepTime>)) -> Option<Duration> {
    ends.0.zip(ends.1).map(|(from, to)| to.ended.saturating_sub(from.began))
}

/// By how much more a recovery is never slower: so much programs take to start when a machine is
/// busy.
const SLACK: Duration = Duration::from_secs(1);

/// Compares the recovery time with that of the newest runs that passed, if the drill asks for it;
/// an error says that there is nothing to compare it with. A time that was not measured has failed
/// already.
pub fn against_last(
    plan: &Plan,
    times: &[Option<StepTime>],
    last: &LastPass,
) -> Option<Result<(Budget, Option<Problem>), String>> {
    let budget = plan.rto.as_ref()?;
    let of_last = budget.of_last.as_ref()?;
    let measured = took(ends(budget, times))?;
    let told = |title: &str, label: String| Problem::new(title).at(plan.source.place(of_last.span, label));
    let judged = |outcome, max: Option<Duration>| Budget {
        outcome,
        measured_ms: Some(measured.as_millis() as u64),
        max_ms: max.map(|max| max.as_millis() as u64),
        ..named(BudgetName::RtoOfLast, true)
    };
    Some(match last {
        LastPass::NotAsked | LastPass::None => {
            Err("the recovery time is compared with no earlier run: none has passed in this history".to_owned())
        }
        LastPass::Unknown(why) => {
            let problem = told("the recovery time could not be compared", format!("the history was not read: {why}"));
            Ok((judged(Outcome::Errored, None), Some(problem)))
        }
        LastPass::Rto { median_ms, of } => {
            let usual = Duration::from_millis(*median_ms);
            let max = usual.mul_f64(of_last.value.0).max(usual + SLACK);
            match measured <= max {
                true => Ok((judged(Outcome::Passed, Some(max)), None)),
                false => {
                    let of =
                        if *of == 1 { "the last pass".to_owned() } else { format!("the last {of} passes (median)") };
                    let label = format!("it took {}, and {} in {of}", shown(measured), shown(usual));
                    let help = format!(
                        "is it the machine, more data, or more WAL? `drillyard runs trend` shows which part has grown; if it is \
                         meant to be so, `drillyard runs forget --measure {}` lets the next run be the measure",
                        plan.name
                    );
                    let problem = told("recovery has become slower", label).help(help);
                    Ok((judged(Outcome::Failed, Some(max)), Some(problem)))
                }
            }
        }
    })
}

fn rto(plan: &Plan, budget: &RtoBudget, times: &[Option<StepTime>]) -> (Budget, Option<Problem>) {
    let (from, to) = ends(budget, times);
    let name = |index: usize| plan.steps[index].head.id.clone().unwrap_or_default();
    let measured = took((from, to));
    let (outcome, problem) = match measured {
        Some(measured) if measured <= budget.max => (Outcome::Passed, None),
        Some(measured) => {
            let label = format!("it took {}", shown(measured));
            (Outcome::Failed, Some(Problem::new("recovery took too long").at(plan.source.place(budget.span, label))))
        }
        None => {
            let missing = if from.is_none() { budget.from } else { budget.to };
            let label = format!("step `{}` did not pass", name(missing));
            let problem = Problem::new("the recovery time was not measured").at(plan.source.place(budget.span, label));
            (Outcome::Failed, Some(problem))
        }
    };
    let budget = Budget {
        name: BudgetName::Rto,
        outcome,
        measured_ms: measured.map(|measured| measured.as_millis() as u64),
        max_ms: Some(budget.max.as_millis() as u64),
        measured_lost: None,
        max_lost: None,
        checked: None,
        not_checked: None,
    };
    (budget, problem)
}

/// In transactions, in time, or both.
fn rpo(plan: &Plan, budget: &RpoBudget, world: Option<&World>) -> Vec<(Budget, Option<Problem>)> {
    let users = world.and_then(|world| world.users(&budget.traffic).ok());
    let loss =
        Loss { plan, budget, users: users.as_deref(), judged: users.as_ref().and_then(|users| users.measured()) };
    let in_transactions = budget.max_lost.map(|max| {
        let lost = loss.checked().map(Judged::lost);
        let problem = loss.problem(
            lost.map(|lost| (lost > max).then(|| format!("{} acknowledged transactions are lost", thousands(lost)))),
        );
        (Budget { measured_lost: lost, max_lost: Some(max), ..loss.named(BudgetName::Rpo, problem.is_none()) }, problem)
    });
    let in_time = budget.max_time.map(|max| {
        let time = loss.checked().map(|judged| Duration::from_millis(judged.lost_work_ms));
        let problem = loss
            .problem(time.map(|time| (time > max).then(|| format!("{} of acknowledged work are lost", shown(time)))));
        let ms = |time: Duration| time.as_millis() as u64;
        let named = loss.named(BudgetName::RpoTime, problem.is_none());
        (Budget { measured_ms: time.map(ms), max_ms: Some(ms(max)), ..named }, problem)
    });
    in_transactions.into_iter().chain(in_time).collect()
}

/// What a budget of loss goes by.
struct Loss<'a> {
    plan: &'a Plan,
    budget: &'a RpoBudget,
    users: Option<&'a Users>,
    judged: Option<Judged>,
}

impl Loss<'_> {
    /// What was found, where anything could be looked for. Users who had nothing to lose have lost
    /// nothing.
    fn checked(&self) -> Option<&Judged> {
        self.judged.as_ref().filter(|judged| judged.total.checked > 0 || self.not_checked() == Some(0))
    }

    /// How many acknowledged transactions nobody has looked for; None where nobody looked for any.
    fn not_checked(&self) -> Option<u64> {
        let (judged, users) = (self.judged.as_ref()?, self.users?);
        // A server to which no user goes, such as a restored one, is about what was acknowledged
        // when it was looked at.
        let goes_on = users.nodes.contains(&judged.node);
        Some(judged.not_checked(if goes_on { users.pool.counts().acknowledged } else { judged.acknowledged }))
    }

    fn named(&self, name: BudgetName, passed: bool) -> Budget {
        let (checked, not_checked) = (self.judged.as_ref().map(|judged| judged.total.checked), self.not_checked());
        Budget { checked, not_checked, ..named(name, passed) }
    }

    /// What is wrong, if anything. `found` is what is more than the limit allows, if anything is;
    /// None where nothing was measured.
    fn problem(&self, found: Option<Option<String>>) -> Option<Problem> {
        let told = |title: &str, label: String| Problem::new(title).at(self.plan.source.place(self.budget.span, label));
        match found {
            None => Some(self.unmeasured()),
            Some(Some(label)) => Some(told("more was lost than the budget allows", label)),
            Some(None) if self.budget.of == LossOf::Checked => None,
            Some(None) => self.unchecked(),
        }
    }

    fn unmeasured(&self) -> Problem {
        let traffic = &self.budget.traffic;
        let label = match (&self.judged, self.users.and_then(Users::judged)) {
            (Some(_), _) => format!("none of the transactions of `{traffic}` could be checked"),
            (None, Some(_)) => format!("only what `{traffic}` did before a mark was checked"),
            (None, None) => format!("no `assert_traffic` checked `{traffic}`"),
        };
        let problem = Problem::new("the loss was not measured").at(self.plan.source.place(self.budget.span, label));
        match self.judged.as_ref().map(|judged| judged.unchecked.as_slice()) {
            Some(kinds @ [_, ..]) => problem.help(format!("give {} a `ledger`", listed(kinds))),
            _ => problem,
        }
    }

    /// A budget that rests on what nobody could check has not been kept.
    fn unchecked(&self) -> Option<Problem> {
        let judged = self.judged.as_ref()?;
        let number = self.not_checked().filter(|number| *number > 0)?;
        let (without, all) = (judged.total.without_ledger, number + judged.total.checked + judged.total.wrote_nothing);
        let label = format!("{} of {} acknowledged transactions were not checked", thousands(number), thousands(all));
        let mut problem = Problem::new("not all transactions were checked for loss")
            .at(self.plan.source.place(self.budget.span, label));
        if without > 0 {
            let kinds = judged.unchecked.iter();
            let kinds: Vec<_> = kinds.map(|(kind, number)| format!("{} of `{kind}`", thousands(*number))).collect();
            problem = problem.note("no ledger", kinds.join(", "));
        }
        if number > without {
            let later = thousands(number - without);
            let text = format!("{later} were acknowledged after the last `assert_traffic` without `before`");
            problem = problem.note("not checked", text);
        }
        let help = match judged.unchecked.as_slice() {
            [] => format!("stop the users before the last `assert_traffic`: `stop_traffic: {}`", self.budget.traffic),
            kinds => format!(
                "give {} a `ledger`, or write `of: checked` if the budget is about the others alone",
                listed(kinds)
            ),
        };
        Some(problem.help(help))
    }
}

/// `` `order` and `visit` ``.
fn listed(kinds: &[(String, u64)]) -> String {
    kinds.iter().map(|(kind, _)| format!("`{kind}`")).collect::<Vec<_>>().join(" and ")
}

fn named(name: BudgetName, passed: bool) -> Budget {
    Budget {
        name,
        outcome: if passed { Outcome::Passed } else { Outcome::Failed },
        measured_ms: None,
        max_ms: None,
        measured_lost: None,
        max_lost: None,
        checked: None,
        not_checked: None,
    }
}

fn shown(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
