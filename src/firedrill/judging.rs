//! Checking whether people are done, and what it comes to.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::accidents::primaries;
use super::desk::Reply;
use super::play::{AtWork, Firedrill};
use super::score::Facts;
use super::view::{CheckState, VerdictView};
use crate::harness::{NodeId, Output};
use crate::journal::{BudgetName, Ending, Firedrill as What, Problem, Speaker};
use crate::plan::PlannedStep;
use crate::run::{Checked, Field};

/// How long users may take to get on once all checks hold: a word of them comes every second, and
/// they hold back while something is checked.
const GETS_ON: Duration = Duration::from_secs(4);
const AGAIN: Duration = Duration::from_millis(100);

/// When people say that they are done, each check has the time that the drill gives it.
const IN_EARNEST: Duration = Duration::MAX;

impl Firedrill {
    /// Checks, and keeps how each check stands. Whether all hold.
    pub(super) async fn look(&self, field: &Field<'_>, at_most: Duration) -> bool {
        let checked = field.check(&self.part.judge, at_most).await;
        if !self.note(&checked) {
            return false;
        }
        let unserved = self.unserved(field).await;
        let served = unserved.is_none();
        self.floor.state().unserved = unserved;
        served
    }

    /// Keeps how each check stands. Whether all hold.
    fn note(&self, checked: &[Checked]) -> bool {
        let mut state = self.floor.state();
        state.unserved = None;
        for Checked { index, outcome, problem } in checked {
            match CheckState::of(*outcome) {
                Some(now) => state.check(*index, now, &problem.as_ref().map(Problem::text).unwrap_or_default()),
                None => state.skip(*index),
            }
        }
        let standing = state.standing();
        standing.of > 0 && standing.held == standing.of
    }

    /// Why users are not served whom the servers have that are checked, if they are not: rows may
    /// be where they belong, and nobody can write. Those who go on only once they are served are
    /// waited for.
    async fn unserved(&self, field: &Field<'_>) -> Option<String> {
        let ids = self.users_of_checked(field).await;
        let from = Instant::now();
        loop {
            let why = self.floor.state().unserved(&ids, from);
            if why.is_none() || from.elapsed() >= GETS_ON || field.env().cancel.is_cancelled() {
                return why;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The ids of the users whose server is checked and is a primary now: another one may stay as
    /// it is.
    async fn users_of_checked(&self, field: &Field<'_>) -> Vec<String> {
        let primaries: Vec<String> = primaries(field.world).await.into_iter().map(|primary| primary.name).collect();
        let checked: BTreeSet<&NodeId> = self.checks(field).flat_map(PlannedStep::nodes).collect();
        let of_checked = |step: &&PlannedStep| {
            step.nodes().any(|node| checked.contains(node) && primaries.iter().any(|name| name == node.as_str()))
        };
        let traffic = field.plan().steps.iter().filter(|step| step.kind.output == Some(Output::Traffic));
        traffic.filter(of_checked).filter_map(|step| step.head.id.clone()).collect()
    }

    /// The steps that say whether people are done, with the lines of an `all` among them.
    pub(super) fn checks<'a>(&'a self, field: &'a Field<'_>) -> impl Iterator<Item = &'a PlannedStep> {
        field.plan().steps.iter().filter(|step| {
            let group = step.head.group.is_some_and(|group| self.part.judge.contains(&group));
            group || self.part.judge.contains(&step.head.index)
        })
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
        let unserved = self.floor.state().unserved.clone();
        let text = match (hold, unserved) {
            (true, _) => format!("all {of} hold"),
            (false, Some(why)) => format!("all {of} hold, and users are not served: {why}: go on"),
            (false, None) => format!("{held} of {of} hold: go on"),
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
