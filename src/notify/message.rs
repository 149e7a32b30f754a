//! What is told of a run, whatever the way.

use jiff::Timestamp;

use crate::journal::{Command, Outcome, Problem};
use crate::report::{DrillRecord, RunRecord};

/// From the worst, as people are told: what failed comes before what could not be judged.
const FROM_WORST: [Outcome; 3] = [Outcome::Failed, Outcome::Errored, Outcome::Passed];

/// An outcome as people read it.
fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "FAILED",
        Outcome::Errored => "could not be judged",
        Outcome::Skipped => "was not run",
    }
}

/// Whether it came out at all: what was skipped did not.
fn came_out(drill: &DrillRecord) -> Option<Outcome> {
    Some(drill.outcome()).filter(|outcome| *outcome != Outcome::Skipped)
}

/// How a drill came out the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// Its outcome.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Its measured recovery time.
    pub rto_ms: Option<u64>,
}

impl Last {
    /// What a drill of an earlier run came to; none for one that was skipped.
    pub fn of(drill: &DrillRecord) -> Option<Self> {
        let outcome = came_out(drill)?;
        Some(Last { outcome, duration_ms: drill.duration_ms(), rto_ms: rto(drill).map(|(measured, _)| measured) })
    }
}

/// A drill in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillNews {
    /// Its name.
    pub name: String,
    /// The version of PostgreSQL.
    pub postgres: String,
    /// Its outcome.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The measured recovery time and its limit, in milliseconds.
    pub rto: Option<(u64, Option<u64>)>,
    /// What is wrong with it, in a line.
    pub why: Option<String>,
    /// The command that runs it again.
    pub again: Option<String>,
    /// How it came out the last time.
    pub last: Option<Last>,
}

/// What is told of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The worst of its drills.
    pub outcome: Outcome,
    /// Whether it is about proofs.
    pub proof: bool,
    /// Its drills, but those that were skipped.
    pub drills: Vec<DrillNews>,
    /// Those that were skipped, and why.
    pub skipped: Vec<String>,
    /// What concerned no single drill.
    pub warnings: Vec<String>,
    /// The run's id.
    pub run: String,
    /// The machine.
    pub host: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Where reports are.
    pub reports: Vec<String>,
}

/// Which drills of a run a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those of this file.
    OfFile(String),
}

fn rto(drill: &DrillRecord) -> Option<(u64, Option<u64>)> {
    drill.rto().and_then(|budget| Some((budget.measured_ms?, budget.max_ms)))
}

impl Message {
    /// What is told of a run that has come out so; `host` and `reports` are told as they are, and
    /// `last` knows how a drill came out before. None where nothing was run that it would be about.
    pub fn of(
        record: &RunRecord,
        which: &Which,
        (host, reports): (&str, &[String]),
        last: impl Fn(&DrillRecord) -> Option<Last>,
    ) -> Option<Self> {
        let meant = |drill: &&DrillRecord| match which {
            Which::All => true,
            Which::OfFile(file) => drill.file == *file,
        };
        let news = |drill: &DrillRecord| {
            let why = drill.first_cause();
            Some(DrillNews {
                name: drill.name.clone(),
                postgres: drill.postgres.clone(),
                outcome: came_out(drill)?,
                duration_ms: drill.duration_ms(),
                rto: rto(drill),
                why: why.map(|trouble| in_a_line(&trouble.problem)),
                again: drill.end.as_ref().map(|end| end.again.clone()).filter(|again| !again.is_empty()),
                last: last(drill),
            })
        };
        let drills: Vec<DrillNews> = record.drills.values().filter(meant).filter_map(news).collect();
        let left_out = |drill: &DrillRecord| {
            let why = drill.end.as_ref().and_then(|end| end.message.as_deref()).unwrap_or("skipped");
            format!("{} was not run: {why}", drill.name)
        };
        let skipped = record.drills.values().filter(meant).filter(|drill| drill.outcome() == Outcome::Skipped);
        let ended_early = record.drills.is_empty() && record.outcome() != Outcome::Passed;
        let not_begun = if *which == Which::All { record.not_begun() } else { 0 };
        let is_there = |outcome: &Outcome| drills.iter().any(|drill| drill.outcome == *outcome);
        let outcome = match FROM_WORST.into_iter().find(is_there) {
            // A run that could not begin has no drill to tell of.
            None if ended_early => Outcome::Errored,
            None => return None,
            Some(Outcome::Passed) if not_begun > 0 => Outcome::Errored,
            Some(worst) => worst,
        };
        let missing = (not_begun > 0).then(|| format!("{not_begun} of {} drills did not start", record.planned));
        Some(Message {
            outcome,
            proof: record.command == Command::Prove,
            skipped: skipped.map(left_out).collect(),
            drills,
            warnings: missing.into_iter().chain(record.warnings.iter().cloned()).collect(),
            run: record.run.clone(),
            host: host.to_owned(),
            started: record.started,
            duration_ms: record.duration_ms(),
            reports: reports.to_vec(),
        })
    }

