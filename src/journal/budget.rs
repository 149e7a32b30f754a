//! How the budgets of a drill came out.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Outcome;

/// The budgets that there are, by what they measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetName {
    /// How long recovery takes.
    Rto,
    /// How long it takes against what it took in earlier runs.
    RtoOfLast,
    /// How many acknowledged transactions are lost.
    Rpo,
    /// How much acknowledged work is lost, as a time.
    RpoTime,
}

impl BudgetName {
    /// As reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            BudgetName::Rto => "rto",
            BudgetName::RtoOfLast => "rto_of_last",
            BudgetName::Rpo => "rpo",
            BudgetName::RpoTime => "rpo_time",
        }
    }
}

impl fmt::Display for BudgetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a budget came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Which one.
    pub name: BudgetName,
    /// Whether it held; errored where it was never measured.
    pub outcome: Outcome,
    /// The measured duration, for budgets of time.
    pub measured_ms: Option<u64>,
    /// The allowed duration, for budgets of time.
    pub max_ms: Option<u64>,
    /// The measured number of lost transactions, for budgets of loss.
    pub measured_lost: Option<u64>,
    /// The allowed number of lost transactions, for budgets of loss.
    pub max_lost: Option<u64>,
    /// How many transactions were looked for, for budgets of loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<u64>,
    /// How many were acknowledged and not looked for, for budgets of loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_checked: Option<u64>,
}

impl Budget {
    /// How many transactions it does not know of, where there are any.
    pub fn unknown(&self) -> Option<u64> {
        self.not_checked.filter(|number| *number > 0)
    }
}
