//! What `pgbackrest info --output=json` says.

use jiff::Timestamp;
use serde::Deserialize;

use crate::pg::{Lsn, Segment, TimelineId, segment_sizes};
use crate::repo::backup_kind::BackupKind;
use crate::repo::begin::{Begin, Needs};
use crate::repo::error::{RepoError, Result};
use crate::repo::listed::{Label, Listed};
use crate::repo::restored::Restored;

/// What a backup holds: the label ends with F, D or I (pgBackRest, user guide, "Backup").
pub(super) fn kind_of(label: &Label) -> Option<BackupKind> {
    match label.as_str().chars().last()? {
        'F' => Some(BackupKind::Full),
        'D' => Some(BackupKind::Differential),
        'I' => Some(BackupKind::Incremental),
        _ => None,
    }
}

/// The stanzas of a repository.
#[derive(Debug, Deserialize)]
pub(super) struct Info(Vec<Stanza>);

#[derive(Debug, Deserialize)]
struct Stanza {
    #[serde(default)]
    backup: Vec<Backup>,
    /// `none`, or how it was to be read.
    cipher: Option<String>,
    #[serde(default)]
    repo: Vec<InOneRepo>,
}

/// What is said of one of the repositories of a stanza.
#[derive(Debug, Deserialize)]
struct InOneRepo {
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Status {
    code: u32,
    message: String,
}

/// The code of what pgbackrest has no other code for: it could not read the repository.
const OTHER: u32 = 99;

/// A backup, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Backup {
    label: String,
    /// The backup that it goes on from.
    prior: Option<String>,
    /// Whether pages were backed up whose checksums are wrong.
    pub(super) error: Option<bool>,
    /// Its tablespaces, which are listed for one backup alone.
    tablespace: Option<Vec<Tablespace>>,
    timestamp: Option<Times>,
    archive: Option<Needed>,
    lsn: Option<Positions>,
    info: Option<Sizes>,
}

/// The WAL that a backup needs.
#[derive(Debug, Deserialize)]
struct Needed {
    start: Option<String>,
}

/// Where a backup lies in the WAL.
#[derive(Debug, Deserialize)]
struct Positions {
    start: Option<String>,
    stop: Option<String>,
}

/// When a backup was taken, in seconds since 1970.
#[derive(Debug, Deserialize)]
struct Times {
    start: i64,
    stop: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Sizes {
    /// How large it is restored.
    size: Option<u64>,
    repository: InRepository,
}

/// How many bytes a backup takes up: by itself, and with those that it needs.
#[derive(Debug, Deserialize)]
struct InRepository {
    delta: u64,
    size: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Tablespace {
    oid: u32,
}

impl Stanza {
    /// Why none of it can be read: the program itself ends with 0.
    fn unreadable(&self) -> Option<String> {
        let other = self.repo.iter().find(|repo| repo.status.code == OTHER).filter(|_| self.backup.is_empty())?;
        // What follows may be the bytes of an encrypted file.
        let said = other.status.message.lines().next().unwrap_or_default();
        Some(match self.cipher.as_deref() {
            _ if !said.contains("unable to load info file") => said.to_owned(),
            None | Some("none") => format!("{said}; if it is encrypted, its passphrase is missing"),
            Some(_) => format!("{said}; it is encrypted, and its passphrase may be another one"),
        })
    }
}

impl Info {
    /// Reads it.
    pub(super) fn read(text: &str) -> Result<Self> {
        let failed = |said: String| RepoError::Failed { what: "pgbackrest info", status: 0, said };
        // What it says of a file that it cannot read may have bytes of that in it, as they are.
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let info: Info = serde_json::from_str(text.trim())
            .map_err(|e| failed(format!("its answer is not what was expected: {e}")))?;
        match info.0.iter().find_map(Stanza::unreadable) {
            Some(said) => Err(failed(said)),
            None => Ok(info),
        }
    }

    /// The backup of this label.
    pub(super) fn backup(&self, label: &Label) -> Option<&Backup> {
        self.backups().find(|backup| backup.label() == *label)
    }

    /// The backups, the oldest first.
    pub(super) fn backups(&self) -> impl Iterator<Item = &Backup> {
        self.0.iter().flat_map(|stanza| &stanza.backup)
    }

