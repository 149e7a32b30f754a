//! What a debrief says of a firedrill, whatever it is written in.

use std::time::Duration;

use jiff::Timestamp;

use crate::journal::{Firedrill, Outcome, PastRun, ScorePart, Speaker};
use crate::report::collect::RunRecord;
use crate::report::drill::{DrillRecord, StepEnd, StepRecord};
use crate::report::facts::explain_traffic;
use crate::report::snippet::render;
use crate::report::text::{duration, one_line};

/// A debrief.
pub(super) struct Debrief<'a> {
    /// The drill.
    pub drill: &'a DrillRecord,
    /// What happened, in order.
    pub timeline: Vec<Moment>,
    /// What was checked at the end: whether it holds, what it is called, and what is wrong.
    pub checks: Vec<(Outcome, String, String)>,
    /// The score by part, and in all.
    pub score: Option<(&'a [ScorePart], u32)>,
    /// The drill's own recovery: each step, as it is called.
    pub known_way: Vec<String>,
    /// The last run of drillyard's own in which that passed, if one is known.
    pub known_run: Option<KnownRun>,
    /// What became of users' transactions.
    pub users: Vec<String>,
}

/// A run in which drillyard has done the recovery itself.
#[derive(Debug, PartialEq)]
pub(super) struct KnownRun {
    /// The run's id.
    pub run: String,
    /// When.
    pub at: Timestamp,
    /// How long the recovery took, in milliseconds.
    pub took_ms: u64,
}

/// Something that happened.
pub(super) struct Moment {
    /// When.
    pub at: Timestamp,
    /// Since the incident, in milliseconds.
    pub clock_ms: Option<i64>,
    /// What kind of thing it is: `incident`, `team`, `ran` ...
    pub kind: &'static str,
    /// What.
    pub text: String,
}

/// The debriefs of a run's firedrills.
pub(super) fn debriefs(record: &RunRecord) -> Vec<Debrief<'_>> {
    record.drills.values().filter(|drill| !drill.firedrill.is_empty()).map(debrief).collect()
}

fn debrief(drill: &DrillRecord) -> Debrief<'_> {
    let incident = drill.firedrill.iter().find_map(|(at, what)| match what {
        Firedrill::Incident { .. } | Firedrill::Practice { .. } => Some(*at),
        _ => None,
    });
    let since = |at: Timestamp| incident.map(|incident| at.as_millisecond() - incident.as_millisecond());
    let clock = |at| since(at).filter(|ms| *ms >= 0);
    // What was read later has its own time, by a clock that pauses do not count in.
    let was_paused = drill.firedrill.iter().any(|(_, what)| matches!(what, Firedrill::Paused { .. }));
    let began = incident.filter(|_| !was_paused);
    let moment = |(at, what): &(Timestamp, Firedrill)| {
        let (kind, text) = told(drill, what)?;
        let at = seen_at(what).zip(began).map_or(*at, |(clock, began)| began + clock);
        Some(Moment { at, clock_ms: clock(at), kind, text })
    };
    let score = drill.firedrill.iter().find_map(|(_, what)| match what {
        Firedrill::Scored { parts, points } => Some((parts.as_slice(), *points)),
        _ => None,
    });
    let mark = |(at, text): (Timestamp, String)| Moment { at, clock_ms: clock(at), kind: "mark", text };
    let mut timeline: Vec<Moment> = drill.firedrill.iter().filter_map(moment).collect();
    timeline.extend(drill.steps.iter().filter_map(marked).map(mark));
    timeline.sort_by_key(|moment| moment.at);
    Debrief {
        drill,
        timeline,
        checks: checks(drill),
        score,
        known_way: known_way(drill),
        known_run: drill.earlier.iter().rev().find_map(known_run),
        users: drill.traffic.iter().map(explain_traffic).collect(),
    }
}

