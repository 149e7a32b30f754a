//! What is wrong with a drill, as reports tell it: every problem with the name of what had it.

use crate::journal::{BreakHead, BreakVerdict, BudgetName, Outcome, Place, Problem, StepHead};

use super::drill::DrillRecord;
use super::facts::is_exceeded;
use super::proof::passed_over;
use super::text::{duration, thousands};

/// What has a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// The step with that index and name.
    Step(usize, String),
    /// The budget at that place among the drill's budgets, with its name.
    Budget(usize, BudgetName),
    /// The way of breaking the drill that has this name.
    Break(String),
    /// The drill as a whole.
    Drill,
}

/// What is told of a budget that was not measured since something else had gone wrong.
pub(super) const UNMEASURED: &str = "the drill ended early";

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// With what.
    pub of: Of,
    /// Failed or errored.
    pub outcome: Outcome,
    /// What is wrong.
    pub problem: Problem,
}

impl Trouble {
    /// The step's name, `budget rto` or `break left-out recover:rescue`; `None` for the drill as a
    /// whole.
    pub(super) fn what(&self) -> Option<String> {
        match &self.of {
            Of::Step(_, name) => Some(name.clone()),
            Of::Budget(_, name) => Some(format!("budget {name}")),
            Of::Break(name) => Some(format!("break {name}")),
            Of::Drill => None,
        }
    }

    /// `dropped-table (17.2, docker) > nothing was lost`.
    pub(super) fn headline(&self, drill: &DrillRecord) -> String {
        match self.what() {
            Some(what) => format!("{} > {what}", drill.title()),
            None => drill.title(),
        }
    }
}

