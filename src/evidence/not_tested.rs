//! What nobody knows after a drill: what was left out, what could not be judged, and what it never
//! looks at.

use crate::harness::{Role, summary};
use crate::journal::{Outcome, TrafficCount};
use crate::report::{DrillRecord, StepRecord};
use crate::steps::{KINDS, find};

use super::statement::NotTested;

/// Why a kind of check is among what was not tested.
pub(super) const NO_SUCH_CHECK: &str = "the drill has no such check";

/// Facts that say what a check did not compare.
const NOT_COMPARED: [&str; 2] = ["not_compared", "not compared"];

/// Whether a step checks something.
pub(super) fn is_check(step: &StepRecord) -> bool {
    find(&step.head.kind).is_some_and(|kind| kind.role == Role::Check)
}

/// All of it, of a drill.
pub(super) fn not_tested(drill: &DrillRecord) -> Vec<NotTested> {
    if drill.outcome() == Outcome::Skipped || drill.steps.is_empty() {
        let why = drill.message().unwrap_or_else(|| "nothing of it was run".to_owned());
        return vec![NotTested { what: "the whole drill".to_owned(), why }];
    }
    let checks = drill.steps.iter().filter(|step| is_check(step)).flat_map(|step| of_check(drill, step));
    let users = drill.traffic.iter().filter_map(of_users);
    let is_there = |name: &str| drill.steps.iter().any(|step| step.head.kind == name);
    let lacking = KINDS.iter().filter(|kind| kind.role == Role::Check && !is_there(kind.name));
    let lacking = lacking
        .map(|kind| NotTested { what: format!("{}: {}", kind.name, summary(kind)), why: NO_SUCH_CHECK.to_owned() });
    checks.chain(users).chain(lacking).collect()
}

/// A check that was not carried out, or not wholly.
fn of_check(drill: &DrillRecord, step: &StepRecord) -> Vec<NotTested> {
    let what = format!("{} (line {})", step.head.name, step.head.line);
    let message = || drill.step_message(step).unwrap_or_else(|| "it is not known why".to_owned());
    match drill.step_outcome(step) {
        Outcome::Skipped => vec![NotTested { what, why: message() }],
        Outcome::Errored => vec![NotTested { what, why: format!("it could not be judged: {}", message()) }],
        Outcome::Passed | Outcome::Failed => {
            let facts = step.end.as_ref().map(|end| &end.facts);
            let left_out = NOT_COMPARED.iter().filter_map(|name| facts?.get(*name));
            let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            left_out
                .map(|left_out| NotTested {
                    what: format!("{what}: {}", text(left_out)),
                    why: "it was not compared".to_owned(),
                })
                .collect()
        }
    }
}

/// Transactions that nobody looked for.
fn of_users(users: &TrafficCount) -> Option<NotTested> {
    let why = match users.without_ledger {
        _ if !users.was_judged() => "losses were not checked",
        0 => "they were acknowledged after the last check",
        _ => "they have no ledger, or were acknowledged after the last check",
    };
    let what = format!("whether all acknowledged transactions of {} are there", users.id);
    let why = format!("{} of {} were not looked for: {why}", users.not_checked, users.acknowledged);
    (users.not_checked > 0).then_some(NotTested { what, why })
}
