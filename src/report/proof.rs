//! What is known of a drill's proof: the ways in which it was broken, and whether it noticed.

use crate::journal::{BreakHead, BreakVerdict, Outcome};

/// A proof, as far as it was told.
#[derive(Debug, Clone, Default)]
pub struct ProofRecord {
    /// The breaks that were meant to be tried, in the order of the plan.
    pub breaks: Vec<BreakRecord>,
    /// How it ended, and how long it took in milliseconds.
    pub end: Option<(Outcome, u64)>,
}

/// A break, as far as it was told.
#[derive(Debug, Clone)]
pub struct BreakRecord {
    /// What was told of it before it was tried.
    pub head: BreakHead,
    /// What came of it; `None` if it was not tried, or there was nothing to break.
    pub verdict: Option<BreakVerdict>,
}

/// How many breaks came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the verdicts")]
pub struct Score {
    pub noticed: usize,
    pub missed: usize,
    pub ignored: usize,
    pub errored: usize,
}

impl ProofRecord {
    pub(super) fn tried(&mut self, name: String, verdict: BreakVerdict) {
        match self.breaks.iter_mut().find(|one| one.head.name == name) {
            Some(one) => one.verdict = Some(verdict),
            // One that was not announced is not lost.
            None => {
                let head = BreakHead { name, step: None, remedy: String::new() };
                self.breaks.push(BreakRecord { head, verdict: Some(verdict) });
            }
        }
    }

    /// The breaks that were tried, or ignored, and what came of each.
    pub fn verdicts(&self) -> impl Iterator<Item = (&BreakHead, &BreakVerdict)> {
        self.breaks.iter().filter_map(|one| Some((&one.head, one.verdict.as_ref()?)))
    }

    /// The breaks of the plan for which there was nothing to break, once all of them were tried.
    pub fn left_out(&self) -> impl Iterator<Item = &BreakHead> {
        let left_out = self.breaks.iter().filter(|one| one.verdict.is_none() && self.end.is_some());
        left_out.map(|one| &one.head)
    }

    /// How many came out how.
    pub fn score(&self) -> Score {
        self.verdicts().fold(Score::default(), |score, (_, verdict)| score.and(verdict))
    }

    /// How the proof came out: as it said at its end, unless that is better than one of its breaks.
    /// One that never ended is errored.
    pub(super) fn outcome(&self) -> Outcome {
        let breaks = self.verdicts().map(|(_, verdict)| verdict.outcome());
        self.end.map_or(Outcome::Errored, |(said, _)| said.or_worse(breaks))
    }
}

impl Score {
    fn and(mut self, verdict: &BreakVerdict) -> Self {
        match verdict {
            BreakVerdict::Noticed(_) => self.noticed += 1,
            BreakVerdict::Missed { .. } => self.missed += 1,
            BreakVerdict::Ignored { .. } => self.ignored += 1,
            BreakVerdict::Errored { .. } => self.errored += 1,
        }
        self
    }

    pub(super) fn plus(self, other: Score) -> Self {
        Score {
            noticed: self.noticed + other.noticed,
            missed: self.missed + other.missed,
            ignored: self.ignored + other.ignored,
            errored: self.errored + other.errored,
        }
    }

    /// How many breaks count.
    fn counted(self) -> usize {
        self.noticed + self.missed + self.errored
    }

    /// `18 of 18 (100%), 1 ignored`. Percents are rounded down: 100 is all of them.
    pub(super) fn explained(self) -> String {
        let percent = (self.noticed * 100).checked_div(self.counted()).unwrap_or_default();
        let mut line = format!("{} of {} ({percent}%)", self.noticed, self.counted());
        let others = [(self.ignored, "ignored"), (self.errored, "could not be checked")];
        for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
            line.push_str(&format!(", {count} {what}"));
        }
        line
    }
}

/// What is said of a break: by what it was noticed, what passed over it and what would not, why it
/// is ignored or not known.
pub(super) fn explained(head: &BreakHead, verdict: &BreakVerdict) -> String {
    match verdict {
        BreakVerdict::Noticed(sign) => {
            let place = if sign.place.is_empty() { String::new() } else { format!(" ({})", sign.place) };
            format!("by {}{place}: {}", sign.by, sign.said)
        }
        BreakVerdict::Missed { passed } => missed(head, passed),
        BreakVerdict::Ignored { because } => because.clone(),
        BreakVerdict::Errored { why } => format!("could not be checked: {why}"),
    }
}

/// What passed over a break, and what would not, where that is known.
pub(super) fn missed(head: &BreakHead, passed: &[String]) -> String {
    match head.remedy.as_str() {
        "" => passed_over(passed),
        remedy => format!("{}; {remedy}", passed_over(passed)),
    }
}

/// The checks that passed although the drill was broken.
pub(super) fn passed_over(passed: &[String]) -> String {
    const MOST: usize = 5;
    let more = passed.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    match passed {
        [] => "everything passed: no check comes after it".to_owned(),
        some => format!("everything passed: {}{more}", some[..some.len().min(MOST)].join(", ")),
    }
}
