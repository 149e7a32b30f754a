//! Versions of PostgreSQL.

use std::fmt;
use std::str::FromStr;

/// The major versions that drillyard knows how to drill.
///
/// 13 is the oldest with `pg_verifybackup` and `pg_current_xact_id`; 19 is the newest whose output
/// was seen.
pub const SUPPORTED_MAJORS: std::ops::RangeInclusive<u32> = 13..=19;

/// The newest release of each major version that drillyard was tested with. A release may change
/// what verdicts rest on: one that is newer is warned of. `tests/releases.rs` compares it with the
/// servers that the tests run on.
pub const NEWEST_TESTED: [Version; 4] = [
    Version { major: 13, minor: 16 },
    Version { major: 15, minor: 20 },
    Version { major: 17, minor: 12 },
    Version { major: 18, minor: 6 },
];

/// A version of PostgreSQL since 10: `17.2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// `17` of `17.2`.
    pub major: u32,
    /// `2` of `17.2`; 0 for a development version such as `19devel` or `19beta1`.
    pub minor: u32,
}

impl Version {
    /// Reads a release by its whole number, and nothing else: `15.18`.
    pub fn release(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        Some(Version { major: number(major)?, minor: number(minor)? })
    }

    /// Why a release is to be warned of: it is newer than those that drillyard was tested with.
    /// None if its minor version is not known.
    pub fn untested(self) -> Option<String> {
        if self.minor == 0 {
            return None;
        }
        match NEWEST_TESTED.iter().find(|tested| tested.major == self.major) {
            Some(tested) if tested.minor >= self.minor => None,
            Some(tested) => {
                Some(format!("PostgreSQL {self} is newer than {tested}, the newest that drillyard was tested with"))
            }
            None => Some(format!("drillyard was not tested with PostgreSQL {}", self.major)),
        }
    }
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

    /// Reads `17`, `17.2`, and what the programs print:
    /// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
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

    #[test]
    fn a_release_has_two_numbers_and_nothing_else() {
        assert_eq!(Version::release("15.18"), Some(Version { major: 15, minor: 18 }));
        for wrong in ["15", "15.", ".1", "15.18.1", "15.18-1", "v15.18", "19beta1", "+1.2", ""] {
            assert_eq!(Version::release(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_release_newer_than_the_tested_ones_is_warned_of() {
        let untested = |major, minor| Version { major, minor }.untested();
        assert_eq!(NEWEST_TESTED.iter().find_map(|tested| tested.untested()), None);
        assert_eq!((untested(17, 0), untested(17, 2)), (None, None));
        let [.., newest] = NEWEST_TESTED;
        let next = Version { minor: newest.minor + 1, ..newest };
        let said = format!("PostgreSQL {next} is newer than {newest}, the newest that drillyard was tested with");
        assert_eq!(next.untested(), Some(said));
        assert_eq!(untested(12, 3), Some("drillyard was not tested with PostgreSQL 12".to_owned()));
    }
}
