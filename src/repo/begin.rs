//! The WAL that a backup needs: where it begins, and where it ends.

use super::archive::Archive;
use crate::pg::{Lsn, Segment, TimelineId};

/// Where the WAL begins that a backup needs, as far as the repo says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// At this position.
    At(TimelineId, Lsn),
    /// At the beginning of this segment.
    Segment(String),
}

/// The WAL that a backup needs, as far as the repo says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Where it begins; none where nobody says.
    pub begin: Option<Begin>,
    /// Where it ends: there the backup is consistent. None where nobody says.
    pub end: Option<Lsn>,
}

impl Begin {
    /// Reads `TIMELINE LSN`, as `scripts/backup_needs.sh` prints it.
    pub fn read(text: &str) -> Option<Self> {
        let (timeline, lsn) = text.trim().split_once(' ')?;
        Some(Begin::At(TimelineId(timeline.parse().ok()?), lsn.parse().ok()?))
    }

    /// Timeline and position, in an archive whose segments say how long one is.
    pub fn place(&self, archive: &Archive) -> Option<(TimelineId, Lsn)> {
        match self {
            Begin::At(timeline, lsn) => Some((*timeline, *lsn)),
            Begin::Segment(name) => {
                let segment = Segment::parse(name, archive.segment_size()?)?;
                Some((segment.timeline(), segment.start()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_or_made_of_a_segment() {
        let archive = Archive::new(vec![("000000010000000000000004".to_owned(), 16 << 20)], vec![]);
        let place = Some((TimelineId(1), Lsn(0x400_0000)));
        assert_eq!(Begin::read("1 0/4000028\n"), Some(Begin::At(TimelineId(1), Lsn(0x400_0028))));
        assert_eq!(Begin::read(""), None);
        assert_eq!(Begin::Segment("000000010000000000000004".to_owned()).place(&archive), place);
        assert_eq!(Begin::Segment("000000010000000000000004".to_owned()).place(&Archive::default()), None);
    }
}
