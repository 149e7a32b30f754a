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
    size: Option<u64>,
}

/// The WAL of one stanza.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// The segments, the one that was written last first, each with its path in the archive.
    pub segments: Vec<(String, String)>,
    /// Why a segment cannot be used, of each that cannot.
    pub faults: BTreeMap<String, String>,
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
        let mut faults = BTreeMap::new();
        for (path, entry) in all.iter().filter(|(path, _)| number(path) == newest) {
            let name = path.rsplit('/').next().unwrap_or(path);
            let segment = name.split('-').next().unwrap_or(name);
            if name.ends_with(".history") {
                histories.push(path.clone());
            } else if name.contains('-') && is_segment(segment) && !name.ends_with(".tmp") {
                if entry.size == Some(0) {
                    faults.insert(segment.to_owned(), "is empty: its file has 0 bytes".to_owned());
                }
                // In the order of paths all files of a segment come one after the other.
                let of_same = segments.iter().rev().take_while(|(_, one, _)| one == segment);
                if let Some((_, _, other)) = of_same.last().filter(|(_, _, other)| sum(other) != sum(path)) {
                    let other = other.rsplit('/').next().unwrap_or(other);
                    let why =
                        format!("is there twice, with different content: {other} and {name}. pgbackrest gives neither");
                    faults.insert(segment.to_owned(), why);
                }
                segments.push((entry.time, segment.to_owned(), path.clone()));
            }
        }
        segments.sort_by(|a, b| b.cmp(a));
        let segments = segments.into_iter().map(|(_, segment, path)| (segment, path)).collect();
        Ok(Listing { segments, faults, histories })
    }

    /// Where a segment lies in the archive.
    pub(super) fn path(&self, segment: &str) -> Option<&str> {
        self.segments.iter().find(|(name, _)| name == segment).map(|(_, path)| path.as_str())
    }
}

/// The checksum of what is in a segment: its file's name has it.
fn sum(path: &str) -> Option<&str> {
    path.rsplit_once('-').map(|(_, rest)| rest.split_once('.').map_or(rest, |(sum, _)| sum))
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

    #[test]
    fn segments_that_no_recovery_gets_are_told() {
        let file = |name: &str, size: u64| {
            format!(r#""15-1/0000000100000000/00000001000000000000000{name}":{{"size":{size},"time":1,"type":"file"}}"#)
        };
        let all = [file("1-aa.gz", 9), file("1-bb.gz", 9), file("2-aa.gz", 9), file("2-aa.lz4", 9), file("3-aa", 0)];
        let faults = Listing::read(&format!("{{{}}}", all.join(","))).expect("read").faults;
        let told: Vec<(&str, &str)> = faults.iter().map(|(name, why)| (&name[23..], why.as_str())).collect();
        let twice =
            "is there twice, with different content: 000000010000000000000001-aa.gz and 000000010000000000000001-bb.gz";
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].0 == "1" && told[0].1.starts_with(twice), "{told:?}");
        assert_eq!(told[1], ("3", "is empty: its file has 0 bytes"));
    }
}