/// How long after the incident that was which is noted when it is read.
fn seen_at(what: &Firedrill) -> Option<Duration> {
    match what {
        Firedrill::Noticed { clock_ms, .. } | Firedrill::Decided { clock_ms, .. } => {
            Some(Duration::from_millis(*clock_ms))
        }
        Firedrill::Ran { clock_ms, .. } => clock_ms.map(Duration::from_millis),
        _ => None,
    }
}

/// When a mark was made, and which one it is; none for a step that is none.
fn marked(step: &StepRecord) -> Option<(Timestamp, String)> {
    let facts = &step.end.as_ref().filter(|end| end.outcome == Outcome::Passed)?.facts;
    let fact = |name: &str| facts.get(name).and_then(|value| value.as_str());
    let (id, at) = (step.head.id.as_ref()?, fact("at")?.parse().ok()?);
    let lsn = fact("lsn").map(|lsn| format!(", LSN {lsn}")).unwrap_or_default();
    Some((at, format!("`{id}`: {}{lsn}", step.head.name)))
}

/// A line of the timeline; none for what has a place of its own.
fn told(drill: &DrillRecord, what: &Firedrill) -> Option<(&'static str, String)> {
    let step = |index: usize| {
        let step = drill.steps.iter().find(|step| step.head.index == index);
        step.map(|step| format!("{} ({})", step.head.name, step.head.place())).unwrap_or_default()
    };
    Some(match what {
        Firedrill::Ready { sealed: true, .. } => {
            ("drill", "everything is ready; nobody knows what will happen".to_owned())
        }
        Firedrill::Ready { .. } => ("drill", "everything is ready".to_owned()),
        Firedrill::Incident { index } => ("incident", step(*index)),
        Firedrill::Practice { index } => ("begin", format!("people begin: {}", step(*index))),
        Firedrill::Said { by: Speaker::Team, text } => ("team", text.clone()),
        Firedrill::Said { by: Speaker::Facilitator, text } => ("facilitator", text.clone()),
        Firedrill::Said { by: Speaker::Drill, text } => ("drill", text.clone()),
        Firedrill::Noticed { by, .. } => ("noticed", format!("the team has noticed: {by}")),
        Firedrill::Decided { by, .. } => ("decided", format!("the recovery has begun: {by}")),
        Firedrill::HintBought { number, costs, text } => ("hint", format!("hint {number} ({costs} points): {text}")),
        Firedrill::Injected { number, text } if text.is_empty() => ("inject", format!("inject {number}")),
        Firedrill::Injected { text, .. } => ("inject", text.clone()),
        Firedrill::Paused { .. } => ("drill", "the clock stands still".to_owned()),
        Firedrill::Resumed { paused_ms, .. } => ("drill", format!("the clock goes on after {}", duration(*paused_ms))),
        Firedrill::Judged { held, of, .. } => ("drill", format!("{held} of {of} checks hold")),
        Firedrill::Adopted { node, server, .. } => {
            ("server", format!("a server of the team's came up as `{node}` ({server})"))
        }
        Firedrill::SecondAccident { name, costs, seen, .. } => ("accident", format!("{name} ({costs} points): {seen}")),
        Firedrill::Ran { node, by, text, .. } => ("ran", format!("{node}, {by}: {text}")),
        Firedrill::Ended { how, .. } => ("end", how.as_str().to_owned()),
        Firedrill::Scored { .. } => return None,
    })
}

/// The checks that were made for good.
fn checks(drill: &DrillRecord) -> Vec<(Outcome, String, String)> {
    let made = drill.steps.iter().filter(|step| step.is_check() && drill.judged.contains(&step.head.index));
    made.filter_map(|step| {
        let end = step.end.as_ref()?;
        let said = end.problem.as_ref().map(|problem| render(problem, false)).unwrap_or_default();
        Some((end.outcome, one_line(&step.head.name), said))
    })
    .collect()
}

/// What an earlier run says of the best known way: nothing, unless it passed and was measured.
fn known_run(run: &PastRun) -> Option<KnownRun> {
    let took_ms = run.rto_ms.or(run.recovery_ms).filter(|_| run.outcome == Outcome::Passed)?;
    Some(KnownRun { run: run.run.clone(), at: run.at, took_ms })
}

