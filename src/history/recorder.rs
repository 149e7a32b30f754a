//! Writes a run into the history while it goes on, on a thread of its own: no drill waits for it.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::History;
use super::error::{HistoryError, Result};
use super::place::Place;
use super::read::Point;
use super::rows::{DrillRow, RunRow};
use super::series::Series;
use crate::journal::{Entry, ExitCode, Listener, Outcome};
use crate::report::RunRecord;

/// What the thread is asked to do.
enum Ask {
    /// Write this.
    Put(Box<Put>),
    /// Look for a drill in the newest run before this one.
    Before { series: Series, run: Box<RunRow>, answer: oneshot::Sender<Result<Option<Point>>> },
    /// Look for the recovery times of the newest runs that passed.
    LastRtos { series: Series, most: usize, answer: oneshot::Sender<Result<Vec<u64>>> },
    /// Look for the runs of the drills of a name since a time.
    Since { name: String, since: Timestamp, answer: oneshot::Sender<Result<BySeries>> },
    /// Say whether all of it is written.
    Settle(oneshot::Sender<Result<()>>),
}

/// The runs of drills, by drill.
pub type BySeries = BTreeMap<Series, Vec<Point>>;

/// What is written.
#[derive(Clone)]
enum Put {
    Run(RunRow),
    Drill(DrillRow),
}

/// That a run is not in the history, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the history has not all of this run: {0}")]
pub struct Unrecorded(pub HistoryError);

/// What a run is, for the history.
#[derive(Default)]
struct Heard {
    record: RunRecord,
    run: Option<RunRow>,
}

/// The way of a run into a history.
#[derive(Clone)]
pub struct Recorder {
    asks: Sender<Ask>,
    heard: Arc<Mutex<Heard>>,
    host: String,
}

impl Recorder {
    /// Begins; `host` is this machine's name. The history is opened when there is something to
    /// write or to look for.
    pub fn begin(place: Place, host: String) -> Self {
        let (asks, received) = channel();
        // It ends when nobody can ask any longer, or with the process.
        std::thread::spawn(move || Writer { place, history: None, waiting: vec![], late: None }.work(&received));
        Recorder { asks, heard: Arc::default(), host }
    }

    /// What hears of the run.
    pub fn hearing(&self) -> Box<dyn Listener> {
        Box::new(self.clone())
    }

    fn put(&self, put: Put) {
        // A thread that has died answers nobody: `settle` tells.
        let _ = self.asks.send(Ask::Put(Box::new(put)));
    }

    /// The run as the history knows it, once it has begun.
    pub fn run(&self) -> Option<RunRow> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).run.clone()
    }

    /// Asks for a drill in the newest run before this one. Waits as long as `limit`.
    ///
    /// # Errors
    /// If the history cannot be read.
    pub async fn before(&self, series: Series, limit: Duration) -> Result<Option<Point>> {
        let Some(run) = self.run() else { return Ok(None) };
        let (answer, told) = oneshot::channel();
        self.ask(Ask::Before { series, run: Box::new(run), answer }, told, limit).await
    }

    /// Asks for the recovery times of the newest runs of a drill that passed, at most so many.
    ///
    /// # Errors
    /// If the history cannot be read.
    pub async fn last_rtos(&self, series: Series, most: usize, limit: Duration) -> Result<Vec<u64>> {
        let (answer, told) = oneshot::channel();
        self.ask(Ask::LastRtos { series, most, answer }, told, limit).await
    }

    /// Asks for the runs of the drills of a name since a time.
    ///
    /// # Errors
    /// If the history cannot be read.
    pub async fn since(&self, name: &str, since: Timestamp, limit: Duration) -> Result<BySeries> {
        let (answer, told) = oneshot::channel();
        self.ask(Ask::Since { name: name.to_owned(), since, answer }, told, limit).await
    }

    /// Writes the run's end, and waits until all is written.
    ///
    /// # Errors
    /// If it is not within `limit`.
    pub async fn finish(&self, code: ExitCode, limit: Duration) -> std::result::Result<(), Unrecorded> {
        let Some(run) = self.run() else { return Ok(()) };
        let outcome = match code {
            ExitCode::Passed | ExitCode::Unclean => Outcome::Passed,
            ExitCode::Failed => Outcome::Failed,
            _ => Outcome::Errored,
        };
        self.put(Put::Run(RunRow { finished: Some(Timestamp::now()), end: Some((outcome, code.code())), ..run }));
        let (answer, told) = oneshot::channel();
        self.ask(Ask::Settle(answer), told, limit).await.map_err(Unrecorded)
    }

    async fn ask<T>(&self, ask: Ask, told: oneshot::Receiver<Result<T>>, limit: Duration) -> Result<T> {
        let gone = || HistoryError::new("drillyard has failed there");
        self.asks.send(ask).map_err(|_| gone())?;
        match tokio::time::timeout(limit, told).await {
            Ok(told) => told.map_err(|_| gone())?,
            Err(_) => Err(HistoryError::new(format!("it did not answer within {} s", limit.as_secs()))),
        }
    }
}

