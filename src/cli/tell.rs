//! Telling people how a run came out, once everything else is known: the verdict does not change by
//! it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::args::DrillArgs;
use super::attest::Attesting;
use super::dirs;
use super::out::complain;
use super::outputs::outcome_of;
use super::past::Past;
use super::select::Selected;
use crate::history::Series;
use crate::journal::{Command, Entry, Event, ExitCode, Journal, Listener, Outcome};
use crate::notify::{Message, Undelivered, Which, beat, deliver, wants};
use crate::report::{DrillRecord, RunRecord};
use crate::scenario::NotifyTo;

/// Who is to be told of a run, and what there is to tell so far.
pub struct Telling {
    to: Vec<(Which, NotifyTo)>,
    heartbeats: Vec<(Which, String)>,
    reports: Vec<String>,
    record: Arc<Mutex<RunRecord>>,
    evidence: Option<Attesting>,
    command: Command,
    seed: u64,
}

/// Hears of a run.
struct Hearing(Arc<Mutex<RunRecord>>);

impl Listener for Hearing {
    fn hear(&mut self, entry: &Entry) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hear(entry);
    }
}

impl Telling {
    /// Whom the arguments and the scenarios name; and the evidence, if it is asked for.
    pub fn of(args: &DrillArgs, selected: &Selected, command: Command, evidence: Option<Attesting>) -> Self {
        let plans: Vec<_> = selected.plans().collect();
        let file = |plan: &crate::plan::Plan| Which::OfFile(plan.source.file().to_owned());
        let own = plans.iter().flat_map(|plan| plan.told.people.iter().map(|to| (file(plan), to.clone())));
        let to = args.notify.targets().into_iter().map(|to| (Which::All, to)).chain(own).collect();
        let beats = plans.iter().filter_map(|plan| Some((file(plan), plan.told.heartbeat.clone()?)));
        let all = args.notify.beat().map(|url| (Which::All, url));
        let files = args.out.reports.0.iter().filter(|(format, named)| !format.is_stdout(named));
        let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
        Telling {
            to,
            heartbeats: all.into_iter().chain(beats).collect(),
            reports: files.map(|(format, named)| whole(&format.file(named))).collect(),
            record: Arc::default(),
            evidence: evidence.map(|evidence| evidence.of(selected)),
            command,
            seed: args.seed(),
        }
    }

    /// Nobody is told: the command line is wrong, and who has written it sees that.
    pub fn need_not(&self) {
        if let Some(evidence) = &self.evidence {
            evidence.need_not();
        }
    }

    /// Whether nobody is to be told.
    fn is_idle(&self) -> bool {
        self.to.is_empty() && self.heartbeats.is_empty()
    }

    /// What hears of the run.
    pub fn hearing(&self) -> Vec<Box<dyn Listener>> {
        let own = Box::new(Hearing(self.record.clone())) as Box<dyn Listener>;
        std::iter::once(own).chain(self.evidence.as_ref().map(Attesting::recorder)).collect()
    }

