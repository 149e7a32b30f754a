//! Runs whose keeper was killed: their servers go on, and nobody knows any more what users were
//! told, or which rows there were.

use std::path::Path;

use super::runs::{heard, record_of};
use super::stop::Stop;
use crate::journal::{Command, Firedrill, Problem};
use crate::report::{RunRecord, StepRecord};
use crate::run::Kept;

/// What is left of a run that nobody holds.
pub struct Orphan {
    run: String,
    /// How each of its servers is reached.
    shells: Vec<String>,
    record: RunRecord,
}

impl Orphan {
    /// The run of this id, or of this beginning of one, which has this directory if it has one.
    ///
    /// # Errors
    /// If there is no such run.
    pub fn find(run: &str, there: Option<(&str, &Path)>) -> Result<Self, Stop> {
        let directory = record_of(there.map_or(run, |(id, _)| id));
        let shells = there.map_or(vec![], |(id, path)| {
            Kept::read(path).nodes.iter().map(|node| format!("drillyard shell {id}/{}", node.node)).collect()
        });
        if directory.is_err() && shells.is_empty() {
            let stop = Stop::usage(format!("no firedrill `{run}` is held on this machine by this user"));
            return Err(stop.help("`drillyard runs` lists those that were"));
        }
        let record = directory.map(|dir| heard(&dir)).unwrap_or_default();
        let run = there.map_or_else(|| record.run.clone(), |(id, _)| id.to_owned());
        Ok(Orphan { run, shells, record })
    }

    /// Why it cannot be taken up again.
    pub fn not_resumed(&self) -> Stop {
        let Orphan { run, shells, record } = self;
        if !record.run.is_empty() && record.command != Command::Firedrill {
            return Stop::usage(format!("run {run} is no firedrill"));
        }
        if let Some((outcome, ..)) = record.finished {
            let stop = Stop::usage(format!("firedrill {run} is over: it {outcome}"));
            return self.with_what_is_left(stop.help(format!("drillyard runs show {run}")));
        }
        let title = match shells.is_empty() {
            true => format!("firedrill {run} cannot be taken up again: its servers are gone"),
            false => format!(
                "firedrill {run} cannot be taken up again: the process that kept it was killed, and what users were told \
                 was only known to it"
            ),
        };
        let stop = self.with_what_is_left(Stop::lab(title));
        let recorded = match record.run.is_empty() {
            true => "nothing was recorded until then: a drill that was drawn is told of at its end".to_owned(),
            false => format!("what was recorded until then: drillyard runs show {run}"),
        };
        match shells.is_empty() {
            true => stop.help(format!("{recorded}; with --keep on-failure or --keep always it outlives its terminal")),
            false => stop.help(recorded),
        }
    }

    /// Why nobody answers what was asked of it.
    pub fn not_answered(&self) -> Stop {
        if self.shells.is_empty() {
            return Stop::lab(format!("run {} does not answer: it has ended", self.run))
                .help(format!("drillyard runs show {}", self.run));
        }
        let title = format!(
            "run {} does not answer: the process that stayed with it was killed, and what users were told, and which \
             rows there were, was only known to it",
            self.run
        );
        self.with_what_is_left(Stop::lab(title))
    }

    /// The same, with what is left to do: the servers, what would have been checked, the end.
    fn with_what_is_left(&self, mut stop: Stop) -> Stop {
        if self.shells.is_empty() {
            return stop;
        }
        let last = stop.problems.pop().unwrap_or_else(|| Problem::new(""));
        let last = last.note("servers", format!("go on:\n{}", self.shells.join("\n")));
        let checks = self.checks();
        let last = match checks.is_empty() {
            true => last,
            false => last.note("checks", format!("to be made by hand now:\n{}", checks.join("\n"))),
        };
        stop.problems.push(last);
        stop.help(format!("drillyard clean {} removes the servers", self.run))
    }

    /// The checks that say when people are done; of an ordinary run those that its one drill ends
    /// with.
    fn checks(&self) -> Vec<String> {
        let drill = self.record.drills.values().next().filter(|_| self.record.drills.len() == 1);
        let steps = drill.map(|drill| drill.steps.as_slice()).unwrap_or_default();
        let told = |step: &StepRecord| format!("{} ({})", step.head.name, step.head.place());
        let ready = drill.into_iter().flat_map(|drill| &drill.firedrill).find_map(|(_, what)| match what {
            Firedrill::Ready { checks, .. } => Some(checks),
            _ => None,
        });
        if let Some(checks) = ready.filter(|checks| !checks.is_empty()) {
            return steps.iter().filter(|step| checks.contains(&step.head.index)).map(told).collect();
        }
        let is_line = |step: &&StepRecord| step.head.team.is_none();
        let last = steps.iter().rev().filter(is_line).take_while(|step| step.is_check() || step.head.kind == "all");
        let mut last: Vec<String> = last.filter(|step| step.is_check()).map(told).collect();
        last.reverse();
        last
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::journal::{Entry, Event, StepHead};

    /// What a trap of a `team` step waits for is an assertion, too, and no check of the drill's.
    #[test]
    fn the_checks_of_a_team_step_are_named_and_no_others() {
        let head = |index, kind: &str, name: &str, team| StepHead {
            index,
            kind: kind.to_owned(),
            name: name.to_owned(),
            line: 10 + index,
            team,
            ..StepHead::default()
        };
        let steps = vec![
            head(0, "overwrite", "the accident", None),
            head(1, "team", "the team", None),
            head(2, "assert_rows", "the rows are back", Some(1)),
            head(3, "assert_log", "somebody was careless", Some(1)),
        ];
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
        let ready = Firedrill::Ready { brief: text(), limit_ms: 1, sealed: false, delay_ms: 0, checks: vec![2] };
        let mut record = RunRecord::default();
        for event in [started, Event::Firedrill { drill: 0, what: ready }] {
            record.hear(&Entry { at: Timestamp::UNIX_EPOCH, elapsed_ms: 1, event });
        }
        let orphan = Orphan { run: text(), shells: vec![], record };
        assert_eq!(orphan.checks(), ["the rows are back (line 12)"]);
    }
}
