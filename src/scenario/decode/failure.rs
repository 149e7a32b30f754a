//! Why decoding stopped.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::source::Span;

/// Why the decoding of a value stopped. Never seen outside this room: a problem is made of it.
#[derive(Debug)]
pub(super) enum Failure {
    /// It has been told, and what failed is left out from the next pass on.
    Told,
    /// It failed in an earlier pass, and is needed here.
    LeftOut,
    /// A map lacks a key.
    Missing(&'static str),
    /// What stands in for a missing key did not fit.
    StandIn,
    /// What a type's own check says.
    Text(String),
    /// It is of the wrong type, or references in it stand for nothing: all that is wrong with it.
    Wrong(Vec<Wrong>),
}

/// One thing that is wrong with a value.
#[derive(Debug)]
pub(super) struct Wrong {
    pub span: Span,
    pub title: String,
    pub label: String,
    pub help: Option<String>,
    /// Whether only a param's value is not given yet: nothing is wrong with the file.
    pub unset: bool,
}

impl Failure {
    /// One thing that is wrong at a place of the file.
    pub(super) fn wrong(
        span: Span,
        title: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) -> Failure {
        Failure::Wrong(vec![Wrong { span, title: title.into(), label: label.into(), help, unset: false }])
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Text(text) => f.write_str(text),
            Failure::Wrong(all) => f.write_str(all.first().map_or("", |wrong| &wrong.title)),
            Failure::Missing(field) => write!(f, "`{field}` is missing"),
            Failure::Told | Failure::LeftOut | Failure::StandIn => f.write_str("the value could not be decoded"),
        }
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Failure::Text(text.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Failure::Missing(field)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Failure::Text(format!("expected {expected}, found {}", in_words(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Failure::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Failure::Text(format!("expected {expected}, found {length} values"))
    }
}

fn in_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("the number `{value}`"),
        Unexpected::Signed(value) => format!("the number `{value}`"),
        Unexpected::Float(value) => format!("the number `{value}`"),
        Unexpected::Str(text) => format!("text {}", quoted(text)),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}

/// A short form of what a user wrote, to be quoted in a message.
pub(super) fn quoted(text: impl fmt::Display) -> String {
    let text = text.to_string();
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(40) {
        Some((at, _)) => format!("`{}...`", &line[..at]),
        None if line.len() < text.len() => format!("`{line}...`"),
        None => format!("`{line}`"),
    }
}
