//! The members of lists, maps and enums, as serde asks for them.

use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::failure::Failure;
use super::node_de::NodeDe;
use super::stand_in::StandIn;
use crate::scenario::node::{Entry, Node};
use crate::source::{Form, WORD};

/// The members of a list that are not left out.
pub(super) struct Items<'p, I> {
    pub de: NodeDe<'p>,
    pub items: I,
}

impl<'de, 'p, I: Iterator<Item = &'p Node>> SeqAccess<'de> for Items<'p, I> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        let passes = self.de.passes;
        match self.items.find(|item| !passes.is_left_out(item)) {
            Some(item) => passes.value(NodeDe::new(passes, item, None), seed).map(Some),
            None => Ok(None),
        }
    }
}

/// The lines of a map, keys and values alike decoded.
pub(super) struct Lines<'p, I> {
    pub de: NodeDe<'p>,
    pub lines: I,
    pub line: Option<&'p Entry>,
}

impl<'de, 'p, I: Iterator<Item = &'p Entry>> MapAccess<'de> for Lines<'p, I> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        self.line = self.lines.next();
        match self.line {
            Some(line) => self.de.passes.value(NodeDe::key(self.de.passes, &line.key), seed).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let Some(line) = self.line.take() else { return Err(Failure::LeftOut) };
        self.de.passes.value(NodeDe::new(self.de.passes, &line.value, Some(&line.key)), seed)
    }
}

/// The fields of a struct: the lines of a map, then stand-ins for the missing ones.
pub(super) struct Fields<'p, I> {
    pub de: NodeDe<'p>,
    pub lines: I,
    pub missing: std::vec::IntoIter<(&'static str, usize)>,
    pub next: Next<'p>,
}

/// Whose value comes next.
pub(super) enum Next<'p> {
    Nothing,
    Line(&'p Entry),
    StandIn(usize),
}

impl<'de, 'p, I: Iterator<Item = &'p Entry>> MapAccess<'de> for Fields<'p, I> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        let name = match self.lines.next() {
            Some(line) => {
                self.next = Next::Line(line);
                line.name()
            }
            None => match self.missing.next() {
                Some((field, number)) => {
                    self.next = Next::StandIn(number);
                    field
                }
                None => return Ok(None),
            },
        };
        let name: StrDeserializer<'_, Failure> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Line(line) => self.de.passes.value(NodeDe::new(self.de.passes, &line.value, Some(&line.key)), seed),
            Next::StandIn(number) => seed.deserialize(StandIn::new(number)).map_err(|_| Failure::StandIn),
            Next::Nothing => Err(Failure::LeftOut),
        }
    }
}

/// The fields of `Spanned<T>`: its places, then the value itself.
pub(super) struct Places<'p> {
    de: NodeDe<'p>,
    fields: std::array::IntoIter<(&'static str, Option<usize>), 4>,
    next: Option<usize>,
}

impl<'p> Places<'p> {
    pub(super) fn new(de: NodeDe<'p>) -> Self {
        let span = de.node.span;
        let entry = de.key.map_or(span.start, |key| key.span.start);
        let fields = [("start", Some(span.start)), ("end", Some(span.end)), ("entry", Some(entry)), ("value", None)];
        Places { de, fields: fields.into_iter(), next: None }
    }
}

impl<'de> MapAccess<'de> for Places<'_> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        let Some((name, place)) = self.fields.next() else { return Ok(None) };
        self.next = place;
        let name: StrDeserializer<'_, Failure> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        match self.next {
            Some(place) => seed.deserialize(place.into_deserializer()),
            None => seed.deserialize(self.de),
        }
    }
}

/// A scalar as it was given: its form and its text.
pub(super) fn scalar<'de>(form: Form, text: &str) -> impl SeqAccess<'de, Error = Failure> {
    SeqDeserializer::new([Part::Form(form), Part::Text(text.to_owned())].into_iter())
}

/// A part of a scalar.
enum Part {
    Form(Form),
    Text(String),
}

impl IntoDeserializer<'_, Failure> for Part {
    type Deserializer = Part;

    fn into_deserializer(self) -> Part {
        self
    }
}

impl<'de> Deserializer<'de> for Part {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self {
            Part::Form(form) => visitor.visit_u8(form as u8),
            Part::Text(text) => visitor.visit_string(text),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// One choice of an enum: `latest`, or `{ before: x }`.
pub(super) struct Choice<'p> {
    /// The enum.
    pub de: NodeDe<'p>,
    pub name: String,
    /// What stands after the choice.
    pub value: Option<NodeDe<'p>>,
}

impl<'de, 'p> EnumAccess<'de> for Choice<'p> {
    type Error = Failure;
    type Variant = Choice<'p>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Choice<'p>), Failure> {
        let name: StrDeserializer<'_, Failure> = self.name.as_str().into_deserializer();
        let variant = seed.deserialize(name)?;
        Ok((variant, self))
    }
}

impl<'p> Choice<'p> {
    fn needed(self) -> Result<NodeDe<'p>, Failure> {
        let Choice { de, name, value } = self;
        value.ok_or_else(|| {
            let help = format!("write `{{ {name}: ... }}`");
            de.failure(de.node.span, format!("`{name}` needs a value"), "nothing stands after it", Some(help))
        })
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match &self.value {
            Some(value) if !value.node.is_null() => {
                let help = format!("write `{}` alone", self.name);
                Err(self.de.failure(
                    value.node.span,
                    format!("`{}` takes no value", self.name),
                    "not expected",
                    Some(help),
                ))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        let value = self.needed()?;
        value.passes.value(value, seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Failure> {
        let value = self.needed()?;
        value.passes.settle(value, value.deserialize_tuple(length, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        let value = self.needed()?;
        if value.passes.is_left_out(value.node) {
            return Err(Failure::LeftOut);
        }
        value.passes.settle(value, value.deserialize_struct("", fields, visitor))
    }
}

/// A single word in the place of a map: the struct's field [`WORD`] gets it.
pub(super) struct Word<'p> {
    pub de: NodeDe<'p>,
    pub given: bool,
}

impl<'de> MapAccess<'de> for Word<'_> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        if std::mem::replace(&mut self.given, true) {
            return Ok(None);
        }
        seed.deserialize(StrDeserializer::new(WORD)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        seed.deserialize(self.de)
    }
}
