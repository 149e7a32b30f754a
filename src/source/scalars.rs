//! The scalars of the language that are more than text: durations, sizes, times and their like.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::plain::Kind;

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

/// A field that is given if it stands in the file, and be it null: of an `Option` alone null means
/// that it is not given.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
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
pub(super) use schema;

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

// No `format`: what validators take for a regular expression is JavaScript's, which has no `(?s)`.
schema!(Regex, { "type": "string", "description": "A regular expression (Rust's regex crate)" });

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