    /// What there is to tell so far.
    pub fn record(&self) -> RunRecord {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells everybody. What did not arrive is told here, and is an exit code of its own for a run
    /// that passed.
    pub async fn tell(&self, journal: &Journal, past: &Past, code: ExitCode) -> ExitCode {
        let record = self.record();
        let undelivered = self.deliver(&record, Some(past), code).await;
        for failure in &undelivered {
            journal.write(Event::Warned { drill: None, message: failure.to_string() });
        }
        let code = conclude(code, &undelivered);
        self.attest(Some(journal), code, vec![])
    }

    /// Tells everybody of a run that has not come to its first drill.
    pub async fn not_begun(&self, run: &str, planned: usize, why: Vec<String>, code: ExitCode) -> ExitCode {
        let started = Some(jiff::Timestamp::now());
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let warnings = why.clone();
        let record = RunRecord {
            run: run.to_owned(),
            version,
            started,
            planned,
            seed: self.seed,
            warnings,
            command: self.command,
            ..RunRecord::default()
        };
        let undelivered = self.deliver(&record, None, code).await;
        for failure in &undelivered {
            complain(&format!("warning: {failure}"));
        }
        *self.record.lock().unwrap_or_else(PoisonError::into_inner) = record;
        self.attest(None, conclude(code, &undelivered), why)
    }

    /// Appends the evidence of the run. Without it, a run that passed is not all right: who needs
    /// it would find out too late.
    fn attest(&self, journal: Option<&Journal>, code: ExitCode, why: Vec<String>) -> ExitCode {
        let Some(evidence) = &self.evidence else { return code };
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner).clone();
        record.finished = Some((outcome_of(code), code.code(), journal.map_or(0, Journal::elapsed_ms)));
        let (warnings, code) = match evidence.append(&record, journal, why) {
            Ok(warnings) => (warnings, code),
            Err(failure) if code == ExitCode::Passed => (vec![failure], ExitCode::Unclean),
            Err(failure) => (vec![failure], code),
        };
        for message in warnings {
            match journal {
                Some(journal) => journal.write(Event::Warned { drill: None, message }),
                None => complain(&format!("warning: {message}")),
            }
        }
        code
    }

    async fn deliver(&self, record: &RunRecord, past: Option<&Past>, code: ExitCode) -> Vec<Undelivered> {
        // A part of the drills may be none: that is no news.
        if self.is_idle() || (code == ExitCode::Passed && record.drills.is_empty()) {
            return vec![];
        }
        let host = dirs::host();
        let mut before = BTreeMap::new();
        for series in record.drills.values().filter_map(Series::of) {
            if let Some(past) = past
                && let Some(last) = past.last(series.clone(), code).await
            {
                before.insert(series, last);
            }
        }
        let last = |drill: &DrillRecord| before.get(&Series::of(drill)?).copied();
        let about = |which: &Which| Message::of(record, which, (&host, &self.reports), last);
        let limit = match code {
            // Somebody waits for the end.
            ExitCode::Interrupted | ExitCode::Terminated => Duration::from_secs(5),
            _ => Duration::from_secs(30),
        };
        let mut tasks = vec![];
        for (which, to) in &self.to {
            if let Some(message) = about(which).filter(|message| wants(to, message)) {
                let to = to.clone();
                tasks.push(limited(to.channel.as_str(), limit, Box::new(move || deliver(&to, &message))));
            }
        }
        for (which, url) in &self.heartbeats {
            // A drill's own is called whatever becomes of the others, if all of it was run.
            let ran = match which {
                Which::All => code == ExitCode::Passed,
                Which::OfFile(_) => !matches!(code, ExitCode::Interrupted | ExitCode::Terminated),
            };
            let passed = |message: Message| message.outcome == Outcome::Passed && message.skipped.is_empty();
            if ran && record.command == Command::Run && about(which).is_some_and(passed) {
                let url = url.clone();
                tasks.push(limited("the heartbeat", limit, Box::new(move || beat(&url))));
            }
        }
        futures_util::future::join_all(tasks).await.into_iter().filter_map(Result::err).collect()
    }
}

/// Does it on a thread of its own, which nobody waits for any longer than this.
async fn limited(
    to: &'static str,
    limit: Duration,
    work: Box<dyn FnOnce() -> Result<(), Undelivered> + Send>,
) -> Result<(), Undelivered> {
    let (done, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || done.send(work()));
    let why = match tokio::time::timeout(limit, told).await {
        Ok(Ok(result)) => return result,
        Ok(Err(_)) => "drillyard has failed there".to_owned(),
        Err(_) => format!("it took more than {} s", limit.as_secs()),
    };
    Err(Undelivered { to: to.to_owned(), why })
}

fn conclude(code: ExitCode, undelivered: &[Undelivered]) -> ExitCode {
    match code {
        ExitCode::Passed if !undelivered.is_empty() => ExitCode::Unclean,
        code => code,
    }
}
