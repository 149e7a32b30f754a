//! The scalars of the language that measure something: durations, sizes, times.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};

use super::scalars::{parsed, schema};

/// The longest duration that a scenario can have, far below what clocks can add.
const MOST: std::time::Duration = std::time::Duration::from_secs(10_000 * 86_400);

/// How long something takes or may take: `500ms`, `30s`, `5m`, `1h 30m`. A unit is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(pub std::time::Duration);

impl Duration {
    /// Reads `1h 30m`.
    ///
    /// # Errors
    /// Where it is not a duration; the text says what is.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || ".-+_".contains(c)) {
            return Err(format!(
                "a duration needs a unit, such as 10s\nhelp: write `{text}s` for seconds, `{text}m` for minutes"
            ));
        }
        // humantime also knows months, as `M`, and years: nobody drills for months, but many write
        // `5M`.
        let units = text.split(|c: char| !c.is_alphabetic()).filter(|unit| !unit.is_empty());
        for unit in units {
            let known = matches!(
                unit,
                "ns" | "us"
                    | "µs"
                    | "ms"
                    | "s"
                    | "sec"
                    | "secs"
                    | "second"
                    | "seconds"
                    | "m"
                    | "min"
                    | "mins"
                    | "minute"
                    | "minutes"
                    | "h"
                    | "hr"
                    | "hrs"
                    | "hour"
                    | "hours"
                    | "d"
                    | "day"
                    | "days"
            );
            if !known {
                let near = matches!(unit, "MS" | "S" | "M" | "H" | "D")
                    .then(|| format!(": did you mean `{}`?", unit.to_lowercase()));
                return Err(format!(
                    "`{text}` is not a duration: unknown unit `{unit}`{}\nhelp: units are `ms`, `s`, `m`, `h` and `d`",
                    near.unwrap_or_default()
                ));
            }
        }
        let parsed = humantime::parse_duration(text).map_err(|error| match error {
            humantime::DurationError::NumberOverflow => format!("the duration `{text}` is too long, or too precise"),
            _ => format!("`{text}` is not a duration\nhelp: write it as in `500ms`, `30s`, `5m` or `1h 30m`"),
        })?;
        if parsed > MOST {
            return Err(format!("the duration `{text}` is too long\nhelp: at most {} days", MOST.as_secs() / 86_400));
        }
        Ok(Duration(parsed))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a duration, such as 10s", Duration::parse)
    }
}

schema!(Duration, {
    "type": "string",
    "description": "A duration with its unit: 500ms, 30s, 5m, 1h 30m",
    "pattern": "^\\s*([0-9.]+\\s*[a-zµ]+\\s*)+$|\\$\\{"
});

/// A size as PostgreSQL writes it, in bytes: `64MB` is 64 * 1024 * 1024 (manual, 20.1.1 "Parameter
/// Names and Values").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(pub u64);

impl Size {
    const UNITS: [(&'static str, u64); 5] =
        [("B", 1), ("kB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];

    /// Reads `64MB`.
    ///
    /// # Errors
    /// Where it is not a size; the text says what is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = (&text[..end], text[end..].trim());
        let help = "help: write it as PostgreSQL does: `64MB`; units are `B`, `kB`, `MB`, `GB` and `TB`";
        if number.is_empty() || unit.starts_with(|c: char| !c.is_alphabetic()) {
            return Err(format!("`{text}` is not a size\n{help}"));
        }
        if unit.is_empty() {
            return Err(format!("a size needs a unit, such as 64MB\n{help}"));
        }
        let Some((_, bytes)) = Self::UNITS.iter().find(|(name, _)| *name == unit) else {
            let near = Self::UNITS.iter().find(|(name, _)| {
                name.eq_ignore_ascii_case(unit) || name.trim_end_matches('B').eq_ignore_ascii_case(unit)
            });
            let near = near.map(|(name, _)| format!(": did you mean `{number}{name}`?")).unwrap_or_default();
            return Err(format!("unknown unit `{unit}`{near}\n{help}"));
        };
        let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*bytes));
        size.map(Size).ok_or_else(|| format!("the size `{text}` is too large"))
    }

    /// The size to three or four digits, as pg_size_pretty would write it: `2211 MB`.
    pub fn rounded(self) -> String {
        /// Up to here a number is written in the smaller unit (manual, 9.28.7 "Database Object
        /// Management Functions": PostgreSQL's own limit).
        const LIMIT: u64 = 10 * 1024;
        let (unit, bytes) = Self::UNITS.iter().find(|(_, bytes)| self.0 / bytes < LIMIT).unwrap_or(&Self::UNITS[4]);
        format!("{} {unit}", (self.0 + bytes / 2) / bytes)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, bytes): &&(&str, u64)| self.0 >= *bytes && self.0.is_multiple_of(*bytes);
        let (unit, bytes) = Self::UNITS.iter().rev().find(fits).unwrap_or(&Self::UNITS[0]);
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a size, such as 64MB", Size::parse)
    }
}

schema!(Size, {
    "type": "string",
    "description": "A size as PostgreSQL writes it: 64MB is 64 * 1024 * 1024 bytes",
    "pattern": "^\\s*[0-9]+\\s*(B|kB|MB|GB|TB)\\s*$|\\$\\{"
});

/// A moment: RFC 3339 with an offset, `2026-11-22T14:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub jiff::Timestamp);

impl Time {
    /// Reads `2026-11-22T14:00:00+01:00`.
    ///
    /// # Errors
    /// Where it is not a moment or lacks its offset; the text says why that matters.
    pub fn parse(text: &str) -> Result<Self, String> {
        let zoned = match text.parse::<jiff::Timestamp>() {
            Ok(time) => return Ok(Time(time)),
            Err(error) => error,
        };
        if text.parse::<jiff::civil::DateTime>().is_ok() && !text.ends_with(['Z', 'z']) {
            return Err(format!(
                "the time `{text}` has no offset\n\
                 note: PostgreSQL would read it in the server's zone and may stop early\n\
                 help: end it with `Z` (UTC) or an offset such as `+01:00`"
            ));
        }
        // `2026-13-22`: the end of what jiff says is the reason; of other texts it says nothing
        // that helps.
        let dated = text.len() > 4 && text.bytes().take(4).all(|byte| byte.is_ascii_digit());
        let reason = zoned.to_string().rsplit(": ").next().filter(|_| dated).map(|reason| format!(": {reason}"));
        Err(format!(
            "`{text}` is not a time{}\nhelp: write it as in `2026-11-22T14:00:00Z`",
            reason.unwrap_or_default()
        ))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a time, such as 2026-11-22T14:00:00Z", Time::parse)
    }
}

schema!(Time, {
    "type": "string",
    "anyOf": [
        { "format": "date-time", "pattern": "([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)\\s*$" },
        { "pattern": "\\$\\{" },
    ],
    "description": "RFC 3339 with an offset: 2026-11-22T14:00:00Z"
});
