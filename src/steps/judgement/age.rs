//! How old something is.

use std::time::Duration;

use jiff::Timestamp;

/// How far the clocks of two machines may be apart: what is newer than now by less is not in the
/// future.
const SKEW: Duration = Duration::from_secs(60);

/// The age of what is from `at`, if it is at most `max`; else what is wrong with it.
pub(crate) fn at_most(at: Timestamp, now: Timestamp, max: Duration) -> Result<Duration, String> {
    let since = |earlier: Timestamp, later: Timestamp| Duration::try_from(later.duration_since(earlier)).ok();
    let age = match since(at, now) {
        Some(age) => age,
        None if since(now, at).is_some_and(|ahead| ahead <= SKEW) => Duration::ZERO,
        None => return Err(format!("{at} is in the future: it is {now}")),
    };
    if age <= max { Ok(age) } else { Err(format!("{at} was {} ago", in_words(age))) }
}

/// A duration in words, to the second: `2h 5m 1s`.
pub(crate) fn in_words(age: Duration) -> String {
    humantime::format_duration(Duration::from_secs(age.as_secs())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_or_in_the_future_is_told() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let hour = Duration::from_secs(3600);
        assert_eq!(at_most(at(0), at(3600), hour), Ok(hour));
        assert_eq!(at_most(at(0), at(3661), hour).expect_err("too old"), "1970-01-01T00:00:00Z was 1h 1m 1s ago");
        assert_eq!(at_most(at(30), at(0), hour), Ok(Duration::ZERO));
        assert!(at_most(at(90), at(0), hour).expect_err("not yet").contains("in the future"));
    }
}
