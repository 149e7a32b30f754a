//! One attempt at a step: its deadline, who watches it meanwhile, and what is behind its failure.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::at_work::AtWork;
use super::condition::note_felled;
use super::end::End;
use super::scene::{PATIENCE, Scene};
use super::users;
use super::watch::watch;
use super::work::Work;
use crate::harness::{
    Aside, Context, Finding, FromFact, Later, NodeId, Role, StepResult, Struck, UserPace, World, in_words,
};
use crate::journal::{Cause, Facts, Outcome, Problem};
use crate::node::{Holdup, HoldupKind, Node};
use crate::plan::PlannedStep;

/// How long a step that was given up may take to report what it saw last.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A step about to be tried.
pub struct Attempt<'a> {
    pub work: &'a Work<'a>,
    pub world: &'a World,
    pub step: &'a PlannedStep,
    /// When it has to be done at the latest, whatever its own deadline.
    pub deadline: Instant,
    /// When its own time is over, if that began with an earlier attempt.
    pub own: Option<Instant>,
    /// If another step is at work meanwhile, whose sessions it leaves alone: what is set when its
    /// deed begins.
    pub aside: Option<Arc<AtomicBool>>,
    /// What those see of it that happen while it is at work, if there are any.
    pub at_work: Option<&'a AtWork>,
}

/// What a step's run gives, or its panic.
type Caught = Result<StepResult, Box<dyn Any + Send>>;

/// How a step's run came to its end.
enum Ended {
    Interrupted,
    Itself(StepResult),
    /// Its time was over.
    Late,
    /// Waiting was of no use; what it said then, if it said something.
    Hopeless(Box<Holdup>, Option<StepResult>),
}

impl Ended {
    fn failed(&self) -> bool {
        !matches!(self, Ended::Itself(Ok(())) | Ended::Hopeless(_, Some(Ok(()))))
    }
}

/// What a run leaves.
struct Leave {
    result: StepResult,
    /// Whether its failure is not its own doing.
    foreign: bool,
    /// Whether it is known what is behind its failure.
    diagnosed: bool,
}

impl Leave {
    fn of(result: StepResult) -> Self {
        Leave { result, foreign: false, diagnosed: false }
    }
}

/// What a step says while it runs, and what it is told.
struct Signals {
    tells: Arc<AtomicBool>,
    hopeless: Arc<AtomicBool>,
    waiting: Arc<Mutex<String>>,
    /// How long it may take by itself.
    allowed: Duration,
}

impl Signals {
    fn of(cx: &Context<'_>, allowed: Duration) -> Self {
        Signals { tells: cx.tells.clone(), hopeless: cx.hopeless.clone(), waiting: cx.waiting.clone(), allowed }
    }

    /// ` waiting for X`; nothing if the step has not said that it waits.
    fn waiting(&self) -> String {
        match self.waiting.lock().unwrap_or_else(PoisonError::into_inner).as_str() {
            "" => String::new(),
            what => format!(" waiting for {what}"),
        }
    }
}

