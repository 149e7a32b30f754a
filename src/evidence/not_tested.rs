//! What nobody knows after a drill: what was left out, what could not be judged, and what it never
//! looks at.

use crate::harness::{Role, summary};
use crate::journal::{Outcome, TrafficCount};
use crate::report::{DrillRecord, StepRecord};
use crate::steps::{KINDS, find};

use super::statement::NotTested;

/// Why a kind of check is among what was not tested.
pub(super) const NO_SUCH_CHECK: &str = "the drill has no such check";

/// Facts that say what a check left out, and what that means. A number of that name is of users'
/// transactions, of which `of_users` tells.
const LEFT_OUT: [(&str, &str); 3] = [
    ("not_compared", "it was not compared"),
    ("not compared", "it was not compared"),
    ("not_checked", "it was not checked"),
];

/// Between the name of a step and its line.
const LINE: &str = " (line ";

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap<'a> {
    /// A kind of check that the drill does not have.
    NoCheck(&'a str),
    /// A check, by the name of its step and its line: all of it, or a part.
    Check { step: &'a str, line: &'a str, is_part: bool },
    /// Something else.
    Other(&'a str),
}

impl<'a> Gap<'a> {
    pub(super) fn of(entry: &'a NotTested) -> Self {
        let what = entry.what.as_str();
        if entry.why == NO_SUCH_CHECK {
            return Gap::NoCheck(what.split_once(": ").map_or(what, |(kind, _)| kind));
        }
        let numbered = what.split_once(LINE).and_then(|(step, rest)| Some((step, rest.split_once(')')?)));
        match numbered {
            Some((step, (line, rest))) => Gap::Check { step, line, is_part: !rest.is_empty() },
            None => Gap::Other(what),
        }
    }

    /// Whether it is about a part of a check.
    pub(super) fn is_part(&self) -> bool {
        matches!(self, Gap::Check { is_part: true, .. })
    }

    /// Whether both are in the same place, of the same file or of two versions of it.
    pub(super) fn is_where(&self, other: &Gap<'_>, is_same_file: bool) -> bool {
        match (self, other) {
            (Gap::Check { step, line, .. }, Gap::Check { step: other, line: other_line, .. }) => {
                step == other && (line == other_line || !is_same_file)
            }
            (one, other) => one == other,
        }
    }
}

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
    let what = format!("{}{LINE}{})", step.head.name, step.head.line);
    let message = || drill.step_message(step).unwrap_or_else(|| "it is not known why".to_owned());
    match drill.step_outcome(step) {
        Outcome::Skipped => vec![NotTested { what, why: message() }],
        Outcome::Errored => vec![NotTested { what, why: format!("it could not be judged: {}", message()) }],
        Outcome::Passed | Outcome::Failed => {
            let facts = step.end.as_ref().map(|end| &end.facts);
            let left_out = LEFT_OUT.iter().filter_map(|(name, why)| Some((facts?.get(*name)?, *why)));
            let left_out = left_out.filter(|(left_out, _)| !left_out.is_number());
            let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            left_out
                .map(|(left_out, why)| NotTested { what: format!("{what}: {}", text(left_out)), why: why.to_owned() })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::RunRecord;

    #[test]
    fn what_a_check_left_out_is_told_and_numbers_of_users_are_not() {
        let mut record = RunRecord::default();
        for event in [
            r#""event":"drill_started","drill":0,"name":"a","file":"a.yaml","about":"","postgres":"17.2","backend":"local","seed":1,"steps":[
                {"index":0,"id":null,"kind":"assert_recoverable","name":"recoverable","line":7},
                {"index":1,"id":null,"kind":"assert_traffic","name":"nothing was lost","line":9}]"#,
            r#""event":"step_finished","drill":0,"index":0,"outcome":"passed","started_ms":0,"duration_ms":1,"message":null,"problem":null,
                "facts":{"not_checked":"its libraries: they are on the server"}"#,
            r#""event":"step_finished","drill":0,"index":1,"outcome":"passed","started_ms":0,"duration_ms":1,"message":null,"problem":null,
                "facts":{"not_checked":3}"#,
            r#""event":"drill_finished","drill":0,"outcome":"passed","duration_ms":2,"message":null,"problem":null,"again":"","kept":false"#,
        ] {
            let line = format!("{{\"at\":\"2026-11-22T14:00:00Z\",\"elapsed_ms\":1,{event}}}");
            record.hear(&serde_json::from_str(&line).expect("an event"));
        }
        let told = not_tested(&record.drills[&0]);
        let own: Vec<_> = told.iter().filter(|one| one.why != NO_SUCH_CHECK).collect();
        let what = "recoverable (line 7): its libraries: they are on the server".to_owned();
        assert_eq!(own, [&NotTested { what, why: "it was not checked".to_owned() }]);
    }
}
