//! The WAL that lies in a repo.

use std::collections::{BTreeMap, BTreeSet};

use super::Repo;
use crate::host::{Host, HostError, Program};
use crate::pg::{Lsn, Segment, SystemId, TimelineId, is_segment};

/// The WAL segments that lay in a repo when it was looked, with the sizes of their files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    /// The sizes of their files, by their names.
    sizes: BTreeMap<String, u64>,
    /// The one that was written last.
    newest: Option<String>,
    /// The timelines whose history files are there.
    histories: BTreeSet<u32>,
}

/// What stands at the beginning of a WAL segment: whose it is (`XLogLongPageHeaderData`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The cluster.
    pub system: SystemId,
    /// Where the segment begins.
    pub start: Lsn,
}

/// How much of a segment is its header, without what fills it up.
const HEADER: usize = 40;

impl SegmentHeader {
    /// Reads the bytes as od prints them.
    fn read(line: &str) -> Option<Self> {
        let bytes: Vec<u8> =
            line.split_whitespace().map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>().ok()?;
        let number = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        Some(SegmentHeader { start: Lsn(number(8)?), system: SystemId(number(24)?) })
    }
}

impl Repo {
    /// Lists the segments, from any host.
    pub async fn archive(&self, host: &dyn Host) -> Result<Archive, HostError> {
        let output = host.run(Program::script(r#"cd "$1" 2>/dev/null && ls -lnt || true"#, [self.wal()])).await?;
        Ok(Archive::read(&output.text()))
    }

    /// What stands at the beginning of segments; none where a file is too short, or not there any more.
    pub async fn headers(
        &self,
        host: &dyn Host,
        segments: &[Segment],
    ) -> Result<Vec<Option<SegmentHeader>>, HostError> {
        // One line for each, whatever is wrong with it.
        let script = r#"cd "$1"; size=$2; shift 2
if head -qc "$size" "$@" 2>/dev/null | od -An -v -tx1 -w"$size" | grep -c . | grep -qx $#; then
  head -qc "$size" "$@" | od -An -v -tx1 -w"$size"
else
  for file in "$@"; do od -An -v -N"$size" -tx1 -w"$size" "$file" 2>/dev/null || echo; done
fi"#;
        let names = segments.iter().map(ToString::to_string);
        let output =
            host.run(Program::script(script, [self.wal(), HEADER.to_string()].into_iter().chain(names))).await?;
        let text = output.text();
        let mut lines = text.lines();
        Ok(segments.iter().map(|_| lines.next().and_then(SegmentHeader::read)).collect())
    }
}

impl Archive {
    /// Reads what `ls -lnt` prints: what was written last stands first.
    pub fn read(listing: &str) -> Self {
        let segment = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            let size = words.nth(4)?.parse().ok()?;
            let name = words.next_back().filter(|name| is_segment(name))?;
            Some((name.to_owned(), size))
        };
        let mut newest = None;
        let sizes = listing.lines().filter_map(segment).inspect(|(name, _)| {
            newest.get_or_insert_with(|| name.clone());
        });
        let sizes = sizes.collect();
        let history = |line: &str| {
            let name = line.rsplit(' ').next()?.strip_suffix(".history")?;
            u32::from_str_radix(name, 16).ok().filter(|_| name.len() == 8)
        };
        Archive { sizes, newest, histories: listing.lines().filter_map(history).collect() }
    }

    /// The size of a whole segment; `None` for an empty archive.
    pub fn segment_size(&self) -> Option<u64> {
        self.sizes.values().copied().max().filter(|size| *size > 0)
    }

    /// Whether a segment is there, whole or not.
    pub fn holds(&self, segment: Segment) -> bool {
        self.sizes.contains_key(&segment.to_string())
    }

    /// The same for a name.
    pub fn has(&self, name: &str) -> bool {
        self.sizes.contains_key(name)
    }

    /// The first of all segments.
    pub fn first(&self) -> Option<&str> {
        self.sizes.first_key_value().map(|(name, _)| name.as_str())
    }

    /// The last of all segments.
    pub fn last(&self) -> Option<&str> {
        self.sizes.last_key_value().map(|(name, _)| name.as_str())
    }

    /// Whether the history file of a timeline is there. The first timeline has none.
    pub fn has_history(&self, timeline: TimelineId) -> bool {
        timeline.0 <= 1 || self.histories.contains(&timeline.0)
    }

    /// Whether a segment is there, and as long as it has to be.
    pub fn is_whole(&self, segment: Segment) -> bool {
        self.sizes.get(&segment.to_string()).is_some_and(|size| *size == segment.end().0 - segment.start().0)
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

    /// What there is, in words: `it has 3 segments, 000000010000000000000001 to 000000010000000000000003`.
    pub fn summary(&self) -> String {
        match (self.first(), self.last(), self.sizes.len()) {
            (Some(first), Some(last), count @ 2..) => format!("it has {count} segments, {first} to {last}"),
            (Some(only), ..) => format!("it has one segment, {only}"),
            _ => "it has no WAL".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
total 49160
-rw------- 1 101 102 16777216 Nov 22 12:00 000000010000000000000001
-rw------- 1 101 102 16777216 Nov 22 12:00 000000010000000000000002
-rw------- 1 101 102      337 Nov 22 12:00 000000010000000000000002.00000028.backup
-rw------- 1 101 102     4096 Nov 22 12:00 000000010000000000000003
-rw------- 1 101 102 16777216 Nov 22 12:00 000000010000000000000005
-rw------- 1 101 102 16777216 Nov 22 12:00 000000020000000000000006
-rw------- 1 101 102       41 Nov 22 12:00 00000002.history
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
        let header = [7_u64, 0x300_0000, 0, 42, 0].map(u64::to_ne_bytes).concat();
        let line: String = header.iter().map(|byte| format!(" {byte:02x}")).collect();
        assert_eq!(SegmentHeader::read(&line), Some(SegmentHeader { system: SystemId(42), start: Lsn(0x300_0000) }));
        assert_eq!(SegmentHeader::read(" 07 00"), None);
        assert_eq!(Archive::read("total 0\n").segment_size(), None);
    }
}
