//! One step: its deadline, what it was expected to come to, and what it came to.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::diagnosis::{PATIENCE, Scene, note_felled};
use super::drill::{StepTime, Tally, Work, worst};
use super::watch::watch;
use crate::harness::{Context, Finding, NodeId, Role, StepId, StepResult, UserPace, World};
use crate::journal::{Cause, Event, Facts, Outcome, Problem};
use crate::node::{Holdup, HoldupKind};
use crate::pg::Version;
use crate::plan::PlannedStep;
use crate::source::Span;
use crate::traffic::Failure;

/// Whether the drill goes on after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// With the next one.
    GoOn,
    /// With `finally`.
    End,
}

/// A step about to be run.
pub struct StepRun<'a> {
    pub work: &'a Work<'a>,
    pub world: &'a World,
    pub step: &'a PlannedStep,
    /// When it has to be done at the latest, whatever its own deadline.
    pub deadline: Instant,
    /// Whether it may fail: it is a line of an `all` that is expected to.
    pub lenient: bool,
}

/// What a step came to.
struct End {
    outcome: Outcome,
    message: Option<String>,
    problem: Option<Problem>,
    facts: Facts,
    /// Whether something was judged.
    judged: bool,
    /// Whether it failed by something that is not its own doing, and that nobody can have expected of it.
    foreign: bool,
}

impl End {
    fn new(outcome: Outcome) -> Self {
        End { outcome, message: None, problem: None, facts: Facts::new(), judged: false, foreign: false }
    }

    fn of_problem(outcome: Outcome, problem: Problem) -> Self {
        End { message: Some(one_line(&problem)), problem: Some(problem), ..End::new(outcome) }
    }
}

/// The title, and what is said at the place.
fn one_line(problem: &Problem) -> String {
    match problem.places.first().map(|place| place.label.as_str()) {
        Some(label) if !label.is_empty() => format!("{}: {label}", problem.title),
        _ => problem.title.clone(),
    }
}

