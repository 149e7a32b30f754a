//! The WAL that lies in a repo.

use std::collections::BTreeMap;

use crate::pg::{History, Segment, TimelineId, is_segment};

/// The WAL that lay in a repo when it was listed: which segments, with the sizes of their files,
/// and which timelines' histories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    /// The sizes of the segments' files, by their names.
    sizes: BTreeMap<String, u64>,
    /// The one that was written last.
    newest: Option<String>,
    /// What the history files say, by their timelines.
    histories: BTreeMap<u32, History>,
    /// The history files that say nothing.
    void: Vec<String>,
    /// The names of the `.partial` files.
    partials: Vec<String>,
    /// The size of a whole segment, if the server was asked.
    whole: Option<u64>,
    /// Why a segment cannot be used although it is there, of each that cannot.
    faults: BTreeMap<String, String>,
}

impl Archive {
    /// An archive with these files of segments and their sizes, the one that was written last
    /// first, and these histories.
    pub fn new(segments: Vec<(String, u64)>, histories: Vec<History>) -> Self {
        let segments: Vec<(String, u64)> = segments.into_iter().filter(|(name, _)| is_segment(name)).collect();
        let newest = segments.first().map(|(name, _)| name.clone());
        let histories = histories.into_iter().map(|history| (history.timeline.0, history)).collect();
        Archive { sizes: segments.into_iter().collect(), newest, histories, ..Archive::default() }
    }

    /// Reads what `ls -lnt` prints of a directory, with the lines of history files after it, as
    /// `scripts/list_wal.sh` has them.
    pub fn read(listing: &str) -> Self {
        let mut lines = listing.lines().peekable();
        let mut segments = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with(HISTORY)) {
            let mut words = line.split_ascii_whitespace();
            let size = words.nth(4).and_then(|size| size.parse().ok());
            segments.extend(words.next_back().map(str::to_owned).zip(size));
        }
        let (mut histories, mut void) = (Vec::new(), Vec::new());
        while let Some(line) = lines.next() {
            let mut text = String::new();
            while let Some(switch) = lines.next_if(|line| line.starts_with(' ')) {
                text.push_str(switch);
                text.push('\n');
            }
            let name = line.strip_prefix(HISTORY).and_then(|name| name.strip_suffix(".history"));
            let timeline = name.filter(|name| name.len() == 8).and_then(|name| u32::from_str_radix(name, 16).ok());
            let Some(history) = timeline.map(|timeline| History::read(TimelineId(timeline), &text)) else { continue };
            // Each timeline that has a file comes from another one.
            match history.switches.is_empty() {
                true => void.push(History::file(history.timeline)),
                false => histories.push(history),
            }
        }
        let is_partial = |name: &&String| name.strip_suffix(".partial").is_some_and(is_segment);
        let mut partials: Vec<String> = segments.iter().map(|(name, _)| name).filter(is_partial).cloned().collect();
        partials.sort();
        Archive { void, partials, ..Archive::new(segments, histories) }
    }

    /// The same archive without a segment.
    pub(super) fn without(mut self, segment: &str) -> Self {
        self.sizes.remove(segment);
        if self.newest.as_deref() == Some(segment) {
            self.newest = self.sizes.last_key_value().map(|(name, _)| name.clone());
        }
        self
    }

    /// The same archive, some of whose segments cannot be used, and why.
    pub(super) fn with_faults(self, faults: BTreeMap<String, String>) -> Self {
        Archive { faults, ..self }
    }

    /// What is wrong with the first of these segments that a recovery cannot use.
    pub fn unusable(&self, segments: &[Segment]) -> Option<String> {
        segments.iter().find_map(|segment| match self.faults.get(&segment.to_string()) {
            Some(why) => Some(format!("segment {segment} {why}")),
            None => (!self.is_whole(*segment)).then(|| format!("segment {segment} is not whole")),
        })
    }

    /// Whether there is no segment in it at all.
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// The same archive of a server with segments of this size: all of them may have been cut
    /// short.
    pub fn of_segments(self, size: u64) -> Self {
        Archive { whole: Some(size), ..self }
    }

    /// The size of a whole segment: the longest's, unless the server was asked. `None` for an empty
    /// archive.
    pub fn segment_size(&self) -> Option<u64> {
        if self.whole.is_some() && !self.is_empty() {
            return self.whole;
        }
        self.sizes.values().copied().max().filter(|size| *size > 0)
    }

    /// Whether a segment is there, whole or not.
    pub fn holds(&self, segment: Segment) -> bool {
        self.sizes.contains_key(&segment.to_string())
    }

    /// Whether the file of a segment or of a timeline's history is there, and not empty.
    pub fn has_file(&self, name: &str) -> bool {
        let history = || self.histories.keys().any(|timeline| History::file(TimelineId(*timeline)) == name);
        self.sizes.get(name).map_or_else(history, |size| *size > 0)
    }

    /// Whether there is a later segment on the timeline of this one.
    pub fn goes_on_after(&self, segment: &str) -> bool {
        let timeline = segment.get(..8);
        self.sizes.keys().any(|one| one.as_str() > segment && one.get(..8) == timeline)
    }

    /// The segment here that a text names.
    pub fn listed_in(&self, text: &str) -> Option<&str> {
        let names = text.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(|word| self.sizes.get_key_value(word));
        names.map(|(name, _)| name.as_str()).next()
    }

    /// The first of all segments.
    pub fn first(&self) -> Option<&str> {
        self.sizes.first_key_value().map(|(name, _)| name.as_str())
    }

    /// The last of all segments.
    pub fn last(&self) -> Option<&str> {
        self.sizes.last_key_value().map(|(name, _)| name.as_str())
    }

    /// The history files that are there and say nothing.
    pub fn void_histories(&self) -> &[String] {
        &self.void
    }

    /// The name of the newest timeline's history file.
    pub fn last_history(&self) -> Option<String> {
        let own = self.histories.keys().map(|timeline| History::file(TimelineId(*timeline)));
        own.chain(self.void.iter().cloned()).max()
    }

    /// The name of the last `.partial` file.
    pub fn last_partial(&self) -> Option<&str> {
        self.partials.last().map(String::as_str)
    }

    /// Whether there is a file of this name, whatever is in it: a segment, a history, or a
    /// `.partial` one.
    pub fn lists(&self, name: &str) -> bool {
        let is_noted = || self.partials.iter().chain(&self.void).any(|one| one == name);
        self.sizes.contains_key(name) || self.has_file(name) || is_noted()
    }

    /// The size of a segment's file, if it is there.
    pub fn size_of(&self, segment: Segment) -> Option<u64> {
        self.sizes.get(&segment.to_string()).copied()
    }

    /// Whether the history file of a timeline is there, and says something. The first timeline has
    /// none.
    pub fn has_history(&self, timeline: TimelineId) -> bool {
        timeline.0 <= 1 || self.histories.contains_key(&timeline.0)
    }

    /// The history of a timeline. One without a file is taken for one that no other led to.
    pub fn history(&self, timeline: TimelineId) -> History {
        self.histories.get(&timeline.0).cloned().unwrap_or_else(|| History::first(timeline))
    }

    /// The histories that are there, the oldest timeline's first.
    pub fn histories(&self) -> impl Iterator<Item = &History> {
        self.histories.values()
    }

    /// Whether a segment is there, and as long as it has to be.
    pub fn is_whole(&self, segment: Segment) -> bool {
        self.size_of(segment).is_some_and(|size| size == segment.end().0 - segment.start().0)
    }

    /// The segment that was written last, on whatever timeline.
    pub fn newest(&self) -> Option<Segment> {
        Segment::parse(self.newest.as_deref()?, self.segment_size()?)
    }

    /// The segments of a timeline, in order.
    pub fn timeline(&self, timeline: TimelineId) -> impl DoubleEndedIterator<Item = Segment> {
        let size = self.segment_size().unwrap_or_default();
        let all = self.sizes.keys().filter_map(move |name| Segment::parse(name, size));
        all.filter(move |segment| segment.timeline() == timeline)
    }

    /// What there is, in words: `it has 3 segments, 000000010000000000000001 to
    /// 000000010000000000000003`.
    pub fn summary(&self) -> String {
        match (self.first(), self.last(), self.sizes.len()) {
            (Some(first), Some(last), count @ 2..) => format!("it has {count} segments, {first} to {last}"),
            (Some(only), ..) => format!("it has one segment, {only}"),
            _ => "it has no WAL".to_owned(),
        }
    }
}

