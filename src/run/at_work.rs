//! A step at work, as those see it that happen meanwhile.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::harness::{DeedEnded, Struck};

/// A step at work, as those see it who wait for their moment.
pub struct AtWork {
    state: watch::Sender<State>,
    /// Whether the deed of one of them has hit others.
    struck: Arc<AtomicBool>,
    /// When its own deed has ended.
    deed_ended: DeedEnded,
    /// Whether all is said of it.
    told: CancellationToken,
}

/// For how long a step may be at work after its deed, without telling that this is done: the lock
/// is released before a program has ended, and its end is heard of later, in a container above all.
const RELEASE: Duration = Duration::from_millis(500);
/// How often is looked whether it is done, or whether a server is there that it makes.
pub(super) const POLL: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy)]
enum State {
    /// Its turn has not come.
    Waiting,
    /// It is at work since then.
    Begun(Instant),
    /// It was at work.
    Ended(Ended),
    /// It has ended without ever being at work.
    Never(Instant),
}

/// How a step was at work that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// When it began.
    pub began: Instant,
    /// When it ended.
    pub ended: Instant,
    /// Whether it failed, expected or not.
    pub failed: bool,
}

impl AtWork {
    /// One whose turn has not come.
    pub fn new() -> Self {
        AtWork {
            state: watch::Sender::new(State::Waiting),
            struck: Arc::default(),
            deed_ended: Arc::default(),
            told: CancellationToken::new(),
        }
    }

    /// Notes that it begins now.
    pub fn begins(&self) {
        self.state.send_replace(State::Begun(Instant::now()));
    }

    /// What is set when the deed of one of them hits others.
    pub fn struck(&self) -> Arc<AtomicBool> {
        self.struck.clone()
    }

    /// Where it tells when its own deed has ended.
    pub fn deed_ended(&self) -> DeedEnded {
        self.deed_ended.clone()
    }

    /// Notes that it has ended; its first end counts.
    pub fn ends(&self, failed: bool) {
        let ended = Instant::now();
        self.state.send_modify(|state| match *state {
            State::Begun(began) => *state = State::Ended(Ended { began, ended, failed }),
            State::Waiting => *state = State::Never(ended),
            State::Ended(_) | State::Never(_) => {}
        });
    }

    /// How it was at work, if it has ended.
    pub fn ended(&self) -> Option<Ended> {
        match *self.state.borrow() {
            State::Ended(ended) => Some(ended),
            State::Never(ended) => Some(Ended { began: ended, ended, failed: false }),
            State::Waiting | State::Begun(_) => None,
        }
    }

    /// How it was at work, if what has struck so, and is over now, has not happened meanwhile.
    pub async fn missed_by(&self, struck: &Struck) -> Option<Ended> {
        if struck.waited
            && let Some(over) = self.deed_over(struck.latest() + RELEASE).await
        {
            return Some(over);
        }
        let over = self.ended()?;
        // It may have been seen as soon as it had begun, by a step that fails or one that waits for
        // it: only what shows nothing before it is done is outlived by one that passes.
        let decides = if over.failed || !struck.slow { struck.hits } else { struck.done };
        (over.ended < decides.unwrap_or_else(Instant::now)).then_some(over)
    }

