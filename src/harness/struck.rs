//! When the deed of a step reached the servers that it is about.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// When the deed of an incident reached the servers that it is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Struck {
    /// When it began: it may have waited after that, for a lock say.
    pub begun: Option<Instant>,
    /// From when on another step can fail or get on by it.
    pub hits: Option<Instant>,
    /// When all of it was done, whatever the incident waited for afterwards.
    pub done: Option<Instant>,
    /// Whether a step that does not fail by it sees nothing of it before it is done.
    pub slow: bool,
    /// Whether it last waited for a lock of a step's session.
    pub waited: bool,
}

/// When the deed of a step ended, told while the step still looks at what came of it.
pub type DeedEnded = Arc<OnceLock<Instant>>;

impl Struck {
    /// When it happened at the latest, which is now if nobody has noted it.
    pub fn latest(&self) -> Instant {
        self.done.unwrap_or_else(Instant::now)
    }
}