/// How long the best known way takes, or how to find out, in a sentence.
pub(super) fn known_time(debrief: &Debrief<'_>) -> String {
    match &debrief.known_run {
        Some(KnownRun { run, at, took_ms }) => format!(
            "Done by drillyard it took {}: run {} of {}, the last one that passed.",
            duration(*took_ms),
            one_line(run),
            at.strftime("%Y-%m-%d")
        ),
        None => "How long it takes when drillyard does it is not known here: no run of this drill has passed that was recorded."
            .to_owned(),
    }
}

/// The steps of the drill's own recovery.
fn known_way(drill: &DrillRecord) -> Vec<String> {
    let own = drill.steps.iter().filter(|step| step.end.as_ref().is_some_and(StepEnd::was_peoples));
    own.map(|step| one_line(&step.head.name)).collect()
}

/// `+4 min 12 s`.
pub(super) fn clock(ms: Option<i64>) -> String {
    ms.filter(|ms| *ms > 0).map(|ms| format!("+{}", duration(ms.unsigned_abs()))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::journal::{Ending, Entry, Event, Facts, StepHead};

    use super::*;

    /// A step that only people can do has no steps of the drill's own in its place.
    #[test]
    fn what_the_last_check_found_is_told_where_only_people_recover() {
        let head = |index, kind: &str| StepHead {
            index,
            kind: kind.to_owned(),
            name: format!("step {index}"),
            line: index,
            ..StepHead::default()
        };
        let steps = vec![head(0, "assert_rows"), head(1, "team"), head(2, "assert_rows"), head(3, "stop_traffic")];
        let finished = |index, outcome| Event::StepFinished {
            drill: 0,
            index,
            outcome,
            started_ms: 1,
            duration_ms: 1,
            message: None,
            problem: None,
            facts: Facts::new(),
        };
        let text = String::new;
        let (name, file, about, postgres, backend) = (text(), text(), text(), text(), text());
        let started = Event::DrillStarted {
            drill: 0,
            name,
            file,
            about,
            postgres,
            backend,
            seed: 1,
            settings: vec![],
            releases: Default::default(),
            steps,
        };
        let ended = Firedrill::Ended { clock_ms: 1, how: Ending::GaveUp };
        let events = [
            started,
            finished(0, Outcome::Passed),
            Event::Firedrill { drill: 0, what: ended },
            finished(3, Outcome::Passed),
            finished(2, Outcome::Failed),
            finished(1, Outcome::Failed),
        ];
        let mut record = RunRecord::default();
        for event in events {
            record.hear(&Entry { at: Timestamp::UNIX_EPOCH, elapsed_ms: 1, event });
        }
        let debrief = debriefs(&record).pop().expect("a debrief");
        assert_eq!(debrief.checks, [(Outcome::Failed, "step 2".to_owned(), String::new())]);
        assert!(debrief.known_way.is_empty());
    }

    #[test]
    fn only_a_run_that_passed_is_the_best_known_way() {
        let run = |run: &str, outcome, rto_ms| PastRun {
            run: run.to_owned(),
            at: Timestamp::UNIX_EPOCH,
            outcome,
            duration_ms: 9000,
            rto_ms,
            recovery_ms: None,
        };
        let drill = |runs: &[PastRun]| DrillRecord { earlier: runs.to_vec(), ..DrillRecord::default() };
        let failed = run("c3", Outcome::Failed, Some(100));
        let one = drill(&[run("a1", Outcome::Passed, Some(2000)), run("b2", Outcome::Passed, None), failed.clone()]);
        let debrief_of_one = debrief(&one);
        assert_eq!(
            known_time(&debrief_of_one),
            "Done by drillyard it took 2 s: run a1 of 1970-01-01, the last one that passed."
        );
        let none = drill(&[failed]);
        assert_eq!(debrief(&none).known_run, None);
        assert!(known_time(&debrief(&none)).contains("is not known here"));
    }
}
