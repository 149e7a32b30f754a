//! The history of a timeline: the timelines that led to it, and where each was left (manual, 26.3.6
//! "Timelines").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Lsn, Segment, TimelineId};

/// What initdb gives a cluster, and every copy of it has in common: `pg_control_system()`, and the
/// first page of each WAL segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SystemId(pub u64);

impl SystemId {
    /// One as initdb makes it: of the time, in seconds since 1970, and something random.
    pub fn of(seconds: u64, random: u32) -> Self {
        SystemId(seconds << 32 | u64::from(random))
    }
}

impl fmt::Display for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A switch to the next timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The timeline that was left.
    pub timeline: TimelineId,
    /// Where.
    pub at: Lsn,
}

/// A timeline, and those that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The timeline.
    pub timeline: TimelineId,
    /// Those before it, the oldest first, and where each was left.
    pub switches: Vec<Switch>,
}

/// Where two histories part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parting {
    /// The last timeline that they have in common; none if they have nothing in common.
    pub from: Option<TimelineId>,
    /// Up to where they have it in common.
    pub at: Lsn,
    /// The timeline that the one and the other goes on with.
    pub onto: (TimelineId, TimelineId),
}

impl History {
    /// A timeline that no other one led to.
    pub fn first(timeline: TimelineId) -> Self {
        History { timeline, switches: vec![] }
    }

    /// Reads the history file of a timeline.
    pub fn read(timeline: TimelineId, text: &str) -> Self {
        let switch = |line: &str| {
            let mut words = line.split_whitespace();
            let timeline = TimelineId(words.next()?.parse().ok()?);
            Some(Switch { timeline, at: Lsn::from_str(words.next()?).ok()? })
        };
        History { timeline, switches: text.lines().filter_map(switch).collect() }
    }

    /// The name of a timeline's history file.
    pub fn file(timeline: TimelineId) -> String {
        format!("{:08X}.history", timeline.0)
    }

    /// The history of the timeline before; where it was left. None for a timeline that no other one
    /// led to.
    pub fn parent(&self) -> Option<(History, Lsn)> {
        let (last, before) = self.switches.split_last()?;
        Some((History { timeline: last.timeline, switches: before.to_vec() }, last.at))
    }

    /// The timelines, the oldest first, each with its end; the last one has none.
    ///
    /// A recovery that stops before the place where its target timeline began writes a history in
    /// which that timeline ends before it begins: such a one has no part in it.
    pub fn stretches(&self) -> Vec<(TimelineId, Option<Lsn>)> {
        let mut stretches = vec![(self.timeline, None)];
        let mut end = Lsn(u64::MAX);
        for switch in self.switches.iter().rev() {
            end = end.min(switch.at);
            stretches.push((switch.timeline, Some(end)));
        }
        stretches.reverse();
        let mut begin = Lsn(0);
        stretches.retain(|(_, end)| {
            let empty = end.is_some_and(|end| end <= begin);
            begin = end.unwrap_or(begin);
            !empty
        });
        stretches
    }

    /// The timeline of what lies just before `lsn`.
    pub fn at(&self, lsn: Lsn) -> TimelineId {
        let stretches = self.stretches();
        let found = stretches.iter().find(|(_, end)| end.is_none_or(|end| lsn <= end));
        found.map_or(self.timeline, |(timeline, _)| *timeline)
    }

    /// Where two histories part; none if the one is the other, or a part of it.
    pub fn parted(&self, other: &History) -> Option<Parting> {
        let (own, theirs) = (self.stretches(), other.stretches());
        let mut common: Option<(TimelineId, Lsn)> = None;
        for at in 0..own.len().max(theirs.len()) {
            let (Some((one, one_end)), Some((two, two_end))) = (own.get(at), theirs.get(at)) else { return None };
            if one != two {
                let (from, lsn) = common.unzip();
                return Some(Parting { from, at: lsn.unwrap_or(Lsn(0)), onto: (*one, *two) });
            }
            if one_end == two_end {
                common = one_end.map(|end| (*one, end));
                continue;
            }
            let goes_on = |all: &[(TimelineId, Option<Lsn>)], end: &Option<Lsn>, until: Lsn| match *end == Some(until) {
                true => all.get(at + 1).map_or(*one, |(next, _)| *next),
                false => *one,
            };
            let until = one_end.unwrap_or(Lsn(u64::MAX)).min(two_end.unwrap_or(Lsn(u64::MAX)));
            let onto = (goes_on(&own, one_end, until), goes_on(&theirs, two_end, until));
            return Some(Parting { from: Some(*one), at: until, onto });
        }
        None
    }

