//! The backups in a repo, as it lists them.

use std::fmt;

use jiff::Timestamp;

/// What a repo calls a backup: the step's id in a directory, whatever a tool makes up elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(String);

impl Label {
    /// A backup of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Label(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The end of a second: of what a tool writes down in whole seconds, that is when it was over.
pub(super) fn after_second(second: Timestamp) -> Timestamp {
    second.checked_add(jiff::SignedDuration::from_secs(1)).unwrap_or(second)
}

/// A backup that lies in a repo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What the repo calls it.
    pub label: Label,
    /// When it was begun, or, where that is not written down, when it was written.
    pub taken: Timestamp,
    /// When it was finished, where that is known: a recovery cannot end before that.
    pub ended: Option<Timestamp>,
    /// Why nobody can restore it, if that is so: it was not finished, say.
    pub wrong: Option<String>,
}

impl Listed {
    /// What backups are sorted by, the oldest first.
    pub fn age(&self) -> impl Ord + '_ {
        (self.taken, &self.label)
    }

    /// The earliest time that a recovery from it may end at, as far as it is known.
    pub fn reaches_from(&self) -> Timestamp {
        self.ended.unwrap_or(self.taken)
    }

    /// A backup from a line `SECONDS LABEL`, the seconds since 1970.
    pub fn from_line(line: &str) -> Option<Self> {
        let (seconds, label) = line.split_once(' ')?;
        let taken = Timestamp::from_second(seconds.parse().ok()?).ok()?;
        Some(Listed { label: Label::new(label), taken, ended: None, wrong: None })
    }
}
