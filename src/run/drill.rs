//! One drill: its servers are made, its steps run, its budgets checked, its evidence kept, and
//! everything removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::block::Block;
use super::branch::Fork;
use super::change::Change;
use super::evidence::keep_logs;
use super::keep::Kept;
use super::kept_drill::{KeptDrill, last_checks};
use super::last_pass::LastPass;
use super::people::{Field, People, Played};
use super::step::{Ran, StepRun};
use super::tally::Tally;
use super::team::TeamRun;
use super::trial::Trial;
use super::work::{Env, Work};
use super::{budget, lab, shells, users};
use crate::harness::World;
use crate::host::Lab;
use crate::journal::{Cause, Event, Outcome, Problem};
use crate::plan::{Plan, PlannedStep};

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
    /// What it was told beside its file: `--set`, `--repos`.
    pub settings: Vec<String>,
    /// Its last run that passed, if a budget goes by that.
    pub last_pass: LastPass,
    /// In what it differs from the plan.
    pub change: Arc<Change>,
    /// Who is called before its steps, to try what it would notice.
    pub trial: Option<Arc<dyn Trial>>,
    /// Who recovers in the place of its own steps.
    pub people: Option<Arc<dyn People>>,
}

/// How a drill came out, and what could not be removed.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// How it came out.
    pub outcome: Outcome,
    /// What could not be removed.
    pub left: Vec<String>,
    /// If its servers were left running: what its checks need.
    pub kept: Option<Arc<KeptDrill>>,
    /// How long it took to remove what it had made.
    pub removal: Duration,
}

/// Runs a drill to its end and removes what it made.
pub async fn run(env: &Env, drill: &Drill, index: usize) -> Verdict {
    let theirs = drill.people.as_ref().map_or(Duration::ZERO, |people| people.at_most());
    let deadline = Instant::now() + drill.plan.timeout + theirs;
    let mut work = Work::begin(env, &drill.plan, &drill.change, (index, drill.seed), deadline);
    work.shells = drill.trial.is_none();
    let branches = drill.trial.as_ref().is_some_and(|trial| trial.branches());
    let lab = lab::make(&work, drill.major, branches).await;
    let (version, untested) = match &lab {
        Ok(lab) => lab::version(&work, lab).await,
        Err(_) => (drill.major.to_string(), None),
    };
    let releases = lab.as_ref().map(|lab| lab::releases(&work, lab)).unwrap_or_default();
    report_start(env, drill, index, version, releases);
    for message in untested.into_iter().chain(drill.plan.warnings.iter().map(Problem::in_one_line)) {
        env.journal.write(Event::Warned { drill: Some(index), message });
    }
    let at_work = AtWork { work, drill };
    match lab {
        Ok(lab) => at_work.in_lab(&lab).await,
        Err(error) => {
            at_work.finish(Outcome::Errored, Some(lab::problem(&error)), false);
            Verdict { outcome: Outcome::Errored, left: vec![], kept: None, removal: Duration::ZERO }
        }
    }
}

/// Reports a drill that is not begun.
pub fn skip(env: &Env, drill: &Drill, index: usize, reason: &str) {
    report_start(env, drill, index, drill.major.to_string(), BTreeMap::new());
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

fn report_start(env: &Env, drill: &Drill, index: usize, postgres: String, releases: BTreeMap<String, String>) {
    let plan = &drill.plan;
    env.journal.write(Event::DrillStarted {
        drill: index,
        name: plan.name.clone(),
        file: plan.source.file().to_owned(),
        about: plan.about.clone(),
        postgres,
        backend: env.backend.name().to_owned(),
        seed: drill.seed,
        settings: drill.settings.clone(),
        releases,
        steps: plan
            .steps
            .iter()
            .filter(|step| drill.people.is_some() || step.is_in_runs())
            .map(|step| step.head.clone())
            .collect(),
    });
}

/// A drill whose lab is made.
struct AtWork<'a> {
    work: Work<'a>,
    drill: &'a Drill,
}