impl StepRun<'_> {
    /// Runs it, and the lines of an `all` after it.
    pub async fn run(&self, tally: &mut Tally) -> Ran {
        let gate = self.work.env.gate.as_deref();
        if let Some(gate) = gate {
            let asked = self.work.ends();
            if !self.may_begin(gate).await {
                return Ran::End;
            }
            // The drill's time did not pass while somebody was asked.
            let deadline = self.deadline + (self.work.ends() - asked);
            return StepRun { deadline, ..*self }.begin(tally).await;
        }
        self.begin(tally).await
    }

    async fn begin(&self, tally: &mut Tally) -> Ran {
        let (journal, drill, index) = (&self.work.env.journal, self.work.index, self.step.head.index);
        let began = self.work.clock();
        let started_ms = began.as_millis() as u64;
        journal.write(Event::StepStarted { drill, index, started_ms });
        let mut lines = Tally::default();
        let end = match self.skipped() {
            Some(reason) => End { message: Some(reason), ..End::new(Outcome::Skipped) },
            None if self.work.drill.change.leaves_out(self.step) => {
                self.mark_nothing().await;
                End { message: Some("left out on purpose".to_owned()), ..End::new(Outcome::Skipped) }
            }
            None if self.step.kind.name == "all" => self.run_lines(&mut lines).await,
            None => self.attempts().await,
        };
        self.work.note_nodes(self.world);
        let ended = self.work.clock();
        let passed = end.outcome == Outcome::Passed;
        if let Ok(mut times) = self.work.times.lock() {
            times[index] = Some(StepTime { began, ended, passed });
        }
        tally.outcomes.push(end.outcome);
        tally.failures.extend(end.problem.as_ref().map(Problem::text));
        // What an `all` is expected to fail by is told, and is no failure of the drill.
        let end = match (self.lenient, end.outcome) {
            (true, Outcome::Failed) => {
                let message = end.message.map(|message| format!("failed, as is expected of its `all`: {message}"));
                End { outcome: Outcome::Passed, message, problem: None, ..end }
            }
            _ => end,
        };
        tally.judged += usize::from(end.judged) + lines.judged;
        journal.write(Event::StepFinished {
            drill,
            index,
            outcome: end.outcome,
            started_ms,
            duration_ms: ended.saturating_sub(began).as_millis() as u64,
            message: end.message,
            problem: end.problem,
            facts: end.facts,
        });
        match end.outcome {
            Outcome::Passed | Outcome::Skipped if !self.work.env.cancel.is_cancelled() => Ran::GoOn,
            _ => Ran::End,
        }
    }

    /// Tries it; and again as long as somebody who goes through the drill by hand wants to see that.
    async fn attempts(&self) -> End {
        let mut tries = 1;
        loop {
            let mut end = self.expected(self.attempt().await).await;
            if matches!(end.outcome, Outcome::Failed | Outcome::Errored)
                && !self.work.env.cancel.is_cancelled()
                && let Some(gate) = self.work.env.gate.as_deref()
                && self.is_tried_again(gate, end.message.as_deref().unwrap_or_default()).await
            {
                tries += 1;
                continue;
            }
            if tries > 1 {
                end.facts.insert("tries".to_owned(), tries.into());
                let message = format!("step {} was tried {tries} times by hand", self.step.head.index);
                self.work.env.journal.write(Event::Warned { drill: Some(self.work.index), message });
            }
            return end;
        }
    }

    /// The version that the drill is about: the servers' own where drillyard made none of them.
    fn version(&self) -> Version {
        let external = || self.world.outputs().nodes.values().next().map(|node| node.version());
        self.work.drill.plan.only_external().then(external).flatten().unwrap_or_else(|| self.world.lab.version())
    }

    /// Why it is not run.
    fn skipped(&self) -> Option<String> {
        let (when, version) = (self.step.when.as_ref()?, self.version());
        (!when.matches(version)).then(|| format!("for PostgreSQL {when}, and this is {version}"))
    }

    /// Every line of an `all` is run and told.
    async fn run_lines(&self, tally: &mut Tally) -> End {
        let steps = &self.work.drill.plan.steps;
        for line in steps.iter().filter(|line| line.group == Some(self.step.head.index)) {
            if self.work.env.cancel.is_cancelled() {
                break;
            }
            let lenient = self.step.fails.is_some();
            let ran = Box::pin(StepRun { step: line, lenient, ..*self }.run(tally)).await;
            if ran == Ran::End && self.work.drill.change.brief && !lenient {
                break;
            }
        }
        let bad = tally.outcomes.iter().filter(|o| matches!(o, Outcome::Failed | Outcome::Errored)).count();
        let message = (bad > 0).then(|| format!("{bad} of {} did not hold", tally.outcomes.len()));
        let end = End { message, ..End::new(worst(&tally.outcomes)) };
        match (&self.step.fails, end.outcome) {
            (Some(_), Outcome::Failed) => {
                let text = end.message.clone().unwrap_or_default();
                let problem = Problem::new(text).at(self.world.source.place(self.step.action, ""));
                let problem = tally.failures.iter().fold(problem, |problem, text| problem.note("line", text));
                self.expected(End::of_problem(Outcome::Failed, problem)).await
            }
            (Some(_), Outcome::Passed) => self.expected(end).await,
            _ => end,
        }
    }

    /// How long the step may take by itself.
    fn deadline(&self) -> Duration {
        self.work.drill.change.deadline(self.step)
    }

    fn context(&self, deadline: Instant) -> Context<'_> {
        Context {
            world: self.world,
            id: self.step.id.as_ref(),
            kind: self.step.kind,
            index: self.step.head.index,
            deadline,
            facts: Facts::new(),
            waiting: Arc::default(),
            finally: self.step.finally,
            tells: Arc::default(),
            awaits: Arc::default(),
            hopeless: Arc::default(),
        }
    }

    /// An incident that is left out leaves its mark all the same: whether the drill notices that nothing happened is only seen
    /// when the rest of it goes on as if it had.
    async fn mark_nothing(&self) {
        if self.step.kind.role != Role::Incident || self.step.head.id.is_none() {
            return;
        }
        let named = self.step.nodes().next().map(NodeId::as_str);
        let nodes: Vec<_> = self.world.outputs().nodes.values().filter(|node| node.is_up()).cloned().collect();
        let node = nodes.iter().find(|node| Some(node.name()) == named).or(nodes.first());
        if let Some(node) = node {
            let mut cx = self.context(Instant::now() + self.deadline());
            // Without a mark those who need it say so.
            let _ = cx.inject(node, async |_| Ok(())).await;
        }
    }

    async fn attempt(&self) -> End {
        let nodes: Vec<_> = self.world.outputs().nodes.values().cloned().collect();
        futures_util::future::join_all(nodes.iter().map(|node| node.renew())).await;
        note_felled(self.world).await;
        let now = Instant::now();
        let own = now + self.deadline();
        let deadline = own.min(self.deadline);
        let mut cx = self.context(deadline);
        let (tells, hopeless, waiting) = (cx.tells.clone(), cx.hopeless.clone(), cx.waiting.clone());
        let scene = self.scene(&cx);
        let users: Vec<_> = self.world.outputs().users.values().cloned().collect();
        let holds_back = self.step.kind.users == UserPace::HeldBack;
        let _held_back: Vec<_> = users.iter().filter(|_| holds_back).map(|users| users.pool.hold_back()).collect();
        let run = AssertUnwindSafe(self.work.drill.change.step(self.step).run(&mut cx)).catch_unwind();
        let mut run = Box::pin(run);
        let ended = tokio::select! {
            biased;
            // What tidies up is run after an interruption, too.
            () = self.work.env.cancel.cancelled(), if !self.step.finally => Ended::Interrupted,
            result = &mut run => Ended::Itself(unpanicked(result)),
            () = passed(deadline, &tells) => Ended::Late,
            holdup = watch(&scene) => {
                hopeless.store(true, Ordering::SeqCst);
                // One that looks again and again tells what it saw last.
                let patience = if tells.load(Ordering::SeqCst) { LAST_WORDS } else { Duration::ZERO };
                let told = tokio::time::timeout(patience, &mut run).await;
                Ended::Hopeless(Box::new(holdup), told.ok().map(unpanicked))
            }
        };
        // Whatever holds it up is asked for while it still waits.
        let late = matches!(ended, Ended::Late | Ended::Hopeless(_, None));
        let mut diagnosed = matches!(ended, Ended::Late);
        let foreign = matches!(ended, Ended::Late) && own > self.deadline;
        let result: StepResult = match ended {
            Ended::Interrupted => Err(Finding::errored("interrupted").because(Cause::Interrupted)),
            Ended::Itself(result) => result,
            Ended::Late => Err(scene.diagnose(self.too_late(own <= self.deadline, &told(&waiting))).await),
            Ended::Hopeless(_, Some(Ok(()))) => Ok(()),
            Ended::Hopeless(holdup, told_itself) => {
                let finding = match told_itself {
                    Some(Err(finding)) => finding,
                    _ => given_up(now.elapsed(), &told(&waiting)),
                };
                // Only what it waited for in vain is held up: it may have met with something else.
                diagnosed = finding.is_late();
                match (finding.is_late(), &holdup.kind) {
                    (false, _) => Err(finding),
                    // What has become of a server is looked at more closely.
                    (true, HoldupKind::Silent) => Err(scene.diagnose(finding).await),
                    (true, _) => Err(scene.held_up(finding, &holdup)),
                }
            }
        };
        drop(run);
        let facts = cx.facts;
        if late {
            let nodes: Vec<_> = self.world.outputs().nodes.values().cloned().collect();
            futures_util::future::join_all(nodes.iter().map(|node| node.abandon())).await;
            let own = nodes.iter().filter(|node| node.is_up() && !node.is_external());
            futures_util::future::join_all(own.map(|node| node.end_blocked_programs())).await;
        }
        self.concluded(&scene, result, Leave { facts, foreign, diagnosed, drill_over: own > self.deadline }).await
    }

    /// What the step comes to, with what is behind it.
    async fn concluded(&self, scene: &Scene<'_>, result: StepResult, leave: Leave) -> End {
        let failed = result.as_ref().is_err_and(|finding| finding.cause != Cause::UsersFailed);
        let result = self.blame_users(result);
        let mut foreign = leave.foreign || (!failed && result.is_err());
        let end = match result {
            Ok(()) => End { judged: self.step.kind.role == Role::Check, ..End::new(Outcome::Passed) },
            Err(mut finding) => {
                if finding.cause == Cause::NeverCame && leave.drill_over && self.work.ends() <= Instant::now() {
                    foreign = true;
                    finding = finding.because(Cause::DrillDeadline).note("drill", self.out_of_time());
                }
                if !leave.diagnosed {
                    finding = scene.diagnose(finding).await;
                }
                let problem = self.at_setting(&finding, finding.problem(&self.world.source, self.step.action));
                let judged = finding.outcome == Outcome::Failed && self.step.kind.role == Role::Check;
                End { judged, ..End::of_problem(finding.outcome, problem) }
            }
        };
        End { facts: leave.facts, foreign, ..end }
    }

    /// Adds the setting that a server complains of which does not start.
    fn at_setting(&self, finding: &Finding, problem: Problem) -> Problem {
        let Some(node) = &finding.refused_by else { return problem };
        let spec = self.world.spec(node);
        match spec.blamed(&problem.text()) {
            Some((name, place)) => {
                let label = format!("the server complains of `{name}`");
                problem.at(self.world.source.place(place, label))
            }
            None => problem,
        }
    }

    fn scene(&self, cx: &Context<'_>) -> Scene<'_> {
        Scene { world: self.world, step: self.step, dir: &self.work.env.dir, awaits: cx.awaits.clone() }
    }

    fn too_late(&self, own: bool, waiting: &str) -> Box<Finding> {
        let waiting = if waiting.is_empty() { String::new() } else { format!(" waiting for {waiting}") };
        if own {
            let after = format!("timed out after {:.1?}{waiting}", self.deadline());
            Finding::failed("the step's deadline has passed").because(Cause::StepDeadline).label(after)
        } else {
            Finding::failed("the drill's timeout has passed")
                .because(Cause::DrillDeadline)
                .label(format!("in the middle of this step{waiting}, {}", self.out_of_time()))
        }
    }

    fn out_of_time(&self) -> String {
        format!("{:.1?} after the drill's start, when its `timeout` has passed", self.work.drill.plan.timeout)
    }

    /// A user who met an error that nobody tolerates fails the step that runs at the time; `finally` is run for what it does itself.
    fn blame_users(&self, result: StepResult) -> StepResult {
        if self.step.finally {
            return result;
        }
        match (result, failed_users(self.work, self.world)) {
            (result, None) => result,
            (Err(finding), Some(failed)) if finding.cause != Cause::UsersFailed => {
                Err(finding.note("users", format!("`{}` had failed before: {}", failed.id, failed.said)))
            }
            (_, Some(failed)) => Err(failed.finding(self.step.action)),
        }
    }

    /// Turns the outcome round for a step that must fail.
    async fn expected(&self, end: End) -> End {
        let Some(fails) = self.step.fails.as_ref().filter(|_| !end.foreign) else { return end };
        let place = |label: &str| self.world.source.place(fails.entry, label);
        match (end.outcome, &end.problem) {
            (Outcome::Failed, Some(problem)) if fails.value.is_match(&problem.text()) => {
                let mut facts = end.facts;
                facts.insert("failed_as_expected".to_owned(), problem.text().into());
                End {
                    facts,
                    judged: true,
                    message: Some(format!("failed, as expected: {}", one_line(problem))),
                    ..End::new(Outcome::Passed)
                }
            }
            (Outcome::Failed, Some(problem)) => {
                let other = Problem::new("the step failed otherwise than expected")
                    .at(place("this does not match"))
                    .note("actual", problem.text());
                End { facts: end.facts, ..End::of_problem(Outcome::Failed, other) }
            }
            (Outcome::Passed, _) => {
                let other = Problem::new("the step was expected to fail, and passed").at(place("nothing failed"));
                End { facts: end.facts, ..End::of_problem(Outcome::Failed, other) }
            }
            _ => end,
        }
    }
}

