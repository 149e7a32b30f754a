//! Values that know where in the file they stand.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::Span;

/// The struct name by which [`Spanned`] asks the scenario decoder for positions.
pub const SPANNED: &str = "$drillyard::Spanned";

/// The field, the first of its struct, that gets the value where a single word stands in the place
/// of a map: `until: latest`.
pub const WORD: &str = "$word";

/// A value with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where the value stands.
    pub span: Span,
    /// Where the key and the value stand: `lost: 0`. The same as `span` for values without a key.
    pub entry: Span,
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const FIELDS: &[&str] = &["start", "end", "entry", "value"];
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Spanned<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value from the scenario decoder")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut next = |field: &'static str| match map.next_key::<Cow<'static, str>>()? {
                    Some(key) if key == field => map.next_value::<usize>(),
                    _ => Err(de::Error::missing_field(field)),
                };
                let (start, end, entry) = (next("start")?, next("end")?, next("entry")?);
                match map.next_key::<Cow<'static, str>>()? {
                    Some(key) if key == "value" => {}
                    _ => return Err(de::Error::missing_field("value")),
                }
                let value = map.next_value()?;
                Ok(Spanned { value, span: Span { start, end }, entry: Span { start: entry, end } })
            }
        }
        deserializer.deserialize_struct(SPANNED, FIELDS, Fields(PhantomData))
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// A name of a node, a repo or a step: a letter, then letters, digits, `_` and `-`, at most 40.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Checks the rule for names.
    pub fn new(text: &str) -> Result<Self, String> {
        let fits = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
            && text.len() <= 40;
        match fits {
            true => Ok(Name(text.to_owned())),
            false => {
                Err(format!("`{text}` is not a name\nhelp: a letter, then letters, digits, `_` and `-`, at most 40"))
            }
        }
    }

    /// Checks the rule for the id of a step as others write it: that of one in a fragment has the
    /// id of its `use` before it, as in `lunch.accident`.
    pub fn of_step(text: &str) -> Result<Self, String> {
        match text.contains('.') && text.split('.').all(|part| Name::new(part).is_ok()) {
            true => Ok(Name(text.to_owned())),
            false => Name::new(text),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Name::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl schemars::JsonSchema for Name {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,39}$|\\$\\{" })
    }
}
