//! A drill that people play, from what they are given to the score.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use super::accidents::Before;
use super::brief::brief;
use super::desk::{Desk, DeskEnd, Reply};
use super::door::Doors;
use super::floor::{Floor, NOTHING_TO_JUDGE, Order, Ordered};
use super::handout::{Handout, Scratch};
use super::hosts::scratch_hosts;
use super::state::State;
use super::view::Phase;
use super::watch::Watch;
use crate::harness::NodeId;
use crate::journal::{Ending, Firedrill as What, Journal, Listener, Outcome, Problem, Speaker};
use crate::plan::{PeoplesPart, Plan, PlannedStep};
use crate::run::{Field, People, Recovered, remove_outside};

/// How often a server is looked for that people have stopped before the incident.
const AGAIN: Duration = Duration::from_secs(1);

/// How a firedrill is held.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long people have, if the drill does not say.
    pub limit: Duration,
    /// How long after everything is ready the incident comes.
    pub delay: Duration,
    /// Whether nobody is to know which drill it is.
    pub sealed: bool,
    /// The address of this machine at which servers are reached from other ones; none: only from
    /// here.
    pub reachable: Option<IpAddr>,
    /// Where the handout is written; none: in the run's directory.
    pub handout: Option<PathBuf>,
}

impl Options {
    /// How long people have in this drill. One that was drawn would be known by its own limit.
    fn limit_of(&self, part: &PeoplesPart) -> Duration {
        part.within.filter(|_| !self.sealed).unwrap_or(self.limit)
    }
}

/// What people are told first.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// The run's id.
    pub run: String,
    /// Where the handout is.
    pub handout: PathBuf,
    /// What they are told, in Markdown.
    pub brief: String,
    /// How each server is reached.
    pub servers: Vec<super::view::ServerView>,
}

/// Tells people that everything is ready.
pub type Announce = Box<dyn Fn(&Announcement) + Send + Sync>;

/// Asks people whether they want to keep the servers, which would go now; they have made these.
pub type Offer = Box<dyn Fn(&[String]) -> bool + Send + Sync>;

/// How people at the terminal are spoken to.
pub struct Voice {
    /// When everything is ready.
    pub announce: Announce,
    /// When it is over. Where nobody sits at a terminal the answer is no.
    pub offer: Offer,
}

/// A drill that people play.
pub struct Firedrill {
    pub(super) part: PeoplesPart,
    pub(super) options: Options,
    pub(super) floor: Floor,
    voice: Arc<Voice>,
    at_work: Mutex<AtWork>,
}

impl std::fmt::Debug for Firedrill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Firedrill").field("part", &self.part).field("options", &self.options).finish_non_exhaustive()
    }
}

/// What is there while it is played.
pub(super) struct AtWork {
    pub(super) desk: Option<DeskEnd>,
    pub(super) orders: mpsc::Receiver<Ordered>,
    pub(super) attending: Option<JoinHandle<()>>,
    pub(super) scratch: Vec<Scratch>,
    /// What was asked for while the drill did something of its own.
    pub(super) waiting: VecDeque<Ordered>,
    /// The names that people gave to the spare ones among them.
    pub(super) named: Vec<String>,
    pub(super) before: Before,
    pub(super) watch: Watch,
    /// The ways in from other machines.
    pub(super) doors: Option<Doors>,
}

impl AtWork {
    /// What is asked for next, in its order.
    pub(super) async fn next_order(&mut self) -> Option<Ordered> {
        match self.waiting.pop_front() {
            Some(ordered) => Some(ordered),
            None => self.orders.recv().await,
        }
    }
}

impl Firedrill {
    /// A drill that will be played, and the way to it.
    pub fn new(plan: &Plan, part: PeoplesPart, options: Options, journal: &Journal, voice: Voice) -> (Arc<Self>, Desk) {
        let limit = options.limit_of(&part);
        let mut state = State::new(plan, &part, options.sealed, limit);
        // A brief tells of symptoms: before anything has happened it would tell what is to come.
        let own = part.brief.clone().filter(|_| !options.sealed);
        state.view.team.brief = own.unwrap_or_else(|| brief(plan, &part, limit, options.sealed));
        let (floor, orders) = Floor::new(state, journal.clone(), 0);
        let (desk, end) = Desk::new();
        let at_work = AtWork {
            desk: Some(end),
            orders,
            attending: None,
            scratch: vec![],
            waiting: VecDeque::new(),
            named: vec![],
            before: Before::default(),
            watch: Watch::default(),
            doors: None,
        };
        (Arc::new(Firedrill { part, options, floor, voice: Arc::new(voice), at_work: Mutex::new(at_work) }), desk)
    }