/// Waits until a step's time is over: a little longer than its deadline, so that one that keeps it itself can tell what it saw last,
/// and on a busy machine its last look may take its time.
async fn passed(deadline: Instant, tells: &AtomicBool) {
    tokio::time::sleep_until((deadline + Duration::from_millis(100)).into()).await;
    if tells.load(Ordering::SeqCst) {
        tokio::time::sleep_until((deadline + PATIENCE).into()).await;
    }
}

/// Users of whom one has met an error that nobody tolerates, or who are no more.
pub struct FailedUsers {
    /// Their step's id.
    id: StepId,
    /// Where it stands.
    at: Option<Span>,
    failure: Failure,
    said: String,
}

/// The first of a drill's users who have failed.
pub fn failed_users(work: &Work<'_>, world: &World) -> Option<FailedUsers> {
    let users: Vec<_> = world.outputs().users.iter().map(|(id, users)| (id.clone(), users.clone())).collect();
    users.into_iter().find_map(|(id, users)| {
        let failure = users.pool.failure()?;
        let said = match &failure.sqlstate {
            Some(state) => format!("{} ({state})", failure.message),
            None => failure.message.clone(),
        };
        let traffic = work.drill.plan.steps.iter().find(|step| step.id.as_ref() == Some(&id));
        Some(FailedUsers { id, at: traffic.map(|step| step.action), failure, said })
    })
}

