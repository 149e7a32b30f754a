//! What lies in an archive of WAL: which segments, on which timelines, and where one has to read from a position on.

use std::collections::{BTreeMap, BTreeSet};

use crate::pg::{History, Lsn, Segment, Switch, TimelineId};

/// Prints the archive in `$1`: the names of its files, the size of a segment, the contents of its history files.
pub const LIST: &str = r#"cd "$1" 2>/dev/null || exit 0
size=
for file in *; do
  case $file in
    *.history) echo "history $file"; sed 's/^/ /' "$file" ;;
    ????????????????????????) echo "$file"; [ -n "$size" ] || { size=$(wc -c <"$file"); echo "size $size"; } ;;
  esac
done"#;

/// An archive of WAL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    /// Segments by timeline, as numbers.
    segments: BTreeMap<u32, BTreeSet<u64>>,
    /// For each timeline those that it came from, in order, and where it left them.
    histories: BTreeMap<u32, Vec<(u32, Lsn)>>,
    segment_size: u64,
}

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
    /// The pieces, in order; none where the segment of the position itself is missing.
    pub stretches: Vec<Stretch>,
    /// The first segment that is missing.
    pub missing: String,
    /// The first and the last segment that lie behind the missing one, out of reach.
    pub beyond: Option<(String, String)>,
}

impl Archive {
    /// Reads what [`LIST`] prints.
    pub fn read(listing: &str) -> Self {
        let mut archive = Archive { segment_size: 16 << 20, ..Archive::default() };
        let mut names = Vec::new();
        let mut history = None;
        for line in listing.lines() {
            let hex = |text: Option<&str>| text.and_then(|text| u32::from_str_radix(text, 16).ok());
            if let Some(entry) = line.strip_prefix(' ') {
                let mut words = entry.split_whitespace();
                let parent = words.next().and_then(|word| word.parse().ok());
                let left = words.next().and_then(|word| word.parse().ok());
                if let (Some(history), Some(parent), Some(left)) = (history, parent, left) {
                    archive.histories.entry(history).or_default().push((parent, left));
                }
            } else if let Some(name) = line.strip_prefix("history ") {
                history = hex(name.get(..8));
            } else if let Some(size) = line.strip_prefix("size ") {
                archive.segment_size =
                    size.trim().parse().ok().filter(|size| *size > 0).unwrap_or(archive.segment_size);
            } else if let (Some(timeline), Some(high), Some(low)) =
                (hex(line.get(..8)), hex(line.get(8..16)), hex(line.get(16..24)))
            {
                names.push((timeline, high, low));
            }
        }
        let per_file = 0x1_0000_0000 / archive.segment_size;
        for (timeline, high, low) in names {
            archive.segments.entry(timeline).or_default().insert(u64::from(high) * per_file + u64::from(low));
        }
        archive
    }

    /// Whether there is no WAL in it at all.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The history of a timeline. One without a file is taken for one that no other led to.
    pub fn history(&self, timeline: TimelineId) -> History {
        let before = self.histories.get(&timeline.0).into_iter().flatten();
        let switches = before.map(|(parent, left)| Switch { timeline: TimelineId(*parent), at: *left });
        History { timeline, switches: switches.collect() }
    }

    /// The newest timeline that a server at `at` on `timeline` can come to, as `recovery_target_timeline = latest` finds it.
    pub fn newest_from(&self, timeline: TimelineId, at: Lsn) -> TimelineId {
        let comes_from =
            |history: &[(u32, Lsn)]| history.iter().any(|(parent, left)| *parent == timeline.0 && *left >= at);
        let later = self.histories.iter().filter(|(id, history)| **id > timeline.0 && comes_from(history.as_slice()));
        later.map(|(id, _)| TimelineId(*id)).max_by_key(|id| id.0).unwrap_or(timeline)
    }

    /// What can be read from `from` on `timeline` on, following the history of `newest`.
    pub fn reach(&self, from: Lsn, timeline: TimelineId, newest: TimelineId) -> Reach {
        let history = self.histories.get(&newest.0).map(Vec::as_slice).unwrap_or_default();
        let ends = history.iter().skip_while(|(parent, _)| *parent != timeline.0);
        let path: Vec<(u32, Option<Lsn>)> =
            ends.map(|(parent, left)| (*parent, Some(*left))).chain([(newest.0, None)]).collect();
        let mut stretches = Vec::new();
        let mut number = from.0 / self.segment_size;
        let mut from = from;
        for (at, (timeline, left)) in path.iter().enumerate() {
            let there = |number: u64| self.segments.get(timeline).is_some_and(|own| own.contains(&number));
            // The segment in which a timeline ends lies in the archive under the next one's name, too, and may lie there alone.
            let last = left.map(|left| left.0 / self.segment_size);
            let start = number;
            while there(number) && last.is_none_or(|last| number < last) {
                number += 1;
            }
            let (to, goes_on) = match (last, left) {
                (Some(last), Some(left)) if number == last && there(last) => (*left, true),
                (Some(last), _) if number == last => (Lsn(last * self.segment_size), true),
                _ => (Lsn(number * self.segment_size), false),
            };
            if to > from && (number > start || there(start)) {
                stretches.push(Stretch { timeline: TimelineId(*timeline), from, to });
                from = to;
            }
            if !goes_on {
                return self.ended(stretches, number, &path[at..]);
            }
        }
        self.ended(stretches, number, &path[path.len() - 1..])
    }

