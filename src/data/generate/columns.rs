//! The columns that `create_data` can fill: their SQL types, and how a value is made, in binary and
//! as text.

use std::io::Write;

use crate::data::hash::scramble;

/// A type that values can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Kind {
    Smallint,
    Integer,
    Bigint,
    Numeric { precision: u32, scale: u32 },
    Real,
    Double,
    Text { max: usize },
    Boolean,
    Uuid,
    Date,
    Timestamp,
    Timestamptz,
    Jsonb,
    Bytea,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Column {
    pub name: String,
    /// The type as SQL has it.
    pub sql: String,
    pub kind: Kind,
    pub primary_key: bool,
    pub not_null: bool,
    /// Whether now and then a value is null.
    pub nulls: bool,
}

/// The columns of a table to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(pub(in crate::data) Vec<Column>);

/// What is wrong with a column of `create_data`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{fault}", if column.is_empty() { String::new() } else { format!("column `{column}`: ") })]
pub struct ColumnsError {
    /// The column's name; empty if it is about all of them.
    pub column: String,
    /// What is wrong.
    pub fault: ColumnFault,
}

/// What is wrong with a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnFault {
    /// Its type, as it is written, is none of [`FILLED`].
    #[error("`{0}` is not a type that create_data fills: {FILLED}")]
    NotFilled(String),
    /// Something else, and what would be right.
    #[error("{0}")]
    Other(String),
}

/// The types that create_data fills.
pub const FILLED: &str = "smallint, integer, bigint, numeric(p,s), real, double precision, text, varchar(n), boolean, uuid, date, \
    timestamptz, timestamp, jsonb, bytea, each with `primary key` or `not null` behind it where wanted";

impl Default for Columns {
    /// `id bigint primary key, amount numeric(12,2) not null, note text, at timestamptz not null`,
    /// without nulls.
    fn default() -> Self {
        let column = |name: &str, sql: &str, kind, primary_key, not_null| Column {
            name: name.to_owned(),
            sql: sql.to_owned(),
            kind,
            primary_key,
            not_null,
            nulls: false,
        };
        Columns(vec![
            column("id", "bigint", Kind::Bigint, true, true),
            column("amount", "numeric(12,2)", Kind::Numeric { precision: 12, scale: 2 }, false, true),
            column("note", "text", Kind::Text { max: usize::MAX }, false, false),
            column("at", "timestamptz", Kind::Timestamptz, false, true),
        ])
    }
}

impl Columns {
    /// Reads names and what stands behind them: `bigint primary key`, `numeric(12,2) not null`.
    pub fn parse<'a>(columns: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Columns, ColumnsError> {
        let mut read: Vec<Column> = Vec::new();
        for (name, definition) in columns {
            let faulty = |fault: ColumnFault| ColumnsError { column: name.to_owned(), fault };
            let wrong = |reason: &str| faulty(ColumnFault::Other(reason.to_owned()));
            let column = column(name, definition).map_err(faulty)?;
            if read.iter().any(|other| other.name == column.name) {
                return Err(wrong("it is there twice"));
            }
            if column.primary_key && read.iter().any(|other| other.primary_key) {
                return Err(wrong("there is a primary key already; create_data makes them of one column"));
            }
            read.push(column);
        }
        if read.is_empty() {
            let fault = ColumnFault::Other("a table needs at least one column".to_owned());
            return Err(ColumnsError { column: String::new(), fault });
        }
        Ok(Columns(read))
    }

    /// The column that the primary key is made of.
    pub(in crate::data) fn primary_key(&self) -> Option<&Column> {
        self.0.iter().find(|column| column.primary_key)
    }
}

