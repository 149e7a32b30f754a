//! What tells one timeline from another of the same number: its first record.
//!
//! Two standbys that are promoted beside each other, with the same WAL, both begin timeline 2 at
//! the same place, and write the same history file. The first record of a timeline has the time of
//! the promotion in it (`xl_end_of_recovery`, or a checkpoint), and its header a checksum of all
//! that.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{History, Segment};

/// The size of a page of WAL.
const PAGE: u64 = 8192;

/// The size of a page's header; that of the first page of a segment is longer.
const PAGE_HEADER: usize = 24;
const FIRST_PAGE_HEADER: usize = 40;

/// The size of a record's header (`XLogRecord`).
const HEADER: usize = 24;

/// Where a record's header says whose the record is (`xl_rmid`).
const RMGR: usize = 17;

/// The header of the first record on a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Birth([u8; HEADER]);

impl Birth {
    /// How many bytes of WAL have to be read for it, with the headers of pages between them.
    pub const BYTES: usize = HEADER + PAGE_HEADER + FIRST_PAGE_HEADER;

    /// Where the first record of a timeline lies: the segment, and how far into it. None for a
    /// timeline that no other one led to. `size` is that of a segment.
    pub fn place(history: &History, size: u64) -> Option<(Segment, u64)> {
        let (_, at) = history.parent()?;
        Some((Segment::at(at, history.timeline, size), at.0 % size.max(1)))
    }

    /// Reads it in the bytes that lie so far into a segment. None if they do not hold it.
    pub fn read(mut bytes: &[u8], mut offset: u64) -> Option<Self> {
        let mut header = vec![];
        while header.len() < HEADER {
            if offset.is_multiple_of(PAGE) {
                let skipped = if offset == 0 { FIRST_PAGE_HEADER } else { PAGE_HEADER };
                bytes = bytes.get(skipped..)?;
                offset += skipped as u64;
            }
            let left = usize::try_from(PAGE - offset % PAGE).unwrap_or(HEADER);
            let (part, rest) = bytes.split_at_checked(left.min(HEADER - header.len()))?;
            header.extend_from_slice(part);
            (bytes, offset) = (rest, offset + part.len() as u64);
        }
        // A record has a length, and what was not written yet is zeros. That of a promotion is one
        // of the WAL's own (`RM_XLOG_ID`).
        let header: [u8; HEADER] = header.try_into().ok()?;
        (header[..4] != [0; 4] && header[RMGR] == 0).then_some(Birth(header))
    }
}

impl fmt::Display for Birth {
    /// The record's checksum (`xl_crc`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [.., a, b, c, d] = self.0;
        write!(f, "{:08X}", u32::from_ne_bytes([a, b, c, d]))
    }
}

impl History {
    /// Whether it has been through the place where another one has begun its own timeline, onto one
    /// of that number.
    pub fn begins_like(&self, other: &History) -> bool {
        let Some((_, at)) = other.parent() else { return false };
        let stretches = self.stretches();
        let pairs = stretches.iter().zip(stretches.iter().skip(1));
        pairs.into_iter().any(|((_, end), (next, _))| *next == other.timeline && *end == Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::{Lsn, Switch, TimelineId};

    fn history(timeline: u32, switches: &[(u32, u64)]) -> History {
        let switches = switches.iter().map(|(timeline, at)| Switch { timeline: TimelineId(*timeline), at: Lsn(*at) });
        History { timeline: TimelineId(timeline), switches: switches.collect() }
    }

    #[test]
    fn a_birth_is_read_across_the_headers_of_pages() {
        let mut record: Vec<u8> = (1..=24).collect();
        record[RMGR] = 0;
        let (long, short) = (vec![0xAA; FIRST_PAGE_HEADER], vec![0xBB; PAGE_HEADER]);
        let is_read = |bytes: &[u8], offset| Birth::read(bytes, offset).is_some_and(|birth| birth.0[..] == record);
        assert!(is_read(&record, 1000));
        assert!(is_read(&[long, record.clone()].concat(), 0));
        assert!(is_read(&[short.clone(), record.clone()].concat(), PAGE));
        assert!(is_read(&[&record[..8], &short, &record[8..]].concat(), PAGE - 8));
        assert_eq!(Birth::read(&record[..20], 1000), None);
        assert_eq!(Birth::read(&[0; 128], 1000), None);
    }

    #[test]
    fn a_timeline_begins_like_another_one_of_its_number_at_the_same_place() {
        let own = history(3, &[(1, 30), (2, 50)]);
        assert!(own.begins_like(&history(2, &[(1, 30)])) && own.begins_like(&own));
        assert!(!own.begins_like(&history(2, &[(1, 20)])) && !own.begins_like(&history(1, &[])));
        assert_eq!(Birth::place(&own, 16), Some((Segment::at(Lsn(50), TimelineId(3), 16), 2)));
        assert_eq!(Birth::place(&history(1, &[]), 16), None);
    }
}
