//! The users of a `traffic` step, and what assertions have found of their transactions.

use std::sync::{Mutex, PoisonError};

use super::NodeId;
use crate::journal::TrafficCount;
use crate::ledger::{CheckScope, Tally, Verdict};
use crate::source::Spanned;
use crate::traffic::{Pool, Reason, Workload};

/// The users of a `traffic` step.
pub struct Users {
    /// The users themselves.
    pub pool: Pool,
    /// What they do.
    pub workload: Workload,
    /// The nodes that they go to.
    pub nodes: Vec<NodeId>,
    /// The database that they write to, where it is not the nodes' own one.
    pub database: Option<Spanned<String>>,
    /// What the last assertion that looked has found.
    pub judged: Mutex<Option<Judged>>,
    /// What the last one has found that looked at all of them, and not only at those before a mark.
    pub measured: Mutex<Option<Judged>>,
}

/// What an assertion has found out about users' transactions.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The node that was looked at.
    pub node: NodeId,
    /// What was asked.
    pub scope: CheckScope,
    /// How many were acknowledged by then.
    pub acknowledged: u64,
    /// The numbers.
    pub total: Tally,
    /// The kinds of transactions that could not be looked for, and how many of each were
    /// acknowledged.
    pub unchecked: Vec<(String, u64)>,
    /// How many milliseconds of acknowledged work are lost.
    pub lost_work_ms: u64,
}

impl Judged {
    /// What a verdict comes to.
    pub fn new(node: &NodeId, scope: CheckScope, acknowledged: u64, verdict: &Verdict, lost_work_ms: u64) -> Self {
        let unchecked = verdict.kinds.iter();
        let unchecked = unchecked.map(|kind| (kind.kind.clone(), kind.tally.without_ledger + kind.tally.unresolved));
        let unchecked = unchecked.filter(|(_, number)| *number > 0).collect();
        Judged { node: node.clone(), scope, acknowledged, total: verdict.total, unchecked, lost_work_ms }
    }

    /// How many of so many acknowledged transactions nobody has looked for.
    pub fn not_checked(&self, acknowledged: u64) -> u64 {
        acknowledged.saturating_sub(self.total.checked + self.total.wrote_nothing).max(self.total.without_ledger)
    }

    /// What budgets count as lost: acknowledged, and not there, in whole or in part.
    pub fn lost(&self) -> u64 {
        self.total.lost + self.total.acknowledged_partial
    }
}

impl Users {
    /// What the last assertion that looked has found.
    pub fn judged(&self) -> Option<Judged> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What budgets go by: what the last assertion that looked at all of them has found.
    pub fn measured(&self) -> Option<Judged> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what an assertion has found.
    pub fn keep(&self, judged: Judged) {
        if judged.scope.before.is_none() {
            *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged.clone());
        }
        *self.judged.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
    }

    /// Why the server has not committed: `250 rejected: the transaction itself rolls back`; None
    /// where it always has.
    pub fn rejections(&self) -> Option<String> {
        let reasons: Vec<String> = self
            .pool
            .rejections()
            .into_iter()
            .map(|(reason, count)| {
                let why = match reason {
                    Reason::State(state) => state.to_string(),
                    Reason::RolledBack => "the transaction rolls itself back".to_owned(),
                    Reason::Unnamed => "without an SQLSTATE".to_owned(),
                };
                format!("{count} rejected: {why}")
            })
            .collect();
        (!reasons.is_empty()).then(|| reasons.join(", "))
    }

    /// What became of their transactions so far.
    pub fn count(&self, id: &str) -> TrafficCount {
        let counts = self.pool.counts();
        let judged = self.judged();
        let total = judged.as_ref().map(|judged| judged.total);
        let Tally { checked, without_ledger, wrote_nothing, .. } = total.unwrap_or_default();
        // One that is just being counted may have been looked for.
        let acknowledged = counts.acknowledged.max(checked + without_ledger + wrote_nothing);
        let not_checked = judged.as_ref().map_or(acknowledged, |judged| judged.not_checked(acknowledged));
        let code = |reason: Reason| match reason {
            Reason::State(state) => state.code().to_owned(),
            Reason::RolledBack => TrafficCount::ROLLED_BACK.to_owned(),
            Reason::Unnamed => "none".to_owned(),
        };
        let rejections = self.pool.rejections().into_iter();
        TrafficCount {
            id: id.to_owned(),
            acknowledged,
            in_doubt: counts.in_doubt,
            rejected: counts.rejected,
            unconfirmed: counts.unconfirmed,
            checked,
            not_checked,
            without_ledger,
            wrote_nothing,
            lost: total.filter(|total| total.checked > 0).map(|total| total.lost),
            duplicated: total.map(|total| total.duplicated),
            partial: total.map(|total| total.partial),
            unexpected: total.map(|total| total.unexpected),
            rejected_present: total.map(|total| total.rejected_present),
            lost_work_ms: judged.as_ref().map(|judged| judged.lost_work_ms),
            rejections: rejections.map(|(reason, count)| (code(reason), count)).collect(),
        }
    }
}
