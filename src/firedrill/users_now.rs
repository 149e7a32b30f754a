//! What users came to so far, and in the last minutes.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::view::UsersView;
use crate::journal::TrafficCount;
use crate::pg::condition::condition;

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
    /// What they were refused with before the incident, if they got on then.
    ordinary: Option<BTreeSet<String>>,
    /// What else they were refused with in the last second.
    refused_with: Vec<String>,
}

impl UsersNow {
    /// Takes in a second; how many were refused in it.
    pub(super) fn hear(&mut self, count: &TrafficCount, per_second: u64) -> u64 {
        let refused = count.rejected.saturating_sub(self.count.rejected);
        let more =
            |(kind, number): &(&String, &u64)| self.count.rejections.get(*kind).is_none_or(|before| before < number);
        let ordinary = |(kind, _): &(&String, &u64)| self.ordinary.as_ref().is_some_and(|known| known.contains(*kind));
        let others = count.rejections.iter().filter(more).filter(|one| !ordinary(one));
        self.refused_with = others.map(|(kind, _)| kind.clone()).collect();
        self.count = count.clone();
        self.heard = Some(Instant::now());
        (self.per_second, self.refused_per_second) = (per_second, refused);
        if self.history.len() == SECONDS {
            self.history.pop_front();
        }
        self.history.push_back((per_second, refused));
        refused
    }

    /// The incident comes now: what they were refused with so far is no sign of it.
    pub(super) fn incident(&mut self) {
        self.ordinary = (self.count.acknowledged > 0).then(|| self.count.rejections.keys().cloned().collect());
    }

    /// Why they are not served, in the last word of them since `from`; of those who do not work, or
    /// did not get on before the incident, nobody knows.
    pub(super) fn unserved(&self, from: Instant) -> Option<String> {
        let heard = self.heard.filter(|heard| heard.elapsed() < CURRENT)?;
        self.ordinary.as_ref()?;
        let id = &self.count.id;
        match (heard < from, self.refused_with.as_slice(), self.per_second) {
            (true, ..) => Some(format!("nothing has been heard of `{id}` since")),
            (false, [], 0) => Some(format!("no transaction of `{id}` is acknowledged")),
            (false, [], _) => None,
            (false, codes, _) => {
                let names: Vec<&str> = codes.iter().map(|code| condition(code).unwrap_or(code)).collect();
                Some(format!("`{id}` are refused: {}", names.join(", ")))
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_served_who_get_on_and_are_refused_with_nothing_new() {
        let mut users = UsersNow::default();
        let count = |acknowledged: u64, rejections: &[(&str, u64)]| TrafficCount {
            id: "users".to_owned(),
            acknowledged,
            rejected: rejections.iter().map(|(_, number)| number).sum(),
            rejections: rejections.iter().map(|(kind, number)| ((*kind).to_owned(), *number)).collect(),
            ..TrafficCount::default()
        };
        let from = Instant::now();
        users.hear(&count(9, &[("40P01", 1)]), 9);
        // Before the incident nothing has to be as it was.
        assert_eq!(users.unserved(from), None);
        users.incident();
        for (acknowledged, rejections, per_second, why) in [
            (9, &[("40P01", 1)][..], 0, Some("no transaction of `users` is acknowledged")),
            (12, &[("40P01", 2)], 3, None),
            (15, &[("40P01", 2), ("42P01", 4)], 3, Some("`users` are refused: undefined_table")),
            (18, &[("40P01", 2), ("42P01", 4)], 3, None),
        ] {
            users.hear(&count(acknowledged, rejections), per_second);
            assert_eq!(users.unserved(from).as_deref(), why);
        }
        assert!(users.unserved(Instant::now()).is_some_and(|why| why.contains("nothing has been heard")));
    }
}
