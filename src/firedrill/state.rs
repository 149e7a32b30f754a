//! What is known of a firedrill at work, in one place: the clock, what was said and done, and the
//! views that are made of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::brief::limits;
use super::users_now::UsersNow;
use super::view::{
    CheckState, CheckView, FacilitatorView, HintView, IncidentView, InjectView, MarkView, Phase, RanView, SaidView,
    Standing, TrapView,
};
use crate::journal::{Budget, Ending, Speaker, StepHead, TrafficCount};
use crate::plan::{Hint, Inject, PeoplesPart, Plan, Trap};

/// How much of what people ran the facilitator's page shows.
const RAN: usize = 200;

/// What is known of a firedrill at work.
#[derive(Debug, Default)]
pub(super) struct State {
    /// What does not change, or is set as it comes.
    pub view: FacilitatorView,
    /// Whether people do not know what the drill is about.
    pub sealed: bool,
    /// How long people have.
    pub limit: Duration,
    hints: Vec<Hint>,
    injects: Vec<Inject>,
    traps: Vec<Trap>,
    /// The steps, by their indices.
    steps: Vec<StepHead>,
    /// When the incident began.
    began: Option<Instant>,
    /// Since when the clock stands still, and how long it has stood before.
    paused: Option<Instant>,
    stood: Duration,
    /// How long after the incident each was reached.
    pub noticed: Option<Duration>,
    /// When they began to recover.
    pub decided: Option<Duration>,
    /// When the look began that saw that all checks hold.
    looked: Option<Instant>,
    /// The checks of the view by their indices, in its order: those that count.
    pub checks: Vec<usize>,
    /// What the drill itself says of its symptoms.
    own_brief: Option<String>,
    /// What has to be met, a line each: of a drill that was drawn it would tell which one it is.
    limits: String,
    /// When their part ended, and how.
    pub ended: Option<(Duration, Ending)>,
    /// The seconds since the incident in which users were refused, or did not get on at all.
    pub refused: BTreeSet<u64>,
    /// Hints that were bought, by their numbers.
    pub bought: Vec<usize>,
    /// Second accidents, by name, and what each cost.
    pub accidents: Vec<(String, u32)>,
    /// The budgets, as they were judged.
    pub budgets: Vec<Budget>,
    /// Acknowledged commits that the last assertion did not find, by the users' id.
    pub lost: BTreeMap<String, u64>,
    /// Why users are not served although all checks hold.
    pub unserved: Option<String>,
    pub(super) users: BTreeMap<String, UsersNow>,
    ran: VecDeque<RanView>,
}

/// The time of day, as it is shown.
pub(super) fn now() -> String {
    clock_of_day(Timestamp::now())
}

/// A time as a time of day.
pub(super) fn clock_of_day(at: Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}

impl State {
    /// Of a drill that is about to be played.
    pub(super) fn new(plan: &Plan, part: &PeoplesPart, sealed: bool, limit: Duration) -> Self {
        let check = |index: &usize| {
            let lines: Vec<_> = plan.steps.iter().filter(|step| step.head.group == Some(*index)).collect();
            match lines.is_empty() {
                true => plan.steps.get(*index).into_iter().collect(),
                false => lines,
            }
        };
        let left_out = |index: usize| part.left_out.iter().any(|(left_out, _)| *left_out == index);
        let checks: Vec<_> = part.judge.iter().flat_map(check).filter(|step| !left_out(step.head.index)).collect();
        let view = FacilitatorView {
            drill: plan.name.clone(),
            file: plan.source.file().to_owned(),
            about: plan.about.clone(),
            checks: checks.iter().map(|step| CheckView::of(&step.head)).collect(),
            ..FacilitatorView::default()
        };
        State {
            view,
            sealed,
            limit,
            checks: checks.iter().map(|step| step.head.index).collect(),
            own_brief: part.brief.clone(),
            limits: limits(plan),
            hints: part.hints.clone(),
            injects: part.injects.clone(),
            traps: part.traps.clone(),
            steps: plan.steps.iter().map(|step| step.head.clone()).collect(),
            ..State::default()
        }
    }

    /// The time since the incident, pauses left out; none before it.
    pub(super) fn clock(&self) -> Option<Duration> {
        let standing = self.paused.map(|since| since.elapsed()).unwrap_or_default();
        Some(self.began?.elapsed().saturating_sub(self.stood + standing))
    }

    /// The same so long ago; none if that was before the incident.
    pub(super) fn clock_then(&self, ago: Duration) -> Option<Duration> {
        self.clock()?.checked_sub(ago)
    }

    /// The time since the incident in milliseconds, 0 before it.
    pub(super) fn clock_ms(&self) -> u64 {
        self.clock().unwrap_or_default().as_millis() as u64
    }

    /// The incident begins, or people do where there is none.
    pub(super) fn begin(&mut self, incident: Option<usize>) {
        self.users.values_mut().for_each(UsersNow::incident);
        self.began = Some(Instant::now());
        let head = incident.and_then(|index| self.steps.get(index));
        self.view.incident = head.map(|head| IncidentView { place: head.place(), name: head.name.clone(), at: now() });
        if self.view.team.phase < Phase::Recovering {
            self.view.team.phase = if self.sealed { Phase::Calm } else { Phase::Recovering };
        }
    }