impl Attempt<'_> {
    /// Makes it; the end is as it came, expected or not.
    pub async fn make(&self) -> End {
        let nodes = self.nodes();
        if self.aside.is_none() {
            futures_util::future::join_all(nodes.iter().map(|node| node.renew())).await;
            note_felled(self.world).await;
        }
        let began = Instant::now();
        let allowed = self.allowed().await;
        let own_time = *allowed.as_ref().unwrap_or(&self.step.deadline);
        let own = self.own.unwrap_or(began + own_time);
        let mut cx = self.context(own.min(self.deadline));
        let signals = Signals::of(&cx, own_time);
        let scene = Scene { world: self.world, step: self.step, dir: &self.work.env.dir, awaits: cx.awaits.clone() };
        let users: Vec<_> = self.world.outputs().users.values().cloned().collect();
        let holds_back = self.step.kind.users == UserPace::HeldBack;
        let _held_back: Vec<_> = users.iter().filter(|_| holds_back).map(|users| users.pool.hold_back()).collect();
        let deadline = cx.deadline;
        let step = self.work.change.step(self.step);
        let ran = async {
            allowed?;
            step.run(&mut cx).await
        };
        let mut run = Box::pin(AssertUnwindSafe(ran).catch_unwind());
        let ended = self.ended(&mut run, deadline, &scene, &signals).await;
        // Not only when it is known what is behind its failure: nobody is at work meanwhile.
        self.at_work.inspect(|at_work| at_work.ends(ended.failed()));
        // Whatever holds it up is asked for while it still waits.
        let late = matches!(ended, Ended::Late | Ended::Hopeless(_, None));
        let drill_over = own > self.deadline;
        let leave = self.leave(ended, began, drill_over, &scene, &signals).await;
        drop(run);
        let (facts, struck) = (cx.facts, cx.struck);
        if let Some(id) = &self.step.id {
            self.world.outputs().facts.insert(id.clone(), facts.clone());
        }
        if late {
            self.abandon().await;
        }
        End { facts, struck, ..self.concluded(leave, drill_over, &scene).await }
    }

    /// Waits until the step has ended, its time is over, or waiting is of no use.
    async fn ended(
        &self,
        run: &mut (impl Future<Output = Caught> + Unpin),
        deadline: Instant,
        scene: &Scene<'_>,
        signals: &Signals,
    ) -> Ended {
        tokio::select! {
            biased;
            // What tidies up is run after an interruption, too.
            () = self.work.env.cancel.cancelled(), if !self.step.finally => Ended::Interrupted,
            result = &mut *run => Ended::Itself(unpanicked(result)),
            () = passed(deadline, &signals.tells) => Ended::Late,
            holdup = watch(scene) => {
                signals.hopeless.store(true, Ordering::SeqCst);
                // One that looks again and again reports what it saw last.
                let tells = signals.tells.load(Ordering::SeqCst);
                let patience = if tells { LAST_WORDS } else { Duration::ZERO };
                let told = tokio::time::timeout(patience, run).await;
                Ended::Hopeless(Box::new(holdup), told.ok().map(unpanicked))
            }
        }
    }

    /// What the step's run comes to. `drill_over` is whether the drill's time was over before the
    /// step's own.
    async fn leave(
        &self,
        ended: Ended,
        began: Instant,
        drill_over: bool,
        scene: &Scene<'_>,
        signals: &Signals,
    ) -> Leave {
        match ended {
            Ended::Interrupted => Leave::of(Err(Finding::errored("interrupted").because(Cause::Interrupted))),
            Ended::Itself(result) => Leave::of(result),
            Ended::Late => {
                let finding = self.too_late(!drill_over, signals);
                Leave { result: Err(scene.diagnose(finding).await), foreign: drill_over, diagnosed: true }
            }
            Ended::Hopeless(_, Some(Ok(()))) => Leave::of(Ok(())),
            Ended::Hopeless(holdup, told) => {
                let finding = match told {
                    Some(Err(finding)) => finding,
                    _ => given_up(began.elapsed(), &signals.waiting()),
                };
                // Only what it waited for is held up: it may have met with something else.
                let finding = match (finding.is_late(), &holdup.kind) {
                    (false, _) => return Leave::of(Err(finding)),
                    // What has become of a server is looked at more closely.
                    (true, HoldupKind::Silent) => scene.diagnose(finding).await,
                    (true, _) => scene.held_up(finding, &holdup),
                };
                Leave { diagnosed: true, ..Leave::of(Err(finding)) }
            }
        }
    }

    /// Ends what a step that was given up has left at work.
    async fn abandon(&self) {
        let nodes = self.nodes();
        futures_util::future::join_all(nodes.iter().map(|node| node.abandon())).await;
        let own = nodes.iter().filter(|node| node.is_up() && !node.is_external());
        futures_util::future::join_all(own.map(|node| node.end_blocked_programs())).await;
    }

    /// What the step comes to, with what is behind it.
    async fn concluded(&self, leave: Leave, drill_over: bool, scene: &Scene<'_>) -> End {
        let failed = leave.result.as_ref().is_err_and(|finding| finding.cause != Cause::UsersFailed);
        let result = users::blame(self.work, self.world, self.step, leave.result).await;
        let mut foreign = leave.foreign || (!failed && result.is_err());
        let end = match result {
            Ok(()) => End { judged: self.step.kind.role == Role::Check, ..End::new(Outcome::Passed) },
            Err(mut finding) => {
                let lasting = finding.lasting;
                if finding.cause == Cause::NeverCame && drill_over && self.work.ends() <= Instant::now() {
                    foreign = true;
                    finding = finding.because(Cause::DrillDeadline).note("drill", self.out_of_time());
                }
                if !leave.diagnosed {
                    finding = scene.diagnose(finding).await;
                }
                let problem = self.at_setting(&finding, finding.problem(&self.world.source, self.step.action));
                let judged = finding.outcome == Outcome::Failed && self.step.kind.role == Role::Check;
                End { judged, lasting, ..End::of_problem(finding.outcome, problem) }
            }
        };
        End { foreign, ..end }
    }

    /// An incident that is left out leaves its mark all the same: whether the drill notices that
    /// nothing happened is only seen when the rest of it goes on as if it had.
    pub async fn mark_nothing(&self) {
        if self.step.kind.role != Role::Incident || self.step.head.id.is_none() {
            return;
        }
        let named = self.step.nodes().next().map(NodeId::as_str);
        let nodes: Vec<_> = self.world.outputs().nodes.values().filter(|node| node.is_up()).cloned().collect();
        let node = nodes.iter().find(|node| Some(node.name()) == named).or(nodes.first());
        if let Some(node) = node {
            let mut cx = self.context(Instant::now() + self.work.change.deadline(self.step));
            // Without a mark those who need it say so.
            let _ = cx.inject(node, async |_| Ok(())).await;
        }
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
            aside: self.aside.clone().map(Aside::new),
            struck: Struck::default(),
            deed_ended: self.at_work.map(AtWork::deed_ended),
        }
    }

    fn nodes(&self) -> Vec<Arc<Node>> {
        self.world.outputs().nodes.values().cloned().collect()
    }

    /// A value that is known only when the step begins.
    pub(super) async fn now<T: FromFact>(&self, later: &Later<T>) -> Result<T, Box<Finding>> {
        later.now(&self.context(self.deadline), None).await
    }

    /// How long the step may take by itself.
    pub(super) async fn allowed(&self) -> Result<Duration, Box<Finding>> {
        let change = &self.work.change;
        match &self.step.within {
            None => Ok(change.deadline(self.step)),
            Some(within) => {
                let own = self.now(&within.value).await?;
                Ok(change.cut_short(self.step, own.0))
            }
        }
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

    fn too_late(&self, own: bool, signals: &Signals) -> Box<Finding> {
        let waiting = signals.waiting();
        if own {
            let after = format!("timed out after {}{waiting}", in_words(signals.allowed));
            Finding::failed("the step's deadline has passed").because(Cause::StepDeadline).label(after)
        } else {
            Finding::failed("the drill's timeout has passed")
                .because(Cause::DrillDeadline)
                .label(format!("in the middle of this step{waiting}, {}", self.out_of_time()))
        }
    }

    fn out_of_time(&self) -> String {
        format!("{} after the drill's start, when its `timeout` has passed", in_words(self.work.plan.timeout))
    }
}

/// Waits until a step's time is over: a little longer than its deadline, so that one that keeps it
/// itself can report what it saw last, and on a busy machine its last look may take its time.
async fn passed(deadline: Instant, tells: &AtomicBool) {
    tokio::time::sleep_until((deadline + Duration::from_millis(100)).into()).await;
    if tells.load(Ordering::SeqCst) {
        tokio::time::sleep_until((deadline + PATIENCE).into()).await;
    }
}

/// A step that would wait for ever.
fn given_up(after: Duration, waiting: &str) -> Box<Finding> {
    Finding::failed("to wait any longer is of no use")
        .because(Cause::NeverCame)
        .label(format!("given up after {}{waiting}", in_words(after)))
}

fn unpanicked(result: Caught) -> StepResult {
    result.unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

/// A panic is a bug of drillyard's: the step could not be judged.
fn panicked(panic: &(dyn Any + Send)) -> Box<Finding> {
    let said =
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    Finding::errored("drillyard itself failed")
        .because(Cause::Panic)
        .label(said.unwrap_or_else(|| "it panicked".to_owned()))
        .help("this is a bug: please report it with the scenario")
}
