//! The users of a drill: who of them has failed, and what becomes of them at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::scene::PATIENCE;
use super::work::Work;
use crate::data::Behind;
use crate::harness::{Finding, StepId, StepResult, World};
use crate::journal::{Cause, Event};
use crate::pg::SqlState;
use crate::plan::PlannedStep;
use crate::source::Span;
use crate::steps::look_again;
use crate::traffic::Failure;

/// Users of whom one has met an error that nobody tolerates, or who are no more.
pub struct FailedUsers {
    /// Their step's id.
    id: StepId,
    /// Where it stands.
    at: Option<Span>,
    /// The database that they write to, where it is not the node's own one.
    database: Option<String>,
    failure: Failure,
    said: String,
}

/// The first of a drill's users who have failed.
pub fn failed(work: &Work<'_>, world: &World) -> Option<FailedUsers> {
    let users: Vec<_> = world.outputs().users.iter().map(|(id, users)| (id.clone(), users.clone())).collect();
    users.into_iter().find_map(|(id, users)| {
        let failure = users.pool.failure()?;
        let said = match &failure.sqlstate {
            Some(state) => format!("{} ({state})", failure.message),
            None => failure.message.clone(),
        };
        let traffic = work.plan.steps.iter().find(|step| step.id.as_ref() == Some(&id));
        let database = users.database.as_ref().map(|database| database.value.clone());
        Some(FailedUsers { id, at: traffic.map(|step| step.action), database, failure, said })
    })
}

impl FailedUsers {
    /// What is told of them; at `action` where their own step is not known.
    pub async fn finding(self, world: &World, action: Span) -> Box<Finding> {
        let behind = self.behind(world).await;
        let (failure, at) = (self.failure, self.at.unwrap_or(action));
        if failure.kind.is_empty() {
            // The users themselves are no more: what was to be seen by them cannot be judged.
            return Finding::errored("the load generator panicked").because(Cause::Panic).at(at).label(self.said);
        }
        let finding = Finding::failed(format!("transaction `{}` of the users failed", failure.kind))
            .because(Cause::UsersFailed)
            .at(at)
            .label(format!("{}, for client {} seq {} on `{}`", self.said, failure.client, failure.seq, failure.node));
        if let Some(first) = behind.first() {
            let lines: Vec<String> = behind.iter().map(ToString::to_string).collect();
            let cures: Vec<String> = behind.iter().map(Behind::cure).collect();
            let them = if behind.len() == 1 { first.sequence.as_str() } else { "the sequences" };
            return finding
                .note("sequence", lines.join("\n"))
                .help(format!("set {them} before users go on: {}", cures.join("; ")));
        }
        finding.help(
            failure.help.unwrap_or_else(|| {
                "if users may meet this error here, name it in the transaction's `tolerate`".to_owned()
            }),
        )
    }

    /// The sequences that hand out numbers which are taken, if that is what a user has met with. A
    /// server that does not tell has none.
    async fn behind(&self, world: &World) -> Vec<Behind> {
        const UNIQUE_VIOLATION: &str = "23505";
        let is_one = |state: &SqlState| state.code() == UNIQUE_VIOLATION;
        let Some(table) = self.failure.table.as_ref().filter(|_| self.failure.sqlstate.as_ref().is_some_and(is_one))
        else {
            return vec![];
        };
        let find = async {
            let node = world.outputs().nodes.get(self.failure.node.as_str())?.clone();
            let client = match self.database.as_deref() {
                Some(database) => node.connect_to(database).await.ok()?,
                None => node.connect().await.ok()?,
            };
            Behind::find(&client, std::slice::from_ref(table)).await.ok()
        };
        tokio::time::timeout(PATIENCE, find).await.ok().flatten().unwrap_or_default()
    }
}

/// A user who met an error that nobody tolerates fails the step that runs at the time; `finally` is
/// run for what it does itself.
pub async fn blame(work: &Work<'_>, world: &World, step: &PlannedStep, result: StepResult) -> StepResult {
    if step.finally {
        return result;
    }
    match (result, failed(work, world)) {
        (result, None) => result,
        (Err(finding), Some(failed)) if finding.cause != Cause::UsersFailed => {
            Err(finding.note("users", format!("`{}` had failed before: {}", failed.id, failed.said)))
        }
        (_, Some(failed)) => Err(failed.finding(world, step.action).await),
    }
}

/// About once a second, what the users do.
pub fn report_rates(work: &Work<'_>, world: &World) -> tokio::task::AbortHandle {
    let (journal, drill) = (work.env.journal.clone(), work.index);
    // The world lives in this frame; what the task needs of it is shared.
    let state = world.shared_users();
    let task = tokio::spawn(async move {
        let mut before: BTreeMap<StepId, u64> = BTreeMap::new();
        let mut stopped: BTreeSet<StepId> = BTreeSet::new();
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let seconds = last.elapsed().as_secs_f64();
            last = Instant::now();
            for (id, users) in state() {
                // What they did until they were stopped is told, and nothing after it.
                if !users.pool.at_work() && !stopped.insert(id.clone()) {
                    continue;
                }
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
pub async fn hear_out(world: &World) {
    let users: Vec<_> = world.outputs().users.values().filter(|users| users.pool.at_work()).cloned().collect();
    // Those who happened to do nothing since the last step would not have met what it did.
    let once_more = users.iter().map(|users| users.pool.every_kind_once_more());
    let _ = tokio::time::timeout(Duration::from_secs(1), futures_util::future::join_all(once_more)).await;
    for users in users {
        let _ = tokio::time::timeout(Duration::from_secs(1), users.pool.stop()).await;
    }
}

/// A budget of loss is about all that users did, also after the last assertion has looked.
pub async fn judge_again(work: &Work<'_>, world: &World) {
    const LONG: Duration = Duration::from_secs(60);
    let Some(users) = work.plan.rpo.as_ref().and_then(|rpo| world.users(&rpo.traffic).ok()) else { return };
    // What could not be looked at is not checked, and the budget says so.
    let _ = tokio::time::timeout(LONG, look_again(world, &users)).await;
}

pub async fn stop(work: &Work<'_>, world: &World) {
    let users: Vec<_> = world.outputs().users.iter().map(|(id, users)| (id.clone(), users.clone())).collect();
    for (id, users) in users {
        // Those that the drill did not stop itwork.
        let _ = tokio::time::timeout(Duration::from_secs(1), users.pool.stop()).await;
        work.env.journal.write(Event::TrafficFinished { drill: work.index, count: users.count(&id) });
    }
}