    /// How long WAL segments are, as the newest backup shows that tells.
    pub(super) fn segment_size(&self) -> Option<u64> {
        self.backups().filter_map(Backup::segment_size).last()
    }

    /// The type of a backup that goes on from `base`: pgbackrest takes the newest backup for that,
    /// or the newest full one (manual, `Command Reference`, "type").
    ///
    /// # Errors
    /// If it takes neither: which they are.
    pub(super) fn increment_to(&self, base: &Label) -> std::result::Result<&'static str, String> {
        let newest = self.backups().last().map(Backup::label);
        let full = self.backups().map(Backup::label).filter(|label| kind_of(label) == Some(BackupKind::Full)).last();
        match (newest, full) {
            (Some(newest), _) if newest == *base => Ok("incr"),
            (_, Some(full)) if full == *base => Ok("diff"),
            (Some(newest), Some(full)) => Err(format!(
                "pgbackrest takes no backup that goes on from {base}: only from the newest one, {newest}, or from the newest full one, {full}"
            )),
            _ => Err(format!("pgbackrest has no backup {base} any more")),
        }
    }
}

impl Backup {
    /// What it is called.
    pub(super) fn label(&self) -> Label {
        Label::new(&self.label)
    }

    /// The one that it goes on from.
    pub(super) fn goes_on_from(&self) -> Option<Label> {
        self.prior.as_ref().map(Label::new)
    }

    /// As the repo lists it.
    pub(super) fn listed(&self) -> Listed {
        let start = self.timestamp.as_ref().and_then(|times| Timestamp::from_second(times.start).ok());
        let flaw = (self.error == Some(true)).then(|| "it has pages whose checksums are wrong".to_owned());
        let wrong = flaw.or_else(|| start.is_none().then(|| "pgbackrest does not say when it was begun".to_owned()));
        let stop = self.timestamp.as_ref().and_then(|times| times.stop);
        let ended = stop.and_then(|stop| Timestamp::from_second(stop).ok());
        Listed { label: self.label(), taken: start.unwrap_or(Timestamp::MIN), ended, wrong }
    }

    /// The WAL that it needs.
    pub(super) fn needs(&self) -> Needs {
        Needs { begin: self.begins(), end: self.ends() }
    }

    /// Where the WAL begins that it needs.
    fn begins(&self) -> Option<Begin> {
        self.archive.as_ref()?.start.clone().map(Begin::Segment)
    }

    /// Where the WAL ends that it needs.
    fn ends(&self) -> Option<Lsn> {
        self.lsn.as_ref()?.stop.as_ref()?.parse().ok()
    }

    /// How long WAL segments are: the only length with which the place where it begins lies in the
    /// segment that its server named for it.
    fn segment_size(&self) -> Option<u64> {
        let named = self.archive.as_ref()?.start.as_ref()?;
        let begin: Lsn = self.lsn.as_ref()?.start.as_ref()?.parse().ok()?;
        let timeline = TimelineId(u32::from_str_radix(named.get(..8)?, 16).ok()?);
        // A server says of the end of a segment that it lies in that one (`pg_walfile_name`).
        let place = Lsn(begin.0.checked_sub(1)?);
        let mut sizes = segment_sizes().filter(|size| Segment::at(place, timeline, *size).to_string() == *named);
        let size = sizes.next()?;
        sizes.next().is_none().then_some(size)
    }

    /// How many bytes it takes up, with those that it needs.
    pub(super) fn bytes(&self) -> Option<u64> {
        let stored = &self.info.as_ref()?.repository;
        Some(stored.size.unwrap_or(stored.delta))
    }

    /// What a restore makes.
    pub(super) fn restored(&self) -> Restored {
        Restored::known(self.info.as_ref().and_then(|info| info.size), self.tablespaces().collect())
    }

