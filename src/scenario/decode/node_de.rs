//! serde's view of a value of the tree, and of what is in it.

use std::borrow::Cow;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::choice::Choice;
use super::failure::Failure;
use super::given::{Given, Text};
use super::parts::{Places, Word, pieces, scalar};
use super::passes::Passes;
use super::references::References;
use super::stand_in::StandIn;
use crate::scenario::late;
use crate::scenario::node::{Entry, Node, Value};
use crate::source::{
    CONNECTION_STRING, Form, LATE, LATE_SHELL, RefersTo, SCALAR, SEVERAL, SHELL, SPANNED, SQL, VALUE, WORD,
};

/// A value to be decoded.
#[derive(Clone, Copy)]
pub(super) struct NodeDe<'p> {
    passes: &'p Passes<'p>,
    references: &'p References,
    given: Given<'p>,
}

impl<'p> NodeDe<'p> {
    pub(super) fn new(
        passes: &'p Passes<'p>,
        references: &'p References,
        node: &'p Node,
        key: Option<&'p Node>,
    ) -> Self {
        NodeDe { passes, references, given: Given { problems: passes.problems, node, key, text: Text::Value } }
    }

    fn member(self, node: &'p Node, key: Option<&'p Node>) -> Self {
        NodeDe::new(self.passes, self.references, node, key)
    }

    fn value_of(self, line: &'p Entry) -> Self {
        self.member(&line.value, Some(&line.key))
    }

    fn key(self, node: &'p Node) -> Self {
        let member = self.member(node, None);
        NodeDe { given: Given { text: Text::Key, ..member.given }, ..member }
    }

    /// Decodes it, and deals with its failure.
    pub(super) fn decode<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        self.passes.enter(self.given.node)?;
        self.passes.settle(self.given, seed.deserialize(self))
    }
}

/// Implements the methods for whole numbers.
macro_rules! integers {
    ($($method:ident $visit:ident $type:ty),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let number = self.given.integer(<$type>::MIN.into(), <$type>::MAX.into())?;
            // It is within the type's range.
            visitor.$visit(<$type>::try_from(number).unwrap_or_default())
        })*
    };
}

