//! What makes the runs of a drill comparable.

use std::fmt;

use crate::report::DrillRecord;

/// A drill as it is run again and again: its name, on one version of PostgreSQL and one backend,
/// with the same `--set` and `--repos`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The drill's name.
    pub name: String,
    /// The major version.
    pub major: i64,
    /// `docker` or `local`.
    pub backend: String,
    /// What it was told beside its file: `prod=service=prod`, `--repos pgbackrest`; empty for
    /// nothing.
    pub settings: String,
}

impl Series {
    /// That of a drill; none of one that is not meant for this run.
    pub fn of(drill: &DrillRecord) -> Option<Self> {
        let major = drill.major()?.parse().ok()?;
        Some(Series { name: drill.name.clone(), major, backend: drill.backend.clone(), settings: drill.told() })
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (PostgreSQL {}, {}", self.name, self.major, self.backend)?;
        match self.settings.as_str() {
            "" => f.write_str(")"),
            settings => write!(f, ", {settings})"),
        }
    }
}
