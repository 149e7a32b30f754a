//! What goes on while people are at work: their servers and the drill's are looked at, what was
//! asked for is done, what is to come in between comes.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::accidents::{Before, COSTS, primaries};
use super::desk::Reply;
use super::floor::{NO_SUCH_INJECT, Order};
use super::play::{AtWork, Firedrill};
use crate::harness::{Checks, Role};
use crate::host::single_quoted;
use crate::journal::{Ending, Event, Firedrill as What, Speaker};
use crate::plan::PlannedStep;
use crate::run::Field;
use crate::source::Name;

/// How often the servers are looked at.
const TICK: Duration = Duration::from_secs(1);

/// The longest that a check may take when nobody has asked for it.
const BRIEFLY: Duration = Duration::from_secs(5);

/// How many times what they take the checks rest before they are made again: people have the
/// machine for themselves most of the time.
const REST: u32 = 4;

/// How long something is waited for that is looked at again and again.
const MOMENT: Duration = Duration::from_millis(300);

impl Firedrill {
    /// Looks at the servers again and again, until people are done or may not go on.
    pub(super) async fn until_done(&self, field: &Field<'_>, at_work: &mut AtWork) -> Ending {
        // People may have been quicker than the drill's own course.
        self.observe(field, at_work).await;
        // What holds before anybody has done anything says nothing about when they are done.
        let by_itself = self.floor.state().decided.is_some() || !self.look(field, BRIEFLY).await;
        if !by_itself {
            let message = "all checks hold before anybody has done anything: people have to say when they are done";
            field.tell(Event::Warned { drill: Some(field.drill()), message: message.to_owned() });
        }
        let mut next_look = Instant::now() + TICK;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = field.env().cancel.cancelled() => return Ending::Interrupted,
                ordered = at_work.next_order() => {
                    let Some((order, answer)) = ordered else { return Ending::Stopped };
                    if let Some(ending) = self.obey(field, at_work, order, answer).await {
                        return ending;
                    }
                    continue;
                }
                _ = tick.tick() => {}
            }
            if self.floor.state().is_paused() {
                continue;
            }
            tokio::select! {
                biased;
                () = field.env().cancel.cancelled() => return Ending::Interrupted,
                () = self.observe(field, at_work) => {}
            }
            if self.floor.state().is_over_time() {
                // A check that takes its time was never looked at to its end.
                return if self.look_to_the_end(field).await { Ending::AllHold } else { Ending::TimeUp };
            }
            if by_itself && Instant::now() >= next_look {
                let began = Instant::now();
                if self.look_from(field, BRIEFLY).await {
                    return Ending::AllHold;
                }
                next_look = Instant::now() + (began.elapsed() * REST).max(TICK);
            }
        }
    }

    /// What people have done and what happened meanwhile.
    async fn observe(&self, field: &Field<'_>, at_work: &mut AtWork) {
        let incident = self.part.incident.and_then(|index| field.plan().steps.get(index));
        at_work.watch.statements(field, &self.floor, incident).await;
        at_work.watch.adopt(field, &self.floor, &at_work.scratch, self.part.adopt.len()).await;
        at_work.watch.servers(field, &self.floor).await;
        if at_work.watch.is_due() {
            self.accidents(field, at_work).await;
            at_work.watch.disks(field, &self.floor).await;
            at_work.watch.restored(&self.floor, &at_work.scratch).await;
        }
        self.served(field).await;
        self.injects(field, at_work).await;
    }

    /// Notes when the drill's budget of time ends, if that is where a step behind the incident only
    /// waits for something: whatever way people go, the drill sees when that is there.
    async fn served(&self, field: &Field<'_>) {
        let to = field.plan().rto.as_ref().and_then(|rto| field.plan().steps.get(rto.to));
        let is_behind = |index: &usize| self.part.theirs.contains(index) || self.part.closing.contains(index);
        let waits = to.filter(|to| to.kind.role == Role::Wait && is_behind(&to.head.index));
        if let Some(PlannedStep { head, .. }) = waits
            && field.time(head.index).is_none()
            && field.passes(head.index, MOMENT).await
        {
            field.note_served(head.index);
        }
    }

    /// Second accidents, those of the drill too.
    pub(super) async fn accidents(&self, field: &Field<'_>, at_work: &mut AtWork) {
        let look = at_work.before.look(field).await;
        for accident in look.accidents {
            self.floor.accident(accident.name, COSTS, &accident.seen);
        }
        // A primary that was away for a moment is no standby that takes over.
        let is_standby = |name: &&String| field.world.spec(name).follows.is_some();
        for name in look.promoted.iter().filter(is_standby) {
            self.floor.decide(&format!("`{name}` accepts writes now"), Duration::ZERO);
        }
        for trap in &self.part.traps {
            let known = self.floor.state().accidents.iter().any(|(name, _)| *name == trap.name);
            if !known && field.passes(trap.when, MOMENT).await {
                let seen = field.plan().steps.get(trap.when).map(|step| step.head.name.clone()).unwrap_or_default();
                self.floor.accident(&trap.name, trap.costs, &seen);
            }
        }
    }

    /// What people wrote on a server that turns out to be nobody's.
    pub(super) async fn wrong_server(&self, field: &Field<'_>, at_work: &AtWork) {
        let looks_at = |step: &PlannedStep| {
            let standby = match &step.effects.checks {
                Some(Checks::Streaming { standby, .. }) => Some(standby.clone()),
                _ => None,
            };
            step.nodes().filter(|node| Some(*node) != standby.as_ref()).map(ToString::to_string).collect::<Vec<_>>()
        };
        let checked = self.checks(field).flat_map(looks_at).collect();
        if let Some(accident) = at_work.watch.strays.accident(&primaries(field.world).await, &checked) {
            self.floor.accident(accident.name, COSTS, &accident.seen);
        }
    }

    /// What comes by itself: nothing while people do not know that something has happened.
    async fn injects(&self, field: &Field<'_>, at_work: &mut AtWork) {
        if self.floor.state().is_unaware() {
            return;
        }
        for (inject, number) in self.part.injects.iter().zip(1..) {
            let (come, clock) = {
                let state = self.floor.state();
                (state.has_come(number), state.clock().unwrap_or_default())
            };
            let due = inject.after.is_some_and(|after| clock >= after);
            if !come && (due || self.is_its_moment(field, inject.when).await) {
                self.put_in(field, at_work, number).await;
            }
        }
    }

    async fn is_its_moment(&self, field: &Field<'_>, when: Option<usize>) -> bool {
        match when {
            Some(when) => field.passes(when, MOMENT).await,
            None => false,
        }
    }

    async fn put_in(&self, field: &Field<'_>, at_work: &mut AtWork, number: usize) -> Reply {
        let inject = self.floor.state().inject(number).cloned();
        let Some(inject) = inject else { return Reply::no(NO_SUCH_INJECT) };
        self.floor.state().came(number);
        let text = inject.say.clone().unwrap_or_default();
        if !text.is_empty() {
            self.floor.state().say(Speaker::Drill, &text);
        }
        self.floor.tell(What::Injected { number, text });
        let changes = field.may_change(&inject.steps);
        if changes {
            self.accidents(field, at_work).await;
        }
        let all = field.put_in(&inject.steps).await;
        if changes {
            // What the drill itself has done is no accident of people's.
            at_work.before = Before::of(field).await;
        }
        match all {
            true => Reply::yes("it was put in"),
            false => Reply::no("not all of its steps could be done"),
        }
    }

    /// Does what was asked for. How people's part has ended, if it has.
    async fn obey(
        &self,
        field: &Field<'_>,
        at_work: &mut AtWork,
        order: Order,
        answer: oneshot::Sender<Reply>,
    ) -> Option<Ending> {
        let (reply, ending) = match order {
            Order::Done => self.done(field, at_work).await,
            Order::Judge => (self.judged(field, at_work).await.1, None),
            Order::GiveUp => (Reply::yes("it is judged as it stands"), Some(Ending::GaveUp)),
            Order::End => {
                // A check that takes its time was never looked at to its end.
                let ending = if self.look_to_the_end(field).await { Ending::AllHold } else { Ending::Stopped };
                (Reply::yes("it is judged as it stands"), Some(ending))
            }
            Order::Inject(number) => (self.put_in(field, at_work, number).await, None),
            Order::Scratch(name) => (self.scratch(field, at_work, &name), None),
            Order::StoodStill(time) => {
                field.stood_still(time);
                (Reply::yes(""), None)
            }
        };
        // Whoever asked may have gone away.
        let _ = answer.send(reply);
        ending
    }

    async fn done(&self, field: &Field<'_>, at_work: &mut AtWork) -> (Reply, Option<Ending>) {
        let (hold, reply) = self.judged(field, at_work).await;
        (reply, hold.then_some(Ending::AllHold))
    }

    pub(super) fn scratch(&self, field: &Field<'_>, at_work: &mut AtWork, name: &str) -> Reply {
        if let Err(why) = Name::new(name) {
            return Reply::no(&why);
        }
        let is_taken = field.world.specs.contains_key(name) || at_work.scratch.iter().any(|place| place.name == name);
        if is_taken {
            return Reply::no(&format!("`{name}` is the name of another place or server: call it differently"));
        }
        let spare = at_work.scratch.iter().skip(self.part.adopt.len());
        let named = at_work.named.iter().position(|known| known == name);
        // The first of all places is in the handout.
        let at = named.unwrap_or(at_work.named.len()) + usize::from(self.part.adopt.is_empty());
        let Some(place) = spare.clone().nth(at) else {
            return Reply::no(&format!("there are {} places besides, and all are given away", at_work.named.len()));
        };
        let place = place.clone();
        if named.is_none() {
            at_work.named.push(name.to_owned());
            field.call(&place.name, name);
        }
        let told = [
            ("DRILLYARD_SCRATCH", place.host.paths().data.clone()),
            ("DRILLYARD_SCRATCH_PORT", place.port.to_string()),
            ("DRILLYARD_SCRATCH_HOST", place.name.clone()),
        ];
        Reply::yes(&told.map(|(name, value)| format!("{name}={}", single_quoted(&value))).join("\n"))
    }
}
