//! The history beside a run: what it remembers of it, and what is asked of it on the way.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::args::DrillArgs;
use super::dirs;
use super::stop::Result;
use crate::history::{Point, Recorder, Series};
use crate::journal::{Command, Event, ExitCode, Journal, Listener, Outcome, PastRun};
use crate::notify::Last;
use crate::report::RunRecord;
use crate::run::{Drill, LastPass};

/// How long the history may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// How long it may take when somebody waits for the end.
const SHORT: Duration = Duration::from_secs(2);

/// How many of the newest passes a recovery time is compared with: one alone may have been lucky.
const LAST: usize = 5;

/// How many earlier runs a report shows of a drill, and how far back.
const SHOWN: usize = 90;
const BACK: SignedDuration = SignedDuration::from_hours(365 * 24);

/// The history, for a run.
pub struct Past {
    recorder: Recorder,
    secrets: Vec<String>,
    /// Whether somebody has said where it is: then it matters that it is complete.
    named: bool,
    /// Whether a report shows earlier runs.
    shown: bool,
}

impl Past {
    /// That of a run with these arguments.
    pub fn of(args: &DrillArgs) -> Result<Self> {
        let place = args.history.place()?;
        let secrets = place.secrets();
        let recorder = Recorder::begin(place, dirs::host());
        let named = args.history.history.is_some();
        let shown = args.out.reports.0.iter().any(|(format, _)| format.name == "html");
        Ok(Past { recorder, secrets, named, shown })
    }

    /// What must be in no output.
    pub fn secrets(&self) -> Vec<String> {
        self.secrets.clone()
    }

    /// What hears of the run.
    pub fn hearing(&self) -> Box<dyn Listener> {
        self.recorder.hearing()
    }

    /// Looks up what budgets go by. The run has begun.
    pub async fn look_up(&self, journal: &Journal, drills: &mut [Drill], backend: &str) {
        for drill in drills {
            if drill.plan.rto.as_ref().is_some_and(|rto| rto.of_last.is_some()) {
                drill.last_pass = self.last_pass(journal, drill, backend).await;
            }
        }
    }

    async fn last_pass(&self, journal: &Journal, drill: &Drill, backend: &str) -> LastPass {
        // As events tell them, which the history hears of.
        let settings: Vec<String> = drill.settings.iter().map(|one| journal.redact(one)).collect();
        let series = Series {
            name: drill.plan.name.clone(),
            major: drill.major.into(),
            backend: backend.to_owned(),
            settings: settings.join(" "),
        };
        match self.recorder.last_rtos(series, LAST, LIMIT).await {
            Ok(found) => LastPass::of(found),
            Err(error) => LastPass::Unknown(error.to_string()),
        }
    }

    /// How a drill of this run came out the last time; none if nobody knows.
    pub async fn last(&self, series: Series, code: ExitCode) -> Option<Last> {
        let drill = self.recorder.before(series, limit(code)).await.ok()??.drill;
        let (outcome, duration_ms) = drill.end?;
        Some(Last { outcome, duration_ms, rto_ms: drill.rto_ms })
    }

    /// Tells the reports how the drills came out in earlier runs.
    pub async fn show(&self, journal: &Journal, record: &RunRecord) {
        // A debrief lays the drill's own recovery beside that of people.
        let shown = self.shown || record.command == Command::Firedrill;
        if !shown || record.command == Command::Prove {
            return;
        }
        let since = Timestamp::now().checked_sub(BACK).unwrap_or_default();
        for (drill, one) in &record.drills {
            let Some(series) = Series::of(one) else { continue };
            let Ok(mut found) = self.recorder.since(&one.name, since, LIMIT).await else { return };
            let runs = found.remove(&series).into_iter().flatten().filter(|point| point.run != record.run);
            let mut runs: Vec<PastRun> = runs.filter_map(past_run).collect();
            if record.command == Command::Firedrill {
                // The best known way is one that is known to be right.
                runs.retain(|run| run.outcome == Outcome::Passed);
            }
            runs.drain(..runs.len().saturating_sub(SHOWN));
            if !runs.is_empty() {
                journal.write(Event::DrillTrend { drill: *drill, runs });
            }
        }
    }

    /// Writes how the run ended. What could not be written is told; if somebody has named the
    /// history, it is an exit code of its own for a run that passed.
    pub async fn conclude(&self, journal: &Journal, code: ExitCode) -> ExitCode {
        let Err(unrecorded) = self.recorder.finish(code, limit(code)).await else { return code };
        let help = unrecorded.0.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        journal.write(Event::Warned { drill: None, message: format!("{unrecorded}{help}") });
        match code {
            ExitCode::Passed if self.named => ExitCode::Unclean,
            code => code,
        }
    }
}

/// How long the history may take for a run that ends so.
fn limit(code: ExitCode) -> Duration {
    match code {
        ExitCode::Interrupted | ExitCode::Terminated => SHORT,
        _ => LIMIT,
    }
}

fn past_run(point: Point) -> Option<PastRun> {
    let (outcome, duration_ms) = point.drill.end?;
    let (rto_ms, recovery_ms) = (point.drill.rto_ms, point.drill.recovery_ms);
    Some(PastRun { run: point.run, at: point.drill.started, outcome, duration_ms, rto_ms, recovery_ms })
}
