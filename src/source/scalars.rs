//! The scalars of the language that are more than text: durations, sizes, times and their like.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::Name;
use super::plain::Kind;
use crate::pg::{SUPPORTED_MAJORS, Version, is_segment};

/// The tuple struct's name by which a type asks the decoder for any scalar, as `(form, text)`.
pub const SCALAR: &str = "$drillyard::Scalar";
/// The same for any scalar but null.
pub const VALUE: &str = "$drillyard::Value";
/// The newtype's name by which a type asks the decoder for SQL text, in which nothing is
/// substituted.
pub const SQL: &str = "$drillyard::Sql";
/// The newtype's name by which a type asks the decoder for a word of a command, in which nothing is
/// substituted.
pub const SHELL: &str = "$drillyard::Shell";
/// The newtype's name by which a type asks the decoder for a connection string, in which secrets
/// are escaped.
pub const CONNECTION_STRING: &str = "$drillyard::ConnectionString";

/// How a scalar was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `null`, `~`, or nothing.
    Null,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A number with a fraction or an exponent.
    Float,
    /// Plain, in quotes or in a block.
    Text,
}

impl From<Kind> for Form {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Null => Form::Null,
            Kind::Bool => Form::Bool,
            Kind::Integer => Form::Integer,
            Kind::Float => Form::Float,
            Kind::Text => Form::Text,
        }
    }
}

impl Form {
    const ALL: [Form; 5] = [Form::Null, Form::Bool, Form::Integer, Form::Float, Form::Text];
}

/// A scalar as it stands in the file, whatever it is: asked for by the name [`SCALAR`], or
/// [`VALUE`] where null won't do.
fn raw<'de, D: Deserializer<'de>>(
    deserializer: D,
    name: &'static str,
    expected: &'static str,
) -> Result<(Form, String), D::Error> {
    struct Raw(&'static str);
    impl<'de> Visitor<'de> for Raw {
        type Value = (Form, String);

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let wrong = || de::Error::custom("a scalar comes from the scenario decoder alone");
            let form = seq.next_element::<u8>()?.ok_or_else(wrong)?;
            let form = Form::ALL.get(usize::from(form)).copied().ok_or_else(wrong)?;
            let text = seq.next_element()?.ok_or_else(wrong)?;
            Ok((form, text))
        }
    }
    deserializer.deserialize_tuple_struct(name, 2, Raw(expected))
}

/// A scalar that is one text to `parse`, and not null.
pub(super) fn parsed<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    let (_, text) = raw(deserializer, VALUE, expected)?;
    match text.trim() {
        "" => Err(de::Error::custom(format!("expected {expected}, found empty text"))),
        text => parse(text).map_err(de::Error::custom),
    }
}

/// Implements what is the same for every scalar: the schema, inline, under this name.
macro_rules! schema {
    ($type:ident, $($schema:tt)*) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($($schema)*)
            }
        }
    };
}

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
        humantime::parse_duration(text).map(Duration).map_err(|error| match error {
            humantime::DurationError::NumberOverflow => format!("the duration `{text}` is too long, or too precise"),
            _ => format!("`{text}` is not a duration\nhelp: write it as in `500ms`, `30s`, `5m` or `1h 30m`"),
        })
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
    "format": "date-time",
    "description": "RFC 3339 with an offset: 2026-11-22T14:00:00Z"
});

/// A regular expression, in the syntax of Rust's `regex` crate.
#[derive(Debug, Clone)]
pub struct Regex(regex::Regex);

impl Deref for Regex {
    type Target = regex::Regex;

    fn deref(&self) -> &regex::Regex {
        &self.0
    }
}

impl Regex {
    /// Whether it matches failures that have nothing in common, and so tells none of them from
    /// another.
    pub fn is_vacuous(&self) -> bool {
        let unrelated = [
            "relation \"orders\" does not exist (undefined_table, 42P01)",
            "could not connect to server",
            "17 rows are missing",
        ];
        unrelated.iter().all(|failure| self.0.is_match(failure))
    }
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Regex {}

impl<'de> Deserialize<'de> for Regex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        regex::Regex::new(&text).map(Regex).map_err(|error| {
            // The crate draws its own caret under the pattern; its last line says what is wrong.
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default();
            de::Error::custom(format!("not a regular expression: {}", last.trim_start_matches("error: ")))
        })
    }
}

schema!(Regex, { "type": "string", "format": "regex", "description": "A regular expression (Rust's regex crate)" });

/// Any single value: of `args`, of a cell in `equals`, of a param.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// `null`, `~`, or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or an exponent, as it was written: to `numeric`, `1.10` is not
    /// `1.1`.
    Float(String),
    /// Text.
    Text(String),
}

impl Scalar {
    /// What `text` is, written plainly.
    ///
    /// # Errors
    /// For numbers and booleans in forms that could mean two things; the text says what to write.
    pub fn of_plain(text: &str) -> Result<Self, String> {
        Scalar::of(Kind::of_plain(text).into(), text)
    }

