//! A release of PostgreSQL, by its whole number.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};

use super::scalars::{parsed, schema};
use crate::pg::Version;

/// A release of PostgreSQL: `"15.18"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release(pub Version);

impl Release {
    /// Reads `15.18`.
    ///
    /// # Errors
    /// Where it is not the number of a release; the text says what is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || match text.parse::<u32>() {
            Ok(major) => format!(
                "`{text}` is a major version\nhelp: write a release of it, such as `\"{major}.4\"`; \
                 the key `postgres` of the file names major versions"
            ),
            Err(_) => format!("`{text}` is not a release\nhelp: write its number, such as `\"15.18\"`"),
        };
        Version::release(text).map(Release).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Release {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a release of PostgreSQL, such as \"15.18\"", Release::parse)
    }
}

schema!(Release, {
    "type": ["string", "number"],
    "pattern": "^\\s*[0-9]+\\.[0-9]+\\s*$|\\$\\{",
    "description": "A release of PostgreSQL: \"15.18\""
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_a_whole_number() {
        assert_eq!(Release::parse("15.18"), Ok(Release(Version { major: 15, minor: 18 })));
        let why = |text| Release::parse(text).unwrap_err();
        assert!(why("15").contains("a major version") && why("newest").contains("is not a release"));
    }
}
