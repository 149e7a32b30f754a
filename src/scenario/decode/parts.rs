//! One value given to serde as the parts that some types are made of: a value with its place, a
//! scalar with its form, a word in the place of a map.

use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::failure::Failure;
use crate::source::{Form, Piece, Pieces, Span, WORD};

/// The fields of `Spanned<T>`: its places, then the value itself.
pub(super) struct Places<D> {
    de: Option<D>,
    fields: std::array::IntoIter<(&'static str, Option<usize>), 4>,
    next: Option<usize>,
}

impl<D> Places<D> {
    /// `entry` is where the line begins that has the value.
    pub(super) fn new(de: D, span: Span, entry: usize) -> Self {
        let fields = [("start", Some(span.start)), ("end", Some(span.end)), ("entry", Some(entry)), ("value", None)];
        Places { de: Some(de), fields: fields.into_iter(), next: None }
    }
}

impl<'de, D: Deserializer<'de, Error = Failure>> MapAccess<'de> for Places<D> {
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
            None => seed.deserialize(self.de.take().ok_or(Failure::LeftOut)?),
        }
    }
}

/// A scalar as it was given: its form and its text.
pub(super) fn scalar<'de>(form: Form, text: &str) -> impl SeqAccess<'de, Error = Failure> {
    SeqDeserializer::new([Part::Form(form), Part::Text(text.to_owned())].into_iter())
}

/// A text with the pieces that it is made of.
pub(super) fn pieces<'de>(all: Pieces) -> impl SeqAccess<'de, Error = Failure> {
    let pieces = all.pieces.into_iter().flat_map(|piece| match piece {
        Piece::Text(text) => vec![Part::Flag(false), Part::Text(text)],
        Piece::Reference(text, Span { start, end }) => {
            vec![Part::Flag(true), Part::Text(text), Part::At(start), Part::At(end)]
        }
    });
    SeqDeserializer::new(std::iter::once(Part::Text(all.text)).chain(pieces).collect::<Vec<_>>().into_iter())
}

/// A part of a scalar.
enum Part {
    Form(Form),
    Text(String),
    Flag(bool),
    At(usize),
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
            Part::Flag(flag) => visitor.visit_bool(flag),
            Part::At(place) => visitor.visit_u64(place as u64),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A single word in the place of a map: the struct's field [`WORD`] gets it.
pub(super) struct Word<D>(Option<D>);

impl<D> Word<D> {
    pub(super) fn new(de: D) -> Self {
        Word(Some(de))
    }
}

impl<'de, D: Deserializer<'de, Error = Failure>> MapAccess<'de> for Word<D> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        self.0.as_ref().map(|_| seed.deserialize(StrDeserializer::new(WORD))).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        seed.deserialize(self.0.take().ok_or(Failure::LeftOut)?)
    }
}
