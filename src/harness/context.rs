//! What a running step has at hand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::aside::Aside;
use super::in_words::in_words;
use super::struck::{DeedEnded, Struck};
use super::unanswered::{must_answer, unanswered};
use super::{Finding, Kind, NodeId, StepId, StepResult, World};
use crate::journal::{Cause, Event, Facts};
use crate::node::{Node, Purpose, SqlError, wait_until};
use crate::pg::{Xid, error_message, quote_identifier};
use crate::source::{RoleName, Spanned};

/// What a step waits for, as far as it knows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// That a standby replays what its primary writes.
    Replay,
    /// That a server's WAL is archived.
    Archive,
    /// That the users of a server get on.
    Users,
    /// The end of something that the scenario wrote, and that may do with the server what it likes.
    Command,
}

/// What a running step has at hand.
pub struct Context<'a> {
    /// The drill's world.
    pub world: &'a World,
    /// The step's id.
    pub id: Option<&'a StepId>,
    /// The step's kind.
    pub kind: &'static Kind,
    /// The step's index in the drill.
    pub index: usize,
    /// When it has to be done.
    pub deadline: Instant,
    /// What it reports.
    pub facts: Facts,
    /// The last thing that it said it waits for.
    pub waiting: Arc<Mutex<String>>,
    /// Whether it waits on when users have failed, as the steps of `finally` do.
    pub finally: bool,
    /// Whether it keeps its deadline itself just now, and will tell what it saw last.
    pub tells: Arc<AtomicBool>,
    /// What it waits for, and on which node: for whoever looks for what holds it up.
    pub awaits: Arc<Mutex<Vec<(Awaited, NodeId)>>>,
    /// Whether whoever watches it has seen that waiting is of no use.
    pub hopeless: Arc<AtomicBool>,
    /// Its own sessions, if another step is at work meanwhile.
    pub aside: Option<Aside>,
    /// When its deed reached the servers: all that a mark notes before it is noted then.
    pub struck: Struck,
    /// Where it is told when its deed has ended, if something happens while it is at work.
    pub deed_ended: Option<DeedEnded>,
}

/// Tells what a step waits for, while the step itself is busy with waiting.
pub struct Teller<'a> {
    world: &'a World,
    index: usize,
    waiting: Arc<Mutex<String>>,
}

