//! What a history keeps of a run and of its drills.

use jiff::Timestamp;

use super::series::Series;
use crate::journal::{Command, Outcome};
use crate::report::{DrillRecord, RunRecord, StepRecord};

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// When it began and what it is called: no two runs have both.
    pub id: String,
    /// What it is called.
    pub run: String,
    /// What it did with its drills.
    pub command: Command,
    /// The version of drillyard.
    pub version: String,
    /// The machine.
    pub host: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// How it ended: outcome and exit code.
    pub end: Option<(Outcome, u8)>,
}

/// A part of a drill that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartName {
    /// Base backups are restored.
    Restore,
    /// WAL is replayed from an archive.
    Replay,
    /// WAL is streamed until a standby has caught up.
    CatchUp,
    /// All else that recovery takes: servers start and stop, dumps, imports.
    OtherRecovery,
    /// Assertions.
    Checks,
}

impl PartName {
    /// All of them, in the order of a drill.
    pub const ALL: [PartName; 5] =
        [PartName::Restore, PartName::Replay, PartName::CatchUp, PartName::OtherRecovery, PartName::Checks];

    /// As the history writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            PartName::Restore => "restore",
            PartName::Replay => "replay",
            PartName::CatchUp => "catch_up",
            PartName::OtherRecovery => "other_recovery",
            PartName::Checks => "checks",
        }
    }

    /// As people read it.
    pub fn words(self) -> &'static str {
        match self {
            PartName::Restore => "restore",
            PartName::Replay => "replay",
            PartName::CatchUp => "catch-up",
            PartName::OtherRecovery => "other recovery",
            PartName::Checks => "checks",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == name)
    }
}

/// How long a part took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which one.
    pub name: PartName,
    /// In milliseconds.
    pub duration_ms: u64,
    /// How much was read or written, if it is known.
    pub bytes: Option<u64>,
}

/// A drill in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillRow {
    /// The run's [`RunRow::id`].
    pub run: String,
    /// Its place in the run, from 0.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// Its file, as the user named it.
    pub file: String,
    /// What it was told beside its file.
    pub settings: String,
    /// The major version of PostgreSQL.
    pub major: i64,
    /// The version of PostgreSQL.
    pub postgres: String,
    /// `docker` or `local`.
    pub backend: String,
    /// When it began.
    pub started: Timestamp,
    /// How it came out and how long it took in milliseconds, once it has ended.
    pub end: Option<(Outcome, u64)>,
    /// What is wrong with it, in a line.
    pub why: Option<String>,
    /// The recovery time that its budget measured, in milliseconds.
    pub rto_ms: Option<u64>,
    /// What the budget allows.
    pub rto_max_ms: Option<u64>,
    /// How long all steps of the recovery took that passed, in milliseconds; none if there are
    /// none.
    pub recovery_ms: Option<u64>,
    /// How many acknowledged transactions are lost; none where nobody looked.
    pub lost: Option<u64>,
    /// How much acknowledged work is lost, in milliseconds.
    pub lost_work_ms: Option<u64>,
    /// How long each part took.
    pub parts: Vec<Part>,
}

/// What a run does, in a word.
pub(super) fn command_word(command: Command) -> &'static str {
    match command {
        Command::Run => "run",
        Command::Prove => "prove",
        Command::Firedrill => "firedrill",
    }
}

impl DrillRow {
    /// What makes it comparable.
    pub fn series(&self) -> Series {
        let (name, backend, settings) = (self.name.clone(), self.backend.clone(), self.settings.clone());
        Series { name, major: self.major, backend, settings }
    }
}

impl RunRow {
    /// A run that has begun.
    pub fn of(record: &RunRecord, host: &str) -> Option<Self> {
        let started = record.started?;
        Some(RunRow {
            id: format!("{:015}-{}", started.as_millisecond(), record.run),
            run: record.run.clone(),
            command: record.command,
            version: record.version.clone(),
            host: host.to_owned(),
            started,
            finished: None,
            end: None,
        })
    }
}

impl DrillRow {
    /// A drill, as far as it is told; none of one that is not meant for this run. One that was
    /// never begun, since the run ended before, is skipped.
    pub fn of(run: &str, number: usize, drill: &DrillRecord) -> Option<Self> {
        let end = drill.has_ended().then(|| (drill.outcome(), drill.duration_ms()));
        let Series { name, major, backend, settings } = Series::of(drill)?;
        let rto = drill.rto();
        let lost_work = drill.traffic.iter().filter_map(|count| count.lost_work_ms).max();
        let why = drill.troubles().into_iter().next().map(|trouble| trouble.problem.headline());
        Some(DrillRow {
            run: run.to_owned(),
            number,
            name,
            file: drill.file.clone(),
            settings,
            major,
            postgres: drill.postgres.clone(),
            backend,
            started: drill.started?,
            end,
            why,
            rto_ms: rto.and_then(|budget| budget.measured_ms),
            rto_max_ms: rto.and_then(|budget| budget.max_ms),
            recovery_ms: drill.recovery_ms(),
            lost: drill.lost(),
            lost_work_ms: lost_work,
            parts: parts(drill),
        })
    }
}

/// What a step says of a part of it: `replay_ms`, `replay_bytes`.
fn told(step: &StepRecord, part: PartName) -> Option<Part> {
    let facts = &step.end.as_ref()?.facts;
    let number = |what: &str| facts.get(&format!("{}_{what}", part.as_str()))?.as_u64();
    Some(Part { name: part, duration_ms: number("ms")?, bytes: number("bytes") })
}

/// How long the parts of a drill took, those that it has.
fn parts(drill: &DrillRecord) -> Vec<Part> {
    let within = |name| drill.steps.iter().filter_map(move |step| told(step, name));
    let mut parts: Vec<Part> = [PartName::Restore, PartName::Replay, PartName::CatchUp]
        .into_iter()
        .filter_map(|name| within(name).reduce(plus))
        .collect();
    let told: u64 = parts.iter().map(|part| part.duration_ms).sum();
    let whole = |name, duration_ms| Part { name, duration_ms, bytes: None };
    parts.extend(drill.recovery_ms().map(|all| whole(PartName::OtherRecovery, all.saturating_sub(told))));
    let is_check = |step: &&StepRecord| step.is_check() && step.head.group.is_none();
    let alls = |step: &&StepRecord| step.head.kind == "all";
    let checks = drill.steps.iter().filter(|step| is_check(step) || alls(step));
    let checks = checks.filter_map(|step| Some(step.end.as_ref()?.duration_ms)).reduce(u64::saturating_add);
    parts.extend(checks.map(|all| whole(PartName::Checks, all)));
    parts
}

fn plus(one: Part, other: Part) -> Part {
    let bytes = match (one.bytes, other.bytes) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    };
    Part { name: one.name, duration_ms: one.duration_ms.saturating_add(other.duration_ms), bytes }
}
