//! What is told of transactions that are not as they should be: which, when, and where they lie,
//! seen from marks and from a recovery.

use jiff::{SignedDuration, Timestamp};

use crate::harness::{Context, Finding, LossWindow, NodeId, World};
use crate::ledger::{Sample, SampledTransaction, Side, Sides, Target, UnexpectedRow, Verdict};
use crate::pg::Mark;

/// The recovery that brought a node's rows.
pub struct Origin {
    /// The node that was recovered.
    node: NodeId,
    recovered: LossWindow,
    /// Where it stopped, where that is known as a time.
    pub target: Option<Target>,
}

impl Origin {
    /// That of the server whose dump was imported last, or the node's own.
    pub fn find(cx: &Context<'_>, node: &str) -> Option<Self> {
        let state = cx.world.outputs();
        let imported = state.imported.get(node).and_then(|nodes| nodes.last()).cloned();
        let name = imported.clone().unwrap_or_else(|| node.into());
        let recovered = state.recovered.get(&name).cloned()?;
        let target = recovered.target(imported.is_some());
        Some(Origin { node: name, recovered, target })
    }

    /// Adds where it stopped, and how many of the lost lie where.
    pub fn tell(&self, finding: Box<Finding>, lost: Option<Sides>) -> Box<Finding> {
        let mut text = format!("`{}` was recovered to {}", self.node, self.recovered.target);
        if let Some(sides) = lost {
            let parts = [
                (sides.before, "before it: lost"),
                (sides.at, "at it: nobody can say on which side"),
                (sides.after, "after it: given up by choice"),
                (sides.since, "after the recovery: lost"),
            ];
            let parts = parts.into_iter().filter(|(count, _)| *count > 0);
            let parts: Vec<String> = parts.map(|(count, place)| format!("{} {place}", thousands(count))).collect();
            if !parts.is_empty() {
                text.push_str(&format!("; {}", parts.join(", ")));
            }
        }
        finding.note("target", text)
    }
}

/// Adds the first and the last of a sample, with their places against marks and the recovery
/// target. `whose` says which sort they are, where that is not clear.
pub fn tell(
    cx: &Context<'_>,
    origin: Option<&Origin>,
    finding: Box<Finding>,
    whose: &str,
    sample: &Sample,
) -> Box<Finding> {
    let describe = |found: &SampledTransaction| {
        let at = found.at.strftime("%H:%M:%S%.3fZ");
        let place = nearest_mark(cx, found.at).map(|place| format!(", {place}")).unwrap_or_default();
        let target = origin.and_then(|origin| Some((&origin.node, origin.target?.side(found.at))));
        let target = target.map(|(node, side)| match side {
            Side::Before => format!(", before the recovery target of `{node}`: it should be there"),
            Side::At => format!(", at the recovery target of `{node}`: nobody can say on which side"),
            Side::After => format!(", after the recovery target of `{node}`: given up by choice"),
            Side::Since => format!(", after the recovery of `{node}`: it should be there"),
        });
        let detail = if found.detail.is_empty() { String::new() } else { format!(": {}", found.detail) };
        let target = target.unwrap_or_default();
        format!(
            "{} client {} seq {}, {} {at}{place}{target}{detail}",
            found.kind, found.client, found.seq, found.status
        )
    };
    let finding = match sample.first() {
        Some(first) => finding.note(&format!("first{whose}"), describe(first)),
        None => finding,
    };
    match &sample.last {
        Some(last) if sample.first() != Some(last) => finding.note(&format!("last{whose}"), describe(last)),
        _ => finding,
    }
}

/// Adds the first and the last of the rows that no user wrote.
pub fn tell_unexpected(finding: Box<Finding>, whose: &str, rows: &[UnexpectedRow]) -> Box<Finding> {
    let describe = |row: &UnexpectedRow| {
        let other = match &row.other {
            Some(kind) => format!(": that was a `{kind}`, whose ledger does not name {}", row.table),
            None => String::new(),
        };
        format!("{} client {} seq {}{other}", row.table, row.client, row.seq)
    };
    let finding = match rows.first() {
        Some(first) => finding.note(&format!("first{whose}"), describe(first)),
        None => finding,
    };
    match rows {
        [_, .., last] => finding.note(&format!("last{whose}"), describe(last)),
        _ => finding,
    }
}

/// How much acknowledged work is lost, as a time: from the first acknowledgement that is lost to
/// the incident after it, or to the last one that is lost, whichever is later.
pub fn lost_work(world: &World, verdict: &Verdict) -> SignedDuration {
    let Some((first, last)) = verdict.lost_between else { return SignedDuration::ZERO };
    let state = world.outputs();
    let incidents = state.marks.values().filter(|mark| mark.incident).map(|mark| mark.before.seen);
    let incident = incidents.filter(|at| *at >= first).min();
    incident.map_or(last, |incident| incident.max(last)).duration_since(first)
}

/// How far a moment lies from the incident nearest to it; where there is none, from the step that
/// wrote something; where there is none of those, from any mark but a backup.
fn nearest_mark(cx: &Context<'_>, at: Timestamp) -> Option<String> {
    let state = cx.world.outputs();
    let grade = |mark: &Mark| match mark {
        Mark { incident: true, .. } => 2,
        Mark { xid: Some(_), .. } => 1,
        _ => 0,
    };
    let marks = || state.marks.values().filter(|mark| !state.backups.contains_key(mark.id.as_str()));
    let best = marks().map(grade).max()?;
    let marks = marks().filter(|mark| grade(mark) == best);
    let distance = |mark: &&Mark| {
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

/// A duration in few digits.
pub fn short(duration: SignedDuration) -> String {
    match duration.as_millis() {
        ms @ 0..10_000 => format!("{ms} ms"),
        ms => format!("{:.1} s", ms as f64 / 1000.0),
    }
}

/// The verb for so many.
pub fn are(n: u64) -> &'static str {
    if n == 1 { "is" } else { "are" }
}

/// A number with separators: `18,204`.
pub fn thousands(n: u64) -> String {
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