fn column(name: &str, definition: &str) -> Result<Column, ColumnFault> {
    let not_filled = || ColumnFault::NotFilled(definition.to_owned());
    let other = |reason: String| Err(ColumnFault::Other(reason));
    let lower = definition.to_ascii_lowercase();
    let mut text = lower.split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut primary_key, mut not_null) = (false, false);
    loop {
        if let Some(rest) = text.strip_suffix(" primary key") {
            (primary_key, not_null, text) = (true, true, rest.to_owned());
        } else if let Some(rest) = text.strip_suffix(" not null") {
            (not_null, text) = (true, rest.to_owned());
        } else {
            break;
        }
    }
    let sql = text.replace(", ", ",").replace(" (", "(").replace("( ", "(").replace(" )", ")").replace(" ,", ",");
    let (word, arguments) = match sql.split_once('(') {
        Some((word, rest)) => match rest.strip_suffix(')') {
            Some(inside) => (word, Some(inside)),
            None => return Err(not_filled()),
        },
        None => (sql.as_str(), None),
    };
    let kind = match (word, arguments) {
        ("smallint" | "int2", None) => Kind::Smallint,
        ("integer" | "int" | "int4", None) => Kind::Integer,
        ("bigint" | "int8", None) => Kind::Bigint,
        ("numeric" | "decimal", None) => Kind::Numeric { precision: 12, scale: 2 },
        ("numeric" | "decimal", Some(arguments)) => {
            let (precision, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
            match (precision.parse(), scale.parse()) {
                (Ok(precision @ 1..=1000), Ok(scale)) if scale <= precision => Kind::Numeric { precision, scale },
                _ => return other(format!("`{definition}`: numeric(p,s) has a p of 1 to 1000 and an s of 0 to p")),
            }
        }
        ("real" | "float4", None) => Kind::Real,
        ("double precision" | "float8", None) => Kind::Double,
        ("text" | "varchar" | "character varying", None) => Kind::Text { max: usize::MAX },
        ("varchar" | "character varying", Some(max)) => match max.parse() {
            Ok(max @ 1..=10_485_760) => Kind::Text { max },
            _ => return other(format!("`{definition}`: varchar(n) has an n of 1 to 10485760")),
        },
        ("boolean" | "bool", None) => Kind::Boolean,
        ("uuid", None) => Kind::Uuid,
        ("date", None) => Kind::Date,
        ("timestamp" | "timestamp without time zone", None) => Kind::Timestamp,
        ("timestamptz" | "timestamp with time zone", None) => Kind::Timestamptz,
        ("jsonb", None) => Kind::Jsonb,
        ("bytea", None) => Kind::Bytea,
        _ => return Err(not_filled()),
    };
    if primary_key && !matches!(kind, Kind::Smallint | Kind::Integer | Kind::Bigint | Kind::Uuid) {
        return other("a primary key is a smallint, integer or bigint, which counts the rows, or a uuid".to_owned());
    }
    Ok(Column { name: name.to_owned(), sql, kind, primary_key, not_null, nulls: !not_null })
}

/// 16 words; those behind the plain ones are there because they break what does not quote as it
/// should.
const WORDS: [&str; 16] = [
    "amber",
    "birch",
    "cedar",
    "dune",
    "ember",
    "fjord",
    "grove",
    "harbour",
    "inlet",
    "juniper",
    "kelp",
    "lagoon",
    "O'Hara",
    "\"quoted\"",
    "back\\slash",
    "a,(b)",
];

/// Microseconds and days from 2000-01-01, which PostgreSQL counts from, to 2024-01-01.
const DAYS: u64 = 8766;

fn numeric_digits(precision: u32, bits: u64) -> u64 {
    // Nine digits are enough for amounts; more make the rows bigger and nothing better.
    bits % 10_u64.pow(precision.min(9))
}

fn put(buffer: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    // Writing into memory does not fail.
    let _ = buffer.write_fmt(arguments);
}

fn words(max: usize, bits: u64, buffer: &mut Vec<u8>) {
    let start = buffer.len();
    let count = (bits >> 60) % 4;
    for n in 0..count {
        if n > 0 {
            buffer.push(b' ');
        }
        buffer.extend_from_slice(WORDS[(bits >> (n * 4)) as usize % 16].as_bytes());
    }
    buffer.truncate(start.saturating_add(max).min(buffer.len()));
}

