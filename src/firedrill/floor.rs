//! What goes on beside the drill: who asks for something is answered, what happens is heard, and
//! everybody's view is kept up to date.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::desk::{Ask, DeskEnd, Reply};
use super::state::State;
use super::view::{Phase, RanView};
use crate::journal::{Entry, Event, Firedrill, Journal, Listener, Speaker};

/// How often views are looked at again.
const TICK: Duration = Duration::from_millis(500);

/// The longest note.
const LONGEST: usize = 2000;

/// What only the drill itself can do, which has the servers.
#[derive(Debug)]
pub(super) enum Order {
    /// Check whether they are done.
    Done,
    /// Check, and go on.
    Judge,
    /// They give up.
    GiveUp,
    /// The facilitator ends it.
    End,
    /// Put this in.
    Inject(usize),
    /// Make another place for a server.
    Scratch(String),
    /// The clock has stood still for so long.
    StoodStill(Duration),
}

/// An order, and where the answer goes.
pub(super) type Ordered = (Order, oneshot::Sender<Reply>);

/// What the drill and everything beside it share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Floor {
    state: Arc<Mutex<State>>,
    journal: Journal,
    drill: usize,
    orders: mpsc::Sender<Ordered>,
}

impl std::fmt::Debug for Floor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Floor").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Floor {
    pub(super) fn new(state: State, journal: Journal, drill: usize) -> (Self, mpsc::Receiver<Ordered>) {
        const WAITING: usize = 16;
        let (orders, orders_end) = mpsc::channel(WAITING);
        (Floor { state: Arc::new(Mutex::new(state)), journal, drill, orders }, orders_end)
    }

    /// What is known. Never held over an await, nor while an event is written: who listens takes
    /// it.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an event.
    pub(super) fn tell(&self, what: Firedrill) {
        self.journal.write(Event::Firedrill { drill: self.drill, what });
    }

    /// Somebody says something.
    pub(super) fn say(&self, by: Speaker, text: &str) {
        let text = self.journal.redact(text);
        self.state().say(by, &text);
        self.tell(Firedrill::Said { by, text });
    }

    /// They have noticed that something is wrong, if anything is.
    pub(super) fn notice(&self, by: &str, ago: Duration) {
        let news = self.state().notice(ago);
        if let Some(clock) = news {
            self.tell(Firedrill::Noticed { clock_ms: clock.as_millis() as u64, by: by.to_owned() });
            let brief = self.state().brief_of_seal();
            if let Some(brief) = brief {
                self.say(Speaker::Drill, &brief);
            }
        }
    }

    /// They have begun to recover.
    pub(super) fn decide(&self, by: &str, ago: Duration) {
        // Whoever begins to recover has noticed.
        self.notice(by, ago);
        let news = self.state().decide(ago);
        if let Some(clock) = news {
            self.tell(Firedrill::Decided { clock_ms: clock.as_millis() as u64, by: by.to_owned() });
        }
    }

    /// A second accident.
    pub(super) fn accident(&self, name: &str, costs: u32, seen: &str) {
        let seen = self.journal.redact(seen);
        let news = self.state().accident(name, costs, &seen);
        if news {
            let clock_ms = self.state().clock_ms();
            self.tell(Firedrill::SecondAccident { clock_ms, name: name.to_owned(), costs, seen });
        }
    }

    /// They ran something.
    pub(super) fn ran(&self, node: &str, by: &str, text: &str, ago: Duration) {
        let text = self.journal.redact(text);
        let at = super::state::clock_of_day(Timestamp::now() - ago);
        let view = RanView { at, node: node.to_owned(), by: by.to_owned(), text: text.clone() };
        self.state().ran(view);
        let clock_ms = self.state().clock_then(ago).map(|clock| clock.as_millis() as u64);
        self.tell(Firedrill::Ran { clock_ms, node: node.to_owned(), by: by.to_owned(), text });
    }

    /// Who hears what happens in the drill.
    pub(super) fn hearing(&self) -> Box<dyn Listener> {
        Box::new(Hearing { floor: self.state.clone() })
    }

    /// Answers whoever asks, until nobody can ask any more.
    pub(super) async fn attend(self, mut desk: DeskEnd) {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                asked = desk.asks.recv() => {
                    let Some((ask, answer)) = asked else { return };
                    self.answer(ask, answer).await;
                }
                _ = tick.tick() => {}
            }
            let seen = self.state().seen();
            desk.views.send_if_modified(|view| {
                let changed = *view != seen;
                if changed {
                    *view = seen;
                }
                changed
            });
        }
    }

    async fn answer(&self, ask: Ask, answer: oneshot::Sender<Reply>) {
        let order = match ask {
            Ask::Done => Order::Done,
            Ask::Judge => Order::Judge,
            Ask::GiveUp => Order::GiveUp,
            Ask::End => Order::End,
            Ask::Inject(number) => Order::Inject(number),
            Ask::Scratch(name) => Order::Scratch(name),
            other => {
                // Whoever asked may have gone away.
                let _ = answer.send(self.here(other));
                return;
            }
        };
        let phase = self.state().view.team.phase;
        if matches!(phase, Phase::Judging | Phase::Over) {
            let _ = answer.send(Reply::no(&self.state().view.team.over()));
            return;
        }
        if let Order::Inject(number) = order
            && self.state().inject(number).is_none()
        {
            let _ = answer.send(Reply::no(NO_SUCH_INJECT));
            return;
        }
        if let Some(no) = too_early_or_late(&order, phase, self.state().clock().is_some()) {
            let _ = answer.send(Reply::no(no));
            return;
        }
        if let Err(error) = self.orders.try_send((order, answer)) {
            let (_, answer) = error.into_inner();
            let _ = answer.send(Reply::no("too much is asked at once: try again"));
        }
    }

    /// What is done at once.
    fn here(&self, ask: Ask) -> Reply {
        match ask {
            Ask::Note(text) => self.note(&text),
            Ask::Seen => {
                self.say(Speaker::Team, "we see that something is wrong");
                self.notice("said so", Duration::ZERO);
                Reply::yes("noted that you see it")
            }
            Ask::Hint(number) => self.hint(number),
            Ask::Pause if self.state().is_unaware() => {
                Reply::no("they do not know that something has happened: a pause would tell them")
            }
            Ask::Pause => {
                let paused = self.state().pause();
                if paused { self.paused() } else { Reply::no("the clock does not run") }
            }
            Ask::Resume => self.resume(),
            Ask::Say(text) if text.trim().is_empty() => Reply::no("nothing was said"),
            Ask::Say(text) => {
                self.say(Speaker::Facilitator, &cut(text.trim()));
                Reply::yes("said")
            }
            Ask::Ran { node, text } => {
                // What it asks a server stands in the server's log, and what it makes is found:
                // that a program ran says nothing of noticing.
                self.ran(&node, "drillyard shell", &cut(&text), Duration::ZERO);
                Reply::yes("noted")
            }
            Ask::Done | Ask::Judge | Ask::GiveUp | Ask::End | Ask::Inject(_) | Ask::Scratch(_) => Reply::no("not now"),
        }
    }

    fn note(&self, text: &str) -> Reply {
        if text.trim().is_empty() {
            return Reply::no("the note is empty");
        }
        self.say(Speaker::Team, &cut(text.trim()));
        Reply::yes("noted")
    }

    fn hint(&self, number: usize) -> Reply {
        let phase = self.state().view.team.phase;
        if phase < Phase::Recovering {
            // Whoever does not know whether something has happened is not told by this.
            return Reply::no("hints are for those who see that something is wrong: drillyard note --seen TEXT");
        }
        let number = match number {
            0 => self.state().next_hint().unwrap_or(1),
            number => number,
        };
        let bought = self.state().buy(number);
        match bought {
            Err(why) => Reply::no(&why),
            Ok((hint, true)) => Reply::yes(&format!("hint {number}, bought before: {}", hint.text)),
            Ok((hint, false)) => {
                let text = format!("hint {number} ({} points): {}", hint.costs, hint.text);
                self.state().say(Speaker::Drill, &text);
                self.tell(Firedrill::HintBought { number, costs: hint.costs, text: hint.text });
                Reply::yes(&text)
            }
        }
    }

    fn paused(&self) -> Reply {
        let clock_ms = self.state().clock_ms();
        self.tell(Firedrill::Paused { clock_ms });
        Reply::yes("the clock stands still")
    }

    fn resume(&self) -> Reply {
        let stood = self.state().resume();
        let Some(stood) = stood else { return Reply::no("the clock runs") };
        let (answer, _) = oneshot::channel();
        // The drill's own clock has stood still, too. If so much else is asked that this does not
        // fit in, it is the drill's clock that is longer, and not the people's.
        let _ = self.orders.try_send((Order::StoodStill(stood), answer));
        let clock_ms = self.state().clock_ms();
        self.tell(Firedrill::Resumed { clock_ms, paused_ms: stood.as_millis() as u64 });
        Reply::yes("the clock goes on")
    }
}

