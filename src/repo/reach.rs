//! How far the WAL in an archive can be read from a position on.

use super::archive::Archive;
use crate::pg::{History, Lsn, Segment, TimelineId};

/// A piece of WAL on one timeline, to be read from whole segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The timeline.
    pub timeline: TimelineId,
    /// Its beginning.
    pub from: Lsn,
    /// Its end.
    pub to: Lsn,
}

/// What can be read from a position on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The pieces, in order; none if the segment of the position itself is missing.
    pub stretches: Vec<Stretch>,
    /// The first segment that is missing.
    pub missing: String,
    /// The first and the last segment that lie behind the missing one, out of reach.
    pub beyond: Option<(String, String)>,
}

/// The size of a segment of an archive that has none to show it.
const USUAL_SIZE: u64 = 16 << 20;

impl Archive {
    /// The newest timeline that a server at `at` on `timeline` can come to, as
    /// `recovery_target_timeline = latest` finds it.
    pub fn newest_from(&self, timeline: TimelineId, at: Lsn) -> TimelineId {
        let left = |history: &History| history.switches.iter().any(|one| one.timeline == timeline && one.at >= at);
        let later = self.histories().filter(|history| history.timeline > timeline && left(history));
        later.last().map_or(timeline, |history| history.timeline)
    }

    /// What can be read from `from` on `timeline` on, following the history of `newest`.
    pub fn reach(&self, from: Lsn, timeline: TimelineId, newest: TimelineId) -> Reach {
        let size = self.size();
        let history = self.history(newest);
        let ends = history.switches.iter().skip_while(|switch| switch.timeline != timeline);
        let path: Vec<(TimelineId, Option<Lsn>)> =
            ends.map(|switch| (switch.timeline, Some(switch.at))).chain([(newest, None)]).collect();
        let mut stretches = Vec::new();
        let mut number = from.0 / size;
        let mut from = from;
        for (at, (timeline, left)) in path.iter().enumerate() {
            let there = |number: u64| self.holds(Segment::at(Lsn(number * size), *timeline, size));
            // The segment in which a timeline ends lies in the archive under the next one's name,
            // too, and may lie there alone.
            let last = left.map(|left| left.0 / size);
            let start = number;
            while there(number) && last.is_none_or(|last| number < last) {
                number += 1;
            }
            let (to, goes_on) = match (last, left) {
                (Some(last), Some(left)) if number == last && there(last) => (*left, true),
                (Some(last), _) if number == last => (Lsn(last * size), true),
                _ => (Lsn(number * size), false),
            };
            if to > from && (number > start || there(start)) {
                stretches.push(Stretch { timeline: *timeline, from, to });
                from = to;
            }
            if !goes_on {
                return self.ended(stretches, number, &path[at..]);
            }
        }
        self.ended(stretches, number, &path[path.len() - 1..])
    }

    fn ended(&self, stretches: Vec<Stretch>, number: u64, path: &[(TimelineId, Option<Lsn>)]) -> Reach {
        let timeline = path.first().map_or(TimelineId(0), |(timeline, _)| *timeline);
        let missing = Segment::at(Lsn(number * self.size()), timeline, self.size());
        let later = path.iter().flat_map(|(timeline, _)| self.timeline(*timeline));
        let mut later: Vec<Segment> = later.filter(|later| later.start() > missing.start()).collect();
        later.sort_by_key(|segment| segment.start());
        let beyond = later.first().zip(later.last()).map(|(first, last)| (first.to_string(), last.to_string()));
        Reach { stretches, missing: missing.to_string(), beyond }
    }

    fn size(&self) -> u64 {
        self.segment_size().unwrap_or(USUAL_SIZE)
    }

    /// The segments of what can be read.
    pub fn all_segments(&self, reach: &Reach) -> Vec<Segment> {
        let size = self.size();
        let of = |stretch: &Stretch| {
            let numbers = stretch.from.0 / size..=stretch.to.0.saturating_sub(1) / size;
            let timeline = stretch.timeline;
            numbers.map(move |number| Segment::at(Lsn(number * size), timeline, size))
        };
        reach.stretches.iter().flat_map(of).collect()
    }