    /// Who hears what happens in the drill.
    pub fn hearing(&self) -> Box<dyn Listener> {
        self.floor.hearing()
    }

    /// Gives people what they need.
    async fn hand_out(&self, field: &Field<'_>, at_work: &mut AtWork) -> Result<(), Problem> {
        let run = &field.env().run;
        let dir = self.options.handout.clone().unwrap_or_else(|| field.env().dir.join("handout"));
        let names = scratch_hosts(field.plan(), &self.part);
        for (name, number) in names.into_iter().zip(0..) {
            let host = field.world.lab.host(&name).await.map_err(|error| error.problem())?;
            at_work.scratch.push(Scratch { name, port: host.scratch_port(number), host });
        }
        let mut given = Handout::of(field, &dir, &at_work.scratch, self.part.adopt.len()).await?;
        if let Some(address) = self.options.reachable {
            at_work.doors = Some(given.open_doors(field, address, &at_work.scratch).await?);
        }
        let brief = self.floor.state().view.team.brief.clone();
        given.write(&field.env().dir, &dir, &given.markdown(run, &dir, &brief)).map_err(|error| {
            Problem::new(format!("cannot write the handout to {}: {error}", dir.display()))
                .help("name another directory with --handout")
        })?;
        field.open_shells(given.shells);
        let mut state = self.floor.state();
        run.clone_into(&mut state.view.team.run);
        state.view.seed = field.seed();
        state.view.team.servers.clone_from(&given.servers);
        state.view.team.places = given.places;
        drop(state);
        (self.voice.announce)(&Announcement { run: run.clone(), handout: dir, brief, servers: given.servers });
        Ok(())
    }

    /// Waits for the moment of the incident. Whoever asks for something meanwhile is answered. As
    /// long as people have stopped a server that it needs, the moment has not come.
    async fn wait_for_incident(&self, field: &Field<'_>, at_work: &mut AtWork) -> Result<(), Problem> {
        let needed = self.up(field).await;
        let latest = Instant::now() + self.options.delay + self.options.limit_of(&self.part);
        let moment = tokio::time::sleep(self.options.delay);
        tokio::pin!(moment);
        loop {
            tokio::select! {
                biased;
                () = field.env().cancel.cancelled() => return Err(Problem::new("interrupted before the incident")),
                Some((order, answer)) = at_work.orders.recv() => {
                    let reply = match order {
                        Order::Scratch(name) => self.scratch(field, at_work, &name),
                        _ => Reply::no(NOTHING_TO_JUDGE),
                    };
                    // Whoever asked may have gone away.
                    let _ = answer.send(reply);
                }
                () = &mut moment => {
                    let up = self.up(field).await;
                    let Some(stopped) = needed.iter().find(|node| !up.contains(node)) else { return Ok(()) };
                    if Instant::now() >= latest {
                        let title = format!("the incident could not happen: people have stopped `{stopped}` before");
                        return Err(Problem::new(title).help("nothing was judged: hold the firedrill again"));
                    }
                    moment.as_mut().reset((Instant::now() + AGAIN).into());
                }
            }
        }
    }

    /// The nodes of the incident that take connections.
    async fn up(&self, field: &Field<'_>) -> Vec<NodeId> {
        let incident = self.part.incident.and_then(|index| field.plan().steps.get(index));
        let mut up = vec![];
        for name in incident.into_iter().flat_map(PlannedStep::nodes) {
            let node = field.world.outputs().nodes.get(name).cloned();
            if let Some(node) = node
                && matches!(tokio::time::timeout(AGAIN, node.connect()).await, Ok(Ok(_)))
            {
                up.push(name.clone());
            }
        }
        up
    }
}

#[async_trait(?Send)]
impl People for Firedrill {
    fn part(&self) -> &PeoplesPart {
        &self.part
    }

    fn at_most(&self) -> Duration {
        // Pauses are added as they come.
        self.options.delay + self.options.limit_of(&self.part)
    }