    /// People know that something has happened. When that was, if it is news.
    pub(super) fn notice(&mut self, ago: Duration) -> Option<Duration> {
        let clock = self.clock_then(ago).filter(|_| self.noticed.is_none())?;
        self.noticed = Some(clock);
        if self.view.team.phase == Phase::Calm {
            self.view.team.phase = Phase::Recovering;
        }
        Some(clock)
    }

    /// They have begun to recover. When that was, if it is news.
    pub(super) fn decide(&mut self, ago: Duration) -> Option<Duration> {
        let clock = self.clock_then(ago).filter(|_| self.decided.is_none())?;
        self.decided = Some(clock);
        Some(clock)
    }

    /// Whether people are not to know whether something has happened before they see it.
    pub(super) fn is_unaware(&self) -> bool {
        self.sealed && self.noticed.is_none() && self.ended.is_none()
    }

    /// Stops the clock. False if it does not run.
    pub(super) fn pause(&mut self) -> bool {
        let runs = self.began.is_some() && self.paused.is_none() && self.ended.is_none();
        if runs {
            self.paused = Some(Instant::now());
            self.view.team.phase = Phase::Paused;
        }
        runs
    }

    /// Lets it go on; how long it has stood still. None if it runs.
    pub(super) fn resume(&mut self) -> Option<Duration> {
        let stood = self.paused.take()?.elapsed();
        self.stood += stood;
        if self.ended.is_some() {
            return Some(stood);
        }
        self.view.team.phase = if self.is_unaware() { Phase::Calm } else { Phase::Recovering };
        Some(stood)
    }

    /// Whether people have had all their time.
    pub(super) fn is_over_time(&self) -> bool {
        self.clock().is_some_and(|clock| clock >= self.limit)
    }

    /// Whether the clock stands still.
    pub(super) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// What people did has ended, and is checked.
    pub(super) fn end(&mut self, how: Ending) -> Duration {
        // Where everything holds it is the look that saw it, and not its end, that counts.
        let late = if how == Ending::AllHold { self.since_end() } else { Duration::ZERO };
        let clock = self.clock().unwrap_or_default().saturating_sub(late);
        self.ended = Some((clock, how));
        self.view.team.phase = Phase::Judging;
        clock
    }

    /// A look that began then saw that all checks hold.
    pub(super) fn looked(&mut self, began: Instant) {
        self.looked = Some(began);
    }

    /// How long ago the look began that saw it.
    pub(super) fn since_end(&self) -> Duration {
        self.looked.map(|began| began.elapsed()).unwrap_or_default()
    }

    /// What a drill that was drawn says of its symptoms, once they were seen.
    pub(super) fn brief_of_seal(&self) -> Option<String> {
        let texts = [self.own_brief.as_deref().unwrap_or_default().trim(), self.limits.trim()];
        let texts: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        (self.sealed && !texts.is_empty()).then(|| texts.join("\n\n"))
    }

    /// What somebody said.
    pub(super) fn say(&mut self, by: Speaker, text: &str) {
        self.view.team.said.push(SaidView { at: now(), by, text: text.to_owned() });
    }

    /// Buys a hint; the hint, and whether it was bought before.
    ///
    /// # Errors
    /// Why it cannot be bought.
    pub(super) fn buy(&mut self, number: usize) -> Result<(Hint, bool), String> {
        let hint = number.checked_sub(1).and_then(|at| self.hints.get(at));
        let hint = hint.ok_or_else(|| match self.hints.len() {
            0 => "this drill has no hints".to_owned(),
            1 => "there is one hint: 1".to_owned(),
            n => format!("there are hints 1 to {n}"),
        })?;
        let before = self.bought.contains(&number);
        let clock = self.clock().ok_or("hints are for when something has happened")?;
        if !before && clock < hint.after {
            let left = (hint.after - clock).as_secs() + 1;
            return Err(format!("hint {number} can be bought in {left} s"));
        }
        if !before {
            self.bought.push(number);
        }
        Ok((hint.clone(), before))
    }

    /// The first hint that can be bought now and was not; none if there is none.
    pub(super) fn next_hint(&self) -> Option<usize> {
        (1..=self.hints.len()).find(|number| !self.bought.contains(number))
    }

    /// What something that is put in says.
    pub(super) fn inject(&self, number: usize) -> Option<&Inject> {
        number.checked_sub(1).and_then(|at| self.injects.get(at))
    }

    /// A second accident; whether it is news.
    pub(super) fn accident(&mut self, name: &str, costs: u32, seen: &str) -> bool {
        if self.accidents.iter().any(|(known, _)| known == name) {
            return false;
        }
        self.accidents.push((name.to_owned(), costs));
        let sprung = Some(format!("{}: {seen}", now()));
        match self.view.traps.iter_mut().find(|trap| trap.name == name) {
            Some(trap) => trap.sprung = sprung,
            None => self.view.traps.push(TrapView { name: name.to_owned(), costs, sprung }),
        }
        true
    }

