//! What `pgbackrest repo-ls --recurse --output=json` says of a stanza's archive.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::pg::is_segment;
use crate::repo::error::{RepoError, Result};

/// What lies there.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(default)]
    time: i64,
}

/// The WAL of one stanza.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// The segments, the one that was written last first, each with its path in the archive.
    pub segments: Vec<(String, String)>,
    /// The history files of timelines, by their paths in the archive.
    pub histories: Vec<String>,
}

impl Listing {
    /// Reads it: `15-1/0000000100000000/SEGMENT-CHECKSUM.lz4` is a segment, `15-1/TIMELINE.history`
    /// a history. After an upgrade there are several archives, the newest of which has the highest
    /// number.
    pub(super) fn read(text: &str) -> Result<Self> {
        let all: BTreeMap<String, Entry> = serde_json::from_str(text.trim()).map_err(|e| RepoError::Failed {
            what: "pgbackrest repo-ls",
            status: 0,
            said: format!("its answer is not what was expected: {e}"),
        })?;
        let number = |path: &str| path.split('/').next()?.rsplit('-').next()?.parse::<u32>().ok();
        let newest = all.keys().filter_map(|path| number(path)).max();
        let mut segments: Vec<(i64, String, String)> = Vec::new();
        let mut histories = Vec::new();
        for (path, entry) in all.iter().filter(|(path, _)| number(path) == newest) {
            let name = path.rsplit('/').next().unwrap_or(path);
            let segment = name.split('-').next().unwrap_or(name);
            if name.ends_with(".history") {
                histories.push(path.clone());
            } else if name.contains('-') && is_segment(segment) && !name.ends_with(".tmp") {
                segments.push((entry.time, segment.to_owned(), path.clone()));
            }
        }
        segments.sort_by(|a, b| b.cmp(a));
        let segments = segments.into_iter().map(|(_, segment, path)| (segment, path)).collect();
        Ok(Listing { segments, histories })
    }

    /// Where a segment lies in the archive.
    pub(super) fn path(&self, segment: &str) -> Option<&str> {
        self.segments.iter().find(|(name, _)| name == segment).map(|(_, path)| path.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_archive_is_read() {
        let text = r#"{".":{"type":"path"},"13-1":{"type":"path"},
            "13-1/0000000100000000/0000000100000000000000AA-ff.gz":{"size":1,"time":9,"type":"file"},
            "15-2":{"type":"path"},"15-2/00000002.history":{"size":1,"time":3,"type":"file"},
            "15-2/0000000100000000":{"type":"path"},
            "15-2/0000000100000000/000000010000000000000001-ab.lz4":{"size":1,"time":1,"type":"file"},
            "15-2/0000000100000000/000000010000000000000001.00000028.backup":{"size":1,"time":1,"type":"file"},
            "15-2/0000000200000000/000000020000000000000002-cd":{"size":1,"time":2,"type":"file"}}"#;
        let listing = Listing::read(text).expect("read");
        let segments: Vec<&str> = listing.segments.iter().map(|(segment, _)| segment.as_str()).collect();
        assert_eq!(segments, ["000000020000000000000002", "000000010000000000000001"]);
        let path = "15-2/0000000100000000/000000010000000000000001-ab.lz4";
        assert_eq!(listing.path("000000010000000000000001"), Some(path));
        assert_eq!(listing.histories, ["15-2/00000002.history"]);
        assert_eq!(Listing::read("{}").expect("nothing"), Listing::default());
        assert!(Listing::read("ERROR").is_err());
    }
}
