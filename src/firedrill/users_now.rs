//! What users came to so far, and in the last minutes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::view::UsersView;
use crate::journal::TrafficCount;

/// How many seconds of what users saw the board shows.
const SECONDS: usize = 120;

/// How long after the last word of them users still do what they did: a word comes every second.
const CURRENT: Duration = Duration::from_secs(3);

/// What the users of a traffic step came to so far.
#[derive(Debug, Default)]
pub(super) struct UsersNow {
    count: TrafficCount,
    per_second: u64,
    refused_per_second: u64,
    heard: Option<Instant>,
    history: VecDeque<(u64, u64)>,
}

impl UsersNow {
    /// Takes in a second; how many were refused in it.
    pub(super) fn hear(&mut self, count: &TrafficCount, per_second: u64) -> u64 {
        let refused = count.rejected.saturating_sub(self.count.rejected);
        self.count = count.clone();
        self.heard = Some(Instant::now());
        (self.per_second, self.refused_per_second) = (per_second, refused);
        if self.history.len() == SECONDS {
            self.history.pop_front();
        }
        self.history.push_back((per_second, refused));
        refused
    }

    /// What is shown of them.
    pub(super) fn view(&self) -> UsersView {
        let mut errors: Vec<(String, u64)> = self.count.rejections.clone().into_iter().collect();
        errors.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
        let is_current = self.heard.is_some_and(|heard| heard.elapsed() < CURRENT);
        let now = |rate: u64| if is_current { rate } else { 0 };
        UsersView {
            id: self.count.id.clone(),
            per_second: now(self.per_second),
            refused_per_second: now(self.refused_per_second),
            acknowledged: self.count.acknowledged,
            refused: self.count.rejected,
            errors,
            history: self.history.iter().copied().collect(),
        }
    }
}
