//! The WAL that lies in a repo.

use std::collections::BTreeMap;

use super::Repo;
use crate::host::{Host, HostError, Program};
use crate::pg::{Segment, TimelineId, is_segment};

/// The WAL segments that lay in a repo when it was looked, with the sizes of their files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    /// The sizes of their files, by their names.
    sizes: BTreeMap<String, u64>,
    /// The one that was written last.
    newest: Option<String>,
}

impl Repo {
    /// Lists the segments, from any host.
    pub async fn archive(&self, host: &dyn Host) -> Result<Archive, HostError> {
        let output = host.run(Program::script(r#"cd "$1" 2>/dev/null && ls -lnt || true"#, [self.wal()])).await?;
        Ok(Archive::read(&output.text()))
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
        Archive { sizes: sizes.collect(), newest }
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

    /// The segments from `from` through `through` that are not there, or not whole.
    pub fn missing(&self, from: Segment, through: Segment) -> impl Iterator<Item = Segment> {
        let size = self.segment_size();
        let whole = move |segment: &Segment| self.sizes.get(&segment.to_string()).is_some_and(|one| Some(*one) == size);
        std::iter::successors(Some(from), |one| Some(one.next()))
            .take_while(move |one| *one <= through)
            .filter(move |one| !whole(one))
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
        let missing = archive.missing(segment("000000010000000000000002"), segment("000000010000000000000006"));
        let missing: Vec<String> = missing.map(|one| one.to_string()).collect();
        // The third is there, but not whole.
        assert_eq!(missing, ["000000010000000000000003", "000000010000000000000004", "000000010000000000000006"]);
        assert!(archive.holds(segment("000000010000000000000003")));
        assert_eq!(archive.timeline(TimelineId(1)).count(), 4);
        assert_eq!(archive.summary(), "it has 5 segments, 000000010000000000000001 to 000000020000000000000006");
        assert_eq!(Archive::read("").summary(), "it has no WAL");
        assert_eq!(Archive::read("total 0\n").segment_size(), None);
    }
}
