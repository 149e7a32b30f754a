//! Numbers that are compared with those of a server, and how far from one another may be.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};

use super::scalars::{parsed, schema};
use crate::pg::Decimal;

/// A number, as it was written: `1000`, `0.5`, `-3e6`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// Its value.
    pub value: Decimal,
    /// How it was written.
    text: String,
}

impl Number {
    /// Reads `0.5`.
    ///
    /// # Errors
    /// Where it is not a number; the text says what is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value = Decimal::parse(text).ok_or_else(|| {
            format!("`{text}` is not a number\nhelp: write digits alone: `1000`, `0.5`; sizes and durations are not known to SQL")
        })?;
        Ok(Number { value, text: text.to_owned() })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a number", Number::parse)
    }
}

schema!(Number, { "type": ["number", "string"], "description": "A number: 1000, 0.5; exact, whatever its size" });

/// How far a number may be from another one: `1%` of that, or so much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tolerance {
    /// So many percent of the other number.
    Percent(Number),
    /// So much.
    Absolute(Number),
}

impl Tolerance {
    /// Reads `1%`, or `100`.
    ///
    /// # Errors
    /// Where it is neither; the text says what is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no tolerance\nhelp: `1%` of the other number, or a number such as `100`");
        let (number, is_percent) = match text.strip_suffix('%') {
            Some(number) => (number.trim_end(), true),
            None => (text, false),
        };
        let number = Number::parse(number).map_err(|_| wrong())?;
        match (number.value.is_negative(), is_percent) {
            (true, _) => Err(wrong()),
            (false, true) => Ok(Tolerance::Percent(number)),
            (false, false) => Ok(Tolerance::Absolute(number)),
        }
    }

    /// How far that is from this number.
    pub fn of(&self, number: &Decimal) -> Decimal {
        match self {
            Tolerance::Percent(percent) => number.percent(&percent.value),
            Tolerance::Absolute(distance) => distance.value.clone(),
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tolerance::Percent(percent) => write!(f, "{percent}%"),
            Tolerance::Absolute(distance) => distance.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Tolerance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a tolerance, such as 1%", Tolerance::parse)
    }
}

schema!(Tolerance, {
    "type": ["number", "string"],
    "description": "How far a number may be off: 1% of the other number, or a number",
    "pattern": "^\\s*[+]?[0-9.]+([eE][-+]?[0-9]+)?\\s*%?\\s*$|\\$\\{"
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerances_are_of_the_other_number_or_so_much() {
        let of = |text: &str, number: &str| {
            let number = Decimal::parse(number).expect("a number");
            Tolerance::parse(text).map(|tolerance| tolerance.of(&number).to_string())
        };
        assert_eq!(of("1%", "250").as_deref(), Ok("2.5"));
        assert_eq!(of("0.5 %", "-200").as_deref(), Ok("1"));
        assert_eq!(of("10", "250").as_deref(), Ok("10"));
        for wrong in ["-1%", "1 percent", "%", "-5", "1h"] {
            assert!(of(wrong, "1").is_err(), "{wrong}");
        }
    }
}
