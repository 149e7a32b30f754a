//! What users came to so far, and in the last minutes.

use std::collections::VecDeque;

use super::view::UsersView;
use crate::journal::TrafficCount;

/// How many seconds of what users saw the board shows.
const SECONDS: usize = 120;

/// What the users of a traffic step came to so far.
#[derive(Debug, Default)]
pub(super) struct UsersNow {
    count: TrafficCount,
    per_second: u64,
    refused_per_second: u64,
    history: VecDeque<(u64, u64)>,
}

impl UsersNow {
    /// Takes in a second; how many were refused in it.
    pub(super) fn hear(&mut self, count: &TrafficCount, per_second: u64) -> u64 {
        let refused = count.rejected.saturating_sub(self.count.rejected);
        self.count = count.clone();
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
        UsersView {
            id: self.count.id.clone(),
            per_second: self.per_second,
            refused_per_second: self.refused_per_second,
            acknowledged: self.count.acknowledged,
            refused: self.count.rejected,
            errors,
            history: self.history.iter().copied().collect(),
        }
    }
}
