//! What a server's control file says (manual, "pg_controldata").

use super::Node;
use crate::host::{HostError, Program};
use crate::pg::{Lsn, TimelineId};

/// The control file, as far as a recovery is told by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFile {
    /// `in production`, `in archive recovery`, `shut down in recovery` ...
    pub state: String,
    /// Where its last checkpoint lies.
    pub checkpoint: Lsn,
    /// The timeline, as of that checkpoint.
    pub timeline: TimelineId,
    /// How far it has to recover before it is consistent, and has recovered at least; none for a server that is not in recovery.
    pub min_recovery: Option<(Lsn, TimelineId)>,
    /// The size of a WAL segment, in bytes.
    pub segment_size: u64,
}

pattern!(STATE, r"(?m)^Database cluster state:\s+(.+)$");
pattern!(CHECKPOINT, r"(?m)^Latest checkpoint location:\s+([0-9A-F/]+)$");
pattern!(TIMELINE, r"(?m)^Latest checkpoint's TimeLineID:\s+(\d+)$");
pattern!(MIN_RECOVERY, r"(?m)^Minimum recovery ending location:\s+([0-9A-F/]+)$");
pattern!(MIN_TIMELINE, r"(?m)^Min recovery ending loc's timeline:\s+(\d+)$");
pattern!(SEGMENT, r"(?m)^Bytes per WAL segment:\s+(\d+)$");

impl ControlFile {
    /// Reads what pg_controldata writes in English.
    pub(super) fn read(text: &str) -> Option<Self> {
        let group = |pattern: &std::sync::LazyLock<Option<regex::Regex>>| -> Option<String> {
            Some(pattern.as_ref()?.captures(text)?.get(1)?.as_str().trim().to_owned())
        };
        let min_recovery = || {
            let at: Lsn = group(&MIN_RECOVERY)?.parse().ok()?;
            Some((at, TimelineId(group(&MIN_TIMELINE)?.parse().ok()?))).filter(|(at, _)| at.0 > 0)
        };
        Some(ControlFile {
            state: group(&STATE)?,
            checkpoint: group(&CHECKPOINT)?.parse().ok()?,
            timeline: TimelineId(group(&TIMELINE)?.parse().ok()?),
            min_recovery: min_recovery(),
            segment_size: group(&SEGMENT)?.parse().ok()?,
        })
    }
}

impl Node {
    /// The server's control file, whether it runs or not. None where pg_controldata says nothing that is understood.
    pub async fn control_file(&self) -> Result<Option<ControlFile>, HostError> {
        let host = self.host()?;
        let look = Program::new("pg_controldata", ["-D", &host.paths().data]).env("LC_ALL", "C");
        let output = host.run(look).await?;
        Ok(ControlFile::read(&output.text()).filter(|_| output.success()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_file_is_read() {
        let text = |min: &str| {
            format!(
                "Database cluster state:               in archive recovery
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
        assert_eq!(ControlFile::read("pg_controldata: error"), None);
    }
}
