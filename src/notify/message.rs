//! What is told of a run, whatever the way.

use jiff::Timestamp;

use crate::journal::{Command, Outcome, Problem};
use crate::report::{DrillRecord, RunRecord};

/// How a run, or a drill, came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It held.
    Passed,
    /// It could not be judged.
    NotJudged,
    /// It did not hold.
    Failed,
}

impl Verdict {
    /// The verdict for an outcome; none for what was skipped.
    fn of(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Passed => Some(Verdict::Passed),
            Outcome::Failed => Some(Verdict::Failed),
            Outcome::Errored => Some(Verdict::NotJudged),
            Outcome::Skipped => None,
        }
    }

    /// As people read it.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::NotJudged => "could not be judged",
            Verdict::Failed => "FAILED",
        }
    }

    /// A colour of its own: red is for what failed alone.
    pub(super) fn color(self) -> &'static str {
        match self {
            Verdict::Passed => "#2e7d32",
            Verdict::NotJudged => "#f9a825",
            Verdict::Failed => "#c62828",
        }
    }
}

/// How a drill came out the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// Its verdict.
    pub verdict: Verdict,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Its measured recovery time.
    pub rto_ms: Option<u64>,
}

impl Last {
    /// What a drill of an earlier run came to; none for one that was skipped.
    pub fn of(drill: &DrillRecord) -> Option<Self> {
        let verdict = Verdict::of(drill.outcome())?;
        Some(Last { verdict, duration_ms: drill.duration_ms(), rto_ms: rto(drill).map(|(measured, _)| measured) })
    }
}

/// A drill in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillNews {
    /// Its name.
    pub name: String,
    /// The version of PostgreSQL.
    pub postgres: String,
    /// Its verdict.
    pub verdict: Verdict,
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
    pub verdict: Verdict,
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
    drill.budgets.iter().find_map(|(budget, _)| Some((budget.measured_ms?, budget.max_ms)))
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
            let why = drill.troubles().into_iter().next();
            Some(DrillNews {
                name: drill.name.clone(),
                postgres: drill.postgres.clone(),
                verdict: Verdict::of(drill.outcome())?,
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
        let verdict = match drills.iter().map(|drill| drill.verdict).max() {
            // A run that could not begin has no drill to tell of.
            None if ended_early => Verdict::NotJudged,
            None => return None,
            Some(Verdict::Passed) if not_begun > 0 => Verdict::NotJudged,
            Some(worst) => worst,
        };
        let missing = (not_begun > 0).then(|| format!("{not_begun} of {} drills did not start", record.planned));
        Some(Message {
            verdict,
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

    /// Whether it passed, and had not the last time.
    pub(super) fn has_recovered(&self) -> bool {
        let not_before = |drill: &DrillNews| drill.last.is_some_and(|last| last.verdict != Verdict::Passed);
        self.verdict == Verdict::Passed && self.drills.iter().any(not_before)
    }

    /// Its first line: `last-night FAILED`, `3 drills passed again`.
    pub(super) fn title(&self) -> String {
        let worst: Vec<&DrillNews> = self.drills.iter().filter(|drill| drill.verdict == self.verdict).collect();
        let what = match (worst.as_slice(), self.drills.len()) {
            ([], _) => "the run".to_owned(),
            ([one], _) => one.name.clone(),
            (many, all) if many.len() == all => format!("{all} drills"),
            (many, all) => format!("{} of {all} drills", many.len()),
        };
        let again = if self.has_recovered() { " again" } else { "" };
        let what = if self.proof { format!("the proof of {what}") } else { what };
        format!("{what} {}{again}", self.verdict.words())
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
        drills.sort_by_key(|drill| std::cmp::Reverse(drill.verdict));
        let lines = drills.iter().map(|drill| drill.line());
        let warnings = self.warnings.iter().filter(|_| self.verdict != Verdict::Passed).cloned();
        lines.chain(self.skipped.iter().cloned()).chain(warnings).collect()
    }
}

impl DrillNews {
    fn line(&self) -> String {
        let Verdict::Passed = self.verdict else {
            let why = self.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let before = match self.last {
                Some(last) if last.verdict == self.verdict => " (so it did the last time)",
                Some(last) if last.verdict == Verdict::Passed => " (it passed the last time)",
                _ => "",
            };
            return format!("{} {}{before}{why}", self.name, self.verdict.words());
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
    let place = problem.places.first();
    let label = place.map(|place| place.label.as_str()).filter(|label| !label.is_empty());
    let label = label.map(|label| format!(": {label}")).unwrap_or_default();
    let at = place.map(|place| format!(" ({}:{})", place.file, place.line)).unwrap_or_default();
    format!("{}{label}{at}", problem.title).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A time as people write it: `4.2 s`, `3m 10s`.
fn took(ms: u64) -> String {
    match ms {
        0..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        _ => humantime::format_duration(std::time::Duration::from_secs(ms / 1000)).to_string(),
    }
}