impl Listener for Recorder {
    fn hear(&mut self, entry: &Entry) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.record.hear(entry);
        if heard.run.is_none() && !heard.record.run.is_empty() {
            heard.run = RunRow::of(&heard.record, &self.host);
            heard.run.clone().into_iter().for_each(|run| self.put(Put::Run(run)));
        }
        let Some(number) = heard.record.begun_or_ended(&entry.event) else { return };
        let row = heard.run.as_ref().zip(heard.record.drills.get(&number));
        if let Some(row) = row.and_then(|(run, drill)| DrillRow::of(&run.id, number, drill)) {
            self.put(Put::Drill(row));
        }
    }
}

/// What the thread has.
struct Writer {
    place: Place,
    history: Option<History>,
    /// What is not written yet.
    waiting: Vec<Put>,
    /// When it last took long to fail, and how it did.
    late: Option<(Instant, HistoryError)>,
}

impl Writer {
    fn work(mut self, received: &Receiver<Ask>) {
        while let Ok(ask) = received.recv() {
            // Whoever asked may have given up.
            match ask {
                Ask::Put(put) => {
                    self.waiting.push(*put);
                    // What cannot be written now is tried again with the next, and at the end.
                    let _ = self.write();
                }
                Ask::Before { series, run, answer } => {
                    let _ = answer.send(self.with(|history| history.before(&series, &run)));
                }
                Ask::LastRtos { series, most, answer } => {
                    let _ = answer.send(self.with(|history| history.last_rtos(&series, most)));
                }
                Ask::Since { name, since, answer } => {
                    let _ = answer.send(self.with(|history| history.points(since, Some(&name))));
                }
                Ask::Settle(answer) => {
                    let _ = answer.send(self.write());
                }
            }
        }
    }

    /// Does something with the history; one that has failed is opened anew the next time.
    /// Where that takes long, all who ask in the next half a minute get the same answer: a run that
    /// asks for each of its drills waits once.
    fn with<T>(&mut self, work: impl FnOnce(&mut History) -> Result<T>) -> Result<T> {
        const LONG: Duration = Duration::from_secs(2);
        const PAUSE: Duration = Duration::from_secs(30);
        if let Some((_, error)) = self.late.as_ref().filter(|(at, _)| at.elapsed() < PAUSE) {
            return Err(error.clone());
        }
        let began = Instant::now();
        let done = match &mut self.history {
            Some(history) => work(history),
            closed => History::open(&self.place).and_then(|history| work(closed.insert(history))),
        };
        self.late = None;
        if let Err(error) = &done {
            self.history = None;
            self.late = (began.elapsed() >= LONG).then(|| (Instant::now(), error.clone()));
        }
        done
    }

    fn write(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut written = 0;
        let done = self.with(|history| {
            for put in &waiting {
                match put {
                    Put::Run(run) => history.put_run(run)?,
                    Put::Drill(drill) => history.put_drill(drill)?,
                }
                written += 1;
            }
            Ok(())
        });
        self.waiting = waiting.into_iter().skip(written).collect();
        done
    }
}
