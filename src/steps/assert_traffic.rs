//! `assert_traffic`

use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Finding, Judges, NodeRef, Place, Recovered, Role, Scope, Step, StepKind, StepResult};
use crate::journal::Event;
use crate::source::{Name, Spanned};
use crate::traffic::{Found, Sample, Verdict, check};

/// Judges whether every acknowledged commit is there, exactly once.
///
/// ```yaml
/// - assert_traffic: { traffic: users, node: master, lost: 0, duplicated: 0 }
/// - assert_traffic: { traffic: users, node: rescue, before: accident }
/// ```
///
/// The users' ledger is compared with the rows of a node. `lost` and `duplicated` are how many there may be, 0 where they are left
/// out. `before` judges only what was acknowledged before that mark. A transaction in doubt may be there or not; one that was
/// rejected, and rows that nobody wrote, may not.
///
/// It holds when there are no more than that. Losses are told with their number, the first and the last, their times, how far from
/// the nearest mark they lie, and on which side of the target of the recovery that the rows came from. An assertion over zero transactions fails unless it says `allow_empty: true`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertTraffic {
    /// The id of a traffic step.
    traffic: Spanned<Name>,
    /// The server.
    #[serde(default)]
    node: NodeRef,
    /// How many may be lost.
    #[serde(default)]
    lost: Option<Spanned<u64>>,
    /// How many may be there more than once.
    #[serde(default)]
    duplicated: Option<Spanned<u64>>,
    /// Only what was acknowledged before this mark.
    #[serde(default)]
    before: Option<Spanned<Name>>,
    /// Zero transactions are right, too.
    #[serde(default)]
    allow_empty: bool,
}

impl StepKind for AssertTraffic {
    const NAME: &'static str = "assert_traffic";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Judge;
}

#[async_trait(?Send)]
impl Step for AssertTraffic {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        scope.step(&self.traffic, &["traffic"]);
        scope.node(&mut self.node);
        if let Some(mark) = &self.before {
            scope.mark(mark);
        }
    }

    fn title(&self) -> String {
        let before = self.before.as_ref().map(|mark| format!(" before {}", mark.value)).unwrap_or_default();
        let lost = match self.lost.as_ref().map_or(0, |lost| lost.value) {
            0 => "nothing lost".to_owned(),
            most => format!("at most {most} lost"),
        };
        format!("{lost} of {}{before} on {}", self.traffic.value, self.node)
    }

    fn judges(&self) -> Option<Judges<'_>> {
        Some(Judges::Traffic { traffic: self.traffic.as_str(), node: self.node.as_str() })
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let users = cx.yard.users(self.traffic.as_str())?;
        let node = cx.yard.node(self.node.as_str())?;
        let before = self.before.as_ref().map(|mark| cx.yard.mark(mark.as_str())).transpose()?;
        let client = cx.client(&node).await?;
        let ledger = users.pool.ledger();
        cx.wait("the comparison of ledger and rows");
        let verdict = check(&ledger, &client, before.map(|mark| mark.before.seen)).await;
        let verdict = verdict.map_err(|e| Finding::failed("the rows cannot be compared with the ledger").label(e.to_string()))?;
        let total = verdict.total;
        for (name, value) in [
            ("checked", total.checked),
            ("lost", total.lost),
            ("duplicated", total.duplicated),
            ("unexpected", total.unexpected),
            ("resurrected", total.resurrected),
            ("in_doubt_present", total.in_doubt_present),
            ("in_doubt_absent", total.in_doubt_absent),
        ] {
            cx.fact(name, value);
        }
        *users.judged.lock().unwrap_or_else(PoisonError::into_inner) = Some((total.lost, total.duplicated));
        let count = users.count(self.traffic.as_str());
        cx.yard.journal.write(Event::TrafficFinished { drill: cx.yard.drill, count });
        self.judge(cx, &verdict)
    }
}

impl AssertTraffic {
    /// The recovery that brought the node's rows: that of the server whose dump was imported last, or the node's own.
    fn recovery(&self, cx: &Context<'_>) -> Option<(String, Recovered)> {
        let state = cx.yard.state();
        let imported = state.imported.get(self.node.as_str()).and_then(|nodes| nodes.last()).cloned();
        let name = imported.unwrap_or_else(|| self.node.as_str().to_owned());
        let recovered = state.recovered.get(&name).cloned()?;
        Some((name, recovered))
    }