    fn ended(&self, stretches: Vec<Stretch>, number: u64, path: &[(u32, Option<Lsn>)]) -> Reach {
        let timeline = path.first().map_or(0, |(timeline, _)| *timeline);
        let later = path.iter().flat_map(|(timeline, _)| {
            let own = self.segments.get(timeline).into_iter().flatten();
            own.filter(|later| **later > number).map(|later| self.name(*timeline, *later))
        });
        let mut later: Vec<String> = later.collect();
        later.sort_by(|a, b| a.get(8..).cmp(&b.get(8..)));
        let beyond = later.first().cloned().zip(later.last().cloned());
        Reach { stretches, missing: self.name(timeline, number), beyond }
    }

    fn name(&self, timeline: u32, number: u64) -> String {
        Segment::at(Lsn(number * self.segment_size), TimelineId(timeline), self.segment_size).to_string()
    }

    /// The segments of what can be read.
    pub fn all_segments(&self, reach: &Reach) -> Vec<Segment> {
        let of = |stretch: &Stretch| {
            let size = self.segment_size;
            let numbers = stretch.from.0 / size..=stretch.to.0.saturating_sub(1) / size;
            let timeline = stretch.timeline;
            numbers.map(move |number| Segment::at(Lsn(number * size), timeline, size)).collect::<Vec<_>>()
        };
        reach.stretches.iter().flat_map(of).collect()
    }

    /// The names of the first and the last segment of what can be read.
    pub fn segments_of(&self, reach: &Reach) -> Option<(String, String)> {
        let (first, last) = (reach.stretches.first()?, reach.stretches.last()?);
        let first = Segment::at(first.from, first.timeline, self.segment_size).to_string();
        Some((first, Segment::before(last.to, last.timeline, self.segment_size).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(text: &str) -> Archive {
        Archive::read(text)
    }

    const MB: u64 = 1 << 20;

    fn stretch(timeline: u32, from: u64, to: u64) -> Stretch {
        Stretch { timeline: TimelineId(timeline), from: Lsn(from), to: Lsn(to) }
    }

    #[test]
    fn segments_are_read_up_to_the_first_that_is_missing() {
        let archive = archive(
            "size 1048576\n000000010000000000000003\n000000010000000000000004\n000000010000000000000006\n000000010000000000000007\n",
        );
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
        let listing = |of_one: &str| {
            format!(
                "size 1048576\n{of_one}000000020000000000000004\n000000020000000000000005\n000000030000000000000005\n\
                 000000030000000000000006\nhistory 00000002.history\n 1\t0/480000\tbefore X\nhistory 00000003.history\n \
                 1\t0/480000\tbefore X\n \n 2\t0/580000\tbefore Y\nhistory 00000004.history\n 9\t0/900000\tof another server\n"
            )
        };
        let whole = archive(&listing("000000010000000000000003\n000000010000000000000004\n"));
        let at = Lsn(3 * MB + 8);
        assert_eq!(whole.newest_from(TimelineId(1), at), TimelineId(3));
        assert_eq!(whole.newest_from(TimelineId(1), Lsn(0x48_0001)), TimelineId(1));
        let reach = whole.reach(at, TimelineId(1), TimelineId(3));
        let expected =
            [stretch(1, 3 * MB + 8, 0x48_0000), stretch(2, 0x48_0000, 0x58_0000), stretch(3, 0x58_0000, 7 * MB)];
        assert_eq!(reach.stretches, expected);
        assert_eq!((reach.missing.as_str(), reach.beyond), ("000000030000000000000007", None));
        // The first primary died before it could archive its last segment.
        let dead = archive(&listing("000000010000000000000003\n"));
        let reach = dead.reach(at, TimelineId(1), TimelineId(3));
        let expected = [stretch(1, 3 * MB + 8, 4 * MB), stretch(2, 4 * MB, 0x58_0000), stretch(3, 0x58_0000, 7 * MB)];
        assert_eq!(reach.stretches, expected);
    }

    #[test]
    fn an_empty_archive_is_empty() {
        assert!(archive("").is_empty());
        let reach = archive("").reach(Lsn(0x300_0028), TimelineId(1), TimelineId(1));
        assert_eq!((reach.stretches.len(), reach.missing.as_str()), (0, "000000010000000000000003"));
    }
}