impl AtWork<'_> {
    async fn in_lab(&self, lab: &Arc<dyn Lab>) -> Verdict {
        let plan = self.work.plan;
        let world = lab::world(&self.work, lab);
        let mut tally = Tally::default();
        let start = lab::start_nodes(&self.work, &world).await;
        let started = start.is_ok();
        let mut problem = match start {
            Ok(()) => {
                let rates = users::report_rates(&self.work, &world);
                let problem = match self.drill.people.as_deref() {
                    Some(people) => Played { field: self.field(&world), people }.play(&mut tally).await,
                    None => self.run_steps(&world, &mut tally).await,
                };
                rates.abort();
                problem
            }
            Err(problem) => {
                tally.outcomes.push(Outcome::Errored);
                Some(problem)
            }
        };
        // What the last step did to the users is known when they have their last answers.
        if tally.worst() == Outcome::Passed {
            users::hear_out(&world).await;
            users::judge_again(&self.work, &world).await;
        }
        // Steps that passed have looked; those that failed as they were expected to have not.
        let failed = users::failed(&self.work, &world).filter(|_| tally.worst() == Outcome::Passed);
        keep_logs(&self.work, &world).await;
        if started {
            self.run_finally(&world, &mut tally).await;
        }
        if let Some(failed) = failed {
            let action = plan.steps.first().map_or(Default::default(), |step| step.action);
            let finding = failed.finding(&world, action).await;
            tally.outcomes.push(finding.outcome);
            problem = Some(finding.problem(&plan.source, Default::default()));
        }
        self.judge_budgets(&world, &mut tally);
        users::stop(&self.work, &world).await;
        let (outcome, problem) = self.verdict(&tally, problem);
        let wanted = match self.drill.people.as_deref() {
            Some(people) => people.end(&self.field(&world), outcome).await,
            None => false,
        };
        self.remove(world, (outcome, problem), wanted).await
    }

    fn field<'b>(&'b self, world: &'b World) -> Field<'b> {
        Field { work: &self.work, world }
    }

    fn judge_budgets(&self, world: &World, tally: &mut Tally) {
        let mut judged = budget::judge(self.work.plan, &self.work.times(), Some(world));
        // What people take is not what the drill takes.
        let last = self.drill.people.is_none();
        let against_last = || budget::against_last(self.work.plan, &self.work.times(), &self.drill.last_pass);
        match last.then(against_last).flatten() {
            Some(Ok(budget)) => judged.push(budget),
            Some(Err(message)) => self.work.env.journal.write(Event::Warned { drill: Some(self.work.index), message }),
            None => {}
        }
        for (budget, problem) in judged {
            tally.outcomes.push(budget.outcome);
            tally.judged += 1;
            self.work.env.journal.write(Event::BudgetJudged { drill: self.work.index, budget, problem });
        }
    }

    /// How the drill came out, and what is wrong with it outside of its steps.
    fn verdict(&self, tally: &Tally, mut problem: Option<Problem>) -> (Outcome, Option<Problem>) {
        let plan = self.work.plan;
        let mut outcome = tally.worst();
        if self.work.env.cancel.is_cancelled() && outcome != Outcome::Failed {
            outcome = Outcome::Errored;
            problem.get_or_insert_with(|| Problem::new("interrupted").because(Cause::Interrupted));
        }
        if outcome == Outcome::Passed && tally.judged == 0 {
            outcome = Outcome::Failed;
            let span = plan.steps.first().map_or(Default::default(), |step| step.action);
            let place = plan.source.place(span, "none of the steps is a check that was made");
            problem = Some(Problem::new("this drill checked nothing").at(place).help(
                "end it with an assertion, such as `assert_rows` or `assert_traffic`; `drillyard explain` lists them",
            ));
        }
        (outcome, problem)
    }

    /// Runs the steps; a problem is one of somebody who tried the judgements before they were made.
    async fn run_steps(&self, world: &World, tally: &mut Tally) -> Option<Problem> {
        let course = self.work.plan.course();
        let (mut team, mut judging, mut problem): (Option<TeamRun<'_>>, bool, Option<Problem>) = (None, false, None);
        for (at, step) in course.iter().copied().enumerate() {
            if let Some(left) = team.take_if(|team| !team.has(step))
                && left.finish(tally) == Ran::End
            {
                break;
            }
            if team.is_none() {
                team = TeamRun::begin(&self.work, world, step);
            }
            if team.as_ref().is_some_and(|team| team.skipped.is_some()) {
                continue;
            }
            let begins = step.is_check() && !judging;
            judging = step.is_check();
            problem = self.try_before(world, &course[at..], begins).await;
            if problem.is_some() {
                tally.outcomes.push(Outcome::Errored);
                break;
            }
            let ran = match &mut team {
                Some(team) => team.run(step).await,
                None => StepRun::of(&self.work, world, step).run(tally).await,
            };
            if ran == Ran::End {
                break;
            }
        }
        team.map(|team| team.finish(tally));
        problem
    }

    /// Has somebody try what comes next, if somebody does: checks, if a block of them begins, or
    /// another course of the drill. The drill's clock stands still meanwhile.
    async fn try_before(&self, world: &World, next: &[&PlannedStep], begins: bool) -> Option<Problem> {
        let trial = self.drill.trial.as_ref()?;
        let began = Instant::now();
        let tried = if begins {
            let steps = next.iter().take_while(|step| step.is_check()).copied().collect();
            trial.before(&Block { work: &self.work, world, steps }).await
        } else {
            trial.at(&Fork { work: &self.work, world, steps: next }).await
        };
        self.work.stand_still(began);
        tried.err()
    }

    /// The steps of `finally`: every one is run, and has as long as it likes, within what is left
    /// of patience.
    async fn run_finally(&self, world: &World, tally: &mut Tally) {
        const PATIENCE: Duration = Duration::from_secs(60);
        const INTERRUPTED: Duration = Duration::from_secs(2);
        let patience = if self.work.env.cancel.is_cancelled() { INTERRUPTED } else { PATIENCE };
        let deadline = Instant::now() + patience;
        for step in self.work.plan.steps.iter().filter(|step| step.finally && step.head.group.is_none()) {
            StepRun { deadline, ..StepRun::of(&self.work, world, step) }.run(tally).await;
        }
    }

    /// Removes everything, unless somebody wants it.
    async fn remove(&self, world: World, (outcome, problem): (Outcome, Option<Problem>), wanted: bool) -> Verdict {
        let keep = wanted || self.work.env.keep.keeps(outcome);
        if keep && !self.work.env.cancel.is_cancelled() {
            let nodes = shells::of(&self.work, &world);
            for node in &nodes {
                let shell = format!("drillyard shell {}/{}", self.work.env.run, node.node);
                self.work.env.journal.write(Event::NodeKept { drill: self.work.index, node: node.node.clone(), shell });
            }
            world.lab.keep();
            let kept = Kept::write(&self.work.env.dir, self.work.index, &nodes);
            let left = kept.err().map(|e| format!("the list of kept nodes: {e}")).into_iter().collect();
            self.finish(outcome, problem, true);
            let kept = Some(Arc::new(self.kept(world)));
            return Verdict { outcome, left, kept, removal: Duration::ZERO };
        }
        self.finish(outcome, problem, false);
        Kept::forget(&self.work.env.dir, self.work.index);
        let began = Instant::now();
        let left = world.lab.destroy().await.err().map(|error| match error.help {
            Some(help) => format!("{}; {help}", error.message),
            None => error.message,
        });
        Verdict { outcome, left: left.into_iter().collect(), kept: None, removal: began.elapsed() }
    }

    fn kept(&self, world: World) -> KeptDrill {
        let plan = self.drill.plan.clone();
        KeptDrill {
            env: self.work.env.clone(),
            seed: self.drill.seed,
            index: self.work.index,
            judge: match &self.drill.people {
                Some(people) => people.part().judge.clone(),
                None => last_checks(&plan),
            },
            unjudged: self.drill.change.unjudged.clone(),
            plan,
            world,
        }
    }

    fn finish(&self, outcome: Outcome, problem: Option<Problem>, kept: bool) {
        self.work.env.journal.write(Event::DrillFinished {
            drill: self.work.index,
            outcome,
            duration_ms: self.work.start.elapsed().as_millis() as u64,
            message: problem.as_ref().map(|problem| problem.title.clone()),
            problem,
            again: self.drill.again.clone(),
            kept,
        });
    }
}