    async fn begin(&self, field: &Field<'_>) -> Result<(), Problem> {
        let at_work = &mut *self.at_work.lock().await;
        field.env().journal.keep([field.world.password.clone()]);
        self.floor.state().view.team.phase = Phase::Calm;
        self.hand_out(field, at_work).await?;
        if let Some(desk) = at_work.desk.take() {
            at_work.attending = Some(tokio::spawn(self.floor.clone().attend(desk)));
        }
        at_work.watch.begin(field).await;
        let (brief, limit_ms) = {
            let state = self.floor.state();
            (state.view.team.brief.clone(), state.limit.as_millis() as u64)
        };
        let delay_ms = self.options.delay.as_millis() as u64;
        let checks = self.floor.state().checks.clone();
        self.floor.tell(What::Ready { brief, limit_ms, sealed: self.options.sealed, delay_ms, checks });
        self.wait_for_incident(field, at_work).await?;
        at_work.watch.know(field, &at_work.scratch).await;
        self.floor.state().begin(self.part.incident);
        self.floor.tell(match self.part.incident {
            Some(index) => What::Incident { index },
            None => What::Practice { index: self.part.begins },
        });
        Ok(())
    }

    async fn struck(&self, field: &Field<'_>) {
        self.at_work.lock().await.before = Before::of(field).await;
    }

    async fn meanwhile(&self, field: &Field<'_>) {
        let at_work = &mut *self.at_work.lock().await;
        while let Some((order, answer)) = at_work.orders.recv().await {
            match order {
                Order::Scratch(name) => {
                    // Whoever asked may have gone away.
                    let _ = answer.send(self.scratch(field, at_work, &name));
                }
                order => at_work.waiting.push_back((order, answer)),
            }
        }
        std::future::pending().await
    }

    async fn strikes(&self, field: &Field<'_>) {
        let mut at_work = self.at_work.lock().await;
        self.accidents(field, &mut at_work).await;
    }

    async fn recover(&self, field: &Field<'_>) -> Recovered {
        let mut at_work = self.at_work.lock().await;
        for node in Watch::switch_on(field, &self.part.theirs).await {
            // Whoever does not know whether something has happened is not told by this.
            if !self.options.sealed {
                let text = format!("somebody has switched the machine of `{node}` on again: no server runs there");
                self.floor.say(Speaker::Drill, &text);
            }
        }
        let ending = self.until_done(field, &mut at_work).await;
        if ending != Ending::Interrupted {
            // What was done in the last seconds counts, too.
            self.accidents(field, &mut at_work).await;
            self.wrong_server(field, &at_work).await;
        }
        let clock = self.floor.state().end(ending);
        self.floor.tell(What::Ended { clock_ms: clock.as_millis() as u64, how: ending });
        let late = self.floor.state().since_end();
        let unserved = self.floor.state().unserved.is_some();
        match ending {
            Ending::GaveUp | Ending::TimeUp | Ending::Stopped if unserved => {
                Recovered::No("all checks held, and users were not served")
            }
            Ending::AllHold => Recovered::Yes { ago: late },
            Ending::Interrupted => Recovered::Interrupted,
            Ending::GaveUp => Recovered::No("people gave up"),
            Ending::TimeUp => Recovered::No("the time was over before all checks held"),
            Ending::Stopped => Recovered::No("the facilitator ended it before all checks held"),
        }
    }

    async fn end(&self, field: &Field<'_>, outcome: Outcome) -> bool {
        self.score(field);
        {
            let mut state = self.floor.state();
            state.conclude(outcome, field.env().records.join("debrief.html").display().to_string());
            state.view.team.phase = Phase::Over;
        }
        // So that it is seen by those who only look.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let mut at_work = self.at_work.lock().await;
        at_work.doors = None;
        if let Some(attending) = at_work.attending.take() {
            attending.abort();
        }
        let kept = field.keeps(outcome) || self.offer(field).await;
        if !kept {
            // The servers that the handout tells of are about to go.
            remove_outside(&field.env().dir);
        }
        kept
    }
}

impl Firedrill {
    /// People's own servers are theirs: they are asked before those go.
    async fn offer(&self, field: &Field<'_>) -> bool {
        let theirs: Vec<String> = {
            let outputs = field.world.outputs();
            outputs.servers().filter(|node| node.is_found()).map(|node| node.name().to_owned()).collect()
        };
        if theirs.is_empty() || field.env().cancel.is_cancelled() {
            return false;
        }
        let voice = self.voice.clone();
        let asked = tokio::task::spawn_blocking(move || (voice.offer)(&theirs));
        tokio::select! {
            biased;
            () = field.env().cancel.cancelled() => false,
            answer = asked => answer.unwrap_or(false),
        }
    }
}
