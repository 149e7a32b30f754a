//! What WAL-G prints as JSON.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::pg::{Lsn, Segment, TimelineId};
use crate::repo::begin::{Begin, Needs};
use crate::repo::error::{RepoError, Result};
use crate::repo::listed::{Label, Listed};
use crate::repo::restored::Restored;

/// How long a segment of WAL is: WAL-G takes every one to be so.
pub(super) const SEGMENT: u64 = 16 << 20;

/// A backup in `wal-g backup-list --detail --json`.
#[derive(Debug, Deserialize)]
pub(super) struct Backup {
    backup_name: String,
    start_time: Option<Timestamp>,
    finish_time: Option<Timestamp>,
    start_lsn: Option<u64>,
    finish_lsn: Option<u64>,
    compressed_size: Option<u64>,
    uncompressed_size: Option<u64>,
}

/// A timeline in `wal-g wal-show --detailed-json`.
#[derive(Debug, Deserialize)]
struct Timeline {
    id: u32,
    start_segment: String,
    end_segment: String,
    #[serde(default)]
    missing_segments: Option<Vec<String>>,
}

/// What a command printed; nothing at all is none of what it lists.
fn read<T: for<'a> Deserialize<'a>>(what: &'static str, text: &str) -> Result<Vec<T>> {
    let text = text.trim();
    let listed: serde_json::Result<Option<Vec<T>>> = serde_json::from_str(if text.is_empty() { "[]" } else { text });
    let said = |e| format!("its answer is not what was expected: {e}");
    listed.map(Option::unwrap_or_default).map_err(|e| RepoError::Failed { what, status: 0, said: said(e) })
}

/// The backups, the oldest first.
pub(super) fn backups(text: &str) -> Result<Vec<Backup>> {
    let mut backups: Vec<Backup> = read("wal-g backup-list", text)?;
    backups.sort_by(|one, other| (one.start_time, &one.backup_name).cmp(&(other.start_time, &other.backup_name)));
    Ok(backups)
}

impl Backup {
    /// What it is called.
    pub(super) fn label(&self) -> Label {
        Label::new(&self.backup_name)
    }

    /// As the repo lists it.
    pub(super) fn listed(&self) -> Listed {
        let wrong = self.start_time.is_none().then(|| "wal-g does not say when it was begun".to_owned());
        let taken = self.start_time.unwrap_or(Timestamp::MIN);
        Listed { label: self.label(), taken, ended: self.finish_time, wrong }
    }

    /// What a restore makes; its list says nothing of tablespaces.
    pub(super) fn restored(&self, tablespaces: Option<Vec<String>>) -> Restored {
        match tablespaces {
            Some(numbers) => Restored::known(self.uncompressed_size, numbers),
            None => Restored::unknown("its sentinel is not what was expected"),
        }
    }

    /// The WAL that it needs.
    pub(super) fn needs(&self) -> Needs {
        Needs { begin: self.begins(), end: self.ends() }
    }

    /// Where the WAL begins that it needs: its name has the timeline, `base_` and a segment's name.
    fn begins(&self) -> Option<Begin> {
        let timeline = self.backup_name.strip_prefix("base_")?.get(..8)?;
        Some(Begin::At(TimelineId(u32::from_str_radix(timeline, 16).ok()?), Lsn(self.start_lsn?)))
    }

    /// Where the WAL ends that it needs.
    fn ends(&self) -> Option<Lsn> {
        self.finish_lsn.map(Lsn)
    }

    /// How many bytes it takes up.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.compressed_size
    }
}

/// What WAL is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// The segments and their sizes, those of the last timeline first and the last one of each
    /// first.
    pub(super) segments: Vec<(String, u64)>,
    /// The timelines.
    pub(super) timelines: Vec<TimelineId>,
}

/// What WAL is there.
pub(super) fn stored(text: &str) -> Result<Stored> {
    let mut timelines: Vec<Timeline> = read("wal-g wal-show", text)?;
    timelines.sort_by_key(|one| std::cmp::Reverse(one.id));
    let mut all = Vec::new();
    for timeline in &timelines {
        let ends = [&timeline.start_segment, &timeline.end_segment].map(|name| Segment::parse(name, SEGMENT));
        let [Some(first), Some(last)] = ends else { continue };
        let missing = timeline.missing_segments.as_deref().unwrap_or_default();
        let numbers = (first.start().0 / SEGMENT..=last.start().0 / SEGMENT).rev();
        let names = numbers.map(|number| Segment::at(Lsn(number * SEGMENT), first.timeline(), SEGMENT).to_string());
        all.extend(names.filter(|name| !missing.contains(name)).map(|name| (name, SEGMENT)));
    }
    Ok(Stored { segments: all, timelines: timelines.iter().map(|timeline| TimelineId(timeline.id)).collect() })
}

/// The numbers of the tablespaces of a backup with this sentinel; none if it is not what was
/// expected.
pub(super) fn tablespaces(sentinel: &str) -> Option<Vec<String>> {
    restore_spec(sentinel, "", "").map(|(_, numbers)| numbers)
}