    fn of(form: Form, text: &str) -> Result<Self, String> {
        Ok(match form {
            Form::Null => Scalar::Null,
            Form::Bool => Scalar::Bool(match text {
                "true" => true,
                "false" => false,
                other => return Err(format!("write `{}` in small letters, or in quotes", other.to_lowercase())),
            }),
            Form::Integer => {
                let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
                if digits.len() > 1 && digits.starts_with('0') {
                    return Err(format!(
                        "`{text}` is a number to some and text to others\nhelp: put it in quotes, or write plain digits"
                    ));
                }
                let wide = |_| format!("`{text}` does not fit into 64 bits\nhelp: put it in quotes");
                Scalar::Integer(text.parse().map_err(wide)?)
            }
            Form::Float => Scalar::Float(text.to_owned()),
            Form::Text => Scalar::Text(text.to_owned()),
        })
    }

    /// As text; `None` for null.
    pub fn nullable_text(&self) -> Option<String> {
        (*self != Scalar::Null).then(|| self.text().into_owned())
    }

    /// As text; empty for null.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Scalar::Null => "".into(),
            Scalar::Bool(value) => value.to_string().into(),
            Scalar::Integer(value) => value.to_string().into(),
            Scalar::Float(text) | Scalar::Text(text) => text.into(),
        }
    }

    /// How it was given.
    pub fn form(&self) -> Form {
        match self {
            Scalar::Null => Form::Null,
            Scalar::Bool(_) => Form::Bool,
            Scalar::Integer(_) => Form::Integer,
            Scalar::Float(_) => Form::Float,
            Scalar::Text(_) => Form::Text,
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Null => f.write_str("null"),
            other => f.write_str(&other.text()),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (form, text) = raw(deserializer, SCALAR, "a single value")?;
        Scalar::of(form, &text).map_err(de::Error::custom)
    }
}

schema!(Scalar, { "type": ["null", "boolean", "number", "string"] });

/// A setting's value, as it goes to postgresql.conf: any scalar, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Setting(pub String);

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (_, text) = raw(deserializer, VALUE, "a setting's value")?;
        Ok(Setting(text))
    }
}

schema!(Setting, { "type": ["boolean", "number", "string"] });

/// Which WAL segment of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WhichWal {
    /// The first one there.
    First,
    /// The last one there.
    Last,
    /// The one of this name.
    Segment(String),
    /// The one that holds this mark.
    Mark(Name),
}

impl WhichWal {
    /// Reads `first`, `last`, a segment's name or a mark's id.
    ///
    /// # Errors
    /// For anything else; the text says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let help = "help: `first`, `last`, a mark's id, or a segment's name as pg_walfile_name prints it, 24 hexadecimal digits";
        match text {
            "first" => Ok(WhichWal::First),
            "last" => Ok(WhichWal::Last),
            name if is_segment(name) => Ok(WhichWal::Segment(name.to_owned())),
            id => Name::new(id).map(WhichWal::Mark).map_err(|_| format!("`{id}` is no WAL segment\n{help}")),
        }
    }
}

impl fmt::Display for WhichWal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhichWal::First => f.write_str("the first WAL segment"),
            WhichWal::Last => f.write_str("the last WAL segment"),
            WhichWal::Segment(name) => write!(f, "WAL segment {name}"),
            WhichWal::Mark(id) => write!(f, "the WAL segment of {id}"),
        }
    }
}

impl<'de> Deserialize<'de> for WhichWal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A segment's name may be all digits.
        parsed(deserializer, "a WAL segment", Self::parse)
    }
}

schema!(WhichWal, { "type": ["string", "number"], "description": "`first`, `last`, a segment's name, or a mark's id" });

/// Text of SQL: nothing is substituted in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sql(pub String);

/// A command's word: nothing is substituted in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shell(pub String);

/// A connection string of libpq, as a URL or as `key=value`. A secret that is a part of it is
/// escaped as it needs to be there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConnectionString(pub String);

/// Asks for text under a name that tells the decoder whether and how to substitute.
fn literal<'de, D: Deserializer<'de>>(deserializer: D, name: &'static str) -> Result<String, D::Error> {
    struct Text;
    impl<'de> Visitor<'de> for Text {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text")
        }

        fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
            String::deserialize(deserializer)
        }
    }
    deserializer.deserialize_newtype_struct(name, Text)
}

impl Sql {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Sql {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        literal(deserializer, SQL).map(Sql)
    }
}

impl<'de> Deserialize<'de> for ConnectionString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        literal(deserializer, CONNECTION_STRING).map(ConnectionString)
    }
}

impl<'de> Deserialize<'de> for Shell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        literal(deserializer, SHELL).map(Shell)
    }
}

schema!(Sql, { "type": "string", "description": "SQL; references are not substituted in it: use args" });
schema!(ConnectionString, { "type": "string" });
schema!(Shell, { "type": "string", "description": "A word of a command; references are not substituted in it: use env" });

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
