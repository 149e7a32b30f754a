//! What the facts of steps are, as far as their names say: so that a reference to one is checked
//! before anything starts.

use std::fmt;

/// What a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactType {
    /// A number.
    Number,
    /// A position in the WAL.
    Lsn,
    /// A moment.
    Time,
    /// The name of something.
    Name,
}

/// Facts that are one of these in every kind of step that reports them.
const KNOWN: [(FactType, &[&str]); 4] = [
    (FactType::Number, &["xid", "timeline", "rows", "bytes", "block", "offset", "acknowledged"]),
    (FactType::Lsn, &["before", "lsn"]),
    (FactType::Time, &["at", "time", "last_commit", "backup_taken"]),
    (
        FactType::Name,
        &["repo", "segment", "first_segment", "last_segment", "missing_segment", "location", "file", "relation"],
    ),
];

/// What numbers are measured in, at the end of a fact's name.
const MEASURES: [&str; 3] = ["_ms", "_bytes", "_mb_per_s"];

impl FactType {
    /// All of them.
    pub const ALL: [FactType; 4] = [FactType::Number, FactType::Lsn, FactType::Time, FactType::Name];

    /// What a fact of this name is; none if that differs, or is text of any kind.
    pub fn of(fact: &str) -> Option<FactType> {
        if MEASURES.iter().any(|measure| fact.ends_with(measure)) {
            return Some(FactType::Number);
        }
        KNOWN.iter().find(|(_, names)| names.contains(&fact)).map(|(kind, _)| *kind)
    }
}

impl fmt::Display for FactType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FactType::Number => "a number",
            FactType::Lsn => "an LSN",
            FactType::Time => "a time",
            FactType::Name => "a name",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_known_by_their_names() {
        assert_eq!(FactType::of("restore_ms"), Some(FactType::Number));
        assert_eq!(FactType::of("before"), Some(FactType::Lsn));
        assert_eq!(FactType::of("at"), Some(FactType::Time));
        // Text of whatever a command has written.
        assert_eq!(FactType::of("output"), None);
    }
}
