//! Which file of WAL a step means.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};

use super::Name;
use super::scalars::{parsed, schema};
use crate::pg::is_segment;

/// Which file of WAL in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WhichWal {
    /// The first segment there.
    First,
    /// The last segment there.
    Last,
    /// The segment of this name.
    Segment(String),
    /// The segment that holds this mark.
    Mark(Name),
    /// The history file of the newest timeline, or the one of this name.
    History(Option<String>),
    /// The last `.partial` file there, or the one of this name.
    Partial(Option<String>),
}

impl WhichWal {
    /// Reads `first`, `last`, `history`, `partial`, a file's name or a mark's id.
    ///
    /// # Errors
    /// For anything else; the text says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let help = "help: `first`, `last`, `history`, `partial`, a mark's id, or a file's name as in the archive: of a segment, as \
                    pg_walfile_name prints it, 24 hexadecimal digits";
        let timeline = |name: &str| is_segment(&format!("{name}{:016}", 0));
        match (text, text.split_once('.')) {
            ("first", _) => Ok(WhichWal::First),
            ("last", _) => Ok(WhichWal::Last),
            ("history", _) => Ok(WhichWal::History(None)),
            ("partial", _) => Ok(WhichWal::Partial(None)),
            (_, Some((id, "history"))) if id.len() == 8 && timeline(id) => Ok(WhichWal::History(Some(text.to_owned()))),
            (_, Some((name, "partial"))) if is_segment(name) => Ok(WhichWal::Partial(Some(text.to_owned()))),
            (name, None) if is_segment(name) => Ok(WhichWal::Segment(name.to_owned())),
            _ => Name::new(text).map(WhichWal::Mark).map_err(|_| format!("`{text}` is no file of WAL\n{help}")),
        }
    }

    /// Whether it is a segment, whole as it is archived.
    pub fn is_segment(&self) -> bool {
        !matches!(self, WhichWal::History(_) | WhichWal::Partial(_))
    }
}

impl fmt::Display for WhichWal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhichWal::First => f.write_str("the first WAL segment"),
            WhichWal::Last => f.write_str("the last WAL segment"),
            WhichWal::Segment(name) => write!(f, "WAL segment {name}"),
            WhichWal::Mark(id) => write!(f, "the WAL segment of {id}"),
            WhichWal::History(None) => f.write_str("the history file of the newest timeline"),
            WhichWal::Partial(None) => f.write_str("the last partial WAL segment"),
            WhichWal::History(Some(name)) | WhichWal::Partial(Some(name)) => f.write_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for WhichWal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A segment's name may be all digits.
        parsed(deserializer, "a file of WAL", Self::parse)
    }
}

schema!(WhichWal, {
    "type": ["string", "number"],
    "description": "`first`, `last`, `history`, `partial`, a mark's id, or a file's name"
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_from_marks() {
        let parse = |text: &str| WhichWal::parse(text).ok();
        let segment = "000000010000000000000003";
        assert_eq!(parse(segment), Some(WhichWal::Segment(segment.to_owned())));
        assert_eq!(parse("00000002.history"), Some(WhichWal::History(Some("00000002.history".to_owned()))));
        let partial = format!("{segment}.partial");
        assert_eq!(parse(&partial), Some(WhichWal::Partial(Some(partial.clone()))));
        assert!(matches!(parse("accident"), Some(WhichWal::Mark(_))));
        for wrong in
            ["2.history", "0000000g.history", "x.partial", "000000010000000000000003.00000028.backup", "last.history"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
