//! What a drill found out, in the few words that people look for: shared by the reports that are
//! for people.

use serde_json::Value;

use crate::journal::{Budget, BudgetName, Facts, Outcome, TrafficCount};
use crate::pg::condition::condition;

use super::drill::DrillRecord;
use super::text::{count, duration, one_line, thousands};

/// How many recovery steps are named if no budget measures them.
const RECOVERIES: usize = 4;

impl DrillRecord {
    /// A line on how long recovery took: the budgets, or the recovery steps' durations. `None` if
    /// nothing recovered.
    pub(super) fn recovery_line(&self) -> Option<String> {
        let budgets: Vec<String> = self.budgets.iter().map(|(budget, _)| explain_budget(budget)).collect();
        let timed =
            self.budgets.iter().any(|(budget, _)| budget.name == BudgetName::Rto && budget.measured_ms.is_some());
        let recoveries: Vec<String> = self
            .recoveries()
            .take(RECOVERIES)
            .map(|(step, ms)| format!("{} {}", one_line(&step.head.name), duration(ms)))
            .collect();
        let recoveries = (!timed && !recoveries.is_empty()).then(|| format!("recovery: {}", recoveries.join(", ")));
        let parts: Vec<String> = budgets.into_iter().chain(recoveries).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// `RTO 2.1 s (limit 2 min)`.
pub(super) fn explain_budget(budget: &Budget) -> String {
    let name = short_name(budget);
    let (measured, max) = measured_of(budget);
    let Some(max) = max else { return format!("{name} {}", budget.outcome) };
    let unknown = budget.unknown().map(|number| format!("{} not checked", thousands(number)));
    match (measured, unknown, budget.outcome) {
        (None, ..) => format!("{name} was not measured (limit {max})"),
        (Some(measured), Some(unknown), Outcome::Passed) => format!("{name} {measured} (limit {max}), {unknown}"),
        (Some(measured), None, Outcome::Passed) => format!("{name} {measured} (limit {max})"),
        // What is known is within the limit: it failed by what is not.
        (Some(measured), Some(unknown), Outcome::Failed) if !is_exceeded(budget) => {
            format!("{name} {measured} (limit {max}), but {unknown}")
        }
        (Some(measured), _, Outcome::Failed) => format!("{name} {measured}, over the limit of {max}"),
        (Some(measured), _, outcome) => format!("{name} {measured} (limit {max}): {outcome}"),
    }
}

/// As people call it: a budget of loss may be in transactions, in time, or both.
pub(super) fn short_name(budget: &Budget) -> &'static str {
    match budget.name {
        BudgetName::Rto => "RTO",
        BudgetName::RtoOfLast => "RTO against earlier runs",
        BudgetName::Rpo | BudgetName::RpoTime => "RPO",
    }
}

/// Whether more was measured than is allowed.
pub(super) fn is_exceeded(budget: &Budget) -> bool {
    let exceeds =
        |measured: Option<u64>, max: Option<u64>| measured.zip(max).is_some_and(|(measured, max)| measured > max);
    exceeds(budget.measured_ms, budget.max_ms) || exceeds(budget.measured_lost, budget.max_lost)
}

/// What was measured for a budget and what is allowed: `2.1 s` and `2 min`, `3 transactions lost`
/// and `0`.
pub(super) fn measured_of(budget: &Budget) -> (Option<String>, Option<String>) {
    let lost = |number: u64| format!("{} lost", count(number, "transaction"));
    match (budget.max_ms, budget.max_lost) {
        // A time that is about transactions is work that was lost.
        (Some(max), _) if budget.checked.is_some() => {
            let lost = budget.measured_ms.map(|ms| format!("{} of work lost", duration(ms)));
            (lost, Some(duration(max)))
        }
        (Some(max), _) => (budget.measured_ms.map(duration), Some(duration(max))),
        (None, max) => (budget.measured_lost.map(lost), max.map(thousands)),
    }
}

/// `users: 18,204 acknowledged, 18,000 checked, 204 not checked (no ledger), 3 lost (1.2 s of
/// work), 0 duplicated, 2 in doubt, 311 rejected (undefined_table)`.
pub(super) fn explain_traffic(count: &TrafficCount) -> String {
    let told = |number: Option<u64>, word: &str| number.map(|number| format!("{} {word}", thousands(number)));
    let bad = |number: Option<u64>, word: &str| told(number.filter(|number| *number > 0), word);
    let work = count.lost_work_ms.filter(|_| count.lost > Some(0) || count.partial > Some(0));
    let work = work.map(|ms| format!(" ({} of work)", duration(ms))).unwrap_or_default();
    let parts = [
        told(Some(count.acknowledged), "acknowledged"),
        told(Some(count.checked), "checked"),
        told(Some(count.not_checked), "not checked").map(|told| told + &why_not_checked(count)),
        bad(Some(count.wrote_nothing), "wrote nothing"),
        told(count.lost, "lost").map(|lost| lost + &work),
        told(count.duplicated, "duplicated"),
        bad(count.partial, "partial"),
        bad(count.unexpected, "unexpected"),
        bad(count.rejected_present, "rejected but present"),
        told(Some(count.in_doubt), "in doubt").map(|told| told + &unconfirmed(count)),
        told(Some(count.rejected), "rejected").map(|told| told + &rejections(count)),
    ];
    format!("{}: {}", one_line(&count.id), parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// ` (3 committed locally, not confirmed by a standby)`; nothing if there are none.
pub(super) fn unconfirmed(count: &TrafficCount) -> String {
    match count.unconfirmed {
        0 => String::new(),
        some => format!(" ({} committed locally, not confirmed by a standby)", thousands(some)),
    }
}

/// ` (no ledger)`, ` (losses were not checked)`, ` (173 without a ledger, 12 acknowledged after the
/// last check)`; nothing if all were checked.
pub(super) fn why_not_checked(count: &TrafficCount) -> String {
    let later = count.not_checked.saturating_sub(count.without_ledger);
    match (count.not_checked, count.without_ledger, later) {
        (0, ..) => String::new(),
        _ if !count.was_judged() => " (losses were not checked)".to_owned(),
        (_, _, 0) => " (no ledger)".to_owned(),
        (_, 0, _) => " (acknowledged after the last check)".to_owned(),
        (_, without, later) => format!(
            " ({} without a ledger, {} acknowledged after the last check)",
            thousands(without),
            thousands(later)
        ),
    }
}

/// The names of the errors that the server refused with: ` (undefined_table)`, ` (300
/// undefined_table, 11 deadlock_detected)`.
fn rejections(count: &TrafficCount) -> String {
    let name = |code: &str| match code {
        TrafficCount::ROLLED_BACK => "the transaction rolls itself back".to_owned(),
        code => one_line(condition(code).unwrap_or(code)),
    };
    let told: Vec<String> = match count.rejections.len() {
        1 => count.rejections.keys().map(|code| name(code)).collect(),
        _ => count.rejections.iter().map(|(code, number)| format!("{} {}", thousands(*number), name(code))).collect(),
    };
    if told.is_empty() || count.rejections.keys().all(|code| code == "none") {
        return String::new();
    }
    format!(" ({})", told.join(", "))
}

/// A step's facts in a line: `lsn 0/3000028, lost 3`. Lists and objects are left to the JSON
/// report.
pub(super) fn explain_facts(facts: &Facts) -> String {
    let told = facts.iter().filter_map(|(name, value)| {
        let (name, value) = match (value, name.strip_suffix("_ms")) {
            (Value::Number(number), Some(name)) if number.is_u64() => (name, duration(number.as_u64()?)),
            // A name, not a number of things.
            (Value::Number(number), _) if name == "xid" || name == "timeline" => (name.as_str(), number.to_string()),
            (Value::Number(number), _) => {
                (name.as_str(), number.as_u64().map_or_else(|| number.to_string(), thousands))
            }
            (Value::String(text), _) if !text.is_empty() => (name.as_str(), one_line(text)),
            (Value::Bool(yes), _) => (name.as_str(), if *yes { "yes" } else { "no" }.to_owned()),
            _ => return None,
        };
        Some(format!("{} {value}", one_line(&name.replace('_', " "))))
    });
    told.collect::<Vec<_>>().join(", ")
}
