//! What is to be said of a firedrill when everything was checked for good.

use std::time::{Duration, Instant};

use super::score::shown;
use super::state::State;
use super::view::{CheckState, VerdictView};
use crate::journal::{Budget, BudgetName, Outcome, Problem};

impl State {
    /// Why users are not served, of those with one of these ids, by what was heard since `from`.
    pub(super) fn unserved(&self, ids: &[String], from: Instant) -> Option<String> {
        ids.iter().find_map(|id| self.users.get(id)?.unserved(from))
    }

    /// A check was made for good.
    pub(super) fn judged(&mut self, index: usize, outcome: Outcome, problem: Option<&Problem>) {
        if self.ended.is_none() {
            return;
        }
        match CheckState::of(outcome) {
            Some(state) => self.check(index, state, &problem.map(Problem::headline).unwrap_or_default()),
            None => self.skip(index),
        }
    }

    /// How it came out, with what holds and what does not.
    pub(super) fn conclude(&mut self, outcome: Outcome, debrief: String) {
        let mut lines = vec![];
        if let Some((took, how)) = self.ended {
            lines.push(format!("{} after {}", how.as_str(), shown(took)));
        }
        let missed = self.budgets.iter().filter(|budget| budget.outcome != Outcome::Passed);
        lines.extend(missed.map(told));
        let checks = self.view.checks.clone();
        let verdict = self.view.team.verdict.get_or_insert_with(VerdictView::default);
        outcome.as_str().clone_into(&mut verdict.outcome);
        (verdict.lines, verdict.checks, verdict.debrief) = (lines, checks, Some(debrief));
    }
}

/// A budget that did not hold: `RTO: 3 min 2 s, and 2 min 0 s are allowed`.
fn told(budget: &Budget) -> String {
    let name = match budget.name {
        BudgetName::Rto => "RTO",
        BudgetName::RtoOfLast => "RTO against earlier runs",
        BudgetName::Rpo | BudgetName::RpoTime => "RPO",
    };
    let time = |ms: u64| shown(Duration::from_millis(ms));
    let (measured, max) = match budget.max_ms {
        Some(max) => (budget.measured_ms.map(time), time(max)),
        None => {
            let lost = budget.measured_lost.map(|lost| format!("{lost} transactions lost"));
            (lost, budget.max_lost.unwrap_or_default().to_string())
        }
    };
    format!("{name}: {}, and {max} are allowed", measured.as_deref().unwrap_or("not measured"))
}

impl CheckState {
    /// How an assertion stands that came out so; none for one that is for another version.
    pub(super) fn of(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Passed => Some(CheckState::Holds),
            Outcome::Failed => Some(CheckState::Fails),
            Outcome::Errored => Some(CheckState::Errored),
            Outcome::Skipped => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::CheckView;
    use super::*;
    use crate::journal::Ending;

    #[test]
    fn the_verdict_says_what_holds_and_what_does_not() {
        let check = |name: &str| CheckView { name: name.to_owned(), ..CheckView::default() };
        let mut state = State::default();
        state.view.checks = vec![check("rows are back"), check("nothing is lost")];
        state.checks = vec![7, 8];
        // While people are at work it is not for good.
        state.judged(7, Outcome::Passed, None);
        assert_eq!(state.view.checks[0].state, CheckState::Unknown);
        state.ended = Some((Duration::from_secs(90), Ending::GaveUp));
        state.judged(7, Outcome::Passed, None);
        state.judged(8, Outcome::Failed, Some(&Problem::new("3 commits are gone")));
        state.budgets.push(Budget {
            name: BudgetName::Rto,
            outcome: Outcome::Failed,
            measured_ms: Some(90_000),
            max_ms: Some(60_000),
            measured_lost: None,
            max_lost: None,
            checked: None,
            not_checked: None,
        });
        state.conclude(Outcome::Failed, "debrief.html".to_owned());
        let verdict = state.view.team.verdict.expect("a verdict");
        assert_eq!(verdict.outcome, "failed");
        assert_eq!(verdict.lines, ["the team gave up after 1 min 30 s", "RTO: 1 min 30 s, and 1 min 0 s are allowed"]);
        let checks: Vec<_> = verdict.checks.iter().map(|check| (check.state, check.said.as_str())).collect();
        assert_eq!(checks, [(CheckState::Holds, ""), (CheckState::Fails, "3 commits are gone")]);
    }
}
