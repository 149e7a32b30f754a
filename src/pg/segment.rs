//! WAL segments, and the names of their files.

use std::fmt;

use super::{Lsn, TimelineId};

/// A segment of the WAL: a file of `size` bytes (16 MB, unless initdb was given another size),
/// named by its timeline and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    timeline: TimelineId,
    number: u64,
    size: u64,
}

impl Segment {
    /// The segment that ends with, or holds, what lies before `lsn`: as `pg_walfile_name`, a
    /// position on a boundary belongs to the segment that ends there.
    pub fn before(lsn: Lsn, timeline: TimelineId, size: u64) -> Self {
        Segment { timeline, number: lsn.0.saturating_sub(1) / size.max(1), size }
    }

    /// The segment that holds what begins at `lsn`.
    pub fn at(lsn: Lsn, timeline: TimelineId, size: u64) -> Self {
        Segment { timeline, number: lsn.0 / size.max(1), size }
    }

    /// Reads a file's name; `None` where it is not a segment's.
    pub fn parse(name: &str, size: u64) -> Option<Self> {
        if !is_segment(name) {
            return None;
        }
        let part = |at: usize| u64::from_str_radix(name.get(at..at + 8)?, 16).ok();
        let (timeline, high, low) = (part(0)?, part(8)?, part(16)?);
        let number = high.checked_mul(per_file(size))?.checked_add(low)?;
        Some(Segment { timeline: TimelineId(u32::try_from(timeline).ok()?), number, size })
    }

    /// The one after it, on the same timeline.
    pub fn next(self) -> Self {
        Segment { number: self.number.saturating_add(1), ..self }
    }

    /// The segment of the same timeline and size that holds what begins at `lsn`.
    pub fn holding(self, lsn: Lsn) -> Self {
        Segment::at(lsn, self.timeline, self.size)
    }

    /// Where it begins.
    pub fn start(self) -> Lsn {
        Lsn(self.number.saturating_mul(self.size))
    }

    /// Where the next one begins.
    pub fn end(self) -> Lsn {
        self.next().start()
    }

    /// Its timeline.
    pub fn timeline(self) -> TimelineId {
        self.timeline
    }
}

/// How many segments share the middle part of their names.
fn per_file(size: u64) -> u64 {
    (0x1_0000_0000 / size.max(1)).max(1)
}

/// How long segments can be, in bytes (manual, initdb, `--wal-segsize`).
pub fn segment_sizes() -> impl Iterator<Item = u64> {
    (20..=30).map(|power| 1 << power)
}

/// Whether a file's name is a segment's: 24 hexadecimal digits, and nothing behind them
/// (`.partial`, `.backup`).
pub fn is_segment(name: &str) -> bool {
    name.len() == 24 && name.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_file = per_file(self.size);
        write!(f, "{:08X}{:08X}{:08X}", self.timeline.0, self.number / per_file, self.number % per_file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    #[test]
    fn a_segment_is_named_as_pg_walfile_name_names_it() {
        let before = |lsn: u64, timeline, size| Segment::before(Lsn(lsn), TimelineId(timeline), size).to_string();
        assert_eq!(before(0x0300_0028, 1, 16 * MB), "000000010000000000000003");
        assert_eq!(before(0x0300_0000, 1, 16 * MB), "000000010000000000000002");
        assert_eq!(before(0x1_0000_0001, 2, 16 * MB), "000000020000000100000000");
        assert_eq!(before(0x1_0000_0001, 2, MB), "000000020000000100000000");
        assert_eq!(Segment::at(Lsn(0x0300_0000), TimelineId(1), 16 * MB).to_string(), "000000010000000000000003");
    }

    #[test]
    fn names_are_read_and_counted_on() {
        let last = Segment::parse("0000000100000000000000FF", 16 * MB).expect("a segment");
        assert_eq!(last.next().to_string(), "000000010000000100000000");
        assert_eq!(
            Segment::parse("000000010000000000000FFF", MB).map(|s| s.next().to_string()).as_deref(),
            Some("000000010000000100000000")
        );
        assert_eq!((last.timeline(), last < last.next()), (TimelineId(1), true));
        for other in [
            "",
            "00000002.history",
            "000000010000000000000003.00000028.backup",
            "00000001000000000000000g",
            "00000001000000000000000a",
        ] {
            assert_eq!(Segment::parse(other, 16 * MB), None, "{other}");
        }
    }
}