    fn judge(&self, cx: &Context<'_>, verdict: &Verdict) -> StepResult {
        let recovery = self.recovery(cx);
        let tell = |cx: &Context<'_>, finding, sample| tell(cx, recovery.as_ref(), finding, sample);
        let total = verdict.total;
        let notes = |mut finding: Box<Finding>| {
            for note in &verdict.notes {
                finding = finding.note("note", note);
            }
            Err(finding)
        };
        if total.checked == 0 && !self.allow_empty {
            let label = match total.without_ledger {
                0 => "no transaction was acknowledged".to_owned(),
                some => format!("{} acknowledged, and none of them has a `ledger`", thousands(some)),
            };
            let finding = Finding::failed("an assertion over zero transactions proves nothing").at(self.traffic.entry);
            return notes(finding.label(label).help("if that is really what is right, say `allow_empty: true`"));
        }
        let of = format!("of {} acknowledged commits", thousands(total.checked));
        let allowed = |field: &Option<Spanned<u64>>| field.as_ref().map_or(0, |most| most.value);
        let entry = |field: &Option<Spanned<u64>>| field.as_ref().map_or(self.traffic.entry, |most| most.entry);
        if total.lost > allowed(&self.lost) {
            let (n, are) = counted(total.lost);
            let finding = Finding::failed("acknowledged commits are missing").at(entry(&self.lost));
            return notes(tell(cx, finding.label(format!("{n} {of} {are} gone")), &verdict.lost));
        }
        if total.duplicated > allowed(&self.duplicated) {
            let (n, are) = counted(total.duplicated);
            let finding = Finding::failed("commits are there more than once").at(entry(&self.duplicated));
            return notes(tell(cx, finding.label(format!("{n} {of} {are} there more than once")), &verdict.duplicated));
        }
        if total.resurrected > 0 {
            let (n, are) = counted(total.resurrected);
            let finding = Finding::failed("rejected transactions are there").at(self.traffic.entry);
            let label = format!("{n} transactions that the server rejected {are} there all the same");
            return notes(tell(cx, finding.label(label), &verdict.resurrected));
        }
        if total.unexpected > 0 {
            let (n, are) = counted(total.unexpected);
            let mut finding = Finding::failed("there are rows that nobody wrote")
                .at(self.traffic.entry)
                .label(format!("{n} rows {are} numbered as one of these users would, who never tried them"));
            if let Some(stray) = verdict.strays.first() {
                finding = finding.note("first", format!("{} client {} seq {}", stray.table, stray.client, stray.seq));
            }
            return notes(finding);
        }
        Ok(())
    }
}

fn counted(n: u64) -> (String, &'static str) {
    (thousands(n), if n == 1 { "is" } else { "are" })
}

/// Adds the first and the last of a sample, with their places against the recovery target.
fn tell(cx: &Context<'_>, recovery: Option<&(String, Recovered)>, finding: Box<Finding>, sample: &Sample) -> Box<Finding> {
    let describe = |found: &Found| {
        let at = found.at.strftime("%H:%M:%S%.3fZ");
        let place = nearest_mark(cx, found.at).map(|place| format!(", {place}")).unwrap_or_default();
        let target = recovery.and_then(|(node, recovered)| {
            Some(match recovered.place(found.at)? {
                Place::Before => format!(", before the recovery target of `{node}`: it should be there"),
                Place::At => format!(", at the recovery target of `{node}`"),
                Place::After => format!(", after the recovery target of `{node}`: given up by choice"),
            })
        });
        let target = target.unwrap_or_default();
        format!("{} client {} seq {}, acknowledged {at}{place}{target}", found.kind, found.client, found.seq)
    };
    let finding = match sample.first() {
        Some(first) => finding.note("first", describe(first)),
        None => finding,
    };
    let finding = match &sample.last {
        Some(last) if sample.first() != Some(last) => finding.note("last", describe(last)),
        _ => finding,
    };
    match recovery {
        Some((node, recovered)) => finding.note("target", format!("`{node}` was recovered to {}", recovered.target)),
        None => finding,
    }
}

/// How far a moment lies from the incident (or, where there is none, the mark) nearest to it.
fn nearest_mark(cx: &Context<'_>, at: Timestamp) -> Option<String> {
    let state = cx.yard.state();
    let incidents = state.marks.values().any(|mark| mark.incident);
    let marks = state.marks.values().filter(|mark| mark.incident || !(incidents || state.backups.contains_key(&mark.id)));
    let distance = |mark: &&crate::pg::Mark| {
        let (before, after) = (mark.before.seen.duration_since(at), at.duration_since(mark.after.seen));
        before.max(after)
    };
    let mark = marks.min_by_key(distance)?;
    let (before, after) = (mark.before.seen.duration_since(at), at.duration_since(mark.after.seen));
    Some(match (before.is_positive(), after.is_positive()) {
        (true, _) => format!("{} before `{}`", short(before), mark.id),
        (_, true) => format!("{} after `{}`", short(after), mark.id),
        _ => format!("during `{}`", mark.id),
    })
}

fn short(duration: SignedDuration) -> String {
    match duration.as_millis() {
        ms @ 0..10_000 => format!("{ms} ms"),
        ms => format!("{:.1} s", ms as f64 / 1000.0),
    }
}

/// A number with separators: `18,204`.
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_durations_read_well() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(18_204), "18,204");
        assert_eq!(thousands(1_000_000), "1,000,000");
        assert_eq!(short(SignedDuration::from_millis(12_340)), "12.3 s");
    }
}
