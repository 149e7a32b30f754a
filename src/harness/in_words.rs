//! Times in messages.

use std::time::Duration;

/// A time as messages have it: `2.0 s`, `60 s`, `5 min`, `1 h 10 min`.
pub fn in_words(time: Duration) -> String {
    let (exact, whole) = (time.as_secs_f64(), time.as_secs());
    let parts = |big: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {small_unit}"),
    };
    match whole {
        _ if exact < 9.95 => format!("{exact:.1} s"),
        0..120 => format!("{exact:.0} s"),
        120..3600 => parts(whole / 60, "min", whole % 60, "s"),
        _ => parts(whole / 3600, "h", whole % 3600 / 60, "min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_units_that_people_would_say() {
        for (ms, said) in [
            (400, "0.4 s"),
            (9_940, "9.9 s"),
            (10_000, "10 s"),
            (119_000, "119 s"),
            (300_000, "5 min"),
            (310_000, "5 min 10 s"),
            (5 * 3_600_000, "5 h"),
            (4_200_000, "1 h 10 min"),
        ] {
            assert_eq!(in_words(Duration::from_millis(ms)), said);
        }
    }
}