/// What the name of a history file stands behind in a listing.
const HISTORY: &str = "history ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::{Lsn, Switch};

    const LISTING: &str = "\
total 49160
-rw------- 1 101 102 16777216 Nov 22 12:00 000000010000000000000001
-rw------- 1 101 102 16777216 Nov 22 12:00 000000010000000000000002
-rw------- 1 101 102      337 Nov 22 12:00 000000010000000000000002.00000028.backup
-rw------- 1 101 102     4096 Nov 22 12:00 000000010000000000000003
-rw------- 1 101 102 16777216 Nov 22 12:00 000000010000000000000005
-rw------- 1 101 102 16777216 Nov 22 12:00 000000020000000000000006
-rw------- 1 101 102       41 Nov 22 12:00 00000002.history
history 00000002.history
 1\t0/6000000\tat restore point \"x 000000010000000000000009\"
 
history nonsense.history
";

    #[test]
    fn a_listing_is_read_and_its_gaps_are_found() {
        let archive = Archive::read(LISTING);
        assert_eq!(archive.segment_size(), Some(16 << 20));
        assert_eq!(archive.first(), Some("000000010000000000000001"));
        assert_eq!(archive.newest().map(|newest| newest.to_string()).as_deref(), Some("000000010000000000000001"));
        assert_eq!(archive.last(), Some("000000020000000000000006"));
        let segment = |name| Segment::parse(name, 16 << 20).expect("a segment");
        // It is there, but not whole.
        assert!(archive.holds(segment("000000010000000000000003")));
        assert!(
            archive.is_whole(segment("000000010000000000000002"))
                && !archive.is_whole(segment("000000010000000000000003"))
        );
        assert_eq!([1, 2, 3].map(|timeline| archive.has_history(TimelineId(timeline))), [true, true, false]);
        assert_eq!(archive.timeline(TimelineId(1)).count(), 4);
        assert_eq!(archive.summary(), "it has 5 segments, 000000010000000000000001 to 000000020000000000000006");
        assert_eq!(Archive::read("").summary(), "it has no WAL");
        let switch = Switch { timeline: TimelineId(1), at: Lsn(0x600_0000) };
        let history = archive.history(TimelineId(2));
        assert_eq!((history.timeline, history.switches.as_slice()), (TimelineId(2), [switch].as_slice()));
        assert_eq!(archive.history(TimelineId(3)), History::first(TimelineId(3)));
        let files = ["00000002.history", "00000003.history", "000000010000000000000003"];
        assert_eq!(files.map(|file| archive.has_file(file)), [true, false, true]);
        assert_eq!(Archive::read("total 0\n").segment_size(), None);
    }
}
