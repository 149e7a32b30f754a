//! Whether a host runs, by what was done to it.

use std::sync::atomic::{AtomicU8, Ordering};

/// Whether a host runs, by what was done to it. It runs at first.
#[derive(Debug, Default)]
pub(super) struct Lifecycle(AtomicU8);

impl Lifecycle {
    const ON: u8 = 0;
    const OFF: u8 = 1;
    const FROZEN: u8 = 2;

    /// Whether it runs.
    pub(super) fn is_on(&self) -> bool {
        self.get() == Self::ON
    }

    /// Whether it was killed or lost.
    pub(super) fn is_off(&self) -> bool {
        self.get() == Self::OFF
    }

    /// Whether it is frozen.
    pub(super) fn is_frozen(&self) -> bool {
        self.get() == Self::FROZEN
    }

    /// Notes that it runs.
    pub(super) fn set_on(&self) {
        self.set(Self::ON);
    }

    /// Notes that it was killed or lost.
    pub(super) fn set_off(&self) {
        self.set(Self::OFF);
    }

    /// Notes that it is frozen.
    pub(super) fn set_frozen(&self) {
        self.set(Self::FROZEN);
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::SeqCst)
    }

    fn set(&self, state: u8) {
        self.0.store(state, Ordering::SeqCst);
    }
}
