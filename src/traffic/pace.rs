//! When the next transaction may begin.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many transactions a second users without a rate do while they hold back. A drill measures
/// the recovery and not the load: on a small machine users at full speed make everything that runs
/// beside them three times as slow.
const HELD_BACK_RATE: f64 = 1000.0;

/// How much of a delay is made up for: what a timer of one millisecond takes, and no more.
const CATCH_UP: Duration = Duration::from_millis(10);

/// When the next transaction may begin.
pub(super) struct Pace {
    /// The time between two transactions, if the workload gives a rate.
    period: Option<Duration>,
    next: Mutex<Instant>,
    /// How many want the users to hold back right now.
    held_back: AtomicUsize,
}

impl Pace {
    pub(super) fn new(rate: Option<f64>, start: Instant) -> Self {
        // More than a nanosecond and less than a year, whatever the rate is.
        let period = rate.map(|rate| Duration::from_secs_f64((1.0 / rate).clamp(1e-9, 3e7)));
        Pace { period, next: Mutex::new(start), held_back: AtomicUsize::new(0) }
    }

    /// None: at once.
    pub(super) fn slot(&self) -> Option<Instant> {
        let period = match self.period {
            Some(period) => period,
            None if self.held_back.load(Ordering::Relaxed) == 0 => return None,
            None => Duration::from_secs_f64(1.0 / HELD_BACK_RATE),
        };
        // An instant is whole between any two calls.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let slot = (*next).max(now.checked_sub(CATCH_UP).unwrap_or(now));
        *next = slot + period;
        Some(slot)
    }

    pub(super) fn hold_back(&self) -> HeldBack<'_> {
        self.held_back.fetch_add(1, Ordering::Relaxed);
        HeldBack(&self.held_back)
    }
}

/// Users without a rate of their own hold back until this is dropped.
pub struct HeldBack<'a>(&'a AtomicUsize);

impl Drop for HeldBack<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