    /// A step has ended as a mark.
    pub(super) fn mark(&mut self, index: usize, lsn: &str) {
        if let Some(id) = self.steps.get(index).and_then(|head| head.id.clone()) {
            self.view.marks.push(MarkView { id, lsn: lsn.to_owned(), at: now() });
        }
    }

    /// How a check stands.
    pub(super) fn check(&mut self, index: usize, state: CheckState, said: &str) {
        let at = self.checks.iter().position(|known| *known == index);
        if let Some(check) = at.and_then(|at| self.view.checks.get_mut(at)) {
            check.state = state;
            said.clone_into(&mut check.said);
        }
    }

    /// A check is for another version: it does not count.
    pub(super) fn skip(&mut self, index: usize) {
        if let Some(at) = self.checks.iter().position(|known| *known == index) {
            self.checks.remove(at);
            self.view.checks.remove(at);
        }
    }

    /// How many checks hold, as they were seen last.
    pub(super) fn standing(&self) -> Standing {
        let held = self.view.checks.iter().filter(|check| check.state == CheckState::Holds).count();
        Standing { held, of: self.view.checks.len() }
    }

    /// What an assertion has found of users' commits.
    pub(super) fn lost(&mut self, count: &TrafficCount) {
        if let Some(lost) = count.lost {
            self.lost.insert(count.id.clone(), lost + count.partial.unwrap_or(0));
        }
    }

    /// What people ran.
    pub(super) fn ran(&mut self, ran: RanView) {
        if self.ran.len() == RAN {
            self.ran.pop_front();
        }
        self.ran.push_back(ran);
    }

    /// What users have come to in the last second.
    pub(super) fn users(&mut self, count: &TrafficCount, per_second: u64) {
        let refused = self.users.entry(count.id.clone()).or_default().hear(count, per_second);
        // Where a server does not answer nobody is told no, and nothing is done either.
        let without = refused > 0 || (per_second == 0 && count.acknowledged > 0);
        let counts = self.clock().filter(|_| self.ended.is_none() && self.paused.is_none());
        if let Some(second) = counts.filter(|_| without).map(|clock| clock.as_secs()) {
            self.refused.insert(second);
        }
    }

    /// What is to be seen now.
    pub(super) fn seen(&self) -> FacilitatorView {
        let mut view = self.view.clone();
        let clock = self.clock();
        view.clock_ms = clock.map(|clock| clock.as_millis() as u64);
        let known = !self.sealed || self.noticed.is_some() || self.ended.is_some();
        view.team.clock_ms = view.clock_ms.filter(|_| known);
        view.team.limit_ms = self.limit.as_millis() as u64;
        view.team.users = self.users.values().map(UsersNow::view).collect();
        let told = clock.filter(|_| known);
        // How many hints there are, and what they cost, tells drills apart.
        let hints = self.hints.iter().filter(|_| known);
        view.team.hints = hints.zip(1..).map(|(hint, number)| self.hint(hint, number, told)).collect();
        view.injects = self.injects.iter().zip(1..).map(|(inject, number)| self.inject_view(inject, number)).collect();
        let missing = |trap: &&Trap| !view.traps.iter().any(|known| known.name == trap.name);
        let quiet = self.traps.iter().filter(missing);
        let quiet: Vec<_> =
            quiet.map(|trap| TrapView { name: trap.name.clone(), costs: trap.costs, sprung: None }).collect();
        view.traps.extend(quiet);
        view.ran = self.ran.iter().cloned().collect();
        view
    }

    fn hint(&self, hint: &Hint, number: usize, clock: Option<Duration>) -> HintView {
        let opens = hint.after.saturating_sub(clock.unwrap_or_default());
        HintView {
            number,
            costs: hint.costs,
            text: self.bought.contains(&number).then(|| hint.text.clone()),
            opens_in_ms: opens.as_millis() as u64,
        }
    }

    fn inject_view(&self, inject: &Inject, number: usize) -> InjectView {
        let known = self.view.injects.iter().find(|known| known.number == number);
        InjectView {
            number,
            text: inject.say.clone().unwrap_or_else(|| "steps of the drill".to_owned()),
            comes: match (inject.after, inject.when) {
                (Some(after), _) => format!("after {}", humantime::format_duration(after)),
                (None, Some(when)) => self.steps.get(when).map(|head| head.name.clone()).unwrap_or_default(),
                (None, None) => String::new(),
            },
            came: known.and_then(|known| known.came.clone()),
        }
    }

    /// Something was put in.
    pub(super) fn came(&mut self, number: usize) {
        self.view.injects.retain(|known| known.number != number);
        self.view.injects.push(InjectView { number, came: Some(now()), ..InjectView::default() });
    }

    /// Whether something was put in already.
    pub(super) fn has_come(&self, number: usize) -> bool {
        self.view.injects.iter().any(|known| known.number == number && known.came.is_some())
    }
}

impl CheckView {
    fn of(head: &StepHead) -> Self {
        CheckView { place: head.place(), name: head.name.clone(), ..CheckView::default() }
    }
}