    /// A colour of its own: red is for what failed alone.
    pub(super) fn color(&self) -> &'static str {
        match self.outcome {
            Outcome::Passed => "#2e7d32",
            Outcome::Failed => "#c62828",
            Outcome::Errored | Outcome::Skipped => "#f9a825",
        }
    }

    /// Whether it passed, and had not the last time.
    pub(super) fn has_recovered(&self) -> bool {
        let not_before = |drill: &DrillNews| drill.last.is_some_and(|last| last.outcome != Outcome::Passed);
        self.outcome == Outcome::Passed && self.drills.iter().any(not_before)
    }

    /// Its first line: `last-night FAILED`, `3 drills passed again`.
    pub(super) fn title(&self) -> String {
        let worst: Vec<&DrillNews> = self.drills.iter().filter(|drill| drill.outcome == self.outcome).collect();
        let what = match (worst.as_slice(), self.drills.len()) {
            ([], _) => "the run".to_owned(),
            ([one], _) => one.name.clone(),
            (many, all) if many.len() == all => format!("{all} drills"),
            (many, all) => format!("{} of {all} drills", many.len()),
        };
        let again = if self.has_recovered() { " again" } else { "" };
        let what = if self.proof { format!("the proof of {what}") } else { what };
        format!("{what} {}{again}", words(self.outcome))
    }

    /// What it says below that: the machine, the run, how long it took, where the reports are.
    pub(super) fn footer(&self) -> String {
        let at = self.started.map(|at| format!(" at {}", at.strftime("%Y-%m-%d %H:%M:%SZ"))).unwrap_or_default();
        let run = if self.run.is_empty() { String::new() } else { format!(", run {}", self.run) };
        let reports =
            if self.reports.is_empty() { String::new() } else { format!("; report: {}", self.reports.join(", ")) };
        format!("drillyard on {}{at}{run}, {}{reports}", self.host, took(self.duration_ms))
    }

    /// A line for each drill, the worst first, and then the warnings of a run that had none.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut drills: Vec<&DrillNews> = self.drills.iter().collect();
        drills.sort_by_key(|drill| FROM_WORST.iter().position(|outcome| *outcome == drill.outcome));
        let lines = drills.iter().map(|drill| drill.line());
        let warnings = self.warnings.iter().filter(|_| self.outcome != Outcome::Passed).cloned();
        lines.chain(self.skipped.iter().cloned()).chain(warnings).collect()
    }
}

impl DrillNews {
    fn line(&self) -> String {
        let Outcome::Passed = self.outcome else {
            let why = self.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let before = match self.last {
                Some(last) if last.outcome == self.outcome => " (so it did the last time)",
                Some(last) if last.outcome == Outcome::Passed => " (it passed the last time)",
                _ => "",
            };
            return format!("{} {}{before}{why}", self.name, words(self.outcome));
        };
        let last = |time: Option<u64>| time.map(|time| format!(", last time {}", took(time))).unwrap_or_default();
        match self.rto {
            Some((measured, limit)) => {
                let limit = limit.map(|limit| format!(" (limit {})", took(limit))).unwrap_or_default();
                let before = last(self.last.and_then(|last| last.rto_ms));
                format!("{} passed: recovered in {}{limit}{before}", self.name, took(measured))
            }
            None => format!(
                "{} passed in {}{}",
                self.name,
                took(self.duration_ms),
                last(self.last.map(|last| last.duration_ms))
            ),
        }
    }
}

/// What is wrong, and where the file says so, in a line.
fn in_a_line(problem: &Problem) -> String {
    let at = problem.places.first().map(|place| format!(" ({}:{})", place.file, place.line)).unwrap_or_default();
    format!("{}{at}", problem.headline())
}

/// A time as people write it: `4.2 s`, `3m 10s`.
fn took(ms: u64) -> String {
    match ms {
        0..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        _ => humantime::format_duration(std::time::Duration::from_secs(ms / 1000)).to_string(),
    }
}