/// What is said to who asks for a judgement, as long as nothing is known to have happened.
pub(super) const NOTHING_TO_JUDGE: &str =
    "there is nothing to judge: go on, or say what you see: drillyard note --seen TEXT";

/// What is said to who asks for an inject that the drill does not have.
pub(super) const NO_SUCH_INJECT: &str = "there is no such inject";

/// Why something cannot be done in this phase.
fn too_early_or_late(order: &Order, phase: Phase, began: bool) -> Option<&'static str> {
    match (order, phase) {
        (Order::Scratch(_), Phase::Calm | Phase::Recovering) | (Order::End, Phase::Paused) => None,
        (_, Phase::Paused) => Some("the clock stands still: the facilitator has paused it"),
        // Whoever does not know whether something has happened is not told by this.
        (Order::Done | Order::Judge | Order::GiveUp, Phase::Calm) => Some(NOTHING_TO_JUDGE),
        _ if !began => Some("nothing has happened yet"),
        _ => None,
    }
}

/// As much of a text as is kept.
fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

impl Reply {
    /// It was done.
    pub(super) fn yes(text: &str) -> Self {
        Reply { ok: true, text: text.to_owned() }
    }

    /// It was not.
    pub(super) fn no(text: &str) -> Self {
        Reply { ok: false, text: text.to_owned() }
    }
}

/// Hears what the drill does.
struct Hearing {
    floor: Arc<Mutex<State>>,
}

impl Listener for Hearing {
    fn hear(&mut self, entry: &Entry) {
        let mut state = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        match &entry.event {
            Event::StepFinished { index, facts, outcome, problem, .. } => {
                state.judged(*index, *outcome, problem.as_ref());
                if let Some(lsn) = facts.get("lsn").and_then(|lsn| lsn.as_str()) {
                    state.mark(*index, lsn);
                }
            }
            Event::TrafficRate { count, per_second, .. } => state.users(count, *per_second),
            Event::BudgetJudged { budget, .. } => state.budgets.push(budget.clone()),
            Event::TrafficFinished { count, .. } => state.lost(count),
            _ => {}
        }
    }
}