impl DrillRecord {
    /// Everything that is wrong with it: its steps, the drill as a whole, its budgets, the breaks
    /// that it did not notice. Never empty for a drill that failed or errored. The first one tells
    /// which budgets could not be measured, how to look at the servers and how to run the drill
    /// again.
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = self.step_troubles();
        let (ended, outcome) = (self.end.as_ref(), self.outcome());
        match ended.and_then(|end| end.problem.clone()) {
            Some(problem) => troubles.push(Trouble { of: Of::Drill, outcome, problem }),
            // A drill that ended outside its steps says so itself; this is for one that did not.
            None if !self.has_ended() => {
                troubles.push(Trouble { of: Of::Drill, outcome, problem: self.unexplained(outcome) });
            }
            None => {}
        }
        // A budget that was not measured because the drill had ended before is no trouble of its
        // own.
        let ended_before = !troubles.is_empty();
        let measured =
            |at: usize| self.budgets[at].0.measured_ms.is_some() || self.budgets[at].0.measured_lost.is_some();
        let (own, unmeasured): (Vec<_>, Vec<_>) = self
            .budget_troubles()
            .partition(|one| matches!(one.of, Of::Budget(at, _) if measured(at) || !ended_before));
        troubles.extend(own);
        troubles.extend(self.break_troubles());
        if troubles.is_empty() && outcome.is_bad() {
            troubles.push(Trouble { of: Of::Drill, outcome, problem: self.unexplained(outcome) });
        }
        if let (Some(first), false) = (troubles.first_mut(), unmeasured.is_empty()) {
            let names: Vec<String> = unmeasured.iter().filter_map(Trouble::what).collect();
            first.problem = first.problem.clone().note("not measured", format!("{}: {UNMEASURED}", names.join(", ")));
        }
        if let Some(first) = troubles.first_mut() {
            for (_, shell) in &self.kept {
                first.problem = first.problem.clone().note("kept", shell);
            }
            if let Some(again) = ended.map(|end| &end.again).filter(|again| !again.is_empty()) {
                first.problem = first.problem.clone().note("again", again);
            }
        }
        troubles
    }

    /// What decides how it came out, for whoever tells one thing: the first of its troubles that
    /// came out as the drill did, or else the first.
    pub fn first_cause(&self) -> Option<Trouble> {
        let (outcome, mut troubles) = (self.outcome(), self.troubles());
        let decides = troubles.iter().position(|trouble| trouble.outcome == outcome).unwrap_or_default();
        (decides < troubles.len()).then(|| troubles.swap_remove(decides))
    }

    fn step_troubles(&self) -> Vec<Trouble> {
        let mut troubles = vec![];
        for step in &self.steps {
            let Some(end) = step.end.as_ref().filter(|end| end.outcome.is_bad()) else { continue };
            // The lines of an `all` or a `team` say what is wrong.
            let index = Some(step.head.index);
            let has_lines = self.steps.iter().any(|line| line.head.group == index || line.head.team == index);
            if has_lines && end.problem.is_none() {
                continue;
            }
            let problem = end.problem.clone().unwrap_or_else(|| {
                let title =
                    end.message.clone().unwrap_or_else(|| format!("the step {}, and gave no reason", end.outcome));
                self.at_head(Problem::new(title), Some(&step.head))
            });
            troubles.push(Trouble {
                of: Of::Step(step.head.index, step.head.name.clone()),
                outcome: end.outcome,
                problem,
            });
        }
        troubles
    }

    fn budget_troubles(&self) -> impl Iterator<Item = Trouble> {
        let bad = self.budgets.iter().enumerate().filter(|(_, (budget, _))| budget.outcome.is_bad());
        bad.map(|(at, (budget, problem))| {
            let exceeded = is_exceeded(budget);
            let title = match (budget.measured_ms, budget.max_ms, budget.measured_lost, budget.max_lost) {
                _ if !exceeded && let Some(unknown) = budget.unknown() => {
                    let unknown = thousands(unknown);
                    format!("the budget {} is about all transactions, and {unknown} were not checked", budget.name)
                }
                (Some(measured), Some(max), ..) => {
                    format!("the budget {} was exceeded: {} (limit {})", budget.name, duration(measured), duration(max))
                }
                (_, _, Some(lost), Some(max)) => {
                    let (lost, max) = (thousands(lost), thousands(max));
                    format!("the budget {} was exceeded: {lost} transactions lost (limit {max})", budget.name)
                }
                _ => format!("the budget {} was not measured", budget.name),
            };
            let problem = problem.clone().unwrap_or_else(|| Problem::new(title));
            Trouble { of: Of::Budget(at, budget.name), outcome: budget.outcome, problem }
        })
    }

    fn break_troubles(&self) -> impl Iterator<Item = Trouble> {
        let verdicts = self.proof.iter().flat_map(|proof| proof.verdicts());
        verdicts.filter_map(|(head, verdict)| {
            let problem = self.break_problem(head, verdict)?;
            Some(Trouble { of: Of::Break(head.name.clone()), outcome: verdict.outcome(), problem })
        })
    }

    fn break_problem(&self, head: &BreakHead, verdict: &BreakVerdict) -> Option<Problem> {
        let step = head.step.and_then(|index| self.steps.iter().find(|step| step.head.index == index));
        let problem = |title: String| self.at_head(Problem::new(title), step.map(|step| &step.head));
        match verdict {
            BreakVerdict::Missed { passed } => {
                let problem =
                    problem(format!("the drill does not notice `{}`", head.name)).note("", passed_over(passed));
                Some(if head.remedy.is_empty() { problem } else { problem.help(&head.remedy) })
            }
            BreakVerdict::Errored { why } => {
                let title = |why: &str| format!("it is not known whether the drill notices `{}`: {why}", head.name);
                Some(match why.split_once('\n') {
                    Some((first, _)) => problem(title(first)).note("", why),
                    None => problem(title(why)),
                })
            }
            BreakVerdict::Noticed(_) | BreakVerdict::Ignored { .. } => None,
        }
    }

    /// The problem of a drill that is not passed and told none.
    fn unexplained(&self, outcome: Outcome) -> Problem {
        let title = self.message().unwrap_or_else(|| format!("the drill {outcome}, and gave no reason"));
        let running = self.steps.iter().find(|step| step.end.is_none() && step.started_ms.is_some());
        match running {
            Some(step) => self.at_head(Problem::new(title), Some(&step.head)).note("during", &step.head.name),
            None => self.at_head(Problem::new(title), None),
        }
    }

    /// A place without text: the reports have no file to read, only what the events tell.
    fn at_head(&self, problem: Problem, head: Option<&StepHead>) -> Problem {
        let Some(head) = head.filter(|head| head.line > 0 && !self.file.is_empty()) else { return problem };
        let place = |file: &str, line| Place {
            file: file.to_owned(),
            line,
            column: 1,
            width: 1,
            text: String::new(),
            label: String::new(),
            used: None,
        };
        let used = head.fragment.iter().flat_map(|fragment| &fragment.used);
        let problem = problem.at(place(head.file(&self.file), head.line));
        used.fold(problem, |problem, used| problem.at(place(&used.file, used.line)))
    }
}
