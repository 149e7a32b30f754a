//! Times, and rows of bars, as `drillyard runs` shows them.

use jiff::{SignedDuration, Timestamp};

/// `2026-11-28 02:14Z`.
pub fn when(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// `17 h ago`, `3 days ago`.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    let passed = now.duration_since(at).max(SignedDuration::ZERO);
    let (minutes, hours) = (passed.as_mins(), passed.as_hours());
    match (minutes, hours) {
        (0, _) => "just now".to_owned(),
        (_, 0) => format!("{minutes} min ago"),
        (_, 1..48) => format!("{hours} h ago"),
        _ => format!("{} days ago", hours / 24),
    }
}

/// What a row of bars shows of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bar {
    /// It passed and took so long.
    Took(u64),
    /// It passed, and that was not measured.
    Unknown,
    /// It did not pass.
    Bad,
}

/// A bar for each run, `▁` for the least and `█` for the most; `·` for one that was not measured,
/// and `x` for one that did not pass.
pub fn bars(runs: &[Bar]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let known = || {
        runs.iter().filter_map(|bar| match bar {
            Bar::Took(value) => Some(*value),
            Bar::Unknown | Bar::Bad => None,
        })
    };
    let (least, most) = (known().min().unwrap_or_default(), known().max().unwrap_or_default());
    let bar = |value: u64| {
        // Of values that differ by less than a fifth, nobody has to see a mountain.
        let span = (most - least).max(most / 5).max(1);
        BARS[usize::try_from((value - least) * 7 / span).unwrap_or(7).min(7)]
    };
    let shown = runs.iter().map(|run| match run {
        Bar::Took(value) => bar(*value),
        Bar::Unknown => '·',
        Bar::Bad => 'x',
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::Bar::{Bad, Took, Unknown};
    use super::*;

    #[test]
    fn bars_show_what_differs_and_what_did_not_pass() {
        assert_eq!(bars(&[Took(100), Bad, Took(200), Unknown, Took(150)]), "▁x█·▄");
        assert_eq!(bars(&[Took(100), Took(101), Took(102)]), "▁▁▁");
        assert_eq!(bars(&[]), "");
    }

    #[test]
    fn ages_are_told_as_people_do() {
        let now = Timestamp::from_second(1_000_000).unwrap_or_default();
        let before = |seconds: i64| now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or_default();
        let told = [10, 90, 3600, 47 * 3600, 72 * 3600, -5].map(|seconds| ago(before(seconds), now));
        assert_eq!(told, ["just now", "1 min ago", "1 h ago", "47 h ago", "3 days ago", "just now"]);
    }
}