    /// How it was at work, if its deed is over by then.
    async fn deed_over(&self, by: Instant) -> Option<Ended> {
        loop {
            let deed = self.deed_ended.get().copied();
            let over = match (deed, *self.state.borrow()) {
                (Some(ended), State::Begun(began) | State::Ended(Ended { began, .. })) => {
                    Some(Ended { began, ended, failed: false })
                }
                _ => None,
            };
            match over.or_else(|| self.ended()) {
                Some(over) => return (over.ended <= by).then_some(over),
                None if Instant::now() >= by => return None,
                None => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Notes that all is said of it.
    pub fn is_told(&self) {
        self.told.cancel();
    }

    /// Returns when all is said of it.
    pub async fn told(&self) {
        self.told.cancelled().await;
    }

    /// When it began; none if it never will.
    pub async fn began(&self) -> Option<Instant> {
        let mut seen = self.state.subscribe();
        let state = seen.wait_for(|state| !matches!(state, State::Waiting)).await.ok()?;
        match *state {
            State::Begun(began) | State::Ended(Ended { began, .. }) => Some(began),
            State::Never(_) | State::Waiting => None,
        }
    }

    /// Returns when it has ended.
    pub async fn over(&self) {
        let mut seen = self.state.subscribe();
        // An error says that nobody is there to end it.
        let _ = seen.wait_for(|state| matches!(state, State::Ended(_) | State::Never(_))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// An incident whose deed hit and was done so many milliseconds after its step had begun.
    struct Incident {
        hits: Option<u64>,
        done: Option<u64>,
        slow: bool,
        waited: bool,
    }

    impl Incident {
        /// Whether it was in time for a step that ended after 1000 ms, and whose own deed ended
        /// after so many, or told nothing of that.
        async fn is_in_time(&self, failed: bool, deed: Option<u64>) -> bool {
            let began = Instant::now().checked_sub(Duration::from_secs(9)).unwrap();
            let at = |ms: u64| began + Duration::from_millis(ms);
            let step = AtWork::new();
            if let Some(deed) = deed {
                step.deed_ended.set(at(deed)).unwrap();
            }
            step.state.send_replace(State::Ended(Ended { began, ended: at(1000), failed }));
            let Incident { slow, waited, .. } = *self;
            let struck = Struck { begun: Some(at(10)), hits: self.hits.map(at), done: self.done.map(at), slow, waited };
            step.missed_by(&struck).await.is_none()
        }
    }

    fn one(hits: u64, done: u64) -> Incident {
        Incident { hits: Some(hits), done: Some(done), slow: false, waited: false }
    }

    #[tokio::test]
    async fn an_incident_is_in_time_if_it_could_be_seen_while_its_step_was_at_work() {
        for failed in [false, true] {
            assert!(one(10, 500).is_in_time(failed, None).await);
            assert!(!one(1100, 1200).is_in_time(failed, None).await);
            // What drillyard looks at afterwards does not count: the step may have waited for it.
            assert!(one(950, 1200).is_in_time(failed, None).await);
            // Nobody has said when it began to hit.
            let unknown = Incident { hits: None, done: None, ..one(0, 0) };
            assert!(!unknown.is_in_time(failed, None).await);
        }
        // A step fails by what has begun; one that passed has outlived what shows nothing yet.
        let slow = |hits, done| Incident { slow: true, ..one(hits, done) };
        assert!(slow(950, 1200).is_in_time(true, None).await);
        assert!(!slow(950, 1200).is_in_time(false, None).await);
    }

    #[tokio::test]
    async fn what_waited_for_the_step_is_in_time_if_that_goes_on() {
        let waited = |hits, done| Incident { waited: true, ..one(hits, done) };
        // The deed is over before the step says so, and a program releases its locks before it
        // ends.
        assert!(!waited(920, 930).is_in_time(false, Some(900)).await);
        assert!(!waited(950, 960).is_in_time(false, None).await);
        assert!(!waited(890, 895).is_in_time(false, Some(900)).await);
        // It goes on with something else, or there was nothing to wait for, however slow it was.
        assert!(waited(100, 110).is_in_time(false, Some(900)).await);
        assert!(waited(100, 110).is_in_time(false, None).await);
        assert!(one(950, 960).is_in_time(false, Some(900)).await);
    }

    #[tokio::test]
    async fn what_has_not_ended_is_still_at_work_and_the_first_end_counts() {
        let step = AtWork::new();
        let struck = Struck { begun: Some(Instant::now()), ..Struck::default() };
        assert!(step.missed_by(&struck).await.is_none());
        step.begins();
        assert!(step.missed_by(&struck).await.is_none());
        step.ends(true);
        step.ends(false);
        assert!(step.ended().is_some_and(|ended| ended.failed));
        let never = AtWork::new();
        never.ends(false);
        assert!(never.missed_by(&struck).await.is_some());
    }
}
