//! Values of arguments that several subcommands take.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::report::{FORMATS, Format};

/// A report, by its name.
pub(super) fn format() -> impl TypedValueParser<Value = &'static Format> {
    let names = PossibleValuesParser::new(FORMATS.iter().map(|format| format.name));
    names.try_map(|name| FORMATS.iter().find(|format| format.name == name).ok_or("there is no such report"))
}

/// A duration as scenarios write it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    crate::source::Duration::parse(text).map(|duration| duration.0)
}

/// The same, for what takes some time in any case.
pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("that is no time at all".to_owned()),
        time => Ok(time),
    }
}

/// `K=V`.
pub fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// A major version.
pub fn major(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| "write major versions, as in 15,17".to_owned())
}
