//! Waiting for something that can only be looked at.

use std::time::{Duration, Instant};

use crate::host::POLL;

/// The longest rest between two looks.
const LONGEST: Duration = Duration::from_secs(1);

/// How long it rests between two looks at what has been waited for for so long, `least` at first:
/// what comes is seen late by no more than the `part`th part of the wait, and a server that others
/// need, as production does, is not asked hundreds of times a second for hours.
pub fn rest(waited: Duration, least: Duration, part: u32) -> Duration {
    (waited / part).clamp(least, LONGEST)
}

/// Looks every few milliseconds, and more seldom the longer it takes, until `look` returns a value;
/// gives the last thing seen when the deadline passes.
///
/// `look` returns `Ok(None)` with what it saw through the string it is given.
pub async fn wait_until<T, E>(
    deadline: Instant,
    mut look: impl AsyncFnMut(&mut String) -> Result<Option<T>, E>,
) -> Result<Result<T, String>, E> {
    /// A wait is told to the half of a hundredth.
    const PART: u32 = 200;
    let mut seen = String::new();
    let began = Instant::now();
    loop {
        if let Some(value) = look(&mut seen).await? {
            return Ok(Ok(value));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Err(seen));
        }
        tokio::time::sleep(rest(began.elapsed(), POLL, PART).min(left)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_looked_at_more_seldom() {
        let of = |ms| rest(Duration::from_millis(ms), Duration::from_millis(3), 200).as_millis();
        assert_eq!([0, 600, 2_000, 20_000, 3_600_000].map(of), [3, 3, 10, 100, 1_000]);
    }
}
