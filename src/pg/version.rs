//! Versions of PostgreSQL.

use std::fmt;
use std::str::FromStr;

/// The major versions that drillyard knows how to drill.
///
/// 13 is the oldest with `pg_verifybackup` and `pg_current_xact_id`; 19 is the newest whose output was seen.
pub const SUPPORTED_MAJORS: std::ops::RangeInclusive<u32> = 13..=19;

/// A version of PostgreSQL since 10: `17.2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// `17` of `17.2`.
    pub major: u32,
    /// `2` of `17.2`; 0 for a development version such as `19devel` or `19beta1`.
    pub minor: u32,
}

/// A text in which no version was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no PostgreSQL version in `{0}`")]
pub struct VersionError(String);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    /// Reads `17`, `17.2`, and what the programs print: `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || VersionError(text.trim().to_owned());
        let word =
            text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).ok_or_else(wrong)?;
        let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
        let major = word[..end].parse().map_err(|_| wrong())?;
        let minor = match word[end..].strip_prefix('.') {
            Some(rest) => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                rest[..end].parse().map_err(|_| wrong())?
            }
            None => 0,
        };
        Ok(Version { major, minor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        let read = |text: &str| text.parse::<Version>().map(|v| (v.major, v.minor)).ok();
        assert_eq!(read("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some((15, 18)));
        assert_eq!(read("postgres (PostgreSQL) 19beta2"), Some((19, 0)));
        assert_eq!(read("17"), Some((17, 0)));
        assert_eq!(read("nothing here"), None);
    }
}
