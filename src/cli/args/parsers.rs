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
