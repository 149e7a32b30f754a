//! Checking whether people are done, and what it comes to.

use std::time::{Duration, Instant};

use super::desk::Reply;
use super::play::{AtWork, Firedrill};
use super::score::Facts;
use super::view::{CheckState, VerdictView};
use crate::journal::{BudgetName, Ending, Firedrill as What, Problem, Speaker};
use crate::run::{Checked, Field};

/// When people say that they are done, each check has the time that the drill gives it.
const IN_EARNEST: Duration = Duration::MAX;

impl Firedrill {
    /// Checks, and keeps how each check stands. Whether all hold.
    pub(super) async fn look(&self, field: &Field<'_>, at_most: Duration) -> bool {
        let checked = field.check(&self.part.judge, at_most).await;
        let mut state = self.floor.state();
        for Checked { index, outcome, problem } in &checked {
            match CheckState::of(*outcome) {
                Some(now) => state.check(*index, now, &problem.as_ref().map(Problem::text).unwrap_or_default()),
                None => state.skip(*index),
            }
        }
        let standing = state.standing();
        standing.of > 0 && standing.held == standing.of
    }

    /// The same; the end of people's part, if this is it, is the moment in which it began.
    pub(super) async fn look_from(&self, field: &Field<'_>, at_most: Duration) -> bool {
        let began = Instant::now();
        let hold = self.look(field, at_most).await;
        if hold {
            self.floor.state().looked(began);
        }
        hold
    }

    /// The same with all the time that the checks may take, unless the run is interrupted.
    pub(super) async fn look_to_the_end(&self, field: &Field<'_>) -> bool {
        tokio::select! {
            biased;
            () = field.env().cancel.cancelled() => false,
            hold = self.look_from(field, IN_EARNEST) => hold,
        }
    }

    pub(super) async fn judged(&self, field: &Field<'_>, at_work: &mut AtWork) -> (bool, Reply) {
        // They may have started a server a moment ago.
        at_work.watch.adopt(field, &self.floor, &at_work.scratch, self.part.adopt.len()).await;
        at_work.watch.servers(field, &self.floor).await;
        let hold = self.look_to_the_end(field).await;
        let (standing, clock_ms) = {
            let mut state = self.floor.state();
            let standing = state.standing();
            state.view.team.standing = Some(standing);
            (standing, state.clock_ms())
        };
        let (held, of) = (standing.held, standing.of);
        let text = match hold {
            true => format!("all {of} hold"),
            false => format!("{held} of {of} hold: go on"),
        };
        self.floor.state().say(Speaker::Drill, &text);
        self.floor.tell(What::Judged { clock_ms, held, of });
        (hold, Reply { ok: hold, text })
    }

    /// The score, when everything was checked.
    pub(super) fn score(&self, field: &Field<'_>) {
        let facts = self.facts(field);
        let (parts, points) = facts.score();
        self.floor.tell(What::Scored { parts: parts.clone(), points });
        let mut state = self.floor.state();
        let verdict = state.view.team.verdict.get_or_insert_with(VerdictView::default);
        verdict.score = parts;
        verdict.points = points;
    }

    fn facts(&self, field: &Field<'_>) -> Facts {
        let state = self.floor.state();
        let (took, how) = state.ended.unwrap_or_default();
        let budget = field.plan().rto.as_ref().map(|rto| rto.max);
        let spent = self.part.hints.iter().zip(1..).filter(|(_, number)| state.bought.contains(number));
        let passed = |index: &usize| field.time(*index).is_some_and(|time| time.passed);
        let budget_of = |name| state.budgets.iter().find(|budget| budget.name == name);
        let lost = budget_of(BudgetName::Rpo).and_then(|rpo| rpo.measured_lost);
        let rto = budget_of(BudgetName::Rto).and_then(|rto| rto.measured_ms).map(Duration::from_millis);
        Facts {
            checks: (state.checks.iter().filter(|index| passed(index)).count(), state.checks.len()),
            recovered: how == Ending::AllHold,
            took: rto.unwrap_or(took),
            limit: budget.unwrap_or(state.limit),
            lost: lost.or((!state.lost.is_empty()).then(|| state.lost.values().sum())),
            happened: self.part.incident.is_some(),
            noticed: state.noticed,
            decided: state.decided,
            refused_seconds: state.refused.len() as u64,
            hints: (state.bought.len(), spent.map(|(hint, _)| hint.costs).sum()),
            accidents: state.accidents.clone(),
        }
    }
}