    /// The names of the first and the last segment of what can be read.
    pub fn segments_of(&self, reach: &Reach) -> Option<(String, String)> {
        let segments = self.all_segments(reach);
        Some((segments.first()?.to_string(), segments.last()?.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn archive(segments: &[&str], histories: &[(u32, &str)]) -> Archive {
        let segments = segments.iter().map(|name| ((*name).to_owned(), MB)).collect();
        let histories = histories.iter().map(|(timeline, text)| History::read(TimelineId(*timeline), text)).collect();
        Archive::new(segments, histories)
    }

    fn stretch(timeline: u32, from: u64, to: u64) -> Stretch {
        Stretch { timeline: TimelineId(timeline), from: Lsn(from), to: Lsn(to) }
    }

    #[test]
    fn segments_are_read_up_to_the_first_that_is_missing() {
        let there = ["3", "4", "6", "7"].map(|number| format!("00000001000000000000000{number}"));
        let archive = archive(&there.each_ref().map(String::as_str), &[]);
        let at = Lsn(3 * MB + 100);
        let reach = archive.reach(at, TimelineId(1), archive.newest_from(TimelineId(1), at));
        assert_eq!(reach.stretches, [stretch(1, 3 * MB + 100, 5 * MB)]);
        assert_eq!(reach.missing, "000000010000000000000005");
        assert_eq!(reach.beyond, Some(("000000010000000000000006".to_owned(), "000000010000000000000007".to_owned())));
        let read = Some(("000000010000000000000003".to_owned(), "000000010000000000000004".to_owned()));
        assert_eq!(archive.segments_of(&reach), read);
        let reach = archive.reach(Lsn(6 * MB), TimelineId(1), TimelineId(1));
        assert_eq!((reach.stretches, reach.beyond), (vec![stretch(1, 6 * MB, 8 * MB)], None));
        let reach = archive.reach(Lsn(2 * MB), TimelineId(1), TimelineId(1));
        assert!(reach.stretches.is_empty() && reach.beyond.is_some(), "{reach:?}");
    }

    #[test]
    fn a_timeline_is_followed_to_the_newest_that_comes_from_it() {
        let later = [
            "000000020000000000000004",
            "000000020000000000000005",
            "000000030000000000000005",
            "000000030000000000000006",
        ];
        let histories = [
            (2, "1\t0/480000\tbefore X\n"),
            (3, "1\t0/480000\tbefore X\n\n2\t0/580000\tbefore Y\n"),
            (4, "9\t0/900000\tof another server\n"),
        ];
        let with = |own: &[&str]| archive(&[own, &later].concat(), &histories);
        let whole = with(&["000000010000000000000003", "000000010000000000000004"]);
        let at = Lsn(3 * MB + 8);
        assert_eq!(whole.newest_from(TimelineId(1), at), TimelineId(3));
        assert_eq!(whole.newest_from(TimelineId(1), Lsn(0x48_0001)), TimelineId(1));
        let reach = whole.reach(at, TimelineId(1), TimelineId(3));
        let expected =
            [stretch(1, 3 * MB + 8, 0x48_0000), stretch(2, 0x48_0000, 0x58_0000), stretch(3, 0x58_0000, 7 * MB)];
        assert_eq!(reach.stretches, expected);
        assert_eq!((reach.missing.as_str(), reach.beyond), ("000000030000000000000007", None));
        // The first primary died before it could archive its last segment.
        let dead = with(&["000000010000000000000003"]);
        let reach = dead.reach(at, TimelineId(1), TimelineId(3));
        let expected = [stretch(1, 3 * MB + 8, 4 * MB), stretch(2, 4 * MB, 0x58_0000), stretch(3, 0x58_0000, 7 * MB)];
        assert_eq!(reach.stretches, expected);
    }

    #[test]
    fn an_empty_archive_is_empty() {
        let archive = archive(&[], &[]);
        assert!(archive.is_empty());
        let reach = archive.reach(Lsn(0x300_0028), TimelineId(1), TimelineId(1));
        assert_eq!((reach.stretches.len(), reach.missing.as_str()), (0, "000000010000000000000003"));
    }
}
