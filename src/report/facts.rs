//! What a drill found out, in the few words that people look for: shared by the reports that are for people.

use serde_json::Value;

use crate::journal::{Budget, Facts, Outcome, TrafficCount};
use crate::pg::condition::condition;

use super::collect::DrillRecord;
use super::text::{duration, one_line, thousands};

/// How many recovery steps are told of where no budget measures them.
const RECOVERIES: usize = 4;

impl DrillRecord {
    /// A line on how long recovery took: the budgets, or the recovery steps' durations. `None` where nothing recovered.
    pub(super) fn recovery_line(&self) -> Option<String> {
        let budgets: Vec<String> = self.budgets.iter().map(|(budget, _)| explain_budget(budget)).collect();
        let timed = self.budgets.iter().any(|(budget, _)| budget.name == "rto" && budget.measured_ms.is_some());
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

/// `rto 2.1s of at most 2m`.
pub(super) fn explain_budget(budget: &Budget) -> String {
    let name = one_line(&budget.name);
    let (measured, max) = measured_of(budget);
    let Some(max) = max else { return format!("{name} {}", budget.outcome) };
    match (measured, budget.outcome) {
        (Some(measured), Outcome::Passed) => format!("{name} {measured} of at most {max}"),
        (Some(measured), Outcome::Failed) => format!("{name} {measured}, more than {max}"),
        (Some(measured), outcome) => format!("{name} {measured} of at most {max}: {outcome}"),
        (None, _) => format!("{name} was never measured (at most {max})"),
    }
}

/// What was measured for a budget and what is allowed: `2.1s` and `2m`, `3 lost` and `0`.
pub(super) fn measured_of(budget: &Budget) -> (Option<String>, Option<String>) {
    match (budget.max_ms, budget.max_lost) {
        (Some(max), _) => (budget.measured_ms.map(duration), Some(duration(max))),
        (None, max) => (budget.measured_lost.map(|lost| format!("{} lost", thousands(lost))), max.map(thousands)),
    }
}

/// `users: 18,204 acknowledged, 3 lost (1.2s of work), 0 duplicated, 2 in doubt, 311 rejected (undefined_table)`.
pub(super) fn explain_traffic(count: &TrafficCount) -> String {
    let found = match (count.lost, count.duplicated) {
        (None, None) => "nobody looked for losses".to_owned(),
        (lost, duplicated) => {
            let told = |number: Option<u64>, word: &str| number.map(|number| format!("{} {word}", thousands(number)));
            let bad = |number: Option<u64>, word: &str| told(number.filter(|number| *number > 0), word);
            let work = count.lost_work_ms.filter(|_| lost > Some(0) || count.halves > Some(0));
            let work = work.map(|ms| format!(" ({} of work)", duration(ms))).unwrap_or_default();
            let parts = [
                told(lost, "lost").map(|lost| lost + &work),
                told(duplicated, "duplicated"),
                bad(count.halves, "in part"),
                bad(count.unexpected, "unexpected"),
                bad(count.resurrected, "rejected and there"),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
    };
    format!(
        "{}: {} acknowledged, {found}, {} in doubt, {} rejected{}",
        one_line(&count.id),
        thousands(count.acknowledged),
        thousands(count.in_doubt),
        thousands(count.rejected),
        rejections(count),
    )
}

/// What the server called it when it said no: ` (undefined_table)`, ` (300 undefined_table, 11 deadlock_detected)`.
fn rejections(count: &TrafficCount) -> String {
    let name = |code: &str| one_line(condition(code).unwrap_or(code));
    let told: Vec<String> = match count.rejections.len() {
        1 => count.rejections.keys().map(|code| name(code)).collect(),
        _ => count.rejections.iter().map(|(code, number)| format!("{} {}", thousands(*number), name(code))).collect(),
    };
    if told.is_empty() || count.rejections.keys().all(|code| code == "none") {
        return String::new();
    }
    format!(" ({})", told.join(", "))
}

/// A step's facts in a line: `lsn 0/3000028, lost 3`. Lists and objects are left to the JSON report.
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