/// What `backup-fetch --restore-spec` is given, so that the tablespaces of a backup with this
/// sentinel come to places below `spaces`; and their numbers. None if the sentinel is not what was
/// expected.
pub(super) fn restore_spec(sentinel: &str, data: &str, spaces: &str) -> Option<(Option<String>, Vec<String>)> {
    let sentinel: Value = serde_json::from_str(sentinel.trim()).ok()?;
    let Some(spec) = sentinel.as_object()?.get("Spec").filter(|spec| !spec.is_null()) else {
        return Some((None, vec![]));
    };
    let names: Vec<String> = match spec.get("tablespaces") {
        None | Some(Value::Null) => vec![],
        Some(names) => names.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?,
    };
    let mut own: BTreeMap<String, Value> = BTreeMap::new();
    for name in &names {
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        plain.then_some(())?;
        let place = serde_json::json!({ "loc": format!("{spaces}/{name}"), "link": format!("pg_tblspc/{name}") });
        own.insert(name.clone(), place);
    }
    own.insert("base_prefix".to_owned(), data.into());
    own.insert("tablespaces".to_owned(), names.clone().into());
    Some((serde_json::to_string(&own).ok().filter(|_| !names.is_empty()), names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_are_listed_by_when_they_were_begun() {
        let text = r#"[{"backup_name":"base_000000020000000000000006_D_000000020000000000000004","time":"2026-11-29T15:00:03Z",
            "wal_file_name":"000000020000000000000006","storage_name":"default","start_time":"2026-11-29T15:00:00.5Z","finish_time":
            "2026-11-29T15:00:03Z","hostname":"db","data_dir":"/d","pg_version":150018,"start_lsn":100663336,"finish_lsn":100663592,
            "is_permanent":false,"system_identifier":7,"uncompressed_size":9,"compressed_size":5},
            {"backup_name":"base_000000020000000000000004","start_time":"2026-11-28T15:00:00Z"}]"#;
        let all = backups(text).expect("read");
        let names: Vec<&str> = all.iter().map(|one| one.backup_name.as_str()).collect();
        assert_eq!(names[0], "base_000000020000000000000004");
        assert_eq!((all[0].begins(), all[0].bytes(), all[1].bytes()), (None, None, Some(5)));
        assert_eq!(all[1].begins(), Some(Begin::At(TimelineId(2), Lsn(0x600_0028))));
        assert_eq!(all[1].listed().taken.to_string(), "2026-11-29T15:00:00.5Z");
        assert_eq!(all[1].listed().reaches_from().to_string(), "2026-11-29T15:00:03Z");
        assert_eq!((all[0].listed().ended, all[0].listed().reaches_from()), (None, all[0].listed().taken));
        assert!(backups("").expect("none").is_empty() && backups("null").expect("none").is_empty());
        assert!(backups("No backups found").is_err());
    }

    #[test]
    fn segments_are_those_between_the_ends_that_are_not_missing() {
        let text = r#"[{"id":1,"parent_id":0,"switch_point_lsn":0,"start_segment":"000000010000000000000001","end_segment":
            "000000010000000000000004","segments_count":3,"missing_segments":["000000010000000000000003"],"segment_range_size":4,
            "status":"LOST_SEGMENTS"},{"id":2,"parent_id":1,"switch_point_lsn":7,"start_segment":"000000020000000000000004",
            "end_segment":"000000020000000000000004","segments_count":1,"missing_segments":[],"segment_range_size":1,"status":"OK"}]"#;
        let Stored { segments, timelines } = stored(text).expect("read");
        let names: Vec<&str> = segments.iter().map(|(name, _)| &name[7..]).collect();
        assert_eq!(names, ["20000000000000004", "10000000000000004", "10000000000000002", "10000000000000001"]);
        assert_eq!(timelines, [TimelineId(2), TimelineId(1)]);
        assert_eq!(stored("null").expect("none"), Stored { segments: vec![], timelines: vec![] });
    }

    #[test]
    fn tablespaces_come_to_places_of_their_own() {
        let sentinel = r#"{"LSN":1,"Spec":{"base_prefix":"/theirs","tablespaces":["16384"],"16384":{"loc":"/fast","link":"pg_tblspc/16384"}}}"#;
        let (spec, names) = restore_spec(sentinel, "/d", "/d-spaces").expect("a specification");
        let expected = r#"{"16384":{"loc":"/d-spaces/16384","link":"pg_tblspc/16384"},"base_prefix":"/d","tablespaces":["16384"]}"#;
        assert_eq!((spec.as_deref(), names), (Some(expected), vec!["16384".to_owned()]));
        assert_eq!(tablespaces(sentinel), Some(vec!["16384".to_owned()]));
        assert_eq!(restore_spec(r#"{"LSN":1}"#, "/d", "/s"), Some((None, vec![])));
        assert_eq!(restore_spec(r#"{"Spec":{"tablespaces":["../x"]}}"#, "/d", "/s"), None);
        assert_eq!(restore_spec("nonsense", "/d", "/s"), None);
    }
}
