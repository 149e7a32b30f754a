//! The columns that tell a row from all others: one or several, of one table or of each of several.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::pg::{ColumnName, TableName};
use crate::source::Spanned;

/// The keys of tables.
#[derive(Debug, Clone)]
pub(crate) enum Keys {
    /// One column or several, of the only table.
    One(Vec<ColumnName>),
    /// Those of each table.
    Each(Vec<(Spanned<TableName>, Columns)>),
}

/// One column or several.
#[derive(Debug, Clone)]
pub(crate) struct Columns(pub Vec<ColumnName>);

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(OneOrMore { each: false })? {
            Keys::One(columns) => Ok(Columns(columns)),
            Keys::Each(_) => Err(de::Error::custom("columns are not a map")),
        }
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMore { each: true })
    }
}

impl JsonSchema for Keys {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Keys".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let columns = || json!({ "type": ["string", "array"], "items": { "type": "string" }, "minItems": 1 });
        let each = json!({ "type": "object", "additionalProperties": columns() });
        schemars::json_schema!({ "anyOf": [columns(), each] })
    }
}

struct OneOrMore {
    /// Whether a map with those of each table will do.
    each: bool,
}

impl<'de> Visitor<'de> for OneOrMore {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = if self.each { ", or a map with those of each table" } else { "" };
        write!(f, "a column or a list of columns{each}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map(|column| Keys::One(vec![column])).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut columns = Vec::new();
        while let Some(column) = items.next_element()? {
            columns.push(column);
        }
        Ok(Keys::One(columns))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        if !self.each {
            return Err(de::Error::invalid_type(de::Unexpected::Map, &self));
        }
        let mut keys = Vec::new();
        while let Some(key) = map.next_entry()? {
            keys.push(key);
        }
        Ok(Keys::Each(keys))
    }
}