    /// The numbers of its tablespaces.
    pub(super) fn tablespaces(&self) -> impl Iterator<Item = String> {
        self.tablespace.iter().flatten().map(|space| space.oid.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let text = r#"[{"archive":[],"backup":[{"archive":{"start":"0A","stop":"0A"},"error":false,"label":"20261129-092028F","lsn":{"start":"0/4000028","stop":"0/4000100"},
            "tablespace":[{"destination":"/ts","name":"sp","oid":16389}],"type":"full",
            "timestamp":{"start":1780000000,"stop":1780000009},"info":{"delta":9,"repository":{"delta":3,"size":5},"size":9}},{"error":true,"label":"20261129-092032F"}],
            "cipher":"none","name":"main","status":{"code":0}}]"#;
        let info = Info::read(text).expect("read");
        let labels: Vec<String> = info.backups().map(|backup| backup.label().to_string()).collect();
        assert_eq!(labels, ["20261129-092028F", "20261129-092032F"]);
        assert_eq!(info.backups().map(Backup::ends).collect::<Vec<_>>(), [Some(Lsn(0x400_0100)), None]);
        assert_eq!(info.backups().flat_map(Backup::tablespaces).collect::<Vec<_>>(), ["16389"]);
        let first = info.backups().next().expect("a backup");
        assert_eq!(
            (first.listed().taken.as_second(), first.listed().wrong, first.bytes()),
            (1_780_000_000, None, Some(5))
        );
        assert_eq!((first.restored().least, first.restored().tablespaces), (Some(9), Some(vec!["16389".to_owned()])));
        assert_eq!(first.listed().reaches_from().as_second(), 1_780_000_009);
        assert!(info.backups().last().is_some_and(|flawed| flawed.listed().wrong.is_some()));
        assert_eq!(info.backups().last().and_then(|backup| backup.error), Some(true));
        assert_eq!(Info::read("[]\n").expect("nothing").backups().count(), 0);
        assert!(Info::read("ERROR").is_err());
        let text = r#"[{"backup":[{"label":"1F"},{"label":"2F"},{"label":"2F_3D","prior":"2F"},{"label":"2F_4I","prior":"2F_3D"}]}]"#;
        let info = Info::read(text).expect("read");
        let kinds = ["2F_4I", "2F"].map(|base| info.increment_to(&Label::new(base)));
        assert_eq!(kinds, [Ok("incr"), Ok("diff")]);
        for base in ["2F_3D", "1F"] {
            let said = info.increment_to(&Label::new(base)).expect_err("neither");
            assert!(said.contains("the newest one, 2F_4I, or from the newest full one, 2F"), "{said}");
        }
        assert_eq!(info.backups().last().and_then(Backup::goes_on_from), Some(Label::new("2F_3D")));
        let other = r#"[{"backup":[],"cipher":"none","repo":[{"cipher":"none","key":1,"status":{"code":99,
            "message":"[FormatError] unable to load info file 'x'\nSalted__BYTE"}}],"status":{"code":99}}]"#;
        let said = Info::read(&other.replace("BYTE", "\u{1}")).expect_err("it cannot be read");
        let said = said.said().expect("why");
        assert!(said.ends_with("its passphrase is missing") && !said.contains("Salted"), "{said}");
    }

    #[test]
    fn where_backups_begin_shows_how_long_segments_are() {
        let info = |backups: &[(&str, &str)]| {
            let one = |(segment, lsn): &(&str, &str)| {
                format!(r#"{{"archive":{{"start":"{segment}"}},"label":"F","lsn":{{"start":"{lsn}"}}}}"#)
            };
            let all: Vec<String> = backups.iter().map(one).collect();
            Info::read(&format!(r#"[{{"backup":[{}]}}]"#, all.join(","))).expect("read").segment_size()
        };
        assert_eq!(info(&[("000000010000000000000004", "0/4000028")]), Some(16 << 20));
        assert_eq!(info(&[("00000002000000010000000A", "1/2800028")]), Some(4 << 20));
        assert_eq!(info(&[("0000000100000001000003FF", "2/0")]), Some(4 << 20));
        // It lies in the first one, however long that is; one that is older may tell.
        assert_eq!(info(&[("000000010000000100000000", "1/28")]), None);
        let older = ("000000010000000000000004", "0/4000028");
        assert_eq!(info(&[older, ("000000010000000100000000", "1/28")]), Some(16 << 20));
        assert_eq!(info(&[("000000010000000000000004", "0/B000028")]), None);
    }
}