impl Teller<'_> {
    /// Tells it, if it is news.
    pub fn tell(&self, waiting_for: impl Into<String>) {
        let waiting_for = waiting_for.into();
        let before = std::mem::replace(&mut *lock(&self.waiting), waiting_for.clone());
        if waiting_for != before {
            let (drill, index) = (self.world.drill, self.index);
            self.world.journal.write(Event::StepWaiting { drill, index, waiting_for });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Context<'a> {
    /// What is left until the deadline.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Reports a fact, which is one of those of its kind.
    pub fn fact(&mut self, name: &str, value: impl Into<Value>) {
        debug_assert!(
            self.kind.leaves(name) || name.contains(' '),
            "`{name}` is none of the facts of `{}`: see StepKind::FACTS",
            self.kind.name
        );
        self.facts.insert(name.to_owned(), value.into());
    }

    /// Reports a value that the scenario captures under a name of its own.
    ///
    /// # Errors
    /// If it is longer than a value may be.
    pub fn capture(&mut self, name: &Spanned<String>, value: Value) -> StepResult {
        const MOST: usize = 10_000;
        let length = value.as_str().map_or(0, str::len);
        if length > MOST {
            let title = format!("what `{}` captures is too long", name.value);
            return Err(Finding::failed(title).at(name.span).label(format!("{length} bytes, of at most {MOST}")));
        }
        self.facts.insert(name.value.clone(), value);
        Ok(())
    }

    /// Tells what the step waits for.
    pub fn wait(&mut self, waiting_for: impl Into<String>) {
        self.teller().tell(waiting_for);
    }

    /// The same, for whoever cannot have the context meanwhile.
    pub fn teller(&self) -> Teller<'a> {
        Teller { world: self.world, index: self.index, waiting: self.waiting.clone() }
    }

    /// Says what it waits for from now on, so that what holds it up can be found.
    pub fn awaits(&self, what: Awaited, node: &str) {
        lock(&self.awaits).push((what, node.into()));
    }

    /// Notes that a command of the scenario's runs on a node's host now, or has ended.
    pub fn commanded(&self, node: &str) {
        self.world.outputs().commands.insert(node.into(), Instant::now());
    }

    /// Looks every few milliseconds until `look` returns a value. Fails when the step's deadline
    /// passes, and reports what was seen last, which `look` leaves in the string that it is given.
    pub async fn until<T>(
        &mut self,
        what: &str,
        mut look: impl AsyncFnMut(&mut String) -> Result<Option<T>, Box<Finding>>,
    ) -> Result<T, Box<Finding>> {
        self.wait(what);
        // A little before the executor's own deadline, which knows less.
        let deadline = self.deadline.checked_sub(Duration::from_millis(20)).unwrap_or(self.deadline);
        let (world, finally, hopeless) = (self.world, self.finally, self.hopeless.clone());
        let began = Instant::now();
        let never_came = |how: &str, seen: &str| {
            let seen = if seen.is_empty() { "nothing" } else { seen };
            Finding::failed(format!("{how} after {} waiting for {what}", in_words(began.elapsed())))
                .because(Cause::NeverCame)
                .label(format!("last seen: {seen}"))
        };
        let look = async |seen: &mut String| {
            // What is waited for may never come when users have failed. The executor knows how.
            if !finally && world.users_failed() {
                return Err(Finding::failed("users have failed").because(Cause::UsersFailed));
            }
            match look(seen).await? {
                None if hopeless.load(Ordering::SeqCst) => Err(never_came("gave up", seen)),
                found => Ok(found),
            }
        };
        self.tells.store(true, Ordering::SeqCst);
        let ended = wait_until(deadline, look).await?;
        // What never came is still to be explained.
        self.tells.store(ended.is_err(), Ordering::SeqCst);
        ended.map_err(|seen| never_came("timed out", &seen))
    }

    /// Notes that its deed begins now.
    pub(super) fn begins(&mut self) {
        self.struck.begun = Some(Instant::now());
    }

    /// Notes that other steps can fail or get on by its deed from now on, before that is done.
    pub fn hits(&mut self) {
        self.struck.hits.get_or_insert_with(Instant::now);
        if let Some(aside) = &self.aside {
            aside.hits();
        }
    }

    /// Notes that its deed is done, whatever it waits for afterwards.
    pub fn has_struck(&mut self) {
        self.hits();
        self.struck.done.get_or_insert_with(Instant::now);
    }

    /// Notes that its deed has ended, for good or ill.
    pub fn deed_ends(&mut self, is_done: bool) {
        if let Some(told) = &self.deed_ended {
            // The first deed of a step is the one that counts.
            let _ = told.set(Instant::now());
        }
        if is_done {
            self.has_struck();
        }
    }

    /// Does what an incident does to others, who can fail by it from its beginning.
    pub async fn strike(&mut self, deed: impl AsyncFnOnce(&mut Self) -> StepResult) -> StepResult {
        self.begins();
        self.hits();
        let done = deed(self).await;
        self.deed_ends(done.is_ok());
        done
    }

    /// The step's own session on a node, whatever the node's state.
    pub(super) async fn own_client(&self, node: &Node) -> Result<Arc<Client>, SqlError> {
        match &self.aside {
            Some(aside) => aside.client(node).await,
            None => node.client().await,
        }
    }

    /// The step's own session on a node that is up and answers.
    pub async fn client(&self, node: &Node) -> Result<Arc<Client>, Box<Finding>> {
        must_answer(node).await?;
        let asked = match self.own_client(node).await {
            Err(error) if error.is_passing() && node.restarts_itself(self.left()).await => self.own_client(node).await,
            asked => asked,
        };
        let client = match asked {
            Ok(client) => client,
            Err(error) => return Err(unanswered(node, error).await),
        };
        if node.is_external() {
            // There nobody else ends what takes too long.
            client.batch_execute(&format!("SET statement_timeout = {}", self.left().as_millis().max(1))).await?;
        }
        Ok(client)
    }

    /// Another session on it, which is clean; the caller ends it with
    /// [`discard`](crate::node::discard).
    pub async fn session(&self, node: &Node, purpose: Purpose) -> Result<Client, Box<Finding>> {
        must_answer(node).await?;
        match node.connect_for(purpose).await {
            Ok(client) => Ok(client),
            Err(error) => Err(unanswered(node, error).await),
        }
    }

    /// The same, in another of its databases if one is named: then in a session of the step's own.
    pub async fn client_in(
        &self,
        node: &Node,
        database: Option<&Spanned<String>>,
    ) -> Result<Arc<Client>, Box<Finding>> {
        self.client_as(node, database, None).await
    }

    /// The same, as a role if one is named.
    pub async fn client_as(
        &self,
        node: &Node,
        database: Option<&Spanned<String>>,
        role: Option<&Spanned<RoleName>>,
    ) -> Result<Arc<Client>, Box<Finding>> {
        let own = self.client(node).await?;
        if database.is_none() && role.is_none() {
            return Ok(own);
        }
        let client = self.session_as(node, Purpose::Own, database, role).await?;
        // When the step's time is over nobody cancels what runs in this session but the server.
        client.batch_execute(&format!("SET statement_timeout = {}", self.left().as_millis().max(1))).await?;
        Ok(Arc::new(client))
    }

    /// Another session, in another database and as another role if one is named.
    pub async fn session_as(
        &self,
        node: &Node,
        purpose: Purpose,
        database: Option<&Spanned<String>>,
        role: Option<&Spanned<RoleName>>,
    ) -> Result<Client, Box<Finding>> {
        let Some(named) = database else {
            return take_on(self.session(node, purpose).await?, node, role).await;
        };
        must_answer(node).await?;
        let error = match node.connect_for_in(purpose, &named.value).await {
            Ok(client) => return take_on(client, node, role).await,
            Err(error) => error,
        };
        let title = format!("database `{}` cannot be reached on `{}`", named.value, node.name());
        let lasts = error.is_lasting() || (error.is_about_database() && node.is_primary().await);
        Err(Finding::failed(title).at(named.span).label(error.to_string()).lasting(lasts))
    }

    /// Runs statements in one transaction of its own and returns its id. Whatever fails undoes it
    /// all.
    pub async fn in_transaction(
        &mut self,
        client: &Client,
        statements: &str,
    ) -> Result<Option<Xid>, tokio_postgres::Error> {
        client.batch_execute("BEGIN").await?;
        let run = async {
            client.batch_execute(statements).await?;
            let row = client.query_one("SELECT pg_current_xact_id_if_assigned()::text", &[]).await?;
            // It is seen before this session hears of it.
            self.hits();
            client.batch_execute("COMMIT").await?;
            Ok::<_, tokio_postgres::Error>(row.get::<_, Option<String>>(0))
        };
        match run.await {
            Ok(xid) => Ok(xid.and_then(|text| text.parse().ok()).map(Xid::from_full)),
            Err(error) => {
                let _ = client.batch_execute("ROLLBACK").await;
                Err(error)
            }
        }
    }

    /// Runs a shell script on a node's host; a status other than 0 fails with what it wrote.
    pub async fn script<S: Into<String>>(
        &self,
        node: &Node,
        what: &str,
        script: &str,
        args: impl IntoIterator<Item = S>,
    ) -> StepResult {
        let output = node.host()?.run(crate::host::Program::script(script, args)).await?;
        match output.success() {
            true => Ok(()),
            false => Err(Finding::failed(format!("{what} failed (exit status {})", output.status))
                .note("said", output.stderr.trim())),
        }
    }
}

/// Has a session go on as another role. If that role is not there, the node is not what it should
/// be; on a standby it may still arrive. If it may not be taken on, what follows was not checked:
/// no `expect` takes that for the failure that it waits for.
pub async fn take_on(client: Client, node: &Node, role: Option<&Spanned<RoleName>>) -> Result<Client, Box<Finding>> {
    let Some(role) = role else { return Ok(client) };
    let Err(error) = client.batch_execute(&format!("SET ROLE {}", quote_identifier(role.value.as_str()))).await else {
        return Ok(client);
    };
    let finding = match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            let help = format!(
                "GRANT it there to the role that drillyard logs in as, or log in as another one; `{}` was not checked",
                node.name()
            );
            Finding::errored(format!("drillyard may not be role `{}` on `{}`", role.value, node.name())).help(help)
        }
        Some(_) => {
            let title = format!("there is no role `{}` on `{}`", role.value, node.name());
            Finding::failed(title).lasting(node.is_primary().await)
        }
        None => return Err(error.into()),
    };
    Err(finding.at(role.span).label(error_message(&error)))
}