    /// Whether a place on this history is on the other one, too.
    pub fn shares(&self, other: &History, lsn: Lsn) -> bool {
        self.parted(other).is_none_or(|parting| lsn <= parting.at)
    }

    /// The segments from the one with `from` in it to the one that ends with or holds what lies
    /// before `to`. Of each, those that will do, the best first: the one in which a timeline is
    /// left lies in the archive of the next one, too, as its first.
    pub fn segments(&self, from: Lsn, to: Lsn, size: u64) -> Vec<Vec<Segment>> {
        let size = size.max(1);
        let stretches = self.stretches();
        let numbers = from.0 / size..=to.0.saturating_sub(1) / size;
        let holding = |number: u64| {
            let mut begin = Lsn(0);
            let mut found = Vec::new();
            for (timeline, end) in &stretches {
                let first = begin.0 / size;
                let last = end.map_or(u64::MAX, |end| end.0.saturating_sub(1) / size);
                if (first..=last).contains(&number) {
                    found.insert(0, Segment::at(Lsn(number * size), *timeline, size));
                }
                begin = end.unwrap_or(begin);
            }
            found
        };
        numbers.map(holding).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(timeline: u32, switches: &[(u32, u64)]) -> History {
        let switches = switches.iter().map(|(timeline, at)| Switch { timeline: TimelineId(*timeline), at: Lsn(*at) });
        History { timeline: TimelineId(timeline), switches: switches.collect() }
    }

    #[test]
    fn a_history_file_is_read() {
        let text = "1\t0/3000148\tbefore transaction 739\n\n2\t0/4000000\tno recovery target specified\n# a remark\n";
        let read = History::read(TimelineId(3), text);
        assert_eq!(read, history(3, &[(1, 0x300_0148), (2, 0x400_0000)]));
        assert_eq!(read.parent(), Some((history(2, &[(1, 0x300_0148)]), Lsn(0x400_0000))));
        assert_eq!(History::file(TimelineId(26)), "0000001A.history");
        assert_eq!(History::first(TimelineId(1)).parent(), None);
    }

    #[test]
    fn a_place_is_on_the_timeline_that_wrote_it() {
        let three = history(3, &[(1, 30), (2, 40)]);
        let at = |lsn: u64| three.at(Lsn(lsn)).0;
        assert_eq!([at(1), at(30), at(31), at(40), at(41)], [1, 1, 2, 2, 3]);
        // It was to follow timeline 2, and stopped on timeline 1 before that one began.
        let odd = history(3, &[(1, 30), (2, 25)]);
        let at = |lsn: u64| odd.at(Lsn(lsn)).0;
        assert_eq!([at(25), at(26)], [1, 3]);
        assert_eq!(odd.parted(&history(2, &[(1, 30)])).map(|parting| parting.at), Some(Lsn(25)));
    }

    #[test]
    fn histories_part_where_one_takes_another_timeline() {
        let (one, two) = (history(1, &[]), history(2, &[(1, 30)]));
        let parting = |at, from, onto: (u32, u32)| {
            Some(Parting { from: Some(TimelineId(from)), at: Lsn(at), onto: (TimelineId(onto.0), TimelineId(onto.1)) })
        };
        assert_eq!(one.parted(&one), None);
        assert_eq!(one.parted(&two), parting(30, 1, (1, 2)));
        assert!(one.shares(&two, Lsn(30)) && !one.shares(&two, Lsn(31)));
        // Two servers that were promoted beside each other have both begun a timeline 2.
        assert_eq!(two.parted(&history(2, &[(1, 20)])), parting(20, 1, (1, 2)));
        let beside = history(3, &[(1, 30)]);
        assert_eq!(two.parted(&beside), parting(30, 1, (2, 3)));
        assert_eq!(two.parted(&history(3, &[(1, 30), (2, 50)])), parting(50, 2, (2, 3)));
        let strange = one.parted(&history(7, &[]));
        assert_eq!(strange.map(|parting| (parting.from, parting.at)), Some((None, Lsn(0))));
    }

    #[test]
    fn the_segment_of_a_switch_has_two_names() {
        let two = history(2, &[(1, 25)]);
        let named = |from, to| {
            let all = two.segments(Lsn(from), Lsn(to), 10);
            all.iter().map(|one| one.iter().map(|s| s.timeline().0).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(named(15, 40), [vec![1], vec![2, 1], vec![2]]);
        // A switch on a boundary: the segment before is the old timeline's alone.
        let two = history(2, &[(1, 20)]);
        assert_eq!(two.segments(Lsn(15), Lsn(30), 10).iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    }
}
