//! Which major versions of PostgreSQL something is for.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};

use super::scalars::{parsed, schema};
use crate::pg::{SUPPORTED_MAJORS, Version};

/// Which versions of PostgreSQL are meant: `>=17`, `>=15, <18`, `16`. All parts must hold; they
/// compare majors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionReq(Vec<(Compare, u32)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    AtLeast,
    Above,
    AtMost,
    Below,
    Equal,
}

impl VersionReq {
    const OPERATORS: [(&'static str, Compare); 6] = [
        (">=", Compare::AtLeast),
        ("<=", Compare::AtMost),
        ("==", Compare::Equal),
        (">", Compare::Above),
        ("<", Compare::Below),
        ("=", Compare::Equal),
    ];

    /// Reads `>=15, <18`.
    ///
    /// # Errors
    /// Where it is not a requirement, or no supported major can meet it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is not a requirement of a version\nhelp: write it as in `\">=17\"` or `\">=15, <18\"`")
        };
        let part = |part: &str| {
            let part = part.trim();
            let found =
                Self::OPERATORS.iter().find_map(|(sign, compare)| part.strip_prefix(sign).map(|rest| (*compare, rest)));
            let (compare, major) = found.unwrap_or((Compare::Equal, part));
            match major.trim().split_once('.') {
                Some((major, _)) if major.parse::<u32>().is_ok() => {
                    let sign = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
                    let title = format!("`{part}` has a minor version, and only majors are compared");
                    Err(format!("{title}\nhelp: write `{sign}{major}`"))
                }
                _ => major.trim().parse().map(|major| (compare, major)).map_err(|_| wrong()),
            }
        };
        let req = VersionReq(text.split(',').map(part).collect::<Result<_, _>>()?);
        if !SUPPORTED_MAJORS.clone().any(|major| req.matches(Version { major, minor: 0 })) {
            let (first, last) = (SUPPORTED_MAJORS.start(), SUPPORTED_MAJORS.end());
            return Err(format!("no version that drillyard knows is `{text}`\nhelp: it knows {first} to {last}"));
        }
        Ok(req)
    }

    /// What both mean.
    ///
    /// # Errors
    /// Where no supported major is meant by both; the text says so.
    pub fn and(self, other: &VersionReq) -> Result<VersionReq, String> {
        let both = VersionReq(self.0.iter().chain(&other.0).copied().collect());
        match SUPPORTED_MAJORS.clone().any(|major| both.matches(Version { major, minor: 0 })) {
            true if self == *other => Ok(self),
            true => Ok(both),
            false => Err(format!("it is for {self}, and for {other}")),
        }
    }

    /// Whether `version` is one of those that are meant.
    pub fn matches(&self, version: Version) -> bool {
        self.0.iter().all(|(compare, major)| match compare {
            Compare::AtLeast => version.major >= *major,
            Compare::Above => version.major > *major,
            Compare::AtMost => version.major <= *major,
            Compare::Below => version.major < *major,
            Compare::Equal => version.major == *major,
        })
    }
}

impl fmt::Display for VersionReq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (compare, major)) in self.0.iter().enumerate() {
            let sign = match compare {
                Compare::AtLeast => ">=",
                Compare::Above => ">",
                Compare::AtMost => "<=",
                Compare::Below => "<",
                Compare::Equal => "",
            };
            write!(f, "{}{sign}{major}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for VersionReq {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a requirement of a version, such as \">=17\"", VersionReq::parse)
    }
}

schema!(VersionReq, {
    "type": ["string", "integer"],
    "description": "Major versions of PostgreSQL: >=17, or >=15, <18"
});
