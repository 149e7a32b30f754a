//! One drill: its servers are made, its steps run, its budgets judged, its evidence kept, and everything removed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::branch::{self, Fork};
use super::budget;
use super::change::{Block, Change};
use super::disk;
use super::gate::Gate;
use super::keep::{Kept, KeptNode};
use super::start::{Starter, external};
use super::step::{Ran, StepRun, failed_users};
use crate::harness::{Finding, NodeId, Outputs, RepoId, StepId, World};
use crate::host::{Backend, HostError, Lab, LabSpec};
use crate::journal::{Cause, Event, Journal, Outcome, Problem};
use crate::node::{ServerState, StartError};
use crate::plan::{Plan, RepoSpec};
use crate::repo::Place;
use crate::steps::look_again;

/// A plan, to be run on one version.
#[derive(Debug, Clone)]
pub struct Drill {
    /// What happens.
    pub plan: Arc<Plan>,
    /// The major version of PostgreSQL.
    pub major: u32,
    /// What everything random begins with.
    pub seed: u64,
    /// The command that runs it again.
    pub again: String,
    /// In what it differs from the plan.
    pub change: Arc<Change>,
}

/// What is left running after a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Nothing.
    #[default]
    Never,
    /// The servers of a drill that did not pass.
    OnFailure,
    /// All servers.
    Always,
}

/// What all drills of a run share.
#[derive(Clone)]
pub struct Env {
    /// Where servers are run.
    pub backend: Arc<dyn Backend>,
    /// The run's id.
    pub run: String,
    /// The run's work directory.
    pub dir: PathBuf,
    /// Where the run's records are kept.
    pub records: PathBuf,
    /// Where events go.
    pub journal: Journal,
    /// What is left running.
    pub keep: Keep,
    /// Who is asked before each step.
    pub gate: Option<Arc<dyn Gate>>,
    /// Ends everything.
    pub cancel: CancellationToken,
}

/// When a step began and ended, since the drill's start, and whether it passed.
#[derive(Debug, Clone, Copy)]
pub struct StepTime {
    pub began: Duration,
    pub ended: Duration,
    pub passed: bool,
}

/// How a drill came out, and what could not be removed.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// How it came out.
    pub outcome: Outcome,
    /// What could not be removed.
    pub left: Vec<String>,
    /// Whether its servers were left running.
    pub kept: bool,
    /// How long it took to remove what it had made.
    pub removal: Duration,
}

/// A drill at work.
pub struct Work<'a> {
    pub env: &'a Env,
    pub drill: &'a Drill,
    pub index: usize,
    pub start: Instant,
    /// How long the drill's clock stood still, for what is no part of the drill.
    pub aside: Mutex<Duration>,
    /// When the whole drill has to be done, by that clock.
    pub deadline: Instant,
    pub times: Mutex<Vec<Option<StepTime>>>,
}

/// What the steps came to.
#[derive(Default)]
pub struct Tally {
    pub outcomes: Vec<Outcome>,
    /// How many judgements were made.
    pub judged: usize,
    /// What those that failed said.
    pub failures: Vec<String>,
}

/// Runs a drill to its end and removes what it made.
pub async fn run(env: &Env, drill: &Drill, index: usize) -> Verdict {
    let start = Instant::now();
    let plan = &drill.plan;
    let work = Work {
        env,
        drill,
        index,
        start,
        aside: Mutex::default(),
        deadline: start + plan.timeout,
        times: Mutex::new(vec![None; plan.steps.len()]),
    };
    let lab = work.make_lab().await;
    let mut untested = None;
    let version = match &lab {
        Ok(_) if plan.only_external() => work.external_version().await,
        Ok(lab) => {
            // An image may not say its minor version before it runs.
            let was_unknown = lab.version().minor == 0;
            if was_unknown
                && let Some(node) = plan.nodes.iter().find(|(_, spec)| spec.external.is_none()).map(|(name, _)| name)
            {
                // Its error is told when the node is started.
                tokio::select! {
                    biased;
                    () = env.cancel.cancelled() => {}
                    _ = lab.host(node) => {}
                }
            }
            // One that was known was warned of in the run's first line.
            untested = lab.version().untested().filter(|_| was_unknown);
            lab.version().to_string()
        }
        Err(_) => drill.major.to_string(),
    };
    env.journal.write(Event::DrillStarted {
        drill: index,
        name: plan.name.clone(),
        file: plan.source.file().to_owned(),
        about: plan.about.clone(),
        postgres: version,
        backend: env.backend.name().to_owned(),
        seed: drill.seed,
        steps: plan.steps.iter().map(|step| step.head.clone()).collect(),
    });
    for message in untested.into_iter().chain(plan.warnings.iter().map(Problem::in_one_line)) {
        env.journal.write(Event::Warned { drill: Some(index), message });
    }
    match lab {
        Ok(lab) => work.in_lab(&lab).await,
        Err(error) => {
            work.finish(Outcome::Errored, Some(lab_problem(&error)), false);
            Verdict { outcome: Outcome::Errored, left: vec![], kept: false, removal: Duration::ZERO }
        }
    }
}

