//! Values that may be known only when their step runs: what earlier steps have left, where servers
//! are.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::{Shell, Span};

/// The newtype's name by which a type asks the decoder for a value in which references may stand
/// that are known later: the pieces of its text are given as a list then.
pub const LATE: &str = "$drillyard::Late";
/// The same for a word of a command, in which nothing else is substituted.
pub const LATE_SHELL: &str = "$drillyard::LateShell";

/// A value that stands in the file, or one that is known only when its step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Late<T> {
    /// It stands in the file.
    Known(T),
    /// It is made of these pieces.
    Made(Pieces),
}

/// The text of a value with references that are known later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// As it stands in the file.
    pub text: String,
    /// What it is made of, in order.
    pub pieces: Vec<Piece>,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// It stands for itself.
    Text(String),
    /// What stands between `${` and `}`, such as `accident.xid`, and where all of it stands.
    Reference(String, Span),
}

impl<T> Late<T> {
    /// The value, if it stands in the file.
    pub fn known(&self) -> Option<&T> {
        match self {
            Late::Known(value) => Some(value),
            Late::Made(_) => None,
        }
    }
}

impl<T: fmt::Display> fmt::Display for Late<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Late::Known(value) => value.fmt(f),
            Late::Made(pieces) => f.write_str(&pieces.text),
        }
    }
}

/// Asks the decoder for a value, or for the pieces that it is made of.
fn late<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    name: &'static str,
) -> Result<Late<T>, D::Error> {
    struct ValueOrPieces<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for ValueOrPieces<T> {
        type Value = Late<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value from the scenario decoder")
        }

        fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Late<T>, D::Error> {
            T::deserialize(deserializer).map(Late::Known)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Late<T>, A::Error> {
            let wrong = || de::Error::custom("pieces come from the scenario decoder alone");
            let text = list.next_element()?.ok_or_else(wrong)?;
            let mut pieces = vec![];
            while let Some(is_reference) = list.next_element::<bool>()? {
                let text = list.next_element()?.ok_or_else(wrong)?;
                pieces.push(match is_reference {
                    true => {
                        let start = list.next_element()?.ok_or_else(wrong)?;
                        let end = list.next_element()?.ok_or_else(wrong)?;
                        Piece::Reference(text, Span { start, end })
                    }
                    false => Piece::Text(text),
                });
            }
            Ok(Late::Made(Pieces { text, pieces }))
        }
    }
    deserializer.deserialize_newtype_struct(name, ValueOrPieces(PhantomData))
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Late<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        late(deserializer, LATE)
    }
}

/// A word of a command: nothing is substituted in it but what is known later, in the words that no
/// shell reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(pub Late<Shell>);

impl Word {
    /// As it stands in the file.
    pub fn as_written(&self) -> &str {
        match &self.0 {
            Late::Known(word) => &word.0,
            Late::Made(pieces) => &pieces.text,
        }
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        late(deserializer, LATE_SHELL).map(Word)
    }
}

impl JsonSchema for Word {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A word of a command; `${step.fact}` and `${nodes.X.host}` may stand in it, other values go into env" })
    }
}

impl<T: JsonSchema> JsonSchema for Late<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
