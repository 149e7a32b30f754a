//! How many times as much as something else.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};

use super::scalars::{parsed, schema};

/// How many times as much as something else: from 1 on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(pub f64);

impl Ratio {
    /// Reads `1.5`.
    ///
    /// # Errors
    /// Where it is not a number from 1 on; the text says why.
    pub fn parse(text: &str) -> Result<Self, String> {
        /// More is a slip of the pen.
        const MOST: f64 = 1000.0;
        let digits = text.chars().all(|c| c.is_ascii_digit() || c == '.');
        let number = text.parse::<f64>().ok().filter(|_| digits);
        match number {
            Some(number) if (1.0..=MOST).contains(&number) => Ok(Ratio(number)),
            Some(number) if number < 1.0 => Err(format!(
                "`{text}` is less than 1\nhelp: with `1.5` it may take half as long again as the last time"
            )),
            Some(_) => Err(format!("`{text}` is more than 1000")),
            None => Err(format!("`{text}` is not a number\nhelp: write how many times as long it may take: `1.5`")),
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a number from 1 on, such as 1.5", Ratio::parse)
    }
}

schema!(Ratio, { "type": ["number", "string"], "minimum": 1, "maximum": 1000, "description": "How many times as much: 1.5" });