/// Tells of a drill that is not begun.
pub fn skip(env: &Env, drill: &Drill, index: usize, reason: &str) {
    let plan = &drill.plan;
    env.journal.write(Event::DrillStarted {
        drill: index,
        name: plan.name.clone(),
        file: plan.source.file().to_owned(),
        about: plan.about.clone(),
        postgres: drill.major.to_string(),
        backend: env.backend.name().to_owned(),
        seed: drill.seed,
        steps: plan.steps.iter().map(|step| step.head.clone()).collect(),
    });
    env.journal.write(Event::DrillFinished {
        drill: index,
        outcome: Outcome::Skipped,
        duration_ms: 0,
        message: Some(reason.to_owned()),
        problem: None,
        again: drill.again.clone(),
        kept: false,
    });
}

fn lab_problem(error: &HostError) -> Problem {
    let problem = Problem::new(&error.message).because(Cause::Lab);
    let problem = match &error.help {
        Some(help) => problem.help(help),
        None => problem,
    };
    disk::full(problem)
}

impl Work<'_> {
    /// How long the drill has been at work.
    pub fn clock(&self) -> Duration {
        self.start.elapsed().saturating_sub(self.stood_still())
    }

    /// When it has to be done.
    pub fn ends(&self) -> Instant {
        self.deadline + self.stood_still()
    }

    fn stood_still(&self) -> Duration {
        *self.aside.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What the servers themselves say that drillyard did not make; those that do not answer are told of when the drill starts.
    async fn external_version(&self) -> String {
        const PATIENCE: Duration = Duration::from_secs(5);
        let nodes = self.drill.plan.nodes.iter().filter_map(|(name, spec)| Some((name, spec.external.as_ref()?)));
        let asked = futures_util::future::join_all(nodes.map(|(name, url)| async {
            let node = tokio::time::timeout(PATIENCE, external(name, url)).await.ok()?.ok()?;
            Some(node.version().to_string())
        }));
        let mut versions: Vec<String> = tokio::select! {
            biased;
            () = self.env.cancel.cancelled() => vec![],
            versions = asked => versions.into_iter().flatten().collect(),
        };
        versions.sort();
        versions.dedup();
        if versions.is_empty() { "unknown".to_owned() } else { versions.join(" and ") }
    }

    async fn make_lab(&self) -> Result<Arc<dyn Lab>, HostError> {
        let plan = &self.drill.plan;
        let own = plan.nodes.iter().filter(|(_, spec)| spec.external.is_none()).map(|(name, _)| name);
        let branches = self.drill.change.trial.as_ref().is_some_and(|trial| trial.branches());
        let elsewhere = branch::hosts(if branches { &plan.made } else { &[] });
        let spec = LabSpec {
            run: self.env.run.clone(),
            drill: self.index,
            dir: self.env.dir.clone(),
            major: self.drill.major,
            nodes: own.chain(&plan.made).map(ToString::to_string).chain(elsewhere).collect(),
            repos: plan.repos.keys().map(ToString::to_string).collect(),
            cuts: plan.cuts().iter().map(|link| (link.ends().0.to_string(), link.ends().1.to_string())).collect(),
        };
        tokio::select! {
            biased;
            () = self.env.cancel.cancelled() => Err(HostError::new("interrupted")),
            lab = self.env.backend.lab(spec) => lab,
        }
    }

    async fn in_lab(&self, lab: &Arc<dyn Lab>) -> Verdict {
        let plan = &self.drill.plan;
        let world = self.world(lab);
        let mut tally = Tally::default();
        let start = self.start_nodes(&world).await;
        let started = start.is_ok();
        let mut problem = match start {
            Ok(()) => {
                let rates = self.tell_rates(&world);
                let problem = self.run_steps(&world, &mut tally).await;
                rates.abort();
                problem
            }
            Err(problem) => {
                tally.outcomes.push(Outcome::Errored);
                Some(problem)
            }
        };
        // What the last step did to the users is known when they have their last answers.
        if worst(&tally.outcomes) == Outcome::Passed {
            self.hear_users_out(&world).await;
            self.look_again(&world).await;
        }
        // Steps that passed have looked; those that failed as they were expected to have not.
        let failed = failed_users(self, &world).filter(|_| worst(&tally.outcomes) == Outcome::Passed);
        self.keep_logs(&world).await;
        if started {
            self.run_finally(&world, &mut tally).await;
        }
        if let Some(failed) = failed {
            let finding = failed.finding(plan.steps.first().map_or(Default::default(), |step| step.action));
            tally.outcomes.push(finding.outcome);
            problem = Some(finding.problem(&plan.source, Default::default()));
        }
        let times = self.times.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        for (budget, problem) in budget::judge(plan, &times, Some(&world)) {
            tally.outcomes.push(budget.outcome);
            tally.judged += 1;
            self.env.journal.write(Event::BudgetJudged { drill: self.index, budget, problem });
        }
        self.stop_users(&world).await;
        let mut outcome = worst(&tally.outcomes);
        if self.env.cancel.is_cancelled() && outcome != Outcome::Failed {
            outcome = Outcome::Errored;
            problem.get_or_insert_with(|| Problem::new("interrupted").because(Cause::Interrupted));
        }
        if outcome == Outcome::Passed && tally.judged == 0 {
            outcome = Outcome::Failed;
            let span = plan.steps.first().map_or(Default::default(), |step| step.action);
            let place = plan.source.place(span, "none of the steps is a judgement that was made");
            problem = Some(Problem::new("this drill judged nothing").at(place).help(
                "end it with an assertion, such as `assert_rows` or `assert_traffic`; `drillyard explain` lists them",
            ));
        }
        self.remove(&world, outcome, problem).await
    }

    fn world(&self, lab: &Arc<dyn Lab>) -> World {
        let plan = &self.drill.plan;
        let repo = |(name, spec): (&RepoId, &RepoSpec)| {
            let place = Place { name: name.to_string(), path: lab.repo(name) };
            (name.clone(), spec.kind.at(place))
        };
        World {
            lab: lab.clone(),
            source: plan.source.clone(),
            journal: self.env.journal.clone(),
            drill: self.index,
            seed: self.drill.seed,
            password: std::iter::repeat_with(fastrand::alphanumeric).take(24).collect(),
            file_roots: plan.file_roots.clone(),
            specs: plan.nodes.clone(),
            repos: plan.repos.iter().map(repo).collect(),
            outputs: Arc::new(Mutex::new(Outputs::default())),
        }
    }

    async fn start_nodes(&self, world: &World) -> Result<(), Problem> {
        let starter = Starter {
            plan: &self.drill.plan,
            lab: &world.lab,
            repos: &world.repos,
            password: &world.password,
            journal: &self.env.journal,
            drill: self.index,
        };
        let nodes: BTreeMap<_, _> = tokio::select! {
            biased;
            () = self.env.cancel.cancelled() => return Err(Problem::new("interrupted").because(Cause::Interrupted)),
            nodes = starter.start() => nodes.map_err(|error| disk::full(self.not_started(error)))?,
            () = tokio::time::sleep_until(self.deadline.into()) => {
                return Err(Problem::new("the drill's timeout passed while its servers started").because(Cause::DrillDeadline));
            }
        };
        world.outputs().nodes = nodes;
        self.note_nodes(world);
        Ok(())
    }

    /// What is told of a server that does not come up: its own reason, at the setting that it complains of.
    fn not_started(&self, error: StartError) -> Problem {
        let plan = &self.drill.plan;
        let spec = error.node().and_then(|node| plan.nodes.get(node));
        let place = spec.map(|spec| match spec.blamed(&error.to_string()) {
            Some((name, place)) => plan.source.place(place, format!("the server complains of `{name}`")),
            None => plan.source.place(spec.place, "this server"),
        });
        let finding: Box<Finding> = error.into();
        let problem = Problem { notes: finding.notes.clone(), ..Problem::new(&finding.title) };
        let problem = problem.because(finding.cause);
        match place {
            Some(place) => problem.at(place),
            None => problem,
        }
    }

    /// Runs the steps; a problem is one of somebody who tried the judgements before they were made.
    async fn run_steps(&self, world: &World, tally: &mut Tally) -> Option<Problem> {
        let steps: Vec<_> = self.drill.plan.steps.iter().filter(|step| !step.finally && step.group.is_none()).collect();
        let mut judging = false;
        for (at, step) in steps.iter().enumerate() {
            let begins = step.is_check() && !judging;
            judging = step.is_check();
            if let Some(trial) = &self.drill.change.trial {
                let began = Instant::now();
                let tried = if begins {
                    let steps = steps[at..].iter().take_while(|step| step.is_check()).copied().collect();
                    trial.before(&Block { work: self, world, steps }).await
                } else {
                    trial.at(&Fork { work: self, world, steps: &steps[at..] }).await
                };
                *self.aside.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += began.elapsed();
                if let Err(problem) = tried {
                    tally.outcomes.push(Outcome::Errored);
                    return Some(problem);
                }
            }
            let ran = StepRun { work: self, world, step, deadline: self.ends(), lenient: false }.run(tally).await;
            if ran == Ran::End {
                break;
            }
        }
        None
    }

    /// The steps of `finally`: every one is run, and has as long as it likes, within what is left of patience.
    async fn run_finally(&self, world: &World, tally: &mut Tally) {
        const PATIENCE: Duration = Duration::from_secs(60);
        const INTERRUPTED: Duration = Duration::from_secs(2);
        let patience = if self.env.cancel.is_cancelled() { INTERRUPTED } else { PATIENCE };
        let deadline = Instant::now() + patience;
        for step in self.drill.plan.steps.iter().filter(|step| step.finally && step.group.is_none()) {
            StepRun { work: self, world, step, deadline, lenient: false }.run(tally).await;
        }
    }

    /// About once a second, what the users do.
    fn tell_rates(&self, world: &World) -> tokio::task::AbortHandle {
        let (journal, drill) = (self.env.journal.clone(), self.index);
        // The world lives in this frame; what the task needs of it is shared.
        let state = world.shared_users();
        let task = tokio::spawn(async move {
            let mut before: BTreeMap<StepId, u64> = BTreeMap::new();
            let mut last = Instant::now();
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let seconds = last.elapsed().as_secs_f64();
                last = Instant::now();
                for (id, users) in state() {
                    let count = users.count(&id);
                    let done = count.acknowledged.saturating_sub(before.insert(id, count.acknowledged).unwrap_or(0));
                    let per_second = (done as f64 / seconds).round() as u64;
                    journal.write(Event::TrafficRate { drill, count, per_second });
                }
            }
        });
        task.abort_handle()
    }

    /// Stops the users whom the drill left at work.
    async fn hear_users_out(&self, world: &World) {
        let users: Vec<_> = world.outputs().users.values().filter(|users| users.pool.at_work()).cloned().collect();
        // Those who happened to do nothing since the last step would not have met what it did.
        let once_more = users.iter().map(|users| users.pool.every_kind_once_more());
        let _ = tokio::time::timeout(Duration::from_secs(1), futures_util::future::join_all(once_more)).await;
        for users in users {
            let _ = tokio::time::timeout(Duration::from_secs(1), users.pool.stop()).await;
        }
    }

    /// A budget of loss is about all that users did, also after the last assertion has looked.
    async fn look_again(&self, world: &World) {
        const PATIENCE: Duration = Duration::from_secs(60);
        let Some(users) = self.drill.plan.rpo.as_ref().and_then(|rpo| world.users(&rpo.traffic).ok()) else { return };
        // What could not be looked at is not checked, and the budget says so.
        let _ = tokio::time::timeout(PATIENCE, look_again(world, &users)).await;
    }

    async fn stop_users(&self, world: &World) {
        let users: Vec<_> = world.outputs().users.iter().map(|(id, users)| (id.clone(), users.clone())).collect();
        for (id, users) in users {
            // Those that the drill did not stop itself.
            let _ = tokio::time::timeout(Duration::from_secs(1), users.pool.stop()).await;
            self.env.journal.write(Event::TrafficFinished { drill: self.index, count: users.count(&id) });
        }
    }

    /// Copies the servers' logs into the run's records.
    async fn keep_logs(&self, world: &World) {
        // A name is any text; a directory's is not.
        let name: String = self
            .drill
            .plan
            .name
            .chars()
            .map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' })
            .collect();
        let dir = self.env.records.join("logs").join(format!("{}-{name}", self.index));
        // Those of servers that did not come up, too: so by their hosts, not by what the drill knows to be there.
        let plan = &self.drill.plan;
        let own = plan.nodes.iter().filter(|(_, spec)| spec.external.is_none()).map(|(name, _)| name);
        let there: Vec<NodeId> = world.outputs().nodes.keys().cloned().collect();
        let names = own.chain(plan.made.iter().filter(|name| there.contains(name)));
        let logs = names.map(|name| async {
            let log = async {
                let host = world.lab.host(name).await?;
                let (lost, node) = {
                    let state = world.outputs();
                    (state.lost_logs.get(name).cloned(), state.nodes.get(name).cloned())
                };
                if let Some(log) = lost {
                    // What the disk that was lost had, and what was written since.
                    let since = host.read(&host.paths().log, 0).await.unwrap_or_default();
                    return Ok([log.into_bytes(), since].concat());
                }
                if node.is_some_and(|node| node.server_state() == ServerState::Frozen) {
                    host.thaw().await?;
                }
                host.read(&host.paths().log, 0).await
            };
            (name.clone(), log.await.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        });
        let logs = tokio::time::timeout(Duration::from_secs(5), futures_util::future::join_all(logs)).await;
        let keep = |(name, log): (NodeId, Result<String, HostError>)| {
            let text = log.unwrap_or_else(|e| format!("the log could not be read: {e}\n"));
            std::fs::write(dir.join(format!("{name}.log")), self.env.journal.redact(&text))
        };
        let kept = std::fs::create_dir_all(&dir);
        let kept = kept.and_then(|()| logs.unwrap_or_default().into_iter().try_for_each(keep));
        // Evidence that cannot be written changes no verdict.
        if let Err(error) = kept {
            let message = format!("the servers' logs cannot be kept in {}: {error}", dir.display());
            self.env.journal.write(Event::Warned { drill: Some(self.index), message });
        }
    }

    /// Notes for `drillyard shell` which nodes are up now; returns their names.
    pub fn note_nodes(&self, world: &World) -> Vec<String> {
        let nodes = self.shells(world);
        // A branch of a proof is at work beside the drill itself.
        if self.drill.change.trial.is_none() {
            // Without the note the drill goes on all the same; `shell` says that it knows no such node.
            let _ = Kept::write(&self.env.dir, self.index, &nodes);
        }
        nodes.into_iter().map(|node| node.node).collect()
    }

    /// The commands that open a session on each node.
    pub fn shells(&self, world: &World) -> Vec<KeptNode> {
        let nodes: Vec<_> = world.outputs().nodes.values().filter(|node| node.is_up()).cloned().collect();
        nodes
            .iter()
            .filter_map(|node| {
                let host = node.host().ok()?;
                let mut env = node.session_env().ok()?;
                // `drillyard shell RUN/NODE -- pg_controldata` needs no more words.
                env.push(("PGDATA".to_owned(), host.paths().data.clone()));
                let (drill, node) = (self.drill.plan.name.clone(), node.name().to_owned());
                Some(KeptNode { drill, node, shell: host.shell(&env), env })
            })
            .collect()
    }

    async fn remove(&self, world: &World, outcome: Outcome, problem: Option<Problem>) -> Verdict {
        let keep = match self.env.keep {
            Keep::Never => false,
            Keep::OnFailure => outcome != Outcome::Passed,
            Keep::Always => true,
        };
        if keep && !self.env.cancel.is_cancelled() {
            let nodes = self.shells(world);
            for node in &nodes {
                let shell = format!("drillyard shell {}/{}", self.env.run, node.node);
                self.env.journal.write(Event::NodeKept { drill: self.index, node: node.node.clone(), shell });
            }
            world.lab.keep();
            let kept = Kept::write(&self.env.dir, self.index, &nodes);
            let left = kept.err().map(|e| format!("the list of kept nodes: {e}")).into_iter().collect();
            self.finish(outcome, problem, true);
            return Verdict { outcome, left, kept: true, removal: Duration::ZERO };
        }
        self.finish(outcome, problem, false);
        Kept::forget(&self.env.dir, self.index);
        let began = Instant::now();
        let left = world.lab.destroy().await.err().map(|error| match error.help {
            Some(help) => format!("{}; {help}", error.message),
            None => error.message,
        });
        Verdict { outcome, left: left.into_iter().collect(), kept: false, removal: began.elapsed() }
    }

    fn finish(&self, outcome: Outcome, problem: Option<Problem>, kept: bool) {
        self.env.journal.write(Event::DrillFinished {
            drill: self.index,
            outcome,
            duration_ms: self.start.elapsed().as_millis() as u64,
            message: problem.as_ref().map(|problem| problem.title.clone()),
            problem,
            again: self.drill.again.clone(),
            kept,
        });
    }
}

/// What several outcomes come to: errored before failed before passed. Skipped ones count for nothing.
pub fn worst(outcomes: &[Outcome]) -> Outcome {
    [Outcome::Errored, Outcome::Failed].into_iter().find(|bad| outcomes.contains(bad)).unwrap_or(Outcome::Passed)
}
