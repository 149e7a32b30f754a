//! What a server's control file says (manual, "pg_controldata").

use std::collections::BTreeMap;

use super::server::Node;
use crate::host::{Host, HostError, Program};
use crate::pg::{History, Lsn, Pattern, SystemId, TimelineId};

/// The control file, as far as a recovery needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFile {
    /// The cluster's identifier.
    pub system: SystemId,
    /// `in production`, `in archive recovery`, `shut down in recovery` ...
    pub state: String,
    /// Where its last checkpoint lies.
    pub checkpoint: Lsn,
    /// The timeline, as of that checkpoint.
    pub timeline: TimelineId,
    /// How far it has to recover before it is consistent, and has recovered at least; none for a
    /// server that is not in recovery.
    pub min_recovery: Option<(Lsn, TimelineId)>,
    /// The size of a WAL segment, in bytes.
    pub segment_size: u64,
}

static SYSTEM: Pattern = Pattern::new(r"(?m)^Database system identifier:\s+(\d+)$");
static STATE: Pattern = Pattern::new(r"(?m)^Database cluster state:\s+(.+)$");
static CHECKPOINT: Pattern = Pattern::new(r"(?m)^Latest checkpoint location:\s+([0-9A-F/]+)$");
static TIMELINE: Pattern = Pattern::new(r"(?m)^Latest checkpoint's TimeLineID:\s+(\d+)$");
static MIN_RECOVERY: Pattern = Pattern::new(r"(?m)^Minimum recovery ending location:\s+([0-9A-F/]+)$");
static MIN_TIMELINE: Pattern = Pattern::new(r"(?m)^Min recovery ending loc's timeline:\s+(\d+)$");
static SEGMENT: Pattern = Pattern::new(r"(?m)^Bytes per WAL segment:\s+(\d+)$");

impl ControlFile {
    /// Reads what pg_controldata writes in English.
    pub(super) fn read(text: &str) -> Option<Self> {
        let min_recovery = || {
            let at: Lsn = MIN_RECOVERY.first(text)?.parse().ok()?;
            Some((at, TimelineId(MIN_TIMELINE.first(text)?.parse().ok()?))).filter(|(at, _)| at.0 > 0)
        };
        Some(ControlFile {
            system: SystemId(SYSTEM.first(text)?.parse().ok()?),
            state: STATE.first(text)?.to_owned(),
            checkpoint: CHECKPOINT.first(text)?.parse().ok()?,
            timeline: TimelineId(TIMELINE.first(text)?.parse().ok()?),
            min_recovery: min_recovery(),
            segment_size: SEGMENT.first(text)?.parse().ok()?,
        })
    }
}

/// Prints the control file, and the history files.
const LOOK: &str = include_str!("scripts/control_file.sh");

/// The timelines that a server knows, by the history files in its pg_wal: its own, those that led
/// to it, those that it has read in the archive, and what a backup has brought along.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histories(BTreeMap<u32, History>);

impl Histories {
    fn read(text: &str) -> Self {
        let mut files: BTreeMap<u32, String> = BTreeMap::new();
        let mut file = None;
        for line in text.lines() {
            match (line.strip_prefix("history: "), line.strip_prefix(' ')) {
                (Some(name), _) => file = name.get(..8).and_then(|hex| u32::from_str_radix(hex, 16).ok()),
                (None, Some(entry)) if let Some(file) = file => {
                    let text = files.entry(file).or_default();
                    text.push_str(entry);
                    text.push('\n');
                }
                _ => {}
            }
        }
        Histories(files.into_iter().map(|(id, text)| (id, History::read(TimelineId(id), &text))).collect())
    }

    /// The history of a timeline. One without a file is taken for one that no other led to, as the
    /// server does.
    pub fn of(&self, timeline: TimelineId) -> History {
        self.0.get(&timeline.0).cloned().unwrap_or_else(|| History::first(timeline))
    }

    /// The newest timeline that comes from a place on one: what `recovery_target_timeline = latest`
    /// takes.
    pub fn newest_from(&self, timeline: TimelineId, at: Lsn) -> History {
        let newest = self.0.values().rev().find(|history| history.timeline >= timeline && history.at(at) == timeline);
        newest.cloned().unwrap_or_else(|| self.of(timeline))
    }
}

impl Node {
    /// The server's control file, whether it runs or not. None if pg_controldata says nothing that
    /// is understood.
    pub async fn control_file(&self) -> Result<Option<ControlFile>, HostError> {
        self.control_file_seen_by(self.host()?.as_ref()).await
    }

    /// The same, as another host sees it that shares the file system: for one that is frozen.
    pub async fn control_file_seen_by(&self, host: &dyn Host) -> Result<Option<ControlFile>, HostError> {
        Ok(self.looked_at_by(host).await?.map(|(control, _)| control))
    }

    /// The same, with the timelines that it knows.
    pub async fn control_and_histories(&self) -> Result<Option<(ControlFile, Histories)>, HostError> {
        let looked_at = self.looked_at_by(self.host()?.as_ref()).await?;
        Ok(looked_at.map(|(control, text)| (control, Histories::read(&text))))
    }

    /// The control file, and all that the script has printed.
    async fn looked_at_by(&self, host: &dyn Host) -> Result<Option<(ControlFile, String)>, HostError> {
        let output = host.run(Program::script(LOOK, [&self.host()?.paths().data])).await?;
        let text = output.text();
        let control = ControlFile::read(&text).filter(|_| output.success());
        Ok(control.map(|control| (control, text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_file_is_read() {
        let text = |min: &str| {
            format!(
                "Database system identifier:           7300000000000000001
Database cluster state:               in archive recovery
Latest checkpoint location:           0/3000060
Latest checkpoint's TimeLineID:       1
Latest checkpoint's PrevTimeLineID:   1
Minimum recovery ending location:     {min}
Min recovery ending loc's timeline:   1
Bytes per WAL segment:                16777216
"
            )
        };
        let read = ControlFile::read(&text("0/3000100")).expect("it is one");
        assert_eq!(
            (read.state.as_str(), read.checkpoint, read.timeline),
            ("in archive recovery", Lsn(0x300_0060), TimelineId(1))
        );
        assert_eq!((read.min_recovery, read.segment_size), (Some((Lsn(0x300_0100), TimelineId(1))), 16 << 20));
        assert_eq!(ControlFile::read(&text("0/0")).and_then(|read| read.min_recovery), None);
        assert_eq!(read.system, SystemId(7_300_000_000_000_000_001));
        assert_eq!(ControlFile::read("pg_controldata: error"), None);
    }

    #[test]
    fn the_newest_timeline_that_comes_from_a_place_is_found() {
        let text = "Database cluster state: x\nhistory: 00000002.history\n 1\t0/300\tno recovery target specified\n\
            history: 00000003.history\n 1\t0/300\tbefore X\n \n 2\t0/500\tbefore Y\n";
        let histories = Histories::read(text);
        let newest = |timeline, at| histories.newest_from(TimelineId(timeline), Lsn(at)).timeline.0;
        assert_eq!([newest(1, 0x200), newest(1, 0x301), newest(2, 0x400), newest(2, 0x501)], [3, 1, 3, 2]);
        assert_eq!(histories.of(TimelineId(2)).switches.len(), 1);
        assert_eq!(histories.of(TimelineId(9)), History::first(TimelineId(9)));
    }
}
