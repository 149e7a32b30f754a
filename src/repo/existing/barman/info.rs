//! What Barman writes of a backup: its backup.info.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::pg::{Lsn, TimelineId};
use crate::repo::begin::{Begin, Needs};
use crate::repo::listed::{Label, Listed};

/// What is known of a backup.
#[derive(Debug)]
pub(super) struct Info {
    id: String,
    /// The lines of its backup.info, and what the script has found besides.
    values: BTreeMap<String, String>,
}

/// What a line begins with after which a backup's lines come.
const BACKUP: &str = "== ";

impl Info {
    /// What `scripts/barman_existing_list.sh` prints, the oldest backup first.
    pub(super) fn read(text: &str) -> Vec<Info> {
        let mut all: Vec<Info> = Vec::new();
        for line in text.lines() {
            if let Some(id) = line.strip_prefix(BACKUP) {
                all.push(Info { id: id.to_owned(), values: BTreeMap::new() });
            } else if let (Some(last), Some((name, value))) = (all.last_mut(), line.split_once('=')) {
                last.values.insert(name.to_owned(), value.to_owned());
            }
        }
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// What it is called.
    pub(super) fn label(&self) -> Label {
        Label::new(&self.id)
    }

    /// A value; none if it is not there or Python's `None`.
    fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| *value != "None" && !value.is_empty())
    }

    /// Why it cannot be restored. One that waits for WAL is whole: recovery tells what is missing.
    fn wrong(&self) -> Option<String> {
        if let Some(trouble) = self.value("$trouble") {
            return Some(trouble.to_owned());
        }
        match self.value("status") {
            Some("DONE" | "WAITING_FOR_WALS") => {}
            Some(status) => return Some(format!("its status is {status}")),
            None => return Some("its backup.info has no status".to_owned()),
        }
        if self.value("snapshots_info").is_some() {
            return Some("its data are snapshots of a cloud's disks, which are not read".to_owned());
        }
        self.taken().is_none().then(|| "barman does not say when it was begun".to_owned())
    }

    fn taken(&self) -> Option<Timestamp> {
        self.time("begin_time")
    }

    fn time(&self, name: &str) -> Option<Timestamp> {
        self.value(name)?.replacen(' ', "T", 1).parse().ok()
    }

    /// As the repo lists it.
    pub(super) fn listed(&self) -> Listed {
        let wrong = self.wrong();
        let taken = self.taken().unwrap_or(Timestamp::MIN);
        Listed { label: self.label(), taken, ended: self.time("end_time"), wrong }
    }

    /// The WAL that it needs.
    pub(super) fn needs(&self) -> Needs {
        Needs { begin: self.begins(), end: self.ends() }
    }

    /// Where the WAL begins that it needs.
    fn begins(&self) -> Option<Begin> {
        let timeline = TimelineId(self.value("timeline")?.parse().ok()?);
        Some(Begin::At(timeline, self.value("begin_xlog")?.parse().ok()?))
    }

    /// Where the WAL ends that it needs.
    fn ends(&self) -> Option<Lsn> {
        self.value("end_xlog")?.parse().ok()
    }

    /// How long a segment of WAL is.
    pub(super) fn segment_size(&self) -> Option<u64> {
        self.value("xlog_segment_size")?.parse().ok()
    }

    /// Its tablespaces: name and number of each; none if what it says of them makes no sense.
    pub(super) fn tablespaces(&self) -> Option<Vec<(String, u32)>> {
        let Some(said) = self.value("tablespaces") else { return Some(vec![]) };
        let mut rest = said.strip_prefix('[')?.strip_suffix(']')?.trim();
        let mut all = Vec::new();
        while !rest.is_empty() {
            let (name, after) = python_text(rest.strip_prefix('(')?)?;
            let (number, after) = after.strip_prefix(", ")?.split_once(", ")?;
            let (_, after) = python_text(after)?;
            all.push((name, number.parse().ok()?));
            let after = after.strip_prefix(')')?;
            rest = after.strip_prefix(", ").unwrap_or(after);
        }
        Some(all)
    }
}

/// A text as Python writes it, and what follows.
fn python_text(from: &str) -> Option<(String, &str)> {
    let quote = from.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let mut text = String::new();
    let mut chars = from.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => text.push(chars.next().map(|(_, c)| c).filter(|c| matches!(c, '\\' | '\'' | '"'))?),
            c if c == quote => return Some((text, &from[at + 1..])),
            c => text.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_are_listed_by_their_own_words() {
        let text = "== 20261129T140848\nbegin_time=2026-11-29 15:08:48.198062+01:00\nend_time=2026-11-29 15:09:00+01:00\nbegin_xlog=0/2000028\nstatus=DONE\n\
            timeline=1\ntablespaces=[('fast', 16384, '/ts'), (\"it's\", 16385, '/t\\\\s')]\nxlog_segment_size=16777216\n\
            == 20261129T150000\nbegin_time=2026-11-29 15:00:00+00:00\nstatus=FAILED\ntablespaces=None\n\
            == 20261129T160000\nbegin_time=2026-11-29 16:00:00+00:00\nstatus=WAITING_FOR_WALS\ntablespaces=[fast]\n\
            == 20261128T000000\n$trouble=it has no backup.info\n\
            == 20261129T170000\nbegin_time=2026-11-29 16:00:00+00:00\nstatus=DONE\nsnapshots_info={'a': 1}\n";
        let all = Info::read(text);
        let listed: Vec<(String, String)> = all
            .iter()
            .map(Info::listed)
            .map(|one| (one.label.to_string(), one.wrong.unwrap_or_else(|| one.taken.to_string())))
            .collect();
        let listed: Vec<(&str, &str)> = listed.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(
            listed,
            [
                ("20261128T000000", "it has no backup.info"),
                ("20261129T140848", "2026-11-29T14:08:48.198062Z"),
                ("20261129T150000", "its status is FAILED"),
                ("20261129T160000", "2026-11-29T16:00:00Z"),
                ("20261129T170000", "its data are snapshots of a cloud's disks, which are not read"),
            ]
        );
        assert_eq!(all[1].listed().reaches_from().to_string(), "2026-11-29T14:09:00Z");
        assert_eq!(all[1].tablespaces(), Some(vec![("fast".to_owned(), 16384), ("it's".to_owned(), 16385)]));
        assert_eq!(all[2].tablespaces(), Some(vec![]));
        assert_eq!(all[3].tablespaces(), None);
        assert!(matches!(all[1].begins(), Some(Begin::At(TimelineId(1), lsn)) if lsn.to_string() == "0/2000028"));
        assert_eq!(all[1].segment_size(), Some(16 << 20));
    }
}