impl Kind {
    /// Its name, if a primary key of this type counts the rows.
    pub(in crate::data) fn counted(self) -> Option<&'static str> {
        match self {
            Kind::Smallint => Some("smallint"),
            Kind::Integer => Some("integer"),
            Kind::Bigint => Some("bigint"),
            _ => None,
        }
    }

    /// The value as `COPY ... (FORMAT binary)` has it, with its length; `count` is the row's number
    /// from 1 for a key.
    pub(in crate::data) fn binary(self, bits: u64, count: Option<u64>, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        match self {
            Kind::Smallint => out.extend_from_slice(&(count.unwrap_or(bits) as i16).to_be_bytes()),
            Kind::Integer => out.extend_from_slice(&(count.unwrap_or(bits) as i32).to_be_bytes()),
            Kind::Bigint => out.extend_from_slice(&(count.unwrap_or(bits) as i64).to_be_bytes()),
            Kind::Numeric { precision, scale } => numeric_binary(numeric_digits(precision, bits), scale, out),
            Kind::Real => out.extend_from_slice(&((bits % 40_000) as f32 / 4.0).to_be_bytes()),
            Kind::Double => out.extend_from_slice(&((bits >> 28) as f64 / 8.0).to_be_bytes()),
            Kind::Text { max } => words(max, bits, out),
            Kind::Boolean => out.push((bits & 1) as u8),
            Kind::Uuid | Kind::Bytea => out.extend_from_slice(&sixteen(bits)),
            Kind::Date => out.extend_from_slice(&((bits % DAYS) as i32).to_be_bytes()),
            Kind::Timestamp | Kind::Timestamptz => {
                out.extend_from_slice(&((bits % (DAYS * 86_400) * 1_000_000) as i64).to_be_bytes());
            }
            Kind::Jsonb => {
                out.push(1);
                self.text(bits, count, out);
            }
        }
        let length = (out.len() - at - 4) as u32;
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// The value as the server shows it in UTC and the ISO style.
    pub(in crate::data) fn text(self, bits: u64, count: Option<u64>, out: &mut Vec<u8>) {
        match self {
            Kind::Smallint => put(out, format_args!("{}", count.unwrap_or(bits) as i16)),
            Kind::Integer => put(out, format_args!("{}", count.unwrap_or(bits) as i32)),
            Kind::Bigint => put(out, format_args!("{}", count.unwrap_or(bits) as i64)),
            Kind::Numeric { precision, scale } => numeric_text(numeric_digits(precision, bits), scale as usize, out),
            Kind::Real => put(out, format_args!("{}", (bits % 40_000) as f32 / 4.0)),
            Kind::Double => put(out, format_args!("{}", (bits >> 28) as f64 / 8.0)),
            Kind::Text { max } => words(max, bits, out),
            Kind::Boolean => out.push(if bits & 1 == 1 { b't' } else { b'f' }),
            Kind::Uuid => {
                for (at, byte) in sixteen(bits).iter().enumerate() {
                    if matches!(at, 4 | 6 | 8 | 10) {
                        out.push(b'-');
                    }
                    put(out, format_args!("{byte:02x}"));
                }
            }
            Kind::Bytea => {
                out.extend_from_slice(b"\\x");
                sixteen(bits).iter().for_each(|byte| put(out, format_args!("{byte:02x}")));
            }
            Kind::Date => date(bits % DAYS, out),
            Kind::Timestamp | Kind::Timestamptz => {
                let seconds = bits % (DAYS * 86_400);
                date(seconds / 86_400, out);
                let of_day = seconds % 86_400;
                put(out, format_args!(" {:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60));
                if self == Kind::Timestamptz {
                    out.extend_from_slice(b"+00");
                }
            }
            // The keys in jsonb's order: shorter ones first.
            Kind::Jsonb => {
                put(out, format_args!("{{\"n\": {}, \"word\": \"{}\"}}", bits >> 40, WORDS[bits as usize % 12]))
            }
        }
    }
}

/// The text of days since 2000-01-01, by the Gregorian calendar's cycle of four years, right until
/// 2100.
fn date(days: u64, out: &mut Vec<u8>) {
    const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let (cycle, rest) = (days / 1461, days % 1461);
    let (year, day) = if rest < 366 { (0, rest) } else { (1 + (rest - 366) / 365, (rest - 366) % 365) };
    let starts = |month: usize| BEFORE[month] + u64::from(year == 0 && month >= 2);
    let month = (0..12).rev().find(|month| starts(*month) <= day).unwrap_or(0);
    put(out, format_args!("{:04}-{:02}-{:02}", 2000 + cycle * 4 + year, month + 1, day - starts(month) + 1));
}

fn sixteen(bits: u64) -> [u8; 16] {
    let other = scramble(bits);
    (u128::from(bits) << 64 | u128::from(other)).to_be_bytes()
}

fn numeric_text(digits: u64, scale: usize, out: &mut Vec<u8>) {
    if scale == 0 {
        return put(out, format_args!("{digits}"));
    }
    let at = out.len();
    put(out, format_args!("{digits:0>width$}", width = scale + 1));
    let point = out.len() - scale;
    debug_assert!(point > at);
    out.insert(point, b'.');
}

/// numeric_send's form: digits of base 10,000 without zeros at either end, the weight of the first,
/// and the scale.
fn numeric_binary(digits: u64, scale: u32, out: &mut Vec<u8>) {
    let mut rest = digits * 10_u64.pow((4 - scale % 4) % 4);
    let mut groups = [0_u16; 8];
    let mut count = 0_usize;
    while rest > 0 {
        groups[count] = (rest % 10_000) as u16;
        rest /= 10_000;
        count += 1;
    }
    let zeros = groups[..count].iter().take_while(|group| **group == 0).count();
    let weight = if count == 0 { 0 } else { count as i16 - 1 - scale.div_ceil(4) as i16 };
    out.extend_from_slice(&((count - zeros) as i16).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&(scale as i16).to_be_bytes());
    for group in groups[zeros..count].iter().rev() {
        out.extend_from_slice(&group.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_cannot_be_filled_is_answered_with_those_that_can() {
        let error = Columns::parse([("id", "bigint primary key"), ("place", "point")]).expect_err("no point");
        assert!(
            error.to_string().starts_with("column `place`: `point` is not a type that create_data fills: smallint,"),
            "{error}"
        );
        for wrong in ["numeric(0)", "numeric(3,4)", "varchar(0)", "text primary key", "varchar(9", "int[]", ""] {
            assert!(Columns::parse([("x", wrong)]).is_err(), "{wrong}");
        }
        assert!(Columns::parse([("a", "int primary key"), ("b", "int primary key")]).is_err());
        assert!(Columns::parse([]).is_err());
        let read = Columns::parse([("a", "Numeric (12, 2)  NOT NULL")]).expect("a column");
        assert_eq!((read.0[0].kind, read.0[0].not_null), (Kind::Numeric { precision: 12, scale: 2 }, true));
    }
}