impl FailedUsers {
    /// What is told of them; at `action` where their own step is not known.
    pub fn finding(self, action: Span) -> Box<Finding> {
        let (failure, at) = (self.failure, self.at.unwrap_or(action));
        if failure.kind.is_empty() {
            // The users themselves are no more: what was to be seen by them cannot be judged.
            return Finding::errored("the load generator panicked").because(Cause::Panic).at(at).label(self.said);
        }
        Finding::failed(format!("transaction `{}` of the users failed", failure.kind))
            .because(Cause::UsersFailed)
            .at(at)
            .label(format!("{}, for client {} seq {} on `{}`", self.said, failure.client, failure.seq, failure.node))
            .help(failure.help.unwrap_or_else(|| {
                "if users may meet this error here, name it in the transaction's `tolerate`".to_owned()
            }))
    }
}

/// How long a step that was given up may take to tell what it saw last.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How a step's run came to its end.
enum Ended {
    Interrupted,
    Itself(StepResult),
    /// Its time was over.
    Late,
    /// Waiting was of no use; what it said then, if it said something.
    Hopeless(Box<Holdup>, Option<StepResult>),
}

/// What a run leaves beside its result.
struct Leave {
    facts: Facts,
    foreign: bool,
    /// Whether it is known what is behind its failure.
    diagnosed: bool,
    /// Whether the drill's time was over before its own.
    drill_over: bool,
}

fn told(waiting: &Mutex<String>) -> String {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A step that would wait for ever.
fn given_up(after: Duration, waiting: &str) -> Box<Finding> {
    let waiting = if waiting.is_empty() { String::new() } else { format!(" waiting for {waiting}") };
    Finding::failed("to wait any longer is of no use")
        .because(Cause::NeverCame)
        .label(format!("given up after {after:.1?}{waiting}"))
}

fn unpanicked(result: Result<StepResult, Box<dyn std::any::Any + Send>>) -> StepResult {
    result.unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

/// A panic is a bug of drillyard's: the step could not be judged.
fn panicked(panic: &(dyn std::any::Any + Send)) -> Box<Finding> {
    let said =
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    Finding::errored("drillyard itself failed")
        .because(Cause::Panic)
        .label(said.unwrap_or_else(|| "it panicked".to_owned()))
        .help("this is a bug: please report it with the scenario")
}
