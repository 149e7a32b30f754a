//! The score of a firedrill: facts, and points for them.
//!
//! 100 points are to be had: 60 for the checks that hold, 20 for the time to recover, 10 for
//! losing nothing, 10 for noticing. Hints and second accidents cost what the drill says. What a
//! recovery is worth is what it brought back: without that, speed counts for nothing.

use std::time::Duration;

use crate::journal::ScorePart;

/// The points for checks that hold, in all.
const CHECKS: u32 = 60;
/// The points for a recovery within the limit.
const TIME: u32 = 20;
/// The points if no acknowledged commit is lost.
const LOSS: u32 = 10;
/// The points for noticing at once.
const NOTICED: u32 = 10;
/// Whoever notices as late as this gets no points for it.
const NOTICED_BY: Duration = Duration::from_secs(600);

/// What a firedrill came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// How many checks hold, and of how many.
    pub checks: (usize, usize),
    /// Whether people's part ended with all of them.
    pub recovered: bool,
    /// From the incident to the end of people's part.
    pub took: Duration,
    /// How long it may take: the drill's budget, or what people have.
    pub limit: Duration,
    /// Acknowledged commits that are lost, of those that were looked for; none if nobody looked.
    pub lost: Option<u64>,
    /// Whether there was anything to notice.
    pub happened: bool,
    /// From the incident to when they noticed.
    pub noticed: Option<Duration>,
    /// From the incident to when they began to recover.
    pub decided: Option<Duration>,
    /// The seconds in which users were refused.
    pub refused_seconds: u64,
    /// The hints that they bought, and what they cost.
    pub hints: (usize, u32),
    /// Second accidents, with what each costs.
    pub accidents: Vec<(String, u32)>,
}

impl Facts {
    /// The score by part, and in all: never below 0.
    pub(super) fn score(&self) -> (Vec<ScorePart>, u32) {
        let mut parts = vec![self.checks_part(), self.time_part(), self.loss_part(), self.noticed_part()];
        parts.push(measured("time to decide", self.decided.map_or("not seen".to_owned(), shown)));
        parts.push(measured("users were refused", format!("in {} s", self.refused_seconds)));
        let (bought, cost) = self.hints;
        parts.push(costs("hints", bought.to_string(), cost));
        for (name, cost) in &self.accidents {
            parts.push(costs(&format!("second accident: {name}"), "it happened".to_owned(), *cost));
        }
        if self.accidents.is_empty() {
            parts.push(costs("second accidents", "none seen".to_owned(), 0));
        }
        let points: i32 = parts.iter().map(|part| part.points).sum();
        (parts, points.max(0).cast_unsigned())
    }

    fn checks_part(&self) -> ScorePart {
        let (held, of) = self.checks;
        let points = if of == 0 { 0 } else { u64::from(CHECKS) * held as u64 / of as u64 };
        part("checks that hold", format!("{held} of {of}"), points as u32, CHECKS)
    }

    /// All within the limit, none from twice as long on.
    fn time_part(&self) -> ScorePart {
        if !self.recovered {
            return part("time to recover", "not recovered".to_owned(), 0, TIME);
        }
        let over = self.took.saturating_sub(self.limit).as_secs_f64() / self.limit.as_secs_f64().max(1.0);
        let points = (f64::from(TIME) * (1.0 - over)).max(0.0).round() as u32;
        part("time to recover", format!("{} (limit {})", shown(self.took), shown(self.limit)), points, TIME)
    }

    fn loss_part(&self) -> ScorePart {
        match self.lost {
            Some(0) => part("commits lost", "none".to_owned(), LOSS, LOSS),
            Some(lost) => part("commits lost", lost.to_string(), 0, LOSS),
            // What nobody looked for is not counted as kept.
            None => part("commits lost", "not checked".to_owned(), 0, LOSS),
        }
    }

    fn noticed_part(&self) -> ScorePart {
        if !self.happened {
            return part("time to notice", "nothing to notice".to_owned(), NOTICED, NOTICED);
        }
        let Some(noticed) = self.noticed else {
            return part("time to notice", "not seen".to_owned(), 0, NOTICED);
        };
        let late = noticed.as_secs_f64() / NOTICED_BY.as_secs_f64();
        let points = (f64::from(NOTICED) * (1.0 - late)).max(0.0).round() as u32;
        part("time to notice", shown(noticed), points, NOTICED)
    }
}

fn part(name: &str, measured: String, points: u32, of: u32) -> ScorePart {
    ScorePart { name: name.to_owned(), measured, points: points.cast_signed(), of }
}

fn measured(name: &str, measured: String) -> ScorePart {
    ScorePart { name: name.to_owned(), measured, points: 0, of: 0 }
}

fn costs(name: &str, measured: String, cost: u32) -> ScorePart {
    ScorePart { name: name.to_owned(), measured, points: -cost.cast_signed(), of: 0 }
}

/// `4 min 12 s`, `3.2 s`.
pub(super) fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            checks: (5, 5),
            recovered: true,
            took: Duration::from_secs(100),
            limit: Duration::from_secs(120),
            lost: Some(0),
            happened: true,
            noticed: Some(Duration::from_secs(1)),
            ..Facts::default()
        }
    }

    #[test]
    fn a_recovery_without_fault_has_all_points() {
        let (parts, points) = good().score();
        assert_eq!(points, 100);
        assert_eq!(parts.iter().map(|part| part.of).sum::<u32>(), 100);
    }

    #[test]
    fn what_was_not_brought_back_not_looked_for_or_late_has_none() {
        let of = |facts: Facts| facts.score().1;
        assert_eq!(of(Facts { checks: (4, 5), recovered: false, ..good() }), 68);
        assert_eq!(of(Facts { took: Duration::from_secs(180), ..good() }), 90);
        assert_eq!(of(Facts { took: Duration::from_secs(1000), ..good() }), 80);
        assert_eq!(of(Facts { lost: None, ..good() }), 90);
        assert_eq!(of(Facts { lost: Some(1), ..good() }), 90);
        assert_eq!(of(Facts { noticed: None, ..good() }), 90);
        assert_eq!(of(Facts { happened: false, noticed: None, ..good() }), 100);
        assert_eq!(of(Facts { hints: (2, 15), accidents: vec![("two primaries".to_owned(), 20)], ..good() }), 65);
        assert_eq!(of(Facts { accidents: vec![("all of it".to_owned(), 500)], ..good() }), 0);
    }
}
