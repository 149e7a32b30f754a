//! What stands at the beginning of WAL segments: whose they are.

use super::error::Result;
use super::storage::Storage;
use crate::host::{Host, Program};
use crate::node::birth_in;
use crate::pg::{Birth, History, Lineage, Lsn, Segment, SystemId, TimelineId};

/// What stands at the beginning of a WAL segment: whose it is (`XLogLongPageHeaderData`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The cluster.
    pub system: SystemId,
    /// Where the segment begins.
    pub start: Lsn,
    /// How long it says that segments are.
    pub size: u64,
    /// Whether the page begins as one of WAL does, in any supported version.
    pub is_wal: bool,
}

/// How much of a segment is its header, without what fills it up.
pub(super) const HEADER: usize = 40;

impl SegmentHeader {
    /// Reads the bytes as od prints them.
    pub(super) fn read(line: &str) -> Option<Self> {
        let bytes: Vec<u8> = line
            .split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16))
            .collect::<std::result::Result<_, _>>()
            .ok()?;
        let number = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        // `XLOG_PAGE_MAGIC` has been D1xx for as long as anybody remembers.
        let magic = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
        let is_wal = magic >> 8 == 0xD1;
        let size = u32::from_ne_bytes(bytes.get(32..36)?.try_into().ok()?).into();
        Some(SegmentHeader { start: Lsn(number(8)?), system: SystemId(number(24)?), size, is_wal })
    }
}

/// Why what an archive has is not the WAL of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// It is of another cluster.
    Cluster(SystemId),
    /// It is on a timeline that did not come from there.
    Timeline(TimelineId),
}

impl dyn Storage {
    /// Why what the archive has is not the WAL of a server at some place, if that can be told:
    /// `segment` is the one that lies there, and `history` that of the timeline, in the archive.
    pub async fn foreign(
        &self,
        host: &dyn Host,
        segment: Option<Segment>,
        history: Option<&History>,
        (whose, place): (&Lineage, Lsn),
    ) -> Result<Option<Foreign>> {
        if let Some(other) = history.filter(|history| !history.shares(&whose.history, place)) {
            return Ok(Some(Foreign::Timeline(other.timeline)));
        }
        let header = self.headers(host, segment.as_slice()).await?.into_iter().next().flatten();
        // What was damaged before says nothing of itself.
        let other = header.filter(|header| header.is_wal && header.system != whose.system);
        Ok(other.map(|header| Foreign::Cluster(header.system)))
    }

    /// How a timeline begins in the archive; `size` is that of a segment. None if nobody can say.
    pub async fn birth(&self, host: &dyn Host, history: &History, size: u64) -> Result<Option<Birth>> {
        let Some((segment, _)) = Birth::place(history, size) else { return Ok(None) };
        let scratch = format!("{}/birth-of-{}", host.paths().shared, self.place().name);
        let dir = self.wal_files(host, &[segment], &scratch).await?;
        let birth = birth_in(host, &dir, history, size).await;
        if dir == scratch {
            host.run(Program::script(r#"rm -rf "$1""#, [scratch])).await?;
        }
        Ok(birth?)
    }

    /// What stands at the beginning of segments; `None` for one that is too short, or not there any
    /// more.
    pub async fn headers(&self, host: &dyn Host, segments: &[Segment]) -> Result<Vec<Option<SegmentHeader>>> {
        if segments.is_empty() {
            return Ok(vec![]);
        }
        let scratch = format!("{}/headers-of-{}", host.paths().shared, self.place().name);
        let dir = self.wal_files(host, segments, &scratch).await?;
        let made = if dir == scratch { scratch } else { String::new() };
        headers_in(host, dir, made, segments).await
    }

    /// The same of segments that need not be fetched for it: `None` also for one that is packed.
    /// None at all where each has to be fetched.
    pub async fn headers_in_place(
        &self,
        host: &dyn Host,
        segments: &[Segment],
    ) -> Result<Vec<(Segment, Option<SegmentHeader>)>> {
        let Some(dir) = self.wal_directory().filter(|_| !segments.is_empty()) else { return Ok(vec![]) };
        let headers = headers_in(host, dir, String::new(), segments).await?;
        Ok(segments.iter().copied().zip(headers).collect())
    }
}

/// Reads them in a directory; `made` is one to be removed afterwards, or empty.
async fn headers_in(
    host: &dyn Host,
    dir: String,
    made: String,
    segments: &[Segment],
) -> Result<Vec<Option<SegmentHeader>>> {
    let names = segments.iter().map(ToString::to_string);
    let args = [dir, HEADER.to_string(), made].into_iter().chain(names);
    let output = host.run(Program::script(include_str!("scripts/read_headers.sh"), args)).await?;
    let text = output.text();
    let mut lines = text.lines();
    Ok(segments.iter().map(|_| lines.next().and_then(SegmentHeader::read)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read() {
        let header = [0xD113_u64, 0x300_0000, 0, 42, 0x2000_0040_0000].map(u64::to_ne_bytes).concat();
        let line: String = header.iter().map(|byte| format!(" {byte:02x}")).collect();
        assert_eq!(
            SegmentHeader::read(&line),
            Some(SegmentHeader { system: SystemId(42), start: Lsn(0x300_0000), size: 4 << 20, is_wal: true })
        );
        assert_eq!(SegmentHeader::read(" 07 00"), None);
    }
}