impl<'de> Deserializer<'de> for NodeDe<'_> {
    type Error = Failure;

    integers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.given.node.value {
            Value::Seq(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Scalar { .. } => match self.given.scalar("")?.form {
                Form::Null => visitor.visit_unit(),
                Form::Bool => visitor.visit_bool(self.given.bool()?),
                Form::Integer => self.deserialize_i64(visitor),
                Form::Float => visitor.visit_f64(self.given.float()?),
                Form::Text => visitor.visit_str(&self.given.string()?),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_bool(self.given.bool()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_f64(self.given.float()?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_f64(self.given.float()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.given.string()? {
            Cow::Borrowed(text) => visitor.visit_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.given.node.value {
            // One with references that are known later is no null.
            Value::Scalar { text, .. } if !late::references(text, self.given.problems.values().ids()).is_empty() => {
                visitor.visit_some(self)
            }
            Value::Scalar { .. }
                if matches!(self.given.text, Text::Value | Text::Step) && self.given.scalar("")?.form == Form::Null =>
            {
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let empty = matches!(&self.given.node.value, Value::Map(entries) if entries.is_empty());
        if self.given.node.is_null() || empty { visitor.visit_unit() } else { Err(self.given.wrong("nothing", None)) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        if name == SEVERAL && matches!(self.given.node.value, Value::Seq(_)) {
            return self.deserialize_seq(visitor);
        }
        if matches!(name, LATE | LATE_SHELL)
            && let Some(found) = self.given.pieces(name == LATE_SHELL)?
        {
            return visitor.visit_seq(pieces(found));
        }
        let refers = RefersTo::by_type(name);
        if let Some(to) = refers {
            self.references.note(self.passes.problems.values(), to, self.given.node, self.given.key);
        }
        let text = match name {
            _ if refers.is_some_and(RefersTo::may_be_a_step) => Text::Step,
            SQL => Text::Sql,
            SHELL => Text::Shell,
            CONNECTION_STRING => Text::ConnectionString,
            _ => self.given.text,
        };
        visitor.visit_newtype_struct(NodeDe { given: Given { text, ..self.given }, ..self })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let items = self.given.list("a list", true)?.iter();
        visitor.visit_seq(Items { de: self, items })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Failure> {
        let expected = format!("a list of {length}");
        let items = self.given.list(&expected, false)?;
        if items.iter().any(|item| self.passes.is_left_out(item)) {
            return Err(Failure::LeftOut);
        }
        if items.len() != length {
            let title = format!("expected {expected}, found {}", items.len());
            return Err(Failure::wrong(self.given.node.span, title, format!("expected {expected}"), None));
        }
        visitor.visit_seq(Items { de: self, items: items.iter() })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if !matches!(name, SCALAR | VALUE) {
            return self.deserialize_tuple(length, visitor);
        }
        let expected = || (&visitor as &dyn Expected).to_string();
        if !matches!(self.given.node.value, Value::Scalar { .. }) {
            return Err(self.given.wrong(&expected(), None));
        }
        let found = self.given.scalar("")?;
        match found.form {
            Form::Null if name == VALUE => Err(self.given.wrong(&expected(), None)),
            form => visitor.visit_seq(scalar(form, &found.text)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if !matches!(self.given.node.value, Value::Map(_)) {
            return Err(self.given.wrong("a map", None));
        }
        visitor.visit_map(Lines { de: self, lines: self.passes.lines(self.given.node), line: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == SPANNED {
            let span = self.given.node.span;
            let entry = self.given.key.map_or(span.start, |key| key.span.start);
            return visitor.visit_map(Places::new(self, span, entry));
        }
        let word = fields.contains(&WORD);
        if word && matches!(self.given.node.value, Value::Scalar { .. }) && !self.given.node.is_null() {
            return visitor.visit_map(Word::new(self));
        }
        // A key that is a word's place is none that people write; unknown keys are told from the
        // others.
        let fields = if word { fields.split_at(1).1 } else { fields };
        if !matches!(self.given.node.value, Value::Map(_)) {
            return Err(self.given.wrong("a map", self.given.keys_help(fields)));
        }
        self.passes.unknown_keys(self.given.node, self.given.key, fields);
        let missing = self.passes.missing(self.given.node);
        let lines = self.passes.lines(self.given.node);
        visitor.visit_map(Fields { de: self, lines, missing: missing.into_iter(), next: Next::Nothing })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_enum(Chosen { de: self, choice: Choice::of(self.given, variants)? })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { bytes byte_buf }
}

/// The members of a list that are not left out.
struct Items<'p, I> {
    de: NodeDe<'p>,
    items: I,
}

impl<'de, 'p, I: Iterator<Item = &'p Node>> SeqAccess<'de> for Items<'p, I> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        match self.items.find(|item| !self.de.passes.is_left_out(item)) {
            Some(item) => self.de.member(item, None).decode(seed).map(Some),
            None => Ok(None),
        }
    }
}

/// The lines of a map, keys and values alike decoded.
struct Lines<'p, I> {
    de: NodeDe<'p>,
    lines: I,
    line: Option<&'p Entry>,
}

impl<'de, 'p, I: Iterator<Item = &'p Entry>> MapAccess<'de> for Lines<'p, I> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        self.line = self.lines.next();
        match self.line {
            Some(line) => self.de.key(&line.key).decode(seed).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let Some(line) = self.line.take() else { return Err(Failure::LeftOut) };
        self.de.value_of(line).decode(seed)
    }
}

/// The fields of a struct: the lines of a map, then stand-ins for the missing ones.
struct Fields<'p, I> {
    de: NodeDe<'p>,
    lines: I,
    missing: std::vec::IntoIter<(&'static str, usize)>,
    next: Next<'p>,
}

/// Whose value comes next.
enum Next<'p> {
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
            Next::Line(line) => self.de.value_of(line).decode(seed),
            Next::StandIn(number) => seed.deserialize(StandIn::new(number)).map_err(|_| Failure::StandIn),
            Next::Nothing => Err(Failure::LeftOut),
        }
    }
}

/// One choice of an enum.
struct Chosen<'p> {
    /// The enum.
    de: NodeDe<'p>,
    choice: Choice<'p>,
}

impl<'p> Chosen<'p> {
    /// What stands after the choice.
    fn value(&self) -> Result<NodeDe<'p>, Failure> {
        Ok(self.de.value_of(self.choice.line()?))
    }
}

impl<'de, 'p> EnumAccess<'de> for Chosen<'p> {
    type Error = Failure;
    type Variant = Chosen<'p>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Chosen<'p>), Failure> {
        let name: StrDeserializer<'_, Failure> = self.choice.name().into_deserializer();
        let variant = seed.deserialize(name)?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Chosen<'_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        self.choice.alone()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        self.value()?.decode(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Failure> {
        let value = self.value()?;
        value.passes.settle(value.given, value.deserialize_tuple(length, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        let value = self.value()?;
        if value.passes.is_left_out(value.given.node) {
            return Err(Failure::LeftOut);
        }
        value.passes.settle(value.given, value.deserialize_struct("", fields, visitor))
    }
}
